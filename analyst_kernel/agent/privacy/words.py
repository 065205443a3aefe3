"""The words that may stay readable: of Python and pandas, and of this package's own sentences."""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from analyst_kernel.agent.privacy.tokens import Readable, words_in

_LIBRARIES = """
    pandas numpy duckdb polars pyarrow matplotlib python core frame series indexes base
    DataFrame Series Index RangeIndex MultiIndex DatetimeIndex Categorical ndarray array Timestamp
    Timedelta dtype dtypes object string str category bool boolean int8 int16 int32 int64 uint8
    uint16 uint32 uint64 float32 float64 Int8 Int16 Int32 Int64 UInt8 Float32 Float64 datetime64
    timedelta64 ns us ms UTC NaN nan NaT NA inf Name Length Freq Empty Columns Columns: Data Dtype
    Non-Null Count entries memory usage count mean std unique top freq of and the rows columns row
    column x to total non-null true false null VARCHAR BIGINT INTEGER DOUBLE BOOLEAN DATE TIMESTAMP
    HUGEINT DECIMAL KeyError ValueError BinderException CatalogException ParserException
    ConversionException InvalidInputException ColumnNotFoundError UndefinedVariableError
    OutOfBoundsDatetime MergeError IntCastingNaNError Binder Error Catalog Parser Traceback recent
    call last most Cell In line Line np pd plt AS FROM SELECT WHERE GROUP BY ORDER Conversion
    Could not convert cast type int float len print LINE must be found candidate bindings
    referenced table function
    """.split()
_STRUCTURE = Path(__file__).parent.parent
_PLACES = re.compile(
    r"^cell [0-9]+: \w+, [0-9.]+ s$|\bcells?\s+[0-9]{1,4}(?:(?:,\s*|\s+and\s+)[0-9]{1,4})*"
    r"|\b(?:line|step|iteration|repair|question|attempt)s?\s+[0-9]{1,4}(?: of [0-9]{1,4})?"
    r"|\b[0-9]{1,4} (?:iterations?|repairs?|more iterations?) (?:are )?left"
    r"|\b[0-9][0-9,]* (?:rows?|columns?)\b|^[0-9]{1,2}\. \[\w+\]|\b[rdqfc][0-9]{1,3}\b"
    r"|^Environment: .*$",
    re.MULTILINE,
)
_OBSERVED_PLACES = re.compile(r"^(?:->|  ) +[0-9]{1,4} \||\bcells? [0-9]{1,4}\b", re.MULTILINE)


_CUT = re.compile(
    r"^… [0-9,]+ characters \([0-9,]+ lines\) omitted here; print less, or select what you need …$",
    re.MULTILINE,
)


@cache
def in_outputs() -> Readable:
    """Return what stays readable of what code shows: Python's and the libraries' vocabulary."""
    return Readable(frozenset((*_LIBRARIES, *keyword.kwlist, *_exceptions())), places=_CUT)


@cache
def in_observations() -> Readable:
    """Return what stays readable of the rest of an observation."""
    own = frozenset(_words_of("observation")) | frozenset(_words_of("lineage"))
    return Readable(in_outputs().words | own, places=_OBSERVED_PLACES)


@cache
def in_sentences() -> Readable:
    """Return what stays readable outside of the envelopes: the words of our own sentences."""
    own = in_observations().words | frozenset(_words_of("."))
    return Readable(own, before_values=True, places=_PLACES)


def _exceptions() -> Iterator[str]:
    for name in dir(builtins):
        found = getattr(builtins, name)
        if isinstance(found, type) and issubclass(found, BaseException):
            yield name


def _words_of(folder: str) -> Iterator[str]:
    """Yield the words of the texts in this package's code, numbers left out."""
    for text in _texts_of(folder):
        yield from (word for word in words_in(text) if not word[0].isdigit())


def _texts_of(folder: str) -> Iterator[str]:
    """Yield the texts in this package's code, docstrings left out."""
    for path in sorted((_STRUCTURE / folder).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docs = {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if id(node) not in docs:
                    yield node.value


@cache
def own_lines() -> frozenset[str]:
    """Return the whole lines of our own texts, whose numbers stay too."""
    lines = (line for text in _texts_of(".") for line in text.split("\n"))
    return frozenset(line for line in lines if len(line.split()) > 3)


NOTES = {
    "no-values": """
# Privacy
The user keeps the values of the data from you. Each value travels as a token such as ⟦v17⟧ (a \
text or date) or ⟦n18⟧ (a number); the same value has the same token throughout. You see names, \
types and counts. What code prints comes as tokens, numbers too, so have code compare, sort and \
round. Use a token as it is: ⟦n18⟧ bare in code is the number, "⟦v17⟧" in quotes is the text, and \
several tokens keep the blanks and marks between them. In answers, findings and plans write the \
tokens of what you cite: the user reads the real values. Never guess what a token stands for, \
never take one apart, and compare texts with == or isin, not with patterns.
""",
    "schema-only": """
# Privacy
The user shows you the names and types of the data and the sizes of tables, nothing else: no \
output of a cell is sent to you, of an error only its type. Words of the user that are values of \
the data travel as tokens such as ⟦v17⟧; use them as they are. Write code that displays the \
result for the user, and in the answer refer to the cell that shows it, as [cell 3], without \
numbers.
""",
}
"""What a model is told of each mode, in its instructions."""
