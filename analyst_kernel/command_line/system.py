"""``analyst files``, ``profile``, ``doctor``: what there is; ``lab``: JupyterLab."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import sys
import tempfile
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from analyst_kernel.command_line.shell import json_option, record_json, runs
from analyst_kernel.command_line.writer import out, out_json

if TYPE_CHECKING:
    from analyst_kernel.agent.ports import FoundFile
    from analyst_kernel.connections.entries import ConnectionEntry
    from analyst_kernel.protocol.datasets import Dataset

_PACKAGES = (
    "analyst-kernel anthropic duckdb ipykernel jupyter_client jupyterlab matplotlib numpy pandas"
).split()


@click.command(short_help="List data files: format, size, rows, columns.")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@json_option
@runs
async def files(*, paths: tuple[str, ...], as_json: bool) -> int:
    """List data files: path, format, size, rows, columns. Without PATH: the current folder."""
    from analyst_kernel.command_line.console import print_table
    from analyst_kernel.data.files import find_files
    from analyst_kernel.protocol.errors import DataError

    paths = paths or (".",)
    found = await find_files(paths)
    if as_json:
        out_json(json.dumps([asdict(file) for file in found], ensure_ascii=False))
    elif found:
        print_table(("path", "format"), ("size", "rows", "columns"), map(_row, found))
    else:
        raise DataError(
            f"There are no data files in {', '.join(paths)}.",
            "Readable are CSV, Parquet, JSON, JSON Lines, Excel, SQLite, DuckDB and Arrow files.",
        )
    return 0


def _row(file: FoundFile) -> tuple[str, ...]:
    rows, columns = "?" if file.rows is None else f"{file.rows:,}", str(len(file.columns))
    if file.problem:
        rows, columns = file.problem, ""
    elif file.tables:
        rows, columns = f"{len(file.tables)} tables", ""
    return _shown(file.path), file.format, _size(file.bytes), rows, columns


def _shown(path: str) -> str:
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return path


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


@click.command(short_help="Show what a model is shown of the datasets in PATH.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "--reading",
    multiple=True,
    metavar="FILE:KEY=VALUE",
    help="Read a file as you say, such as sales.csv:dates.day=month; repeatable.",
)
@json_option
@runs
async def profile(*, paths: tuple[str, ...], reading: tuple[str, ...], as_json: bool) -> int:
    """Show what a model is shown of the datasets in PATH, and how else they may be read."""
    from analyst_kernel.data.reader.ahead import ReadersAhead

    if any("://" in path for path in paths):
        from analyst_kernel.command_line.console import PlainConsole
        from analyst_kernel.command_line.terminal import ProgressDisplay
        from analyst_kernel.data.remote.fetch import Fetcher

        progress = ProgressDisplay(PlainConsole(stderr=True), quiet=as_json)
        try:
            paths = tuple(await Fetcher(progress=progress.fetching).local(paths))
        finally:
            progress.close()
    async with ReadersAhead(paths) as ahead:
        # Readers start in processes of their own meanwhile.
        data = await asyncio.to_thread(import_module, "analyst_kernel.data.catalog")
        outside = await asyncio.to_thread(import_module, "analyst_kernel.data.reader.outside")
        reader = outside.FileReader(ahead=ahead)
        catalog = data.LocalCatalog(notebook=str(Path.cwd() / "profile.ipynb"), reader=reader)
        await catalog.grant(paths)
    if reading:
        said = await asyncio.to_thread(import_module, "analyst_kernel.data.readings")
        for asked in [said.AskedReading.of(text) for text in reading]:
            one = said.dataset_named(catalog.datasets, asked.name)
            await catalog.choose(one.name, asked.key, asked.value)
    for dataset in catalog.datasets:
        described = await catalog.profile(dataset.name, detail="full")
        if as_json:
            out_json(record_json(described))
        else:
            out(catalog.describe(described))
            _print_choices(described.dataset)
            out()
    return 0


def _print_choices(dataset: Dataset) -> None:
    """Print how a dataset is read, and what --reading may say instead."""
    choices = [choice for choice in dataset.choices if choice.value]
    if choices:
        out("Reading (change with --reading FILE:KEY=VALUE):")
    for choice in choices:
        others = ", ".join(value for value in choice.values if value != choice.value)
        whose = "you said" if choice.by_user else f"or {others}" if others else ""
        out(f"- {choice.key}={choice.value}" + (f" ({whose})" if whose else ""))


@click.command(short_help="Report the sandbox as probed, versions, credentials found.")
@json_option
@runs
async def doctor(*, as_json: bool) -> int:
    """Start a kernel and report its isolation as probed, versions, and credentials found."""
    from analyst_kernel.connections.entries import connections_of_user
    from analyst_kernel.credentials.store import keys_of_user
    from analyst_kernel.data.files import find_files
    from analyst_kernel.data.reader.outside import FileReader
    from analyst_kernel.data.remote.credentials import sources_found
    from analyst_kernel.kernel.session import KernelSession
    from analyst_kernel.models.registry import default_name, list_providers
    from analyst_kernel.protocol.errors import InputError

    with tempfile.TemporaryDirectory(prefix="analyst-doctor-") as folder:
        kernel = KernelSession(notebook=str(Path(folder) / "doctor.ipynb"), require="none")
        try:
            facts = await kernel.start()
        finally:
            await kernel.stop()
        sample = Path(folder) / "sample.csv"
        sample.write_text("a,b\n1,2\n", encoding="utf-8")
        reader = FileReader(require="none")
        await find_files([str(sample)], reader=reader)
    env = keys_of_user().environment()
    try:
        connections = [_connection(entry) for entry in connections_of_user().entries().values()]
    except InputError as error:
        connections = [str(error)]
    report = {
        "sandbox": facts.sandbox.model_dump(mode="json"),
        "reader": reader.sandbox_report and reader.sandbox_report.model_dump(mode="json"),
        "kernel_ready_ms": round(facts.ready_ms, 1),
        "python": facts.python,
        "platform": platform.platform(),
        "versions": {name: _installed(name) for name in _PACKAGES},
        "kernel_versions": facts.versions,
        "default_model": default_name(env),
        # Sources only: a credential's value is never shown.
        "object_stores": {
            "client": _installed("obstore"),
            **await asyncio.to_thread(sources_found, os.environ),
        },
        "credentials": {
            provider.name: provider.credential_source
            for provider in list_providers(env)
            if provider.has_credentials and provider.credential_source
        },
        "connections": connections,
    }
    if as_json:
        out_json(json.dumps(report, ensure_ascii=False))
    else:
        _print_report(report)
    return 0


def _connection(entry: ConnectionEntry) -> str:
    """Describe a connection without asking it; `analyst connections test` does."""
    from analyst_kernel.connections.engines import ENGINES

    engine = ENGINES[entry.engine]
    missing = "" if engine.is_installed else f", driver missing: analyst-kernel[{engine.extra}]"
    return f"{entry.name} ({engine.title}, password from {entry.password_from}{missing})"


def _installed(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _print_report(report: dict[str, Any]) -> None:
    sandbox = report["sandbox"]
    out(f"Sandbox: {sandbox['level']} (form: {sandbox['form']})")
    out(f"  {sandbox['sentence']}")
    if sandbox["memory"]:
        out(f"  Memory: {sandbox['memory']}")
    for probe in sandbox["probes"]:
        state = "closed" if probe["closed"] else "open"
        surprise = " (!)" if probe["expected"] and not probe["closed"] else ""
        detail = f"  {probe['detail']}" if probe["detail"] else ""
        out(f"  {probe['name']:<28} {state}{surprise}{detail}")
    for remark in sandbox["notes"]:
        out(f"  Note: {remark}")
    reader = report["reader"]
    walls = f"{reader['level']} (form: {reader['form']})" if reader else "it did not start"
    out(f"Reader of data files: {walls}")
    out(f"Kernel ready in {report['kernel_ready_ms']} ms")
    out(f"Python {report['python']} on {report['platform']}")
    out("Versions: " + ", ".join(f"{k} {v}" for k, v in report["versions"].items()))
    out(f"Default model: {report['default_model']}")
    from analyst_kernel.data.remote.credentials import EXTRA

    stores = dict(report["object_stores"])
    if stores.pop("client") == "not installed":
        out(f"Object stores: not available without obstore; run: {EXTRA}")
    else:
        out("Object stores: " + ", ".join(f"{k}:// {v}" for k, v in stores.items()))
    found = ", ".join(f"{k} ({v})" for k, v in report["credentials"].items())
    out(f"Credentials found: {found or 'none'}")
    out(f"Databases: {', '.join(report['connections']) or 'none'}")
    sys.stdout.flush()


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    add_help_option=False,
    short_help="Open JupyterLab with everything ready.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[JUPYTERLAB ARGS]...")
def lab(*, arguments: tuple[str, ...]) -> None:
    """Open JupyterLab; arguments are passed on to `jupyter lab`."""
    sys.stdout.flush()
    # The process is replaced, so that signals and the exit code are JupyterLab's own.
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", *arguments])  # noqa: S606 - own interpreter
