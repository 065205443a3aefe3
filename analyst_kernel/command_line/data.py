"""``analyst files`` and ``profile``: which data there is, and what a model gets of it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from analyst_kernel.command_line.shell import json_option, print_table, runs

if TYPE_CHECKING:
    from analyst_kernel.agent.ports import FoundFile


@click.command(short_help="List data files: format, size, rows, columns.")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@json_option
@runs
async def files(*, paths: tuple[str, ...], as_json: bool) -> int:
    """List data files: path, format, size, rows, columns. Without PATH: the current folder."""
    from analyst_kernel.data.files import find_files
    from analyst_kernel.protocol.errors import DataError

    paths = paths or (".",)
    found = await asyncio.to_thread(find_files, paths)
    if as_json:
        print(json.dumps([asdict(file) for file in found], ensure_ascii=False))
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


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@json_option
@runs
async def profile(*, paths: tuple[str, ...], as_json: bool) -> int:
    """Show what a model is shown of the datasets in PATH."""
    from analyst_kernel.data.catalog import LocalCatalog

    catalog = LocalCatalog(notebook=str(Path.cwd() / "profile.ipynb"))
    await catalog.grant(paths)
    for dataset in catalog.datasets:
        described = await catalog.profile(dataset.name, detail="full")
        if as_json:
            print(described.model_dump_json())
        else:
            print(catalog.describe(described))
            print()
    return 0
