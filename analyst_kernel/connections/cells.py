"""The cell of a query: plain code that runs elsewhere with the user's own credentials.

The code is also what a query is found in again: whatever runs a cell of ours first has its queries
asked, be it the agent, a replay, a branch or ``analyst verify``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from analyst_kernel._code import block_literal, text_literal, tree_of
from analyst_kernel.connections.engines import ENGINES
from analyst_kernel.connections.entries import ConnectionEntry


class CellQuery(NamedTuple):
    """A query that a cell asks: of the database whose address a variable holds."""

    variable: str
    sql: str


def cell_for(entry: ConnectionEntry, sql: str, name: str, numbers: Sequence[str] = ()) -> str:
    """Return the cell that asks ``sql`` and keeps the result in the variable ``name``.

    Args:
        entry: The connection.
        sql: One query.
        name: A Python name.
        numbers: Columns that arrive as texts of exact decimal numbers.
    """
    driver = ENGINES[entry.engine].driver
    query = sql.strip().rstrip(";").rstrip()
    lines = [
        "import os",
        "",
        f"import {driver}",
        "",
        f'with {driver}.connect(os.environ["{entry.variable}"]) as connection:',
        "    with connection.cursor() as cursor:",
        f"        cursor.execute({block_literal(query) or text_literal(query)})",
        f"        {name} = cursor.fetch_arrow_table().to_pandas(date_as_object=False)",
    ]
    if numbers:
        types = ", ".join(f'{text_literal(column)}: "float64"' for column in numbers)
        lines.append(f"{name} = {name}.astype({{{types}}})")
    return "\n".join([*lines, name])


def queries_in(code: str) -> tuple[CellQuery, ...]:
    """Return the queries that a cell asks, in order: literal texts given to ``execute``."""
    if "connect" not in code or "environ" not in code:
        return ()
    tree = tree_of(code)
    return () if tree is None else tuple(dict.fromkeys(_queries(tree, "")))


def _queries(node: ast.AST, variable: str) -> Iterator[CellQuery]:
    match node:
        case ast.With():
            variable = next(filter(None, (_variable(item) for item in node.items)), variable)
        case ast.Call(
            func=ast.Attribute(attr="execute"), args=[ast.Constant(value=str(sql))], keywords=[]
        ) if variable:
            yield CellQuery(variable, sql)
    for child in ast.iter_child_nodes(node):
        yield from _queries(child, variable)


def _variable(item: ast.withitem) -> str:
    match item.context_expr:
        case ast.Call(
            func=ast.Attribute(attr="connect"),
            args=[
                ast.Subscript(
                    value=ast.Attribute(value=ast.Name(id="os"), attr="environ"),
                    slice=ast.Constant(value=str(variable)),
                )
            ],
        ):
            return variable
        case _:
            return ""
