"""Which calls read a file whole, and what keeps them from it: a table of libraries. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from analyst_kernel.agent.loads.tables import How


@dataclass(frozen=True, slots=True)
class FileCall:
    """A function that reads a file.

    Attributes:
        how: What holds the rows; None for a function that only opens the file, which other calls
            read.
        rows: The argument that limits the rows.
        columns: The argument that picks columns.
        pieces: Arguments with which it gives the file piece by piece.
        unsure: Arguments that may leave rows out.
    """

    how: How | None
    rows: str = ""
    columns: str = ""
    pieces: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()


_CSV = FileCall("pandas", "nrows", "usecols", ("chunksize", "iterator"), ("skiprows", "skipfooter"))
_ARROW = FileCall("arrow", "", "columns", (), ("filters", "filter"))
_POLARS = FileCall("arrow", "n_rows", "columns", (), ("skip_rows_after_header",))
_OPENED = FileCall(None, "n_rows")

READERS: dict[tuple[str, str], FileCall] = {
    ("pandas", "read_csv"): _CSV,
    ("pandas", "read_table"): _CSV,
    ("pandas", "read_fwf"): _CSV,
    ("pandas", "read_json"): FileCall("pandas", "nrows", "", ("chunksize",)),
    ("pandas", "read_excel"): FileCall("pandas", "nrows", "usecols", (), ("skiprows",)),
    ("pandas", "read_parquet"): FileCall("pandas", "", "columns", (), ("filters",)),
    ("pandas", "read_feather"): FileCall("pandas", "", "columns"),
    ("pandas", "read_orc"): FileCall("pandas", "", "columns", (), ("filters",)),
    ("polars", "read_csv"): _POLARS,
    ("polars", "read_parquet"): _POLARS,
    ("polars", "read_ipc"): _POLARS,
    ("polars", "read_json"): _POLARS,
    ("polars", "read_ndjson"): _POLARS,
    ("polars", "scan_csv"): _OPENED,
    ("polars", "scan_parquet"): _OPENED,
    ("polars", "scan_ipc"): _OPENED,
    ("polars", "scan_ndjson"): _OPENED,
    ("pyarrow", "read_table"): _ARROW,
    ("pyarrow", "read_pandas"): _ARROW,
    ("pyarrow", "read_feather"): FileCall("pandas", "", "columns"),
    ("pyarrow", "read_csv"): FileCall("arrow", "", "", (), ("convert_options", "parse_options")),
    ("pyarrow", "read_json"): FileCall("arrow"),
    ("pyarrow", "dataset"): _OPENED,
    ("pyarrow", "ParquetDataset"): FileCall(None, "", "", (), ("filters",)),
    ("pyarrow", "ParquetFile"): _OPENED,
    ("numpy", "loadtxt"): FileCall("arrow", "max_rows", "usecols", (), ("skiprows",)),
    ("numpy", "genfromtxt"): FileCall("arrow", "max_rows", "usecols", (), ("skip_header",)),
    ("duckdb", "read_csv"): _OPENED,
    ("duckdb", "from_csv_auto"): _OPENED,
    ("duckdb", "read_parquet"): _OPENED,
    ("duckdb", "from_parquet"): _OPENED,
    ("duckdb", "read_json"): _OPENED,
}
"""By the library and the function's name."""

PATH_ARGUMENTS = (
    "filepath_or_buffer", "path_or_buf", "path", "paths", "io", "source", "fname", "where",
    "path_or_buffer", "file_glob", "path_or_paths",
)  # fmt: skip

USUAL_NAMES = {
    "pd": "pandas", "pl": "polars", "pa": "pyarrow", "pq": "pyarrow", "np": "numpy", "ds":
    "pyarrow", "csv": "csv", "feather": "pyarrow",
}  # fmt: skip
"""What modules are usually called, where the cell does not import them itself."""

_Taken = dict[str, How]
TAKES_ALL: _Taken = {
    "df": "query", "fetchdf": "query", "fetch_df": "query", "to_df": "query",
    "fetchall": "query", "fetchnumpy": "query", "arrow": "arrow", "to_arrow_table": "arrow",
    "fetch_arrow_table": "arrow", "pl": "arrow", "collect": "arrow", "to_table": "arrow",
    "read": "arrow", "read_pandas": "arrow", "to_pandas": "pandas",
}  # fmt: skip
"""Methods that give all rows of what is read lazily."""

PASSES = frozenset(
    "order sort set_alias lazy execute set_index cache with_row_index rename".split()
)
"""Methods of it after which it has as many rows."""

PICKS = frozenset("project select".split())
LIMITS = frozenset("limit head first slice".split())
ASKS = frozenset("sql query execute from_query read_sql read_sql_query".split())
"""Methods and functions whose first argument may be a query."""

LOADED: dict[str, Literal[1, 3]] = {"read": 1, "readlines": 3, "read_text": 1, "read_bytes": 1}
"""Methods of an opened file that give all of it, and how many times its size that is at least."""
