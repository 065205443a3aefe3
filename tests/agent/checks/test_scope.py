"""Shares, significance, coverage, unused columns, causal words: found where wrong, else left alone."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from tests.agent.checks.checked_answers import causes, doubts, table

CLINIC = pd.DataFrame(
    {
        "patient": range(60),
        "ward": ["A", "B", "C"] * 20,
        "outcome": (["healed"] * 2 + ["improved"]) * 10 + ["healed"] * 6 + ["worse"] * 24,
        "blood_pressure": [float(120 + n % 30) if n % 3 == 0 else None for n in range(60)],
        "Length of Stay (days)": [n % 9 + 1 for n in range(60)],
        "sex": ["female", "male"] * 30,
    }
)
EGGS = table("""
    farm,breed,eggs
    Hill,Leghorn,30
    Hill,Sussex,10
    Dale,Leghorn,20
    Dale,Sussex,60
""")
TABLES = {"clinic": CLINIC, "eggs": EGGS}
CROSS = "eggs.pivot_table(index='farm', columns='breed', values='eggs', aggfunc='sum')"
CROSS_SQL = "sql:SELECT farm, breed, SUM(eggs) AS n FROM eggs GROUP BY 1, 2 ORDER BY 1, 2"
TEST_HIGH = "print('t = 0.41, p-value: 0.68')"
TEST_LOW = "print({'statistic': 4.1, 'pvalue': 0.00003})"
TEST_TABLE = "pd.DataFrame({'term': ['x', 'y'], 'coef': [0.2, 0.3], 'P>|t|': [0.61, 0.44]})"
MEANS = "clinic.groupby('ward')['Length of Stay (days)'].mean()"

WRONG = [
    ("12 of 50 shops closed (36 %).", "share", "24 %, not 36 %", ()),
    ("12 of the 50 shops (36 %) closed.", "share", "24 %", ()),
    ("12 out of 50 (36%) closed.", "share", "24 %", ()),
    ("12/50 = 36 % closed.", "share", "24 %", ()),
    ("Of the 50 shops, 12 closed (36 %).", "share", "24 %", ()),
    ("12 (36 %) of 50 shops closed.", "share", "24 %", ()),
    ("36 % (12 of 50) closed.", "share", "24 %", ()),
    (
        "18 of 60 patients (45 %) healed [cell 1].",
        "share",
        "30 %.*45 % is 18 of 40",
        ("print(len(clinic), 40)",),
    ),
    ("75 % of Leghorn eggs come from Hill.", "share", "share of Hill.*30 of 40.*Leghorn", (CROSS,)),
    ("60 % of Hill eggs are Leghorn.", "share", "share of Leghorn.*30 of 50", (CROSS_SQL,)),
    ("The difference is significant (p = 0.21).", "significance", "not below 0.05", ()),
    ("There is no significant difference (p = 0.003).", "significance", "is below 0.05", ()),
    (
        "The effect is statistically significant (p = 0.03) at the 1 % level.",
        "significance",
        "0.01",
        (),
    ),
    ("Wards differ significantly, p > 0.05.", "significance", "not below", ()),
    ("The slope is not significant (p = 1.87 × 10⁻²⁸).", "significance", "below", ()),
    ("The wards differ significantly [cell 1].", "significance", "p = 0.68", (TEST_HIGH,)),
    ("The wards do not differ significantly.", "significance", "3e-05", (TEST_LOW,)),
    ("Both terms are statistically significant.", "significance", "not below", (TEST_TABLE,)),
    (
        "The difference is statistically significant.",
        "significance",
        "no cell ran a test",
        (MEANS,),
    ),
]

RIGHT = [
    ("12 of 50 shops closed (24 %).", ()),
    ("Most shops (30 of 50) closed.", ()),
    ("A quarter of the shops (12 of 50) closed.", ()),
    ("Less than half of the shops (20 of 50) closed.", ()),
    ("Not most shops (20 of 50) closed.", ()),
    ("The most common reason holds for 20 of 50 shops.", ()),
    ("We cannot reject the null hypothesis (p = 0.3).", ()),
    ("12 of 51 shops closed (23.5 %).", ()),
    ("12 of 51 shops closed (24 %).", ()),
    ("About a quarter, 12 of 51 shops (about 25 %), closed.", ()),
    ("12 of 50 shops closed (76 % stayed open).", ()),
    ("12 of 50 values are missing, so 76 % are known.", ()),
    ("12 of 50 shops closed, 36 % more than in 2019.", ()),
    ("12 of 50 shops (36 % of revenue) closed.", ()),
    ("12 of 50 shops lost customers (by 36 % on average).", ()),
    ("The top 12 of 50 shops make 36 % of revenue.", ()),
    ("North has 12 shops, South 50, and 36 % of sales are online.", ()),
    ("12 of 50 (95 % CI 13 % to 38 %) closed.", ()),
    ("Of the 50 shops, 12 closed (24 %).", ()),
    ("12 (24 %) of 50 shops closed.", ()),
    ("24 % (12 of 50) closed.", ()),
    ("It is not the case that 12 of 50 (36 %) closed.", ()),
    ("60 % of Leghorn eggs come from Hill.", (CROSS,)),
    ("75 % of Hill eggs are Leghorn.", (CROSS_SQL,)),
    ("40 % of all eggs are Leghorn.", (CROSS,)),
    ("42 % of eggs are Leghorn, 33 % come from Hill.", (CROSS,)),
    ("The difference is significant (p = 0.003).", ()),
    ("There is no significant difference (p = 0.21).", ()),
    ("The difference is not statistically significant (p = 0.21, t = 1.3).", ()),
    ("The result is insignificant (p = 0.6).", ()),
    ("A is significant (p = 0.01), B is not (p = 0.4).", ()),
    ("It is significant at the 10 % level (p = 0.08).", ()),
    ("It is marginally significant (p = 0.06).", ()),
    ("p < 0.001, so the difference is significant.", ()),
    ("Whether this is significant was not tested.", (MEANS,)),
    ("A significant share of patients stay long.", (MEANS,)),
    ("The wards do not differ significantly [cell 1].", (TEST_HIGH,)),
    ("The wards differ significantly [cell 1].", (TEST_LOW,)),
    ("Three significant digits are shown.", (TEST_HIGH,)),
]

UNCOVERED = [
    (
        "The mean blood pressure is 134.5 [cell 1].",
        "clinic.dropna().blood_pressure.mean()",
        "dropna",
    ),
    ("It is 134.5 [cell 2].", ("ok = clinic.dropna()", "ok.blood_pressure.mean()"), "20.*60"),
    (
        "The mean stay is 3 days [cell 1].",
        "clinic.head(10)['Length of Stay (days)'].mean()",
        "head",
    ),
    (
        "The mean stay is 4 days [cell 1].",
        "clinic.sample(20)['Length of Stay (days)'].mean()",
        "sample",
    ),
    ("The mean stay is 3 days.", "clinic[:12]['Length of Stay (days)'].mean()", ":12"),
    (
        "The mean stay is 3 days [cell 2].",
        ("long = clinic[clinic.ward.isin(['A'])]", "long['Length of Stay (days)'].mean()"),
        "isin",
    ),
    (
        "The mean stay is 3.4 days [cell 1].",
        'sql:SELECT AVG("Length of Stay (days)") FROM (SELECT * FROM clinic LIMIT 15)',
        "LIMIT 15",
    ),
    (
        "It is 134.5 [cell 1].",
        "sql:SELECT AVG(blood_pressure) FROM clinic WHERE blood_pressure IS NOT NULL",
        "IS NOT NULL",
    ),
]

COVERED = [
    (
        "The mean is 134.5 for the 20 patients whose pressure is known.",
        "clinic.dropna().blood_pressure.mean()",
        "",
    ),
    (
        "The mean is 134.5; rows without a pressure are left out.",
        "clinic.dropna().blood_pressure.mean()",
        "",
    ),
    (
        "The mean stay on ward A is 3 days.",
        ("a = clinic[clinic.ward == 'A']", "a['Length of Stay (days)'].mean()"),
        "How long do patients of ward A stay?",
    ),
    (
        "The mean stay is 3 days [cell 2].",
        ("a = clinic[clinic.ward == 'A']", "a['Length of Stay (days)'].mean()"),
        "How long is the stay on ward A?",
    ),
    ("The mean stay is 5 days.", "clinic['Length of Stay (days)'].mean()", ""),
    ("Ward A has 20 patients.", "clinic.groupby('ward').size()", ""),
    (
        "The mean stay is 5 days [cell 2].",
        ("clinic.head(3)", "clinic['Length of Stay (days)'].mean()"),
        "",
    ),
    ("The longest stays are 9 days.", "clinic.nlargest(5, 'Length of Stay (days)')", ""),
    (
        "The share is 33 % [cell 2].",
        ("known = clinic.dropna()", "print(len(known) / len(clinic))"),
        "How complete is it?",
    ),
    (
        "Females stay 5 days.",
        ("f = clinic[clinic['sex'] == 'female']", "f['Length of Stay (days)'].mean()"),
        "How long do women stay?",
    ),
]

UNUSED = [
    (
        "How does length of stay differ by sex?",
        "clinic.groupby('ward')['Length of Stay (days)'].mean()",
        "sex",
    ),
    ("Which outcomes are most common per ward?", "clinic.groupby('ward').size()", "outcome"),
    (
        "What is the mean blood pressure of each ward?",
        "sql:SELECT ward, AVG(patient) FROM clinic GROUP BY ward",
        "blood_pressure",
    ),
    (
        "Compare the wards by Length of Stay.",
        "clinic.groupby('ward').patient.count()",
        "Length of Stay",
    ),
]

USED = [
    (
        "How does length of stay differ by sex?",
        "clinic.groupby('sex')['Length of Stay (days)'].mean()",
    ),
    (
        "How does length of stay differ by sex?",
        'sql:SELECT sex, AVG("Length of Stay (days)") FROM clinic GROUP BY sex',
    ),
    (
        "What is the stay by ward, regardless of sex?",
        "clinic.groupby('ward')['Length of Stay (days)'].mean()",
    ),
    ("Which columns have missing values, blood pressure too?", "clinic.isna().sum()"),
    ("How many patients are there?", "len(clinic)"),
    ("How many females are there?", "(clinic.sex == 'female').sum()"),
    ("What is the mean pressure?", "clinic.blood_pressure.mean()"),
    ("Describe the blood pressure and the outcome.", "clinic.describe(include='all').round(1)"),
    (
        "Which wards keep patients longest?",
        "clinic.groupby('ward')[['Length of Stay (days)']].mean()",
    ),
]


def cells(code: str | tuple[str, ...]) -> tuple[str, ...]:
    return (code,) if isinstance(code, str) else code


@pytest.mark.parametrize(("answer", "kind", "against", "code"), WRONG)
def test_a_mistake_is_found(answer: str, kind: str, against: str, code: tuple[str, ...]) -> None:
    found = doubts(answer, *code, tables=TABLES)
    assert [one.kind for one in found] == [kind], found
    assert re.search(against, found[0].against), found


@pytest.mark.parametrize(("answer", "code"), RIGHT)
def test_a_right_sentence_is_left_alone(answer: str, code: tuple[str, ...]) -> None:
    assert doubts(answer, *code, tables=TABLES) == []


@pytest.mark.parametrize(("answer", "code", "how"), UNCOVERED)
def test_rows_left_out_in_silence_are_found(
    answer: str, code: str | tuple[str, ...], how: str
) -> None:
    found = doubts(answer, *cells(code), tables=TABLES)
    assert [one.kind for one in found] == ["coverage"], found
    assert re.search(how, f"{found[0].words} {found[0].against}", re.IGNORECASE), found


@pytest.mark.parametrize(("answer", "code", "question"), COVERED)
def test_rows_left_out_by_name_are_left_alone(
    answer: str, code: str | tuple[str, ...], question: str
) -> None:
    assert doubts(answer, *cells(code), question=question or "What is it?", tables=TABLES) == []


def test_a_caveat_names_an_exclusion_too() -> None:
    code = "clinic.dropna().blood_pressure.mean()"
    caveats = ["40 patients have no pressure and are excluded."]
    assert doubts("It is 134.5.", code, caveats=caveats, tables=TABLES) == []


@pytest.mark.parametrize(("question", "code", "column"), UNUSED)
def test_a_column_of_the_question_that_no_cell_used_is_found(
    question: str, code: str, column: str
) -> None:
    found = doubts("It is so.", code, question=question, tables=TABLES)
    assert [one.kind for one in found] == ["column"], found
    assert column in found[0].against


@pytest.mark.parametrize(("question", "code"), USED)
def test_used_columns_are_left_alone(question: str, code: str) -> None:
    assert doubts("It is so.", code, question=question, tables=TABLES) == []


def test_an_honest_refusal_is_not_asked_about_columns() -> None:
    answer = "This is not answerable from this data: the sex of visitors is not recorded."
    assert doubts(answer, "len(clinic)", question="Does sex matter?", tables=TABLES) == []


CORRELATED = "clinic[['patient', 'Length of Stay (days)']].corr()"


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ("A higher pressure leads to longer stays (r = 0.6).", "leads to"),
        ("Longer stays are driven by pressure.", "driven by"),
        ("Pressure causes longer stays.", "causes"),
        ("Stays are longer because of pressure.", "because of"),
        ("Age has an effect on the stay.", "has an effect on"),
    ],
)
def test_causal_words_from_a_correlation_become_a_caveat(answer: str, word: str) -> None:
    (caveat,) = causes(answer, CORRELATED, clinic=CLINIC)
    assert word in caveat
    assert causes(answer, MEANS.replace("mean", "median"), clinic=CLINIC) == []


@pytest.mark.parametrize(
    "answer",
    [
        "Pressure and stay go together (r = 0.6).",
        "Pressure may lead to longer stays.",
        "This does not show that pressure causes longer stays.",
        "Longer stays result in more data per patient.",
        "Because of missing values, 40 rows are left out.",
        "Pressure leads to longer stays, though confounding is possible.",
        "Does pressure cause longer stays?",
    ],
)
def test_careful_words_get_no_caveat(answer: str) -> None:
    assert causes(answer, CORRELATED, clinic=CLINIC) == []
