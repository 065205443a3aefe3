"""Checks which rows and columns the cells behind an answer used.

Rows: the answer rests on fewer than half of a dataset's rows and names no exclusion. Columns: the
question names one that no cell used. Both are read from the code and from the kernel's own sizes of
variables. Pure.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from analyst_kernel._code import tree_of
from analyst_kernel.agent.evidence.checks.mismatch import Mismatch
from analyst_kernel.agent.evidence.checks.prose import stem
from analyst_kernel.agent.evidence.checks.shown import ShownCell, plain_text
from analyst_kernel.protocol.datasets import ColumnProfile, DatasetProfile
from analyst_kernel.protocol.ids import CellId

_NAMED_EXCLUSION = re.compile(
    r"\b(?:exclu\w*|dropp\w*|without|missing|complete|incomplete|remov\w*|filter\w*|restrict\w*"
    r"|limited to|subset|sampl\w*|first [0-9]|only|remain\w*|kept|known|available|recorded|valid"
    r"|left out"
    r"|leav\w+ out|ignor\w*|omit\w*|discard\w*|not counted|non-?null|nan|null|blank|empty|unknown"
    r"|matched|unmatched|duplicat\w*|deduplicat\w*|distinct|of the (?:[0-9][0-9,]*) |rows that"
    r"|rows with)\b",
    re.IGNORECASE,
)
_AGGREGATING = frozenset(
    """groupby agg aggregate pivot pivot_table crosstab value_counts mean median sum count size
    nunique unique describe resample rolling corr max min std var quantile melt stack
    unstack nlargest nsmallest cumsum transpose T sum idxmax idxmin mode drop_duplicates
    explode""".split()
)
_RANKING = frozenset({"sort_values", "nlargest", "nsmallest", "rank", "sort_index"})
"""Who takes the first rows of a ranking wants these."""
_NOT_ASKED = frozenset({"dropna", "notna", "notnull", "merge", "join"})
_WHOLE_TABLE = frozenset(
    """describe info isna isnull notna notnull corr nunique duplicated select_dtypes columns
    dtypes iterrows itertuples to_dict melt pairplot hist drop_duplicates""".split()
)
_PLAIN_WORDS = frozenset(
    """state rank order time name share count rate total number value date year month day week
    type kind level group index class list show plot mean max min sum size code id key label
    result status note comment description unit position row column data average median
    model case part first last high low open close change range period hour quarter start
    end title text item line source target set use record figure chart place point percent
    amount test score one two find compare""".split()
)
_SET_ASIDE = re.compile(
    r"\b(?:regardless of|irrespective of|ignor\w+|apart from|independent\w* of|not by|without"
    r"|leav\w+ out"
    r"|exclud\w+|except|other than|no need for|never mind)(?:\s+\w+){0,3}\s*$",
    re.IGNORECASE,
)
_CITED = re.compile(r"\[(?:cells?|iterations?)\s[^\]\n]{0,60}\]", re.IGNORECASE)
_SELECT_ALL = re.compile(r"\bselect\s+(?:\w+\.)?\*", re.IGNORECASE)
_SQL_CUT = re.compile(
    r"\bfrom\s+\"?(?P<name>\w+)\"?(?P<middle>[^()]{0,300}?)\b(?P<how>limit\s+(?P<rows>[0-9]+)"
    r"|using sample\s+"
    r"(?P<sample>[0-9]+)\s*(?P<percent>%|percent)?)[^()]{0,40}\)",
    re.IGNORECASE,
)
_SQL_NOT_NULL = re.compile(
    r"\bfrom\s+\"?(?P<name>\w+)\"?[^;]{0,300}?\bwhere\b(?P<where>[^;]{0,400})", re.IGNORECASE
)
_IS_NOT_NULL = re.compile(
    r"(?:\"(?P<quoted>[^\"]+)\"|(?P<bare>\w+))\s+is\s+not\s+null", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Narrowing:
    """Rows of a dataset that a variable or an expression keeps.

    Attributes:
        cell, number: The cell in which it happened, and its number; 0 for a cell of the user.
        dataset: Which dataset's rows.
        rows_in, rows_out: How many there are, and how many are kept.
        how: The code that keeps them.
        variable: The variable that holds them; empty if they were used at once.
        asked: Words and numbers of the condition: who names one of them names the exclusion.
    """

    cell: CellId
    number: int
    dataset: str
    rows_in: int
    rows_out: int
    how: str
    variable: str = ""
    asked: frozenset[str] = frozenset()


def unnamed_exclusions(
    cells: Sequence[ShownCell],
    cited: frozenset[int],
    profiles: Mapping[str, DatasetProfile],
    said: str,
    question: str,
    *,
    known: Sequence[Narrowing] = (),
) -> Iterator[Mismatch]:
    """Yield the cell that used under half of a dataset's rows if the answer names no exclusion.

    ``said`` is the answer with its assumptions and caveats; ``known`` are narrowings that are known
    from elsewhere than the code and the sizes of variables.
    """
    if _NAMED_EXCLUSION.search(said):
        return
    spoken = _CITED.sub(" ", f"{said}\n{question}").casefold()
    words = {stem(word) for word in re.findall(r"[^\W_]+", spoken)}
    narrowings = [*narrowed(cells, profiles), *known]
    used = [cell for cell in cells if cell.iteration in cited] or list(cells)[-1:]
    for cell in used:
        names = _names(cell.code)
        there = [found for found in narrowings if _rests_on(cell, found, names)]
        for found in there:
            # Parts that are used together, such as training and test rows, are no exclusion.
            parts = {
                part.variable or part.how: part.rows_out
                for part in there
                if part.dataset == found.dataset
            }
            if 2 * sum(parts.values()) >= found.rows_in or found.rows_in < 10:
                continue
            sizes = {str(found.rows_out), f"{found.rows_out:,}"}
            if any(
                re.search(rf"(?<![\w.,]){re.escape(size)}(?![\w]|[.,][0-9])", spoken)
                for size in sizes
            ):
                continue
            if found.asked & words or any(" " in text and text in spoken for text in found.asked):
                continue
            yield Mismatch(
                "coverage",
                f"the answer rests on {found.rows_out:,} of {found.dataset}'s {found.rows_in:,} "
                "rows",
                f"{_cell_name(found.number)} keeps only these ({found.how}), and the answer names "
                "no exclusion",
            )
            return


def _cell_name(number: int) -> str:
    return f"cell {number}" if number else "a cell of the user"


def _rests_on(cell: ShownCell, found: Narrowing, names: AbstractSet[str]) -> bool:
    """Return whether a cell works on the rows that a narrowing keeps, and not on the dataset."""
    if found.cell == cell.cell:
        return not found.variable or found.variable in names
    return found.variable in names and found.dataset not in names - {found.variable}


def narrowed(
    cells: Sequence[ShownCell], profiles: Mapping[str, DatasetProfile]
) -> Iterator[Narrowing]:
    """Yield where code keeps some rows of a dataset and does not aggregate them."""
    root = {name: name for name in profiles}
    for cell in cells:
        tree = tree_of(cell.code)
        if tree is None:
            continue
        sizes = {frame.name: frame.shape for frame in cell.after if len(frame.shape) == 2}
        kept: dict[str, Narrowing] = {}
        for node in tree.body:
            if isinstance(node, ast.Assign) and len(node.targets) == 1:
                target = node.targets[0]
                if isinstance(target, ast.Name):
                    for found in _assigned(cell, target.id, node.value, root, sizes, profiles):
                        # Its size is known only as the last assignment left it: that one is named,
                        # and the conditions of all of them led there.
                        earlier = kept.get(target.id, found)
                        kept[target.id] = replace(found, asked=found.asked | earlier.asked)
        yield from kept.values()
        for call in ast.walk(tree):
            if isinstance(call, ast.Attribute) and call.attr in _AGGREGATING:
                yield from _at_once(cell, call.value, root, profiles)
        for text in _strings(tree):
            yield from _in_sql(cell, text, profiles)


def _assigned(
    cell: ShownCell,
    name: str,
    value: ast.expr,
    root: dict[str, str],
    sizes: Mapping[str, tuple[int, ...]],
    profiles: Mapping[str, DatasetProfile],
) -> Iterator[Narrowing]:
    base = _base(value)
    if base == "pd" and isinstance(value, ast.Call) and value.args:
        base = _base(value.args[0])  # pd.merge(orders, customers)
    called = {n.attr for n in ast.walk(value) if isinstance(n, ast.Attribute)}
    if base is None or base not in root or name in profiles:
        return
    dataset = root[base]
    # Aggregates inside the brackets of a condition do not count: the rows that are kept stay rows.
    if _outer(value) & _AGGREGATING or called & _RANKING:
        return
    root[name] = dataset
    rows = profiles[dataset].dataset.rows
    shape = sizes.get(name)
    if rows and shape is not None and shape[0] < rows:
        how = ast.unparse(value)
        asked = frozenset() if called & _NOT_ASKED else _condition_words(value)
        yield Narrowing(
            cell.cell, cell.iteration, dataset, rows, shape[0], _short(how), name, asked
        )


def _base(value: ast.expr) -> str | None:
    """Return the variable that a chain of calls, attributes and brackets begins with."""
    node = value
    while isinstance(node, ast.Call | ast.Attribute | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def _outer(value: ast.expr) -> frozenset[str]:
    """Return the methods along the chain of calls, without those inside brackets."""
    found = set()
    node: ast.AST = value
    while True:
        if isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
            node = node.value
        elif isinstance(node, ast.Subscript):
            node = node.value
        else:
            return frozenset(found)


def _at_once(
    cell: ShownCell,
    value: ast.expr,
    root: Mapping[str, str],
    profiles: Mapping[str, DatasetProfile],
) -> Iterator[Narrowing]:
    """Yield what an expression such as ``df.head(100).x.mean()`` keeps before it goes on."""
    while isinstance(value, ast.Attribute) or (
        isinstance(value, ast.Subscript) and not isinstance(value.slice, ast.Slice)
    ):
        value = value.value  # the columns of df.head(100)[["a", "b"]]
    rows_out: int | None = None
    source: ast.expr | None = None
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        source, method = value.func.value, value.func.attr
        dataset = _dataset(source, root)
        if dataset is None:
            return
        profile = profiles[dataset]
        if method in ("head", "tail", "sample") and (amount := _amount(value)) is not None:
            rows = profile.dataset.rows or 0
            rows_out = int(amount * rows) if isinstance(amount, float) else amount
        elif method == "dropna":
            rows_out = _complete(profile, value)
    elif isinstance(value, ast.Subscript) and isinstance(value.slice, ast.Slice):
        source = value.value
        if isinstance(source, ast.Attribute) and source.attr == "iloc":
            source = source.value
        dataset = _dataset(source, root)
        upper = value.slice.upper
        if dataset is None or value.slice.lower is not None or not isinstance(upper, ast.Constant):
            return
        profile = profiles[dataset]
        rows_out = upper.value if isinstance(upper.value, int) and upper.value > 0 else None
    else:
        return
    all_rows = profile.dataset.rows
    if rows_out is not None and all_rows and rows_out < all_rows:
        yield Narrowing(
            cell.cell, cell.iteration, dataset, all_rows, rows_out, _short(ast.unparse(value))
        )


def _dataset(node: ast.expr, root: Mapping[str, str]) -> str | None:
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    return root[node.id] if isinstance(node, ast.Name) and node.id in root else None


def _amount(call: ast.Call) -> int | float | None:
    if call.args and isinstance(call.args[0], ast.Constant):
        amount = call.args[0].value
        return amount if isinstance(amount, int) and amount >= 0 else None
    for keyword in call.keywords:
        if keyword.arg in ("n", "frac") and isinstance(keyword.value, ast.Constant):
            amount = keyword.value.value
            if isinstance(amount, int | float):
                return float(amount) if keyword.arg == "frac" else int(amount)
    return None if call.args or call.keywords else 5


def _complete(profile: DatasetProfile, call: ast.Call) -> int | None:
    """Return the most rows that ``dropna`` can keep, as the profile counts missing values."""
    if any(keyword.arg in ("how", "axis", "thresh") for keyword in call.keywords):
        return None
    nulls = {column.name: column.nulls for column in profile.columns}
    wanted = {n.value for n in ast.walk(call) if isinstance(n, ast.Constant) and n.value in nulls}
    inner = call.func.value if isinstance(call.func, ast.Attribute) else call
    wanted |= {n.value for n in ast.walk(inner) if isinstance(n, ast.Constant) and n.value in nulls}
    chosen = [nulls[str(name)] for name in wanted] or list(nulls.values())
    rows = profile.dataset.rows
    return rows - max(chosen, default=0) if rows else None


def _in_sql(
    cell: ShownCell, text: str, profiles: Mapping[str, DatasetProfile]
) -> Iterator[Narrowing]:
    for match in _SQL_CUT.finditer(text):
        profile = profiles.get(match["name"])
        if (
            profile is None
            or not profile.dataset.rows
            or re.search(r"\b(?:group|order)\s+by\b", match["middle"], re.IGNORECASE)
        ):
            continue
        rows = profile.dataset.rows
        kept = int(match["rows"] or match["sample"])
        if match["percent"]:
            kept = rows * kept // 100
        if kept < rows:
            yield Narrowing(
                cell.cell, cell.iteration, match["name"], rows, kept, match["how"].strip()
            )
    for match in _SQL_NOT_NULL.finditer(text):
        profile = profiles.get(match["name"])
        if profile is None or not profile.dataset.rows:
            continue
        nulls = {column.name.casefold(): column.nulls for column in profile.columns}
        for condition in _IS_NOT_NULL.finditer(match["where"]):
            name = condition["quoted"] or condition["bare"]
            missing = nulls.get(name.casefold(), 0)
            rows = profile.dataset.rows
            if missing:
                how = condition[0].strip()
                yield Narrowing(cell.cell, cell.iteration, match["name"], rows, rows - missing, how)


def _condition_words(value: ast.expr) -> frozenset[str]:
    """Return the words, numbers and names of columns in the conditions of an expression."""
    words: set[str] = set()
    for node in ast.walk(value):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float):
            text = str(node.value).casefold()
            words |= {text, stem(text)} | {stem(word) for word in re.findall(r"[^\W_]{3,}", text)}
        elif isinstance(node, ast.Attribute):
            words |= {stem(word) for word in re.findall(r"[^\W_]{3,}", node.attr.casefold())}
    return frozenset(words)


def _strings(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _names(code: str) -> frozenset[str]:
    """Return every name, attribute and word of a string in code."""
    tree = tree_of(code)
    if tree is None:
        return frozenset(re.findall(r"\w+", code))
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name():
                found.add(node.id)
            case ast.Attribute():
                found.add(node.attr)
            case ast.keyword(arg=str(name)):
                found.add(name)
            case ast.Constant(value=str(text)):
                found.add(text)
                found.update(re.findall(r"\w+", text))
            case _:
                pass
    return frozenset(found)


def _short(code: str) -> str:
    line = " ".join(code.split())
    return line if len(line) <= 80 else f"{line[:79]}…"


# --- columns --------------------------------------------------------------------------------------


def unused_columns(
    cells: Sequence[ShownCell],
    profiles: Mapping[str, DatasetProfile],
    question: str,
    *,
    cited: frozenset[int] = frozenset(),
) -> Iterator[Mismatch]:
    """Yield columns that the question names and that no code of the analysis mentions.

    A column that stands in the output of a cited cell was shown, so it was not left out.
    """
    codes = [cell.code for cell in cells]
    used = frozenset().union(*map(_names, codes)) if codes else frozenset()
    if not codes or used & _WHOLE_TABLE or any(map(_SELECT_ALL.search, codes)):
        return
    known = {name.casefold() for name in used}
    shown = [cell for cell in cells if cell.iteration in cited] or list(cells)[-1:]
    texts = "\n".join([*codes, *map(plain_text, shown)]).casefold()
    values = {
        top.value.casefold()
        for profile in profiles.values()
        for column in profile.columns
        for top in column.top
    }
    rows = {stem(w) for p in profiles.values() for w in (p.dataset.name, *p.row_words)}
    asked = [(m.start(), stem(m[0])) for m in re.finditer(r"[^\W_]+", question)]
    taken: set[int] = set()
    wanted = sorted(
        (
            (words, column, profile.dataset.name, _counts_rows(column, profile))
            for profile in profiles.values()
            for column in profile.columns
            for words in _ways_to_say(column)
        ),
        key=lambda item: -len(item[0]),
    )
    for words, column, dataset, counts_rows in wanted:
        if len(words) == 1 and (
            counts_rows
            or words[0] in _PLAIN_WORDS
            or words[0] in rows
            or words[0] in values
            or len(words[0]) < 3
        ):
            continue
        at = _found(words, [word for _, word in asked], taken)
        if at is None:
            continue
        taken.update(range(at, at + len(words)))
        if _is_used(column, known, texts) or _SET_ASIDE.search(question[: asked[at][0]]):
            continue
        yield Mismatch(
            "column",
            f"the question says “{' '.join(words)}”",
            f"no cell used the column {column.name!r} of {dataset}",
        )


def _counts_rows(column: ColumnProfile, profile: DatasetProfile) -> bool:
    """Return whether a column has another value in each row: its name is that of a row."""
    if column.distinct != profile.dataset.rows:
        return False
    if column.kind != "number":
        return True
    ends = column.minimum, column.maximum
    # Numbers name rows if they count them: 1 to 344.
    return all(isinstance(end, int | float) for end in ends) and (
        float(ends[1] or 0) - float(ends[0] or 0) + 1 == column.distinct
    )


def _ways_to_say(column: ColumnProfile) -> list[tuple[str, ...]]:
    names = [column.name]
    if column.words is not None:
        names += [column.words.label, *column.words.synonyms]
    ways = []
    for name in names:
        bare = re.sub(r"\([^()]*\)|\[[^\[\]]*\]", " ", name)
        bare = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", bare)
        words = tuple(stem(word) for word in re.findall(r"[^\W_]+", bare))
        if words and not all(word.isdigit() for word in words):
            ways.append(words)
    return ways


def _found(words: tuple[str, ...], asked: Sequence[str], taken: set[int]) -> int | None:
    for at in range(len(asked) - len(words) + 1):
        if tuple(asked[at : at + len(words)]) == words and not taken & set(
            range(at, at + len(words))
        ):
            return at
    return None


def _is_used(column: ColumnProfile, known: set[str], texts: str) -> bool:
    name = column.name.casefold()
    return name in known or name.strip() in texts
