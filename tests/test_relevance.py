"""Which tables and columns a question is about."""

from __future__ import annotations

import pytest

from analyst_kernel._relevance import NAMED, column_scores, ranked
from analyst_kernel.data.profile.describe import describe
from analyst_kernel.protocol.datasets import (
    ColumnProfile,
    ColumnWords,
    Dataset,
    DatasetProfile,
    ValueCount,
)


def column(name: str, *top: str, label: str = "") -> ColumnProfile:
    return ColumnProfile(
        name=name,
        dtype="VARCHAR",
        kind="text",
        nulls=0,
        distinct=99,
        top=tuple(ValueCount(value=value, count=2) for value in top),
        words=ColumnWords(label=label) if label else None,
    )


def table(name: str, *columns: ColumnProfile | str) -> DatasetProfile:
    every = tuple(column(one) if isinstance(one, str) else one for one in columns)
    names = tuple(one.name for one in every)
    dataset = Dataset(
        name=name, path=f"/d/{name}.csv", format="csv", bytes=9, rows=9, columns=names
    )
    return DatasetProfile(dataset=dataset, columns=every)


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("Which store sold the most?", "stores"),
        ("How did churned customers behave?", "accounts"),
        ("How many complaints came from Lisbon?", "tickets"),
        ("What was the turnover in 2024?", "ledger"),
        ("Average dwell time per zone", "sensor_b"),
    ],
)
def test_the_tables_that_a_question_is_about_come_first(question, first):
    tables = [
        *(table(f"aaa_{n}", "id", "name", "value") for n in range(30)),
        table("stores", "id", "city"),
        table("accounts", "id", "isChurned"),
        table("tickets", "id", column("place", "Lisbon", "Porto")),
        table("ledger", "id", column("amt", label="turnover")),
        table("sensor_b", "id", "dwell_time", "zone"),
    ]
    order = ranked(tables, question)
    assert tables[order[0][0]].dataset.name == first
    assert order[0][1] > order[1][1]


def test_tables_that_fit_equally_keep_their_order():
    tables = [table(f"t{n}", "id") for n in range(5)]
    assert [place for place, _ in ranked(tables, "What is new?")] == [0, 1, 2, 3, 4]


def test_a_whole_name_counts_for_more_than_a_word_of_it():
    columns = [column("net_revenue"), column("revenue"), column("city"), column("u", "Bad Ems")]
    whole = column_scores(columns, "What is the net revenue in Bad Ems?")
    assert whole[0] > whole[1] >= NAMED > whole[3] > whole[2] == 0


@pytest.mark.parametrize("budget", [300, 1000, 2000])
def test_a_column_that_the_question_names_is_never_only_counted(budget):
    names = [f"measurement_number_{n:03}" for n in range(300)]
    profile = table("wide", *names[:280], "shoe size", *names[280:])
    text = describe(profile, question="What is the median shoe size?", budget=budget)
    assert "- 'shoe size' VARCHAR" in text
    assert len(text) <= budget * 4
