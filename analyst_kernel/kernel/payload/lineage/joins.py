"""Joins and concatenations: whether they repeat rows, and which."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from analyst_kernel.kernel.payload.frames import _label
from analyst_kernel.kernel.payload.lineage import tables
from analyst_kernel.kernel.payload.lineage.origin import Origin, merged
from analyst_kernel.kernel.payload.lineage.probes import Node, is_literal
from analyst_kernel.kernel.payload.lineage.seen import Seen


def _label_of(seen: Any) -> str:
    origin = seen.origin
    return (seen.name or (origin.label if origin is not None else "") or "the other table")[:100]


def join(observer: Any, node: Node, value: Any, before: Any, inside: list[Any]) -> Seen | None:
    """Return what a join gave; None if it is none of pandas."""
    sides = [one for one in [before, *inside] if one is not None and tables.is_table(one.value)]
    if len(sides) < 2 or not tables.is_frame(value) or not tables.is_frame(sides[0].value):
        if not (len(sides) >= 2 and tables.is_series(sides[0].value) and tables.is_frame(value)):
            return None
    left, right = sides[0], sides[1]
    origin = merged([left.origin, right.origin]) or Origin()
    rows = (tables.rows(left.value), tables.rows(right.value), tables.rows(value))
    origin = replace(
        origin, label=_label_of(left), rows=rows[0], others=((_label_of(right), rows[1]),),
        fan=frozenset(), means=(), reduced=False, joined=True,
    )  # fmt: skip
    keys = _keys(node, left.value, right.value)
    exact = node.name in ("merge", "join") and node.keywords.get("how") != "cross"
    if exact and keys is not None and left.value is not right.value:
        one, two = (tables.repeats(side.value, key)
                    for side, key in zip((left, right), keys))  # noqa: B905 - a kernel may be older  # fmt: skip
        if one is not None and two is not None:
            names = ", ".join(map(_label, keys[0] or keys[1] or ["the index"]))
            if one["keys"] and two["keys"] and rows[2] > 0:
                observer.add(
                    "join", label=_label_of(left), rows=rows[0], other=_label_of(right),
                    other_rows=rows[1], after=rows[2], column=names, count=two["keys"],
                    high=two["most"], values=[two["example"]], use=_unmatched(left, right, keys),
                )  # fmt: skip
            elif two["keys"] or one["keys"]:
                single, many = (left, right) if two["keys"] else (right, left)
                own = set(tables.labels(single.value)) - set(
                    map(_label, [*(keys[0] or []), *(keys[1] or [])])
                )
                own -= set(tables.labels(many.value))
                origin = replace(
                    origin, fan=frozenset(own), fan_label=_label_of(single),
                    fan_rows=(tables.rows(single.value), rows[2]),
                )  # fmt: skip
        else:
            observer.skipped.add(f"the keys of {_label_of(left)} and {_label_of(right)}")
    observer.origins.put(value, origin)
    return Seen(value, origin)


def _unmatched(left: Any, right: Any, keys: tuple[Any, Any]) -> str:
    """Return nothing unless the join is of a table with a part of itself."""
    same = left.origin is not None and right.origin is not None and left.origin.label
    return "self" if same and left.origin.label == right.origin.label else ""


def _keys(node: Node, left: Any, right: Any) -> tuple[list[Any] | None, list[Any] | None] | None:
    """Return the columns that both sides are joined on (None for the index), if they are known."""
    words = dict(node.keywords)
    positional = (
        node.literals
        if node.owner.partition(".")[0] in ("pd", "pandas")
        else [None, *node.literals]
    )
    if node.name == "join":
        on = words.get("on")
        if on is None and "on" not in words:
            return None, None
        return (_listed(on), None) if is_literal(on) else None
    if len(positional) > 3 and is_literal(positional[3]):
        words.setdefault("on", positional[3])
    if len(positional) > 2 and is_literal(positional[2]):
        words.setdefault("how", positional[2])
    if any(not is_literal(words[name]) for name in ("on", "left_on", "right_on") if name in words):
        return None
    if words.get("on") is not None:
        return _listed(words["on"]), _listed(words["on"])
    first = None if words.get("left_index") else _listed(words.get("left_on"))
    second = None if words.get("right_index") else _listed(words.get("right_on"))
    if "left_on" in words or "right_on" in words or words.get("left_index"):
        return first, second
    if not (tables.is_frame(left) and tables.is_frame(right)):
        return None
    common = [name for name in left.columns if name in set(right.columns)]
    return (common, common) if common else None


def _listed(given: Any) -> list[Any] | None:
    if given is None:
        return None
    return list(given) if isinstance(given, (list, tuple)) else [given]


def concat(observer: Any, node: Node, value: Any, inside: list[Any]) -> Seen:
    """Return tables one after another, or side by side; notes rows that are there twice."""
    origin = merged(one.origin for one in inside) or Origin()
    pieces = [one for one in inside if tables.is_frame(one.value)]
    sideways = node.keywords.get("axis") in (1, "columns")
    after = tables.rows(value)
    if sideways:
        sides = [one for one in inside if tables.is_table(one.value)]
        most = max([tables.rows(one.value) for one in sides], default=0)
        if len(sides) > 1 and after > most:
            observer.add(
                "sideways", label=_label_of(sides[0]), rows=tables.rows(sides[0].value),
                other=_label_of(sides[1]), other_rows=tables.rows(sides[1].value), after=after,
            )  # fmt: skip
    else:
        for place, second in enumerate(pieces[1:6], start=1):
            for first in pieces[:place]:
                shared = tables.shared_rows(first.value, second.value)
                if shared and shared * 2 >= tables.rows(second.value):
                    observer.add(
                        "twice", label=_label_of(first), rows=tables.rows(first.value),
                        other=_label_of(second), other_rows=tables.rows(second.value),
                        after=after, count=shared,
                    )  # fmt: skip
    if pieces:
        first = pieces[0]
        others = tuple((_label_of(one), tables.rows(one.value)) for one in pieces[1:4])
        origin = replace(
            origin, label=_label_of(first), rows=tables.rows(first.value), others=others
        )
    observer.origins.put(value, origin)
    return Seen(value, origin)
