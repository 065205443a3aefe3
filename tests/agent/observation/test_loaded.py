from __future__ import annotations

import pandas as pd
import pytest

from analyst_kernel.agent.observation.loaded import differences
from analyst_kernel.protocol.datasets import ColumnProfile, Dataset, DatasetProfile
from analyst_kernel.protocol.outputs import DisplayOutput, Frame, FrameColumn

TABLE = pd.DataFrame({"a<b": [1, 2, 3], "n": [1.5, None, 2.5], "t": ["x", "y", None]})


def profile(rows: int = 3, nulls: int = 1, kind: str = "text") -> DatasetProfile:
    columns = [("a<b", "number", 0), ("n", "number", nulls), ("t", kind, 1)]
    return DatasetProfile(
        dataset=Dataset(
            name="cars", path="/cars.csv", format="csv", bytes=9, rows=rows,
            columns=tuple(name for name, *_ in columns),
        ),
        columns=tuple(
            ColumnProfile.model_validate(
                {"name": name, "dtype": "", "kind": kind, "nulls": gaps, "distinct": 2}
            )
            for name, kind, gaps in columns
        ),
    )  # fmt: skip


def loaded(table: pd.DataFrame) -> tuple[list[Frame], list[DisplayOutput]]:
    columns = tuple(FrameColumn(name=n, dtype=str(t)) for n, t in table.dtypes.items())
    frame = Frame(name="cars", type="pandas.DataFrame", shape=table.shape, columns=columns)
    view = pd.concat({"missing": table.isna().sum()}, axis=1)
    view = view.rename_axis(f"cars: {len(table):,} rows")
    return [frame], [DisplayOutput(data={"text/html": view.to_html()})]


@pytest.mark.parametrize(
    ("described", "table", "said"),
    [
        (profile(), TABLE, ""),
        (profile(rows=4), TABLE, "3 rows in place of 4"),
        (profile(nulls=0), TABLE, "'n' has 1 gaps in place of 0"),
        (profile(kind="date"), TABLE, "'t' is str in place of date"),
        (profile(), TABLE.assign(n=["a", None, "b"]), "'n' is str in place of number"),
        (profile(), TABLE[["n", "t"]], "2 columns in place of 3"),
    ],
)
def test_a_table_that_was_loaded_otherwise_is_named(described, table, said):
    table = table.astype({name: "str" for name in table if table[name].dtype == object})
    found = differences([described], *loaded(table))
    if not said:
        assert found == []
    else:
        (sentence,) = found
        assert sentence.startswith("cars was loaded as another table")
        assert said in sentence
