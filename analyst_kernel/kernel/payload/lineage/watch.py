"""Follows each cell: puts the probes in before it runs, and tells afterwards what they saw.

The session sends which variables are the user's datasets, and what their profiles warn of. Before
that, and for cells that nobody watches, nothing here is at work.
"""

from __future__ import annotations

import ast
import builtins
import json
import time
from typing import Any

from analyst_kernel.kernel.payload.lineage import queries, tables
from analyst_kernel.kernel.payload.lineage.observe import Observer
from analyst_kernel.kernel.payload.lineage.origin import Origins
from analyst_kernel.kernel.payload.lineage.probes import PROBE, Instrument, literal

LINEAGE_MIME = "application/vnd.analyst-kernel.lineage+json"
_CHANGERS = frozenset({"insert", "pop", "update"})
"""Methods that change a table in place."""

_origins = Origins()


class Watch:
    """The transformer of a shell's cells."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.watched: dict[str, Any] = {}
        self.observer: Observer | None = None
        self._before: dict[str, tuple[Any, tuple[Any, ...], bool]] = {}
        self._seconds = 0.0

    def visit(self, tree: Any) -> Any:
        """Return the cell's tree with probes; on any trouble as it is."""
        self.observer = None
        began = time.thread_time()
        try:
            return self._prepared(tree)
        except Exception:  # noqa: BLE001 - the cell runs as it is
            self.observer = None
            setattr(builtins, PROBE, _pass)
            return tree
        finally:
            self._seconds = time.thread_time() - began

    def _prepared(self, tree: Any) -> Any:
        setattr(builtins, PROBE, _pass)
        if not self.watched or not isinstance(tree, ast.Module):
            return tree
        observer = Observer(self.shell, _origins, self.watched)
        observer.typed = _typed(tree)
        self._before = self._marks(tree)
        instrument = Instrument(self.shell.user_ns)
        made = instrument.cell(tree)
        observer.nodes = instrument.nodes
        self.observer = observer
        setattr(builtins, PROBE, observer)
        return made

    def _marks(self, tree: ast.Module) -> dict[str, tuple[Any, tuple[Any, ...], bool]]:
        """Return what the watched tables hold before the cell; closely for those at risk."""
        changed = _changed_names(tree)
        objects = [self.shell.user_ns.get(name) for name in changed]
        found = {}
        for name in self.watched:
            value = self.shell.user_ns.get(name)
            if tables.is_frame(value):
                risky = name in changed or any(one is value for one in objects)
                mark = tables.fingerprint(value) if risky else _shape(value)
                found[name] = (value, mark, risky)
        return found

    def report(self) -> dict[str, Any] | None:
        """Return what the last cell's probes saw, and let go of its values."""
        observer = self.observer
        if observer is None:
            return None
        began = time.thread_time()
        observer.release()
        if queries.is_loaded():
            for text, connection, lazily in observer.queries[:10]:
                try:
                    queries.look(observer, text, connection, lazily=lazily)
                except Exception as error:  # noqa: BLE001 - the cell is over
                    observer.problem = f"{type(error).__name__}: {error}"[:200]
        self._changed(observer)
        frames = observer.frames()
        events = [
            event
            for event in observer.events
            if not (event["kind"] == "ones" and tuple(event["by"]) in observer.counted)
        ]
        spent = observer.seconds + self._seconds + time.thread_time() - began
        return {
            "events": events,
            "frames": frames,
            "reads": sorted(one[:100] for one in observer.reads)[:20],
            "skipped": sorted(observer.skipped)[:5],
            "problem": observer.problem,
            "ms": round(spent * 1000, 1),
        }

    def _changed(self, observer: Observer) -> None:
        for name, (before, mark, risky) in self._before.items():
            now = self.shell.user_ns.get(name)
            if now is None:
                observer.add("changed", label=name, what="deleted", before=mark[0][0], after=0)
                continue
            if not tables.is_frame(now):
                observer.add("changed", label=name, what="overwritten", before=mark[0][0], after=-1)
                continue
            after = tables.fingerprint(now) if risky else _shape(now)
            found = tables.differences(mark, after)
            if found is not None:
                what = "changed in place" if now is before else "overwritten"
                observer.add(
                    "changed", label=name, what=what, before=found["before"], after=found["rows"],
                    values=found["columns"], added=found["added"], gone=found["gone"],
                )  # fmt: skip
        self._before = {}


def _pass(_number: int, value: Any) -> Any:
    """Stand where a probe was after the cell that it belongs to."""
    return value


def _shape(frame: Any) -> tuple[Any, ...]:
    kinds = [(label, str(kind), 0) for label, kind in zip(tables.labels(frame), frame.dtypes)]  # noqa: B905 - a kernel may be older
    return (tuple(frame.shape), tuple(kinds))


def _typed(tree: ast.Module) -> frozenset[str]:
    """Return the names that the cell gives typed values to, and nothing else."""
    typed: set[str] = set()
    other: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    found = literal(node.value)
                    own = isinstance(found, (list, tuple, dict, int, float, str))
                    (typed if own else other).add(target.id)
        elif (
            isinstance(node, (ast.For, ast.comprehension)) and isinstance(node.target, ast.Name)
        ) or (isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name)):
            other.add(node.target.id)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in ("append", "extend") and isinstance(node.func.value, ast.Name):
                other.add(node.func.value.id)
    return frozenset(typed - other)


def _changed_names(tree: ast.Module) -> set[str]:
    """Return the variables that a cell may change in place, or give another value."""
    changed: set[str] = set()
    twins: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Subscript, ast.Attribute)) and not isinstance(node.ctx, ast.Load):
            changed.add(_root(node))
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            changed.add(node.id)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in _CHANGERS or any(word.arg == "inplace" for word in node.keywords):
                changed.add(_root(node.func))
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    twins.setdefault(target.id, set()).add(node.value.id)
    for name in list(changed):
        changed |= twins.get(name, set())
    return changed


def _root(node: ast.AST) -> str:
    """Return the variable that an expression starts from."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def bundle(shell: Any) -> dict[str, Any]:
    """Return the report of a shell's last cell, for the reply that lists its variables."""
    found = getattr(shell, "_analyst_watch", None)
    report = found.report() if found is not None else None
    return {LINEAGE_MIME: json.dumps(report, default=str)} if report is not None else {}


def watch(shell: Any, text: str) -> None:
    """Watch these datasets from the next cell on; ``text`` is JSON: name to what is known."""
    found = getattr(shell, "_analyst_watch", None)
    if found is None:
        found = Watch(shell)
        object.__setattr__(shell, "_analyst_watch", found)
        shell.ast_transformers.append(found)
    found.watched = json.loads(text)
    found.observer = None
