"""Looks at the values that pass a cell's probes, and notes what an analyst should know of them."""

from __future__ import annotations

import ast
import sys
import time
from dataclasses import replace
from typing import Any

from analyst_kernel.kernel.payload.frames import _label
from analyst_kernel.kernel.payload.lineage import tables
from analyst_kernel.kernel.payload.lineage.aggregates import (
    AGGREGATES,
    PLOTS,
    REDUCERS,
    aggregate,
    by_of,
)
from analyst_kernel.kernel.payload.lineage.joins import concat, join
from analyst_kernel.kernel.payload.lineage.masks import query_tests, tested
from analyst_kernel.kernel.payload.lineage.origin import Origin, Origins, merged
from analyst_kernel.kernel.payload.lineage.probes import SQL_METHODS, Node, is_literal
from analyst_kernel.kernel.payload.lineage.queries import origin_of
from analyst_kernel.kernel.payload.lineage.seen import (
    Seen,
    choice,
    is_random,
    is_statistics,
    plain,
    with_replacement,
)

MOST_SEEN = 5000
MOST_SECONDS = 0.5
MOST_EVENTS = 60

_SAMPLES = frozenset({"head", "tail", "sample", "limit", "slice", "take"})
_SORTS = frozenset({"sort_values", "sort_index", "nlargest", "nsmallest", "sort", "top_k"})
_FILTERS = frozenset({"query", "dropna", "drop_duplicates", "filter", "where", "mask", "between"})
_EXAMPLES = (
    "load_dataset", "load_iris", "load_wine", "load_diabetes", "load_breast_cancer", "load_digits",
    "load_linnerud", "fetch_california_housing", "fetch_openml", "make_classification",
    "make_regression", "make_blobs", "make_moons", "get_rdataset", "load_pandas",
)  # fmt: skip
_MAKERS = frozenset(
    "DataFrame Series array arange linspace zeros ones full date_range from_dict from_records "
    "Index StringIO".split()
)
_COUNTS = frozenset({"len", "shape", "empty", "size", "any", "count"})
_READERS = ("read_", "load", "scan_")


class Observer:
    """What one cell's probes report to; ``events`` are what came of it."""

    def __init__(self, shell: Any, origins: Origins, watched: dict[str, Any]) -> None:
        self.namespace = shell.user_ns
        self.origins = origins
        self.watched = watched
        self.nodes: list[Node] = []
        self.typed: frozenset[str] = frozenset()
        self.events: list[dict[str, Any]] = []
        self.queries: list[tuple[str, Any, bool]] = []
        self.reads: set[str] = set()
        self.counted: set[tuple[str, ...]] = set()
        self.skipped: set[str] = set()
        self.seconds = 0.0
        self.problem = ""
        self._left = MOST_SEEN
        self._last: dict[int, Seen] = {}

    def __call__(self, number: int, value: Any) -> Any:
        """Look at a probe's value and give it back as it is."""
        if self._left <= 0:
            return value
        self._left -= 1
        began = time.thread_time()
        try:
            node = self.nodes[number]
            seen = self._observe(node, value)
            for child in (node.receiver, *node.children):
                self._last.pop(child, None)  # type: ignore[arg-type]  # None is no key
            if node.used and seen is not None:
                self._last[number] = seen
        except Exception as error:  # noqa: BLE001 - nothing may reach the cell
            self.problem = f"{type(error).__name__}: {error}"[:200]
        self.seconds += time.thread_time() - began
        if self.seconds > MOST_SECONDS:
            self._left = 0
            self.skipped.add("time")
        return value

    def release(self) -> None:
        """Let go of every value."""
        self._last.clear()

    def add(self, kind: str, **facts: Any) -> dict[str, Any]:
        """Note an event, once."""
        event = {"kind": kind, **facts}
        if event not in self.events and len(self.events) < MOST_EVENTS:
            self.events.append(event)
        return event

    # --- by kind of expression ---------------------------------------------------------------

    def _observe(self, node: Node, value: Any) -> Seen | None:
        if node.kind == "name":
            return self._name(node, value)
        if node.kind == "text":
            return Seen(value, None)
        if node.kind == "compare":
            return self._compare(node, value)
        if node.kind == "op":
            return self._operation(node, value)
        before = self._last.get(node.receiver) if node.receiver is not None else None
        if node.kind == "attr":
            return self._attribute(node, value, before)
        if node.kind == "item":
            return self._item(node, value, before)
        return self._call(node, value, before)

    def _name(self, node: Node, value: Any) -> Seen | None:
        name = node.name
        if name in self.watched:
            self.reads.add(name)
        if not tables.is_followed(value):
            if name in self.typed:
                seen = Seen(value, Origin(made="values typed into the code"))
                seen.name = name
                return seen
            return plain(value)
        known = self.origins.get(value)
        if known is None:
            known = Origin(roots=frozenset({name if name in self.watched else "?"}))
            self.origins.put(value, known)
        self.reads |= known.roots
        origin = replace(known, label=name, rows=tables.rows(value), others=(), tests=())
        seen = Seen(value, origin)
        seen.name = name
        seen.tests = list(known.tests)
        if tables.is_grouped(value):
            seen.frame = getattr(value, "obj", None)
        return seen

    def _attribute(self, node: Node, value: Any, before: Seen | None) -> Seen | None:
        if before is None:
            return None
        if before.nothing is not None:
            before.nothing["use"] = "count" if node.name in _COUNTS else "rows"
        seen = self._taken(value, before, (node.name,))
        if not tables.is_followed(value):
            seen.frame = before.value  # .loc, .str and the like lead back to the table
        return seen

    def _taken(self, value: Any, before: Seen, words: tuple[str, ...]) -> Seen:
        """Return a part of a value, such as a column of a table."""
        origin = before.origin
        seen = Seen(value, origin)
        seen.frame = before.frame
        if tables.is_frame(before.value):
            seen.frame = before.value
        seen.columns = before.columns
        if tables.is_grouped(before.value) and tables.is_grouped(value):
            seen.columns = words
        if origin is not None and tables.is_series(value):
            label = _label(value.name)
            if origin.means and tables.is_frame(before.value) and label not in origin.means:
                origin = replace(origin, means=())
        if origin is not None and tables.is_followed(value):
            seen.origin = origin
            self.origins.put(value, origin)
        return seen

    def _item(self, node: Node, value: Any, before: Seen | None) -> Seen | None:
        if before is None:
            return None
        words = tuple(node.words)
        source = before.value if tables.is_table(before.value) else before.frame
        seen = self._taken(value, before, words)
        if source is not None and tables.is_table(source) and not tables.is_table(before.value):
            seen.frame = source if tables.is_frame(source) else seen.frame
        if not tables.is_table(value) or source is None or not tables.is_table(source):
            return seen
        self._part(node, seen, rows=tables.rows(source))
        self._filtered(seen, [test for k in node.children for test in self._tests(k)])
        return seen

    def _tests(self, number: int) -> list[dict[str, Any]]:
        seen = self._last.get(number)
        return seen.tests if seen is not None else []

    def _part(self, node: Node, seen: Seen, rows: int) -> None:
        """Note that rows were taken by their position (``df[:100]``, ``df.iloc[:100]``)."""
        tree = node.tree
        if isinstance(tree, ast.Tuple) and tree.elts:
            tree = tree.elts[0]
        if isinstance(tree, ast.Slice):
            self._sampled(seen, f"[{ast.unparse(tree)}]", rows)

    def _sampled(self, seen: Seen, how: str, rows: int) -> None:
        origin, now = seen.origin, tables.rows(seen.value)
        if origin is None or origin.ordered or origin.reduced or origin.sample:
            return
        if 0 <= now < rows * 0.9 and rows > 5:
            label = origin.label or next(iter(origin.roots), "")
            seen.origin = replace(origin, sample=(how, now, rows, label))
            self.origins.put(seen.value, seen.origin)

    def _filtered(self, seen: Seen, tests: list[dict[str, Any]]) -> None:
        for test in tests:
            partly = test.get("operator") == "isin" and not test.get("all", True)
            event = self.add("nothing", **test, use="partly" if partly else "none")
            if not partly and tables.rows(seen.value) == 0:
                seen.nothing = event

    def _compare(self, node: Node, value: Any) -> Seen | None:
        if not tables.is_series(value):
            return None
        sides = [[self._last[k] for k in numbers if k in self._last] for numbers in node.parts]
        origin = merged(one.origin for side in sides for one in side)
        seen = Seen(value, origin)
        for place in (0, 1):
            column = sides[place][0].value if sides[place] else None
            wanted = node.literals[1 - place]
            if not is_literal(wanted) and sides[1 - place]:
                wanted = sides[1 - place][0].value
            if tables.is_series(column) and is_literal(wanted):
                seen.tests = tested(column, node.name, wanted, value)
                break
        self._keep_tests(seen)
        return seen

    def _keep_tests(self, seen: Seen) -> None:
        """Remember what a mask asked for, also under a name."""
        if seen.tests:
            kept = replace(seen.origin or Origin(roots=frozenset({"?"})), tests=tuple(seen.tests))
            self.origins.put(seen.value, kept)

    def _operation(self, node: Node, value: Any) -> Seen | None:
        parts = [self._last[k] for k in node.children if k in self._last]
        origin = merged(part.origin for part in parts)
        seen = Seen(value, origin)
        seen.tests = [test for part in parts for test in part.tests]
        frames = [part.frame for part in parts if part.frame is not None]
        if frames and tables.rows(frames[0]) == tables.rows(value):
            seen.frame = frames[0]
        if origin is not None and tables.is_followed(value):
            arithmetic = replace(origin, means=()) if len(parts) > 1 else origin
            seen.origin = arithmetic
            self.origins.put(value, arithmetic)
        if node.name != "Invert":
            self._keep_tests(seen)
        return seen

    # --- calls -------------------------------------------------------------------------------

    def _call(self, node: Node, value: Any, before: Seen | None) -> Seen | None:
        inside = [self._last[k] for k in node.children if k in self._last]
        parts = [before, *inside] if before is not None else inside
        self._consumed(node, parts)
        special = self._special(node, value, before, inside)
        if special is not None:
            return special
        self._parsed(node, value, before, inside)
        if node.name == "drop":
            self._split(inside)
        self._typed_in(node, inside)
        source = next((one for one in parts if one.origin is not None), None)
        if source is None or source.origin is None:
            return plain(value)
        if node.name in PLOTS and source.origin.made:
            self.add("made-up", made=source.origin.made, what=node.name)
        if _reduces(node, before, source):
            return aggregate(self, node, value, source)
        return self._derived(node, value, before, source, inside)

    def _consumed(self, node: Node, parts: list[Seen]) -> None:
        """Note what became of an empty result, and of a test that no row passes."""
        for part in parts:
            if part.nothing is not None:
                part.nothing["use"] = "count" if node.name in _COUNTS else "rows"
            if node.name in ("sum", "any", "mean", "where", "count_nonzero", "len"):
                for test in part.tests:
                    self.add("nothing", **test, use="count")

    def _special(
        self, node: Node, value: Any, before: Seen | None, inside: list[Seen]
    ) -> Seen | None:
        """Return the result of a query, of a join, or of what makes data up; else None."""
        if node.name in SQL_METHODS and self._is_query(node, before):
            return self._query(node, value)
        made = self._made(node, value, before, inside)
        if made is not None:
            return made
        if node.name in ("merge", "join", "merge_asof", "merge_ordered"):
            self._fill_keywords(node)
            return join(self, node, value, before, inside)
        if node.name == "concat" and inside:
            return concat(self, node, value, inside)
        return None

    def _parsed(self, node: Node, value: Any, before: Seen | None, inside: list[Seen]) -> None:
        """Note texts that a call reads as dates or numbers."""
        if node.name in ("to_datetime", "to_numeric"):
            self._coerced(node, node.name, value, inside)
        elif before is not None and node.name in ("apply", "map", "pipe", "transform", "astype"):
            for word in node.words:
                if word in ("to_datetime", "to_numeric") or word.startswith("datetime64"):
                    self._coerced(node, word.partition("64")[0], value, [before])

    def _derived(
        self, node: Node, value: Any, before: Seen | None, source: Seen, inside: list[Seen]
    ) -> Seen:
        # The rows that are taken out say nothing of those that stay.
        others = [] if node.name == "drop" else [one.origin for one in inside]
        origin = merged([source.origin, *others])
        assert origin is not None
        seen = Seen(value, origin)
        seen.frame = source.frame if source.frame is not None else None
        if node.name in ("groupby", "resample"):
            seen.frame = source.value
            by = by_of(node, source.value)
            origin = replace(origin, by=by)
        elif node.name in ("sort_values", "sort_index", *_SORTS):
            origin = replace(origin, ordered=True)
        elif node.name == "isin" and tables.is_series(source.value) and node.literals:
            self._members(seen, source.value, node, inside)
        elif node.name in ("eq", "contains", "startswith", "endswith", "fullmatch", "match"):
            column = source.value if tables.is_series(source.value) else source.frame
            if tables.is_series(column) and node.literals and isinstance(node.literals[0], str):
                seen.tests = tested(column, node.name, node.literals[0], value)
        seen.origin = origin
        if tables.is_followed(value):
            self.origins.put(value, origin)
        if before is not None and tables.is_table(before.value):
            rows = tables.rows(before.value)
            if node.name in _SAMPLES and not with_replacement(node):
                how = f"{node.name}({', '.join(map(str, filter(is_literal, node.literals[:1])))})"
                self._sampled(seen, how, rows)
            elif node.name == "query" and node.literals and tables.is_frame(before.value):
                self._filtered(seen, query_tests(before.value, node.literals[0], self.namespace))
        elif before is not None and tables.is_polars(before.value) and node.name in _SAMPLES:
            self._sampled(seen, f"{node.name}()", tables.rows(before.value))
        return seen

    def _fill_keywords(self, node: Node) -> None:
        """Put in what a call's keywords came to, where they were no plain values."""
        for word, numbers in node.named.items():
            if not is_literal(node.keywords.get(word)) and numbers and numbers[0] in self._last:
                node.keywords[word] = self._last[numbers[0]].value

    def _members(self, seen: Seen, column: Any, node: Node, inside: list[Seen]) -> None:
        wanted = node.literals[0]
        if not is_literal(wanted):
            own = [one.value for one in inside if isinstance(one.value, (list, tuple, set))]
            wanted = own[0] if own else None
        if isinstance(wanted, (list, tuple, set)):
            missing = tables.missing_of(column, list(wanted))
            if missing is not None:
                seen.tests = [missing]

    def _is_query(self, node: Node, before: Seen | None) -> bool:
        library = sys.modules.get("duckdb")
        if library is None:
            return False
        if before is not None:
            return str(type(before.value).__module__).startswith(("duckdb", "_duckdb"))
        owner = self.namespace.get(node.owner)
        return owner is library or str(type(owner).__module__).startswith(("duckdb", "_duckdb"))

    def _query(self, node: Node, value: Any) -> Seen | None:
        texts = [self._last[k].value for k in node.children if k in self._last]
        text = next((one for one in texts if isinstance(one, str)), None)
        if text is None:
            return None
        owner = self.namespace.get(node.owner)
        connection = None if owner is sys.modules.get("duckdb") else owner
        self.queries.append((text, connection, node.name in ("sql", "query", "from_query")))
        origin = origin_of(text, self)
        seen = Seen(value, origin)
        if origin is not None and tables.is_followed(value):
            self.origins.put(value, origin)
        return seen

    def _made(self, node: Node, value: Any, before: Seen | None, inside: list[Seen]) -> Seen | None:
        """Return a value that the code makes up, or reads; None if it is neither."""
        if node.name in _EXAMPLES or node.owner.endswith((".data", "datasets")):
            self.add("example", what=f"{node.owner}.{node.name}".strip("."))
            return self._kept(value, Origin(made="a library's example data"))
        if node.name.startswith(_READERS) and "_" in node.name:
            from_text = [one for one in inside if one.origin is not None and one.origin.made]
            if from_text:
                return self._kept(value, Origin(made="text typed into the code"))
            return self._read(node, value)
        own = node.children
        unknown = len(own) > len(inside) or any(
            one.origin is None or not one.origin.made for one in inside
        )
        random = is_random(node, before, self.namespace)
        if unknown or not (random or node.name in _MAKERS):
            return None
        if before is not None and not random:
            return None
        if random and not tables.is_followed(value):
            return Seen(value, Origin(made="random numbers"))
        made = next((one.origin.made for one in inside if one.origin is not None), "")
        if random:
            made = "random numbers"
        return self._kept(value, Origin(made=made or "values typed into the code"))

    def _kept(self, value: Any, origin: Origin) -> Seen:
        if tables.is_followed(value):
            self.origins.put(value, origin)
        return Seen(value, origin)

    def _read(self, node: Node, value: Any) -> Seen | None:
        path = node.literals[0] if node.literals else None
        name = (
            str(path).replace("\\", "/").rpartition("/")[2] if isinstance(path, str) else "a file"
        )
        self.reads.add(name)
        origin = Origin(roots=frozenset({name}), label=name, rows=tables.rows(value))
        limit = node.keywords.get("nrows")
        known = [(n, w) for n, w in self.watched.items() if w.get("file") == name]
        if isinstance(limit, int) and tables.rows(value) == limit:
            total = known[0][1].get("rows") if known else None
            if total is None or total > limit:
                label = known[0][0] if known else name
                part = (f"nrows={limit}", limit, total if total is not None else -1, label)
                origin = replace(origin, sample=part)
        parsed = node.keywords.get("parse_dates")
        for column in parsed if isinstance(parsed, (list, tuple)) else []:
            self.add("dates", column=str(column)[:100], what=choice(node))
        if node.keywords.get("on_bad_lines") in ("skip", "warn"):
            self.add("skips", what=f"on_bad_lines={node.keywords['on_bad_lines']!r}", label=name)
        return self._kept(value, origin) if tables.is_followed(value) else None

    def _coerced(self, node: Node, how: str, value: Any, inside: list[Seen]) -> None:
        source = next((one.value for one in inside if tables.is_series(one.value)), None)
        if source is None or not tables.is_series(value) or tables.rows(value) > tables.MOST_ROWS:
            return
        label = _label(source.name)
        if how != "to_numeric" and tables.is_text(source):
            self.add("dates", column=label, what=choice(node))
        lost = int(value.isna().sum()) - int(source.isna().sum())
        if lost > 0:
            example = source[value.isna() & source.notna()].iloc[0]
            self.add(
                "lost", column=label, count=lost, rows=tables.rows(source), what=how,
                values=[repr(example)[:60]],
            )  # fmt: skip

    def _typed_in(self, node: Node, inside: list[Seen]) -> None:
        """Note numbers that the code itself gives to a computation or a chart."""
        if any(one.origin is None or one.origin.roots for one in inside):
            return
        if node.name not in PLOTS | REDUCERS and not is_statistics(node):
            return
        for given in [*node.literals, *node.keywords.values()]:
            if isinstance(given, (list, tuple)):
                numbers = [one for one in given if isinstance(one, (int, float))]
                if len(numbers) >= 3 and node.name not in ("quantile", "percentile"):
                    self.add("made-up", made="values typed into the code", what=node.name)

    def _split(self, inside: list[Seen]) -> None:
        """Take the note off a sample whose rest is kept as well: a split, not a sample."""
        for one in inside:
            if one.frame is not None and one.origin is not None and one.origin.sample:
                self.origins.put(one.frame, replace(one.origin, sample=None))

    def frames(self) -> dict[str, dict[str, Any]]:
        """Return the origins of the named tables, for a line each."""
        found: dict[str, dict[str, Any]] = {}
        for name, value in list(self.namespace.items()):
            if type(name) is not str or name[:1] == "_" or not tables.is_followed(value):
                continue
            origin = self.origins.get(value)
            if origin is None or tables.rows(value) < 0 or len(found) >= 50:
                continue
            found[name] = {
                "label": origin.label[:100], "rows": origin.rows,
                "others": [[label[:100], rows] for label, rows in origin.others[:4]],
                "roots": sorted(root[:100] for root in origin.roots)[:8], "reduced": origin.reduced,
                "by": [one[:60] for one in origin.by[:4]], "made": origin.made,
                "sample": origin.sample[0][:60] if origin.sample else "",
            }  # fmt: skip
        return found


def _reduces(node: Node, before: Seen | None, source: Seen) -> bool:
    if before is not None and before is source:
        followed = tables.is_followed(before.value)
        return (node.name in AGGREGATES and followed) or node.name == "fit"
    if node.name in REDUCERS or node.name in ("fit", "pivot_table", "crosstab"):
        return True
    return is_statistics(node) or node.owner.partition(".")[0] in ("sm", "smf")
