"""Names that try to become code, patterns, links or other files, in every place of a name."""

from __future__ import annotations

import ast
import asyncio
import bz2
import csv
import gzip
import io
import json
import lzma
import os
import re
import shutil
import sqlite3
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import Phase, example, given
from hypothesis import strategies as st
from IPython.core.inputtransformer2 import TransformerManager

from analyst_kernel.data.read import json as json_reading
from analyst_kernel.data.setup_code import OVERVIEW
from analyst_kernel.protocol.errors import DataError
from tests.support.examples import examples
from tests.support.reading import catalog_here
from tests.support.unguarded import Unguarded, unguarded

CANARY = "canary"
CALL = f",open(bytes([{', '.join(map(str, b'canary'))}]),chr(119)),"
"""Writes the canary, without a quote that would be doubled on its way."""
WAYS_OUT = [f"\"{CALL}'''", f"\"'''{CALL}", f"'{CALL}''\"", f'\\"{CALL}#', f"\n{CALL}\n"]
FRAGMENTS = [
    CALL,
    '"', "'", '"""', "'''", '""', "\\", "\\\\", '\\"', "\\'", "\n", "\r", "\r\n", "\t", "\x0b", "\x0c",
    "\x1b[2J", "\x1c", "\x1e", "\x7f", "\x85", "\xa0", "\u2028", "\u2029", "\u202e", "\u200b", "\ufeff",
    "\x00", "{", "}", "{0}", "%s", "%%bash", "#", ";", ")", "(", ",", "`", "$", "$HOME", "--", "/*", "*/",
    f"open('{CANARY}','w')", f"__import__('os').mkdir('{CANARY}')", f"\n!mkdir {CANARY}\n",
    f"\u2028!mkdir {CANARY}\u2028", f"COPY (SELECT 1) TO '{CANARY}'", "=1+1", "é", "名", "\U0001f9ea",
    " ", ".", "a", "B", "1", "NAME", "PATH", "ROWS", "«x»", "{{ x }}", "N'", "\\N{DIGIT ONE}", "\\x41",
    "r", "f", "read_csv", "c0", "rows", "file",
]  # fmt: skip
IN_PATHS = [*FRAGMENTS, "*", "**", "?", "[", "]", "[a-z]", "[!x]", "~", "~root", "file:", "http:", "s3:",
            "memory:", "zip:", "::", "md:", "sqlite:", ":memory:", "k=other", "-", "|ls", "&", ".gz", ".zst",
            ".gz?", "?mode=rwc", "%41", "..", "\\\\srv\\"]  # fmt: skip
UNSHRUNK = (Phase.explicit, Phase.reuse, Phase.generate)
"""Names are short as they are; each attempt to shorten them would run a cell."""
QUOTES = ["'", '"', "'''", '"""', "\\", "\n", CALL]
NAMES = st.one_of(
    st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=4).map("".join),
    st.lists(st.sampled_from(QUOTES), min_size=1, max_size=6).map("".join),
)
PARTS_OF_PATHS = (
    st.lists(st.sampled_from(IN_PATHS), min_size=1, max_size=4)
    .map(lambda parts: "".join(parts).replace("/", "").replace("\0", ""))
    .filter(lambda part: part not in ("", ".", "..") and not part.startswith("~$"))
)

SYNTAX = (
    ast.Module, ast.Import, ast.ImportFrom, ast.alias, ast.Assign, ast.Expr, ast.With, ast.withitem,
    ast.For, ast.If, ast.Call, ast.keyword, ast.Attribute, ast.Name, ast.Subscript, ast.Constant,
    ast.List, ast.Tuple, ast.Dict, ast.ListComp, ast.comprehension, ast.Compare, ast.Eq, ast.Load,
    ast.Store,
)  # fmt: skip
IMPORTS = {
    "bz2", "duckdb", "gzip", "json", "lzma", "matplotlib.pyplot", "numpy", "pandas", "pyarrow",
    "pyarrow.parquet", "sqlite3", "zipfile",
}  # fmt: skip
FUNCTIONS = {"open", "closing", "enumerate"}
METHODS = {
    "DataFrame", "OSFile", "ParquetFile", "ZipFile", "connect", "df", "from_dict", "iter_batches",
    "json_normalize", "load", "loads", "open", "open_stream", "read_csv", "read_excel", "read_feather",
    "read_pandas", "read_parquet", "read_sql_query", "rename", "reset_index", "sql", "strip",
    "to_datetime",
}  # fmt: skip


def assert_is_only_loading(code: str) -> None:
    """Assert that code holds nothing but calls that load data, with plain values in them.

    Apart from the function that displays what was loaded, which is the same in every cell.
    """
    tree = ast.parse(code)
    shows = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    for function in shows:
        tree.body.remove(function)
        assert re.fullmatch(r"overview(_\d+)?", function.name)
        body = ast.get_source_segment(code, function)
        assert body == OVERVIEW.strip().replace("overview", function.name, 1)
    for node in ast.walk(tree):
        assert isinstance(node, SYNTAX), type(node)
        if isinstance(node, ast.Import):
            assert {one.name for one in node.names} <= IMPORTS
        if isinstance(node, ast.ImportFrom):
            assert (node.module, node.names[0].name) == ("contextlib", "closing")
        if isinstance(node, ast.Call):
            known = FUNCTIONS if isinstance(node.func, ast.Name) else METHODS
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            assert name in known or name in {function.name for function in shows}, name
    # IPython cuts a cell into lines at more characters than Python does, and has commands of its own.
    assert TransformerManager().transform_cell(code).rstrip("\n") == code
    assert code.splitlines() == code.split("\n")
    assert code.replace("\n", "").isprintable()


ROWS = 6
FRAME = {
    "text": [f"mine {n}" for n in range(ROWS)],
    "number": list(range(ROWS)),
    "day": [f"2024-03-0{n + 1}" for n in range(ROWS)],
    "digits": [f"0{n}" for n in range(ROWS)],
    "marked": ["?" if n == 2 else f"{n}.5" for n in range(ROWS)],
}


def frame_of(names: list[str], mine: bool = True) -> pd.DataFrame:
    columns = {name: list(values) for name, values in zip(names, FRAME.values(), strict=True)}
    frame = pd.DataFrame(columns)
    if not mine:
        frame.iloc[:, 0] = "another file"
    return frame


Writer = Callable[[Path, pd.DataFrame, str], None]


def _csv_text(frame: pd.DataFrame) -> str:
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(frame.columns)
    writer.writerows(frame.to_numpy().tolist())
    return target.getvalue()


def _write_csv(path: Path, frame: pd.DataFrame, _: str) -> None:
    path.write_bytes(_csv_text(frame).encode())


def _write_latin(path: Path, frame: pd.DataFrame, _: str) -> None:
    path.write_bytes(
        _csv_text(frame).encode("cp1252", "replace") + b'"\xe9","1","2024-03-01","01","1"\n'
    )


def _packed(opener: Any) -> Writer:
    def write(path: Path, frame: pd.DataFrame, _: str) -> None:
        with opener(path, "wb") as file:
            file.write(_csv_text(frame).encode())

    return write


def _write_zip(path: Path, frame: pd.DataFrame, table: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{table}.csv", _csv_text(frame))
        archive.writestr("other.csv", "a,b\n1,2\n3,4\n")


def _write_json(path: Path, frame: pd.DataFrame, _: str) -> None:
    path.write_text(json.dumps(frame.to_dict("records")))


def _write_nested(path: Path, frame: pd.DataFrame, table: str) -> None:
    path.write_text(json.dumps({table: frame.to_dict("records"), "about": 1}))


def _write_split(path: Path, frame: pd.DataFrame, _: str) -> None:
    document = {"columns": list(frame.columns), "data": frame.to_numpy().tolist()}
    path.write_text(json.dumps(document))


def _write_lines(path: Path, frame: pd.DataFrame, _: str) -> None:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in frame.to_dict("records")))


def _packed_lines(opener: Any) -> Writer:
    def write(path: Path, frame: pd.DataFrame, _: str) -> None:
        with opener(path, "wt") as file:
            file.writelines(f"{json.dumps(row)}\n" for row in frame.to_dict("records"))

    return write


def _write_excel(path: Path, frame: pd.DataFrame, table: str) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = table
    sheet.append(list(frame.columns))
    for row in frame.to_numpy().tolist():
        sheet.append(row)
    book.create_sheet("other").append(["a", "b"])
    with path.open("wb") as file:
        book.save(file)


def _built(path: Path, build: Callable[[str], None]) -> None:
    """Build a database where its path says nothing to the library, and move it."""
    with tempfile.TemporaryDirectory() as folder:
        build(f"{folder}/built")
        shutil.move(f"{folder}/built", path)


def _write_sqlite(path: Path, frame: pd.DataFrame, table: str) -> None:
    name, *columns = ['"' + name.replace('"', '""') + '"' for name in (table, *frame.columns)]

    def build(built: str) -> None:
        with closing(sqlite3.connect(built)) as connection:
            connection.execute(f"CREATE TABLE {name} ({', '.join(columns)})")
            connection.executemany(
                f"INSERT INTO {name} VALUES (?, ?, ?, ?, ?)", frame.to_numpy().tolist()
            )
            connection.commit()

    _built(path, build)


def _write_duckdb(path: Path, frame: pd.DataFrame, table: str) -> None:
    name = '"' + table.replace('"', '""') + '"'

    def build(built: str) -> None:
        with duckdb.connect(built) as connection:
            connection.register("given", frame)
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM given")

    _built(path, build)


def _write_parquet(path: Path, frame: pd.DataFrame, _: str) -> None:
    path.write_bytes(frame.to_parquet())


def _write_indexed(path: Path, frame: pd.DataFrame, _: str) -> None:
    path.write_bytes(frame.set_index(frame.columns[0]).to_parquet())


def _write_feather(path: Path, frame: pd.DataFrame, _: str) -> None:
    target = io.BytesIO()
    frame.to_feather(target)
    path.write_bytes(target.getvalue())


def _write_stream(path: Path, frame: pd.DataFrame, _: str) -> None:
    table = pa.Table.from_pandas(frame)
    with path.open("wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)


def no_controls(name: str) -> str:
    """Return a name without what XML cannot hold, and without the sign of a formula."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\ufeff=]", "", name)


def no_nul(name: str) -> str:
    return name.replace("\0", "")


def no_unusual_breaks(name: str) -> str:
    """Return a name without what pandas itself changes in the header of a delimited file."""
    return re.sub(r"[\0\r\ufeff]", "", name)


def latin(name: str) -> str:
    return no_unusual_breaks(name).encode("cp1252", "ignore").decode("cp1252")


@dataclass(frozen=True)
class Format:
    """One way to keep a table.

    Attributes:
        suffix: Of the file.
        write: Writes a frame; the last argument names the table.
        clean: Takes out of a name what the format itself cannot hold.
        big: The setup cell leaves the table on disk.
    """

    suffix: str
    write: Writer
    clean: Callable[[str], str] = no_nul
    big: bool = False


FORMATS = {
    "csv": Format(".csv", _write_csv, no_unusual_breaks),
    "csv.gz": Format(".csv.gz", _packed(gzip.open), no_unusual_breaks),
    "csv.bz2": Format(".csv.bz2", _packed(bz2.open), no_unusual_breaks),
    "csv.xz": Format(".csv.xz", _packed(lzma.open), no_unusual_breaks),
    "zip": Format(".zip", _write_zip, no_unusual_breaks),
    "json": Format(".json", _write_json, str),
    "json nested": Format(".json", _write_nested, str),
    "json split": Format(".json", _write_split, str),
    "jsonl": Format(".jsonl", _write_lines, str),
    "jsonl.gz": Format(".jsonl.gz", _packed_lines(gzip.open), str),
    "jsonl.xz": Format(".jsonl.xz", _packed_lines(lzma.open), str),
    "excel": Format(".xlsx", _write_excel, no_controls),
    "sqlite": Format(".sqlite", _write_sqlite),
    "duckdb": Format(".duckdb", _write_duckdb),
    "parquet": Format(".parquet", _write_parquet),
    "parquet index": Format(".parquet", _write_indexed),
    "feather": Format(".feather", _write_feather),
    "arrow": Format(".arrows", _write_stream),
    "big csv": Format(".csv", _write_csv, no_unusual_breaks, big=True),
    "big csv.gz": Format(".csv.gz", _packed(gzip.open), no_unusual_breaks, big=True),
    "big latin csv": Format(".csv", _write_latin, latin, big=True),
    "big zip": Format(".zip", _write_zip, no_unusual_breaks, big=True),
    "big json": Format(".json", _write_json, no_nul, big=True),
    "big jsonl": Format(".jsonl", _write_lines, no_nul, big=True),
    "big sqlite": Format(".sqlite", _write_sqlite, big=True),
    "big duckdb": Format(".duckdb", _write_duckdb, big=True),
    "big parquet": Format(".parquet", _write_parquet, big=True),
}


@pytest.fixture(scope="module")
def process() -> Iterator[Unguarded]:
    with unguarded() as running:
        yield running


def distinct(names: list[str], clean: Callable[[str], str]) -> list[str]:
    """Return names that are different to SQL too; the number stands before, behind or amid."""
    found = []
    for place, name in enumerate(names):
        left = clean(name)
        at = (0, len(left), len(left) // 2)[place % 3]
        found.append(f"{left[:at]}c{place}x{left[at:]}")
    return found


def loaded(
    process: Unguarded, root: Path, form: Format, path: Path, names: list[str], table: str
) -> list[str]:
    """Write a file, load it with its setup cell, and return the column names of what came.

    The rows must be those of the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    form.write(path, frame_of(names), table)
    notebook = root / "analysis" / "n.ipynb"
    notebook.parent.mkdir(exist_ok=True)
    catalog = catalog_here(notebook=str(notebook), max_frame_bytes=10 if form.big else 10**9)
    limit, json_reading.MAX_FRAME_BYTES = json_reading.MAX_FRAME_BYTES, 10 if form.big else 10**9
    try:
        datasets = asyncio.run(catalog.grant([str(path)]))
    finally:
        json_reading.MAX_FRAME_BYTES = limit
    dataset = datasets[0] if len(datasets) == 1 else next(
        one for one in datasets if len(one.columns) == len(names)
    )  # fmt: skip
    assert dataset.path == str(path.resolve())
    assert dataset.load == ("view" if form.big else "frame")
    code = catalog.setup_code()
    assert_is_only_loading(code)
    ran = process.run(code, folder=str(notebook.parent), root=str(root), shown=[dataset.name])
    assert ran.failed is None, code
    assert ran.noticed == []
    assert not any(
        CANARY in name for _, _, files in os.walk(root) for name in files if name == CANARY
    )
    assert set(ran.opened) <= {str(path.resolve())}
    columns, rows = ran.frames[dataset.name]
    assert columns == list(dataset.columns)
    texts = sorted(cell for row in rows for cell in row if cell.startswith(("mine", "another")))
    assert texts == FRAME["text"]
    return columns


@examples(60, phases=UNSHRUNK)
@given(st.lists(NAMES, min_size=5, max_size=5), NAMES, st.sampled_from(list(FORMATS)))
@example([*WAYS_OUT], "t", "big csv")
@example([*WAYS_OUT], "t", "big csv.gz")
@example([*WAYS_OUT], WAYS_OUT[0], "big duckdb")
@example([*WAYS_OUT], WAYS_OUT[1], "big sqlite")
@example([*WAYS_OUT], "t", "csv")
@example([*WAYS_OUT], "a", "big zip")
@example(["\u2028!mkdir canary\u2028"] * 5, "a\x0c!mkdir canary\n", "sqlite")
@example(["\u2028!mkdir canary\u2028"] * 5, "t", "big csv")
@example(["\x00", "\U000e0001", "\u202e", "\r", "\u200b"], "\u2029", "json nested")
def test_no_name_becomes_code(process, names, table, kind):
    form = FORMATS[kind]
    names, table = distinct(names, form.clean), form.clean(table) + "t"
    if kind == "excel":
        table = re.sub(r"[\\*?:/\[\]]", "", table).strip("'")[:31]
    if "zip" in kind:
        table = re.sub(r"[/\\]", "", table).lstrip(".")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        path = root / f"data{form.suffix}"
        assert loaded(process, root, form, path, names, table) == names


@pytest.mark.parametrize(
    "text", ['[{"a\\ud83d": 1}, {"a\\ud83d": 2}]', '{"a\\ud83d": [{"b": 1}, {"b": 2}]}']
)
async def test_half_a_character_is_no_defect(load, tmp_path, text):
    path = tmp_path / "half.json"
    path.write_text(text)
    with pytest.raises(DataError, match="part of a character"):
        await load(path)


def neighbours(name: str) -> set[str]:
    """Return names of other files that a reader finds who takes this name for something else."""
    ways = {
        name.replace("*", "xyz"), name.replace("?", "x"), re.sub(r"\[!?(.)[^\]]*\]", r"\1", name),
        name.replace("\\", "/"), name.replace("\\\\", "\\"), name.partition("?")[0],
        name.removeprefix("file:"), name.removeprefix("./"), name.rpartition(":")[2],
        name.replace("[", ""), name.replace("%41", "A"), name.lower(),
    }  # fmt: skip
    return {way for way in ways if way and way != name and not way.startswith("/")}


@examples(120, phases=UNSHRUNK)
@given(
    st.lists(PARTS_OF_PATHS, min_size=1, max_size=2),
    st.sampled_from(list(FORMATS)),
    st.booleans(),
)
@example(["a*"], "big csv", False)
@example(["a?b", "a[1]"], "big parquet", False)
@example(["[!a]**"], "big json", True)
@example(["k=other", "a"], "big csv", False)
@example(["k=other", "a[b"], "parquet", True)
@example(["k=other", "a"], "big jsonl", True)
@example(["~root", "a"], "csv", True)
@example(["~", "a"], "big csv", True)
@example(["file:", "a"], "excel", True)
@example(["...."], "excel", True)
@example(["file:", "a[b"], "big parquet", True)
@example(["http:", "a"], "feather", True)
@example([":memory:"], "sqlite", True)
@example(["x?mode=rwc&y"], "big sqlite", True)
@example(["sqlite:a"], "duckdb", True)
@example(["a\\b"], "big duckdb", False)
@example(["a\\[1]"], "big csv", True)
@example(["a\\[1]"], "big parquet", True)
@example(["a\\*"], "big jsonl", True)
@example(["a.gz?b"], "big csv", False)
@example(["a.gz::b"], "csv", False)
@example(["::"], "csv.gz", True)
@example([WAYS_OUT[0]], "big json", False)
def test_a_path_is_a_path(process, parts, kind, beside):
    form = FORMATS[kind]
    names = ["k", "number", "day", "digits", "marked"]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        below = root / "analysis" if beside else root
        (root / "analysis").mkdir()
        *folders, last = parts
        path = below.joinpath(*folders, last + form.suffix)
        for way in sorted(neighbours(str(path.relative_to(below)))):
            other = Path(os.path.normpath(below / way))
            if root in other.parents:
                write_neighbour(form, path, other)
        try:
            columns = loaded(process, root, form, path, names, "t")
        except DataError as error:
            if "\n" in str(path) and "line end" in error.what:
                return  # the reader takes none
            # DuckDB alone reads these, and would open another file than this one.
            reason = "\\?" if "duckdb" in kind else "\\"
            if kind not in REFUSED or not set(reason) & set(str(path.relative_to(root))):
                raise
            assert "Rename" in error.remedy  # noqa: PT017 - most paths are read
            return
    assert columns == names


REFUSED = ("duckdb", "big duckdb", "big json", "big jsonl")


def write_neighbour(form: Format, path: Path, other: Path) -> None:
    """Write another file, unless its place is taken by the file itself."""
    if other.exists() or other == path or other in path.parents or path in other.parents:
        return
    try:
        other.parent.mkdir(parents=True, exist_ok=True)
        form.write(other, frame_of(list("kabcd"), mine=False), "t")
    except (FileExistsError, NotADirectoryError):
        return
