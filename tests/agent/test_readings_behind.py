"""Which choices of a reading an answer rests on: by what its cells computed on."""

from __future__ import annotations

import pytest

from analyst_kernel.agent.evidence.checks.shown import ShownCell
from analyst_kernel.agent.lineage.reading import all_reads, assumption_of, choices_behind
from analyst_kernel.protocol.datasets import ColumnProfile, Dataset, DatasetProfile, ReadingChoice
from analyst_kernel.protocol.ids import CellId


def profile(name: str, columns: tuple[str, ...], *choices: ReadingChoice) -> DatasetProfile:
    dataset = Dataset(
        name=name, path=f"/{name}.csv", format="csv", bytes=9, rows=40, columns=columns,
        choices=choices,
    )  # fmt: skip
    kinds = [
        ColumnProfile(name=one, dtype="DOUBLE", kind="number", nulls=0, distinct=9, maximum=77.5)
        for one in columns
    ]
    return DatasetProfile(dataset=dataset, columns=tuple(kinds))


def on(key: str, *columns: str) -> ReadingChoice:
    touches = "columns" if columns else "rows"
    return ReadingChoice(key=key, sentence=f"{key}.", touches=touches, columns=columns)


KNOWN = {
    "sales": profile(
        "sales", ("day", "order amount", "region"),
        on("rows.total"), on("dates.day", "day"), on("decimal", "order amount"),
        ReadingChoice(key="header", sentence="Above it stand 2 lines."),
    ),
    "shops": profile("shops", ("region", "town"), on("word.NA", "town"), on("rows.footer")),
}  # fmt: skip
READS_SALES = frozenset({"sales"})
CASES = {
    "a column by name": ("sales['order amount'].mean()", READS_SALES, "", {"rows.total", "decimal"}),
    "an attribute": ("sales.day.dt.month.value_counts()", READS_SALES, "",
                     {"rows.total", "dates.day"}),
    "rows alone": ("len(sales)", READS_SALES, "40", {"rows.total"}),
    "SQL": ('duckdb.sql("select sum(\\"order amount\\") from sales")', None, "",
            {"rows.total", "decimal"}),
    "another column": ("sales['region'].nunique()", READS_SALES, "", {"rows.total"}),
    "columns that the output shows": ("sales.describe()", READS_SALES, "  day  order amount\n1 2",
                                      {"rows.total", "dates.day", "decimal"}),
    "columns by their place": ("sales.iloc[:, 1].sum()", READS_SALES, "9",
                               {"rows.total", "dates.day", "decimal"}),
    "another table": ("shops['town'].nunique()", frozenset({"shops"}), "",
                      {"word.NA", "rows.footer"}),
    "no table": ("print(2 + 2)", frozenset(), "4", set()),
    "a word inside a name": ("sales['region'].eq('daytona').sum()", READS_SALES, "",
                             {"rows.total"}),
}  # fmt: skip


def keys(shown: list[ShownCell], relied: set[str], **stated: list[float]) -> set[str]:
    cells = {CellId(cell) for cell in relied}
    return {choice.key for _, choice in choices_behind(KNOWN, shown, cells, stated)}


@pytest.mark.parametrize("name", CASES)
def test_a_choice_matters_where_a_cell_uses_its_column_or_its_rows(name: str) -> None:
    code, reads, text, expected = CASES[name]
    cell = ShownCell(CellId("c1"), 1, code, texts=(text,), reads=reads)
    assert keys([cell], {"c1"}) == expected
    assert keys([cell], set()) == set(), "a cell that nothing rests on"


def test_a_cell_rests_on_what_made_its_variables() -> None:
    shown = [
        ShownCell(CellId("c1"), 1, "monthly = sales.groupby('day').size()", reads=READS_SALES),
        ShownCell(CellId("c2"), 2, "other = sales['order amount'].sum()", reads=READS_SALES),
        ShownCell(CellId("c3"), 3, "print(monthly.max())", texts=("9",), reads=READS_SALES),
    ]
    assert keys(shown, {"c3"}) == {"rows.total", "dates.day"}


def test_numbers_of_the_setup_cell_are_of_their_table() -> None:
    assert keys([], set(), sales=[40.0]) == {"rows.total"}
    assert keys([], set(), sales=[77.5]) == {"rows.total", "dates.day", "decimal"}
    assert keys([], set(), shops=[40.0]) == {"rows.footer"}


def test_what_the_user_said_is_shown_as_theirs() -> None:
    choice = ReadingChoice(
        key="dates.day", sentence="Dates are read with the day first.", column="day",
        touches="columns", columns=("day",),
    )  # fmt: skip
    assert assumption_of("sales", choice) == "sales, day: Dates are read with the day first."
    own = choice.model_copy(update={"by_user": True})
    assert assumption_of("sales", own) == "sales, day: you said: dates are read with the day first."


def test_what_cells_read_is_unknown_where_one_was_not_seen() -> None:
    seen = ShownCell(CellId("c1"), 1, "", reads=READS_SALES)
    unseen = ShownCell(CellId("c2"), 2, "")
    assert all_reads([CellId("c1")], [seen, unseen]) == READS_SALES
    assert all_reads([CellId("c1"), CellId("c2")], [seen, unseen]) is None
    assert all_reads([], [seen]) is None
