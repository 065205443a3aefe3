"""Aggregations: what goes into a number, and what should not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from analyst_kernel.kernel.payload.frames import _label
from analyst_kernel.kernel.payload.lineage import tables
from analyst_kernel.kernel.payload.lineage.probes import Node, is_literal
from analyst_kernel.kernel.payload.lineage.seen import Seen

AGGREGATES = frozenset(
    """mean sum median std var sem count size nunique min max quantile describe agg aggregate
    value_counts corr cov mode prod skew kurt idxmax idxmin pivot_table cumsum""".split()
)
REDUCERS = frozenset(
    """mean sum median std var average nanmean nansum nanmedian nanstd min max percentile quantile
    fmean corrcoef polyfit""".split()
)
PLOTS = frozenset(
    """plot hist bar barh scatter line boxplot barplot lineplot scatterplot histplot countplot
    violinplot pie""".split()
)
_MEANS = frozenset({"mean", "average", "nanmean", "fmean"})
_TYPICAL = _MEANS | {"median", "nanmedian", "std", "var", "sem", "skew", "quantile", "nanstd"}
_COUNTS = frozenset({"count", "size", "value_counts", "len"})
_FANNED = _MEANS | {"sum", "nansum", "median", "std"}
_SUMMED = _MEANS | {"sum", "nansum", "median", "std", "var", "min", "max", "describe", "agg",
                    "aggregate", "pivot_table", "quantile", "corr", "idxmax", "idxmin", "fit",
                    "cumsum", "nanmedian", "nanstd"}  # fmt: skip
_KNOWN = AGGREGATES | REDUCERS


def by_of(node: Node, frame: Any) -> tuple[str, ...]:
    """Return the columns that a call groups by."""
    given = (
        node.literals[0] if node.literals else node.keywords.get("by", node.keywords.get("index"))
    )
    if is_literal(given) and given is not None and node.name != "resample":
        parts = list(given) if isinstance(given, (list, tuple)) else [given]
        return tuple(_label(part) for part in parts)
    known = set(tables.labels(frame)) if tables.is_table(frame) else set()
    return tuple(word for word in node.words if word in known) or (node.name,)


def _functions(node: Node) -> tuple[str, ...]:
    """Return the names of what is computed: the method itself, or the arguments of ``agg``."""
    if node.name in ("agg", "aggregate", "pivot_table", "crosstab"):
        words = tuple(word for word in node.words if word in _KNOWN)
        return words or (("mean",) if node.name == "pivot_table" else ())
    return (node.name,)


def _functions_of(node: Node) -> dict[str, set[str]]:
    """Return what ``agg`` computes of each column, if it says so by column."""
    found: dict[str, set[str]] = {}
    given = node.literals[0] if node.literals else None
    if isinstance(given, dict):
        for name, what in given.items():
            found.setdefault(_label(name), set()).update([what] if isinstance(what, str) else what)
    for what in node.keywords.values():
        if isinstance(what, tuple) and len(what) == 2 and isinstance(what[1], str):
            found.setdefault(_label(what[0]), set()).add(what[1])
    return found


def _columns(node: Node, source: Any, frame: Any) -> list[str]:
    """Return the columns whose values go into the result."""
    if tables.is_series(source.value):
        return [_label(source.value.name)]
    if source.columns:
        return list(source.columns)
    own = tables.labels(frame) if frame is not None and tables.is_table(frame) else []
    by = source.origin.by if source.origin is not None else ()
    chosen: list[str] = []
    if node.name in ("agg", "aggregate") and node.literals and isinstance(node.literals[0], dict):
        chosen = [_label(key) for key in node.literals[0]]
    elif node.name in ("agg", "aggregate", "pivot_table"):
        chosen = [word for word in node.words if word in own]
        for given in node.keywords.values():
            if isinstance(given, tuple) and given:
                chosen.append(_label(given[0]))
        if node.name == "pivot_table" and is_literal(node.keywords.get("values")):
            given = node.keywords.get("values")
            chosen = [_label(one) for one in (given if isinstance(given, list) else [given])]
    if chosen:
        return list(dict.fromkeys(chosen))
    if not tables.is_frame(frame):
        return own
    numbers = [_label(name) for name, kind in zip(frame.columns[:200], frame.dtypes[:200])  # noqa: B905 - a kernel may be older
               if str(kind).lower().startswith(("int", "float", "uint"))]  # fmt: skip
    return [name for name in numbers if name not in by]


def aggregate(observer: Any, node: Node, value: Any, source: Any) -> Seen:
    """Note what an aggregation works on, and return its result."""
    origin = source.origin
    functions = _functions(node)
    grouped = tables.is_grouped(source.value)
    frame = source.frame if source.frame is not None else source.value
    if not tables.is_table(frame):
        frame = getattr(source.value, "obj", None)
    if tables.is_series(source.value) and tables.rows(frame) != tables.rows(source.value):
        # The column went through a filter that its table did not.
        same = frame.index.is_unique and not source.value.index.difference(frame.index).size
        frame = frame.loc[source.value.index] if same else source.value
    columns = _columns(node, source, frame)
    if origin.made and not origin.roots:
        observer.add("made-up", made=origin.made, what=node.name)
    if origin.sample is not None and node.name not in ("size", "nunique", "value_counts"):
        how, rows, total, label = origin.sample
        observer.add(
            "sample", what=how, rows=rows, before=total, label=label, column=", ".join(columns[:3])
        )
    by = origin.by
    if node.name == "pivot_table":
        by = by_of(node, frame) if "index" in node.keywords else by
    _watched(observer, node, functions, columns, by, frame, source)
    if origin.fan and not grouped_only(functions):
        fanned = sorted(set(columns) & origin.fan)
        pairs = _functions_of(node)
        fanned = [name for name in fanned if pairs.get(name, set(functions)) & _FANNED]
        if fanned and set(functions) & _FANNED:
            observer.add(
                "fan", label=origin.fan_label, column=", ".join(fanned[:3]),
                rows=origin.fan_rows[0], after=origin.fan_rows[1], what=", ".join(functions[:3]),
            )  # fmt: skip
    after = replace(origin, reduced=True, sample=None, means=(), fan=frozenset(), by=by)
    if grouped:
        after = _groups(observer, node, functions, columns, value, source, after)
    elif set(functions) & _MEANS and origin.means and "weights" not in node.keywords:
        hit = [name for name in columns if name in origin.means] or (
            list(origin.means)
            if tables.is_series(source.value) or tables.is_array(source.value)
            else []
        )
        if hit:
            low, high, count = origin.sizes
            observer.add("mean-of-means", column=", ".join(hit[:3]), by=list(origin.by), low=low,
                         high=high, count=count)  # fmt: skip
    if node.name == "pivot_table" and tables.is_frame(frame) and by and set(functions) & _MEANS:
        known = [name for name in by if name in tables.labels(frame)]
        sizes = tables.group_sizes(frame.groupby(known, observed=True), None) if known else None
        if sizes is not None and sizes["ones"]:
            observer.add("ones", by=known, count=sizes["ones"], groups=sizes["groups"],
                         column=", ".join(columns[:3]), what="mean", label=after.label)  # fmt: skip
        if sizes is not None and sizes["low"] != sizes["high"] and tables.is_frame(value):
            after = replace(
                after, means=tuple(tables.labels(value)), by=tuple(known),
                sizes=(sizes["low"], sizes["high"], sizes["groups"]),
            )  # fmt: skip
    if tables.is_followed(value):
        observer.origins.put(value, after)
    return Seen(value, after)


def grouped_only(functions: tuple[str, ...]) -> bool:
    """Return whether nothing but counts is computed."""
    return bool(functions) and set(functions) <= _COUNTS


def _groups(
    observer: Any, node: Node, functions: tuple[str, ...], columns: list[str], value: Any,
    source: Any, after: Any,
) -> Any:  # fmt: skip
    if set(functions) & _COUNTS:
        observer.counted.add(after.by)
    if not set(functions) & _TYPICAL:
        return after
    if source.origin.means and set(functions) & _MEANS:
        hit = [name for name in columns if name in source.origin.means]
        if hit:
            low, high, count = source.origin.sizes
            observer.add("mean-of-means", column=", ".join(hit[:3]), by=list(source.origin.by),
                         low=low, high=high, count=count)  # fmt: skip
    sizes = tables.group_sizes(source.value, columns[0] if len(columns) == 1 else None)
    if sizes is None:
        observer.skipped.add("group sizes")
        return after
    if sizes["ones"] and not set(functions) & _COUNTS:
        observer.add(
            "ones", by=list(after.by), count=sizes["ones"], groups=sizes["groups"],
            column=", ".join(columns[:3]), what=", ".join(functions[:3]), label=after.label,
        )  # fmt: skip
    if sizes["low"] == sizes["high"] or not set(functions) & _MEANS:
        return after
    named = tables.labels(value)
    means = named
    if len(set(functions)) > 1:
        pairs = [(k, v) for k, v in node.keywords.items() if isinstance(v, tuple) and len(v) == 2]
        for_name = {name for name, given in pairs if given[1] in _MEANS}
        means = [name for name in named if name in for_name or "mean" in name or "avg" in name]
    return replace(after, means=tuple(means), sizes=(sizes["low"], sizes["high"], sizes["groups"]))


def _watched(
    observer: Any, node: Node, functions: tuple[str, ...], columns: list[str],
    by: tuple[str, ...], frame: Any, source: Any,
) -> None:  # fmt: skip
    """Note values in an aggregated column, or rows, that the datasets' profiles warn of."""
    origin = source.origin
    if frame is None or not tables.is_table(frame) or origin.reduced:
        return
    # What was done to a column since it was taken from its table counts.
    own = source.value if tables.is_series(source.value) else frame
    pairs = _functions_of(node)
    used = set(functions) & _SUMMED or node.name == "fit"
    for table, watch in observer.watched.items():
        if origin.roots and "?" not in origin.roots and table not in origin.roots:
            if watch.get("file") not in origin.roots:
                continue
        for name, wanted in watch.get("sentinels", {}).items():
            if not used or name not in columns or not pairs.get(name, _SUMMED) & _SUMMED:
                continue
            if count := tables.holding(own, name, wanted):
                observer.add("sentinel", label=table, column=name, values=wanted, count=count,
                             rows=tables.rows(frame), what=", ".join(functions[:3]))  # fmt: skip
        for name, wanted in watch.get("totals", {}).items():
            if name in by or not (used or set(functions) & _COUNTS) or not tables.is_frame(frame):
                continue
            count = tables.holding(frame, name, wanted)
            if 0 < count < tables.rows(frame):
                observer.add("totals", label=table, column=name, values=wanted, count=count,
                             rows=tables.rows(frame), what=", ".join(functions[:3]))  # fmt: skip
        keys = [name for name in watch.get("keys", []) if name not in by and name not in columns]
        summed = set(functions) & (_FANNED | _COUNTS)
        if keys and summed and tables.is_frame(frame) and not origin.joined:
            count = tables.repeated_rows(frame, keys)
            if count:
                observer.add("repeats", label=table, column=", ".join(keys), count=count,
                             rows=tables.rows(frame), what=", ".join(functions[:3]))  # fmt: skip
        if watch.get("twins") and summed and tables.is_frame(frame) and not origin.joined:
            count = _exact_repeats(frame, watch["twins"])
            if count:
                observer.add("repeats", label=table, column="", count=count,
                             rows=tables.rows(frame), what=", ".join(functions[:3]))  # fmt: skip


def _exact_repeats(frame: Any, columns: int) -> int:
    """Return how many rows repeat others exactly; 0 if columns were left out since."""
    size = tables.rows(frame) * max(1, frame.shape[1])
    if frame.shape[1] < columns or size > tables.MOST_VALUES:
        return 0
    return int(frame.duplicated().sum())
