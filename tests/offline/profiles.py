"""Profiles made from pandas frames, for tests that need no profiler; and the real data sets."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pandas as pd

from analyst_kernel.protocol.datasets import ColumnProfile, Dataset, DatasetProfile, ValueCount

DATA = Path(__file__).parents[2] / "notebooks" / "data"


def profile_frame(
    name: str, frame: pd.DataFrame, *, load: str = "frame", path: str = ""
) -> DatasetProfile:
    """Describe a frame the way the real profiler describes a file."""
    dataset = Dataset(
        name=name,
        path=path or f"/data/{name}.csv",
        format="csv",
        bytes=1,
        rows=len(frame),
        columns=tuple(map(str, frame.columns)),
        load=load,
    )
    columns = tuple(_column(str(column), frame[column]) for column in frame.columns)
    head = tuple(
        tuple(None if pd.isna(value) else str(value) for value in row)
        for row in frame.head(5).itertuples(index=False)
    )
    return DatasetProfile(
        dataset=dataset, columns=columns, head=head, duplicate_rows=int(frame.duplicated().sum())
    )


def _column(name: str, values: pd.Series) -> ColumnProfile:
    nulls = int(values.isna().sum())
    distinct = int(values.nunique())
    present = values.dropna()
    if pd.api.types.is_bool_dtype(values):
        return ColumnProfile(
            name=name,
            dtype="BOOLEAN",
            kind="bool",
            nulls=nulls,
            distinct=distinct,
            top=_top(present),
        )
    if pd.api.types.is_numeric_dtype(values):
        whole = bool(len(present)) and bool((present == present.round()).all())
        return ColumnProfile(
            name=name,
            dtype="BIGINT" if whole else "DOUBLE",
            kind="number",
            nulls=nulls,
            distinct=distinct,
            minimum=float(present.min()) if len(present) else None,
            maximum=float(present.max()) if len(present) else None,
            mean=float(present.mean()) if len(present) else None,
            median=float(present.median()) if len(present) else None,
            std=float(present.std()) if len(present) > 1 else None,
            top=_top(present) if distinct <= 30 else (),
        )
    text = present.astype(str)
    dates = len(text) > 0 and bool(text.head(50).str.match(r"\d{4}-\d\d-\d\d").all())
    if dates:
        return ColumnProfile(
            name=name, dtype="DATE", kind="date", nulls=nulls, distinct=distinct,
            minimum=text.min(), maximum=text.max(),
        )  # fmt: skip
    german = pd.to_datetime(text, format="%d.%m.%Y", errors="coerce")
    if len(text) and german.notna().all():
        return ColumnProfile(
            name=name, dtype="DATE", kind="date", nulls=nulls, distinct=distinct,
            minimum=f"{german.min():%Y-%m-%d}", maximum=f"{german.max():%Y-%m-%d}",
        )  # fmt: skip
    numeric = text.str.fullmatch(r"[-$€ ]*[\d.,]+\s*%?").mean() if len(text) else 0.0
    return ColumnProfile(
        name=name,
        dtype="VARCHAR",
        kind="text",
        nulls=nulls,
        distinct=distinct,
        top=_top(text),
        max_length=int(text.str.len().max()) if len(text) else 0,
        share_number=float(numeric),
        share_date=0.0,
    )


def _top(values: pd.Series) -> tuple[ValueCount, ...]:
    counts = values.value_counts()
    counts = counts if len(counts) <= 30 else counts.head(10)
    return tuple(ValueCount(value=str(value), count=int(n)) for value, n in counts.items())


@cache
def real(name: str) -> DatasetProfile:
    """Profile one of the shipped data sets by its file name without the ending."""
    path = DATA / f"{name}.csv"
    return profile_frame(re.sub(r"\W", "_", name), pd.read_csv(path), path=str(path))
