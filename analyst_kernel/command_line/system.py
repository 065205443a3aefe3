"""``analyst models``, ``doctor`` and ``lab``: what this machine offers, and JupyterLab on it."""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

from analyst_kernel.command_line.shell import json_option, print_table, runs

_PACKAGES = (
    "analyst-kernel anthropic duckdb ipykernel jupyter_client jupyterlab matplotlib numpy pandas"
).split()


@click.command()
@json_option
@runs
async def models(*, as_json: bool) -> int:
    """List model providers, which have credentials, and the default."""
    from analyst_kernel.models.registry import default_name, list_providers

    default = default_name()
    providers = list_providers()
    if as_json:
        rows = [asdict(provider) for provider in providers]
        print(json.dumps({"default": default, "providers": rows}, ensure_ascii=False))
        return 0
    table = [
        (
            p.name,
            p.credential_source if p.has_credentials else "none found",
            p.default_model,
            p.note,
        )
        for p in providers
    ]
    print_table(("provider", "credentials", "default model", "note"), (), table)
    print(f"\nDefault: {default}")
    return 0


@click.command(short_help="Report the sandbox as probed, versions, credentials found.")
@json_option
@runs
async def doctor(*, as_json: bool) -> int:
    """Start a kernel and report its isolation as probed, versions, and credentials found."""
    from analyst_kernel.kernel.session import KernelSession
    from analyst_kernel.models.registry import default_name, list_providers

    with tempfile.TemporaryDirectory(prefix="analyst-doctor-") as folder:
        kernel = KernelSession(notebook=str(Path(folder) / "doctor.ipynb"), require="none")
        try:
            facts = await kernel.start()
        finally:
            await kernel.stop()
    report = {
        "sandbox": facts.sandbox.model_dump(mode="json"),
        "kernel_ready_ms": round(facts.ready_ms, 1),
        "python": facts.python,
        "platform": platform.platform(),
        "versions": {name: _installed(name) for name in _PACKAGES},
        "kernel_versions": facts.versions,
        "default_model": default_name(),
        # Sources only: a credential's value is never read here.
        "credentials": {
            provider.name: provider.credential_source
            for provider in list_providers()
            if provider.has_credentials and provider.credential_source
        },
    }
    if as_json:
        print(json.dumps(report, ensure_ascii=False))
    else:
        _print_report(report)
    return 0


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _print_report(report: dict[str, Any]) -> None:
    sandbox = report["sandbox"]
    print(f"Sandbox: {sandbox['level']} (form: {sandbox['form']})")
    print(f"  {sandbox['sentence']}")
    if sandbox["memory"]:
        print(f"  Memory: {sandbox['memory']}")
    for probe in sandbox["probes"]:
        state = "closed" if probe["closed"] else "open"
        surprise = " (!)" if probe["expected"] and not probe["closed"] else ""
        detail = f"  {probe['detail']}" if probe["detail"] else ""
        print(f"  {probe['name']:<28} {state}{surprise}{detail}")
    for note in sandbox["notes"]:
        print(f"  Note: {note}")
    print(f"Kernel ready in {report['kernel_ready_ms']} ms")
    print(f"Python {report['python']} on {report['platform']}")
    print("Versions: " + ", ".join(f"{k} {v}" for k, v in report["versions"].items()))
    print(f"Default model: {report['default_model']}")
    found = ", ".join(f"{k} ({v})" for k, v in report["credentials"].items())
    print(f"Credentials found: {found or 'none'}")
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
