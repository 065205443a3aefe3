"""Tables of a database described by queries that the server answers: bounded, sampled where large.

Names come from the server and are quoted; nothing else of it gets into a query.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from analyst_kernel.protocol.datasets import (
    ColumnKind,
    ColumnProfile,
    Dataset,
    DatasetProfile,
    ValueCount,
)

_SAMPLED_FROM = 200_000
_SAMPLE = 100_000
_MOST_COLUMNS = 60
_MOST_TOPS = 30
_TOP = 30
_HEAD = 5
_LONGEST = 200
_NUMBERS = ("smallint", "integer", "bigint", "numeric", "real", "double precision")
_TEXTS = ("text", "character varying", "character", "name", "uuid", "citext")


@dataclass(frozen=True, slots=True)
class RemoteTable:
    """A table or view that a connection's role may read.

    Attributes:
        columns: Name and type, in order.
        keys: The columns of each declared key.
        links: Columns, and the table and columns that they refer to as declared.
        rows: The server's estimate; None for a view, or where it has none.
        is_stored: Whether a part of its pages can be read.
    """

    connection: str
    schema: str
    name: str
    columns: tuple[tuple[str, str], ...]
    keys: tuple[tuple[str, ...], ...] = ()
    links: tuple[tuple[tuple[str, ...], str, tuple[str, ...]], ...] = ()
    rows: int | None = None
    is_stored: bool = True
    kind: str = field(default="table")

    @property
    def full_name(self) -> str:
        """The name that tools take, such as ``sales.public.orders``."""
        return f"{self.connection}.{self.schema}.{self.name}"

    @classmethod
    def read(cls, connection: str, found: dict[str, Any]) -> RemoteTable:
        """Return a table as a worker listed it."""
        rows = found["rows"]
        kinds = {"v": "view", "m": "materialized view", "f": "foreign table"}
        return cls(
            connection=connection,
            schema=found["schema"],
            name=found["name"],
            columns=tuple((name, kind) for name, kind in found["columns"]),
            keys=tuple(tuple(key) for key in found["keys"]),
            links=tuple(
                (tuple(own), f"{schema}.{table}", tuple(others))
                for own, schema, table, others in found["links"]
            ),
            rows=round(rows) if rows is not None and rows >= 0 and found["kind"] != "v" else None,
            is_stored=found["kind"] in ("r", "m"),
            kind=kinds.get(found["kind"], "table"),
        )


def kind_of(declared: str) -> ColumnKind:
    """Return the class of values of a type, as the server names it."""
    if declared in _NUMBERS:
        return "number"
    if declared.startswith(("date", "timestamp")):
        return "date"
    if declared == "boolean":
        return "bool"
    return "text" if declared in _TEXTS else "other"


def quoted(name: str) -> str:
    """Return a name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


class TableProfiler:
    """The queries about one table, and what their answers say."""

    def __init__(self, table: RemoteTable, columns: Sequence[str] = ()) -> None:
        """Describe all columns of a table, or those named."""
        self._table = table
        chosen = [one for one in table.columns if not columns or one[0] in columns]
        self._columns = chosen[:_MOST_COLUMNS]
        self._left = len(chosen) - len(self._columns)
        self._is_sampled = table.rows is not None and table.rows > _SAMPLED_FROM
        self._tops = [one for one in self._columns if kind_of(one[1]) in ("text", "bool")]
        self._tops = self._tops[:_MOST_TOPS]

    def queries(self) -> list[str]:
        """Return the queries, in the order in which :meth:`profile` takes their answers."""
        parts = ["count(*)::bigint AS n"]
        for place, (name, declared) in enumerate(self._columns):
            parts += _statistics(place, quoted(name), kind_of(declared))
        head = ", ".join(
            f"left({quoted(name)}::text, {_LONGEST}) AS c{place}"
            for place, (name, _) in enumerate(self._columns)
        )
        tops = [
            f"SELECT left({quoted(name)}::text, {_LONGEST}) AS v, count(*)::bigint AS n "
            f"FROM {self._sample()} s WHERE {quoted(name)} IS NOT NULL "
            f"GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {_TOP + 1}"
            for name, _ in self._tops
        ]
        return [
            f"SELECT {', '.join(parts)} FROM {self._sample()} s",
            f"SELECT {head or '1 AS c0'} FROM {self._place()} LIMIT {_HEAD}",
            *tops,
        ]

    def _place(self) -> str:
        return f"{quoted(self._table.schema)}.{quoted(self._table.name)}"

    def _sample(self) -> str:
        source = self._place()
        if self._is_sampled and self._table.is_stored and self._table.rows:
            share = min(100.0, 120.0 * _SAMPLE / self._table.rows)
            source += f" TABLESAMPLE SYSTEM ({share:.6f}) REPEATABLE (1)"
        wanted = ", ".join(quoted(name) for name, _ in self._columns) or "1"
        return f"(SELECT {wanted} FROM {source} LIMIT {_SAMPLED_FROM + 1})"

    def profile(self, answers: Sequence[list[dict[str, Any]]]) -> DatasetProfile:
        """Return what the answers say."""
        (first, *_), head, *tops = answers
        counted = int(first["n"])
        whole = not self._is_sampled and counted <= _SAMPLED_FROM
        by_name = {
            name: tuple(ValueCount(value=row["v"], count=row["n"]) for row in rows)
            for (name, _), rows in zip(self._tops, tops, strict=True)
        }
        columns = tuple(
            _column(place, name, declared, first, by_name.get(name, ()), whole=whole)
            for place, (name, declared) in enumerate(self._columns)
        )
        names = tuple(name for name, _ in self._columns)
        return DatasetProfile(
            dataset=Dataset(
                name=self._table.full_name,
                path=f"{self._table.connection}: {self._table.schema}.{self._table.name}",
                format="arrow",
                bytes=0,
                rows=counted if whole else None,
                columns=names,
                load="view",
            ),
            columns=columns,
            head=tuple(
                tuple(row[f"c{place}"] for place in range(len(names))) for row in head if names
            ),
            sampled=not whole,
            sample_note=self._note(counted, whole=whole),
        )

    def _note(self, counted: int, *, whole: bool) -> str:
        said = "On the server: ask it with run_sql and this connection."
        if not whole:
            rows = "" if self._table.rows is None else f" of about {self._table.rows:,}"
            said += f" The figures are of {counted:,} rows{rows}, taken page by page."
        if self._left:
            said += f" {self._left:,} more columns are not described."
        return said


def _statistics(place: int, name: str, kind: ColumnKind) -> list[str]:
    parts = [f"count({name})::bigint AS c{place}"]
    if kind != "other":
        parts.append(f"count(DISTINCT {name}::text)::bigint AS d{place}")
    if kind == "number":
        value = f"CASE WHEN {name}::text NOT IN ('NaN', 'Infinity', '-Infinity') "
        value += f"THEN {name}::float8 END"
        parts += [
            f"min({value}) AS min{place}",
            f"max({value}) AS max{place}",
            f"avg({value}) AS avg{place}",
            f"stddev_samp({value}) AS std{place}",
            f"percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY {value}) AS q{place}",
            f"(count(*) FILTER (WHERE {name} = 0))::bigint AS z{place}",
            f"(count(*) FILTER (WHERE {name} < 0))::bigint AS neg{place}",
        ]
    elif kind == "date":
        parts += [f"min({name})::text AS min{place}", f"max({name})::text AS max{place}"]
    elif kind == "text":
        parts.append(f"max(length({name}::text))::bigint AS len{place}")
    return parts


def _column(
    place: int,
    name: str,
    declared: str,
    first: dict[str, Any],
    top: tuple[ValueCount, ...],
    *,
    whole: bool,
) -> ColumnProfile:
    kind = kind_of(declared)
    quartiles = first.get(f"q{place}") or (None, None, None)
    distinct = int(first.get(f"d{place}") or 0)
    return ColumnProfile(
        name=name,
        dtype=declared.upper(),
        kind=kind,
        nulls=first["n"] - first[f"c{place}"],
        distinct=distinct,
        distinct_is_estimate=not whole,
        minimum=_finite(first.get(f"min{place}")),
        p25=_finite(quartiles[0]),
        median=_finite(quartiles[1]),
        p75=_finite(quartiles[2]),
        maximum=_finite(first.get(f"max{place}")),
        mean=_finite(first.get(f"avg{place}")),
        std=_finite(first.get(f"std{place}")),
        zeros=first.get(f"z{place}"),
        negatives=first.get(f"neg{place}"),
        top=top[:_TOP] if len(top) <= _TOP else top[:10],
        max_length=first.get(f"len{place}"),
    )


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
