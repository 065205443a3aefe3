"""Words of direction, comparison, rank and of all: mistakes are found, right sentences left alone."""

from __future__ import annotations

import re

import pytest

from tests.agent.checks.checked_answers import doubts, table

SALES = table("""
    year,region,units,price
    2019,North,120,9.5
    2019,South,80,11.0
    2020,North,150,9.9
    2020,South,70,12.5
    2021,North,140,10.4
    2021,South,95,13.0
""")
PATIENTS = table("""
    ward,sex,dose,stay
    A,female,12,4.5
    A,male,15,6.0
    B,female,20,7.5
    B,male,18,8.0
    C,female,30,3.0
    C,male,33,3.5
""")
TABLES = {"sales": SALES, "patients": PATIENTS}
BY_YEAR = "sales.groupby('year')['units'].sum()"
BY_REGION = "sales.groupby('region')['units'].sum()"
BY_REGION_SQL = "sql:SELECT region, SUM(units) AS sold, AVG(price) AS avg_price FROM sales GROUP BY region ORDER BY 1"
BY_WARD = "patients.groupby('ward')[['dose', 'stay']].mean().round(1)"
PIVOT = "patients.pivot_table(index='ward', columns='sex', values='dose')"
LONG = "patients.groupby(['ward', 'sex'])['dose'].mean()"
LONG_SQL = (
    "sql:SELECT ward, sex, AVG(dose) AS mean_dose FROM patients GROUP BY ward, sex ORDER BY 1, 2"
)
PRINTED = "for w, d in patients.groupby('ward').dose.mean().items(): print(f'{w} ward: {d:.1f}')"
UNITS_PRINTED = "print(sales.groupby('region').units.sum().to_dict())"

WRONG = [
    # numbers that stand beside the word
    ("Sales rose from 20 to 18 units.", "direction", "fall", ()),
    ("Sales rose sharply, from $1,250 in May to $1,100 in June.", "direction", "fall", ()),
    ("The mean stay fell from 4.5 days to 6.1 days.", "direction", "rise", ()),
    ("Output increased to 1.1 million from 1.4 million a year earlier.", "direction", "fall", ()),
    ("The rate is 18 %, up from 25 % in 2019.", "direction", "fall", ()),
    ("Prices declined (9.5 → 10.4).", "direction", "rise", ()),
    ("The temperature dropped from -8.5 to -2.0 degrees.", "direction", "rise", ()),
    ("Sales doubled from 20 to 26.", "factor", "1.30 times", ()),
    ("Visits more than tripled, from 100 to 250.", "factor", "2.50 times", ()),
    ("The backlog halved from 80 to 70.", "factor", "0.88", ()),
    ("North (20.1) is higher than South (22.3).", "comparison", "20.1.*22.3", ()),
    ("The mean of 48.8 mm is lower than the median of 47.5 mm.", "comparison", "48.8", ()),
    ("Ward B used more doses (18) than ward A (33).", "comparison", "18", ()),
    ("Men stay longer than women (4.5 vs 6.0 days).", "comparison", "4.5", ()),
    ("North sold 410 units, fewer than South's 245.", "comparison", "410", ()),
    ("The new line, at 12.5, exceeds the old one at 14.0.", "comparison", "12.5", ()),
    ("Sales grew: 20 in 2019 and 18 in 2021.", "direction", "20 to 18", ()),
    ("Costs went down over the years (2019: 20, 2020: 21, 2021: 25).", "direction", "20 to 25", ()),
    ("There was an increase from 40 to 35 cases.", "direction", "fall", ()),
    ("There are more males than females (165 vs. 168).", "comparison", "165 is less than 168", ()),
    ("The mean stay of 12 days is twice as long as the median of 9 days.", "factor", "1.33", ()),
    ("North sold three times as many units as South.", "factor", "1.67", (BY_REGION,)),
    # a table shows it
    ("Units fell from 2019 to 2020.", "direction", "200.*220", (BY_YEAR,)),
    ("Units grew between 2020 and 2019.", "direction", "220.*200", (BY_YEAR,)),
    ("Units doubled from 2019 to 2021 [cell 1].", "factor", "1.1", (BY_YEAR,)),
    ("South sold more units than North.", "comparison", "245.*410|410.*245", (BY_REGION,)),
    ("South sold more units than North.", "comparison", "245", (BY_REGION_SQL,)),
    ("South sold more units than North.", "comparison", "245", (UNITS_PRINTED,)),
    ("North has the highest average price.", "superlative", "South", (BY_REGION_SQL,)),
    ("Ward A has the highest mean dose [cell 1].", "superlative", "31.5.*C", (BY_WARD,)),
    ("The longest stays are on ward A.", "superlative", "7.8.*B", (BY_WARD,)),
    ("Ward B has the lowest dose.", "superlative", "13.5.*A", (PRINTED,)),
    ("Units peaked in 2020.", "superlative", "235.*2021", (BY_YEAR,)),
    # every, all, none
    (
        "Units rose in every year for the South.",
        "every",
        "80.*70",
        ("sales.pivot_table(index='year', columns='region', values='units')[['South']]",),
    ),
    (
        "North's units grew year after year.",
        "every",
        "150.*140",
        (
            "sql:SELECT year, region, units FROM sales WHERE region = 'North' GROUP BY ALL ORDER BY year",
        ),
    ),
    (
        "Units grew steadily from 2019 to 2021.",
        "every",
        "1[45]0",
        ("sales[sales.region == 'North'].groupby('year').units.sum()",),
    ),
    ("Males get a higher dose than females in every ward.", "every", "for B 18.*20", (PIVOT,)),
    ("Males get a higher dose in every ward.", "every", "for B", (LONG,)),
    ("In all wards the dose of males is higher than that of females.", "every", "B", (LONG_SQL,)),
    ("Every ward averages more than 15 dose units.", "every", "13.5 for A", (BY_WARD,)),
    ("All regions sold over 300 units.", "every", "245 for South", (BY_REGION_SQL,)),
    ("No region sold fewer than 300 units.", "every", "245", (BY_REGION,)),
    (
        "Units never fell.",
        "every",
        "150.*140",
        ("sales[sales.region == 'North'].groupby('year').units.sum()",),
    ),
    ("All wards lie between 15 and 40 dose units.", "every", "13.5 for A", (BY_WARD,)),
    (
        "Every region's change is positive.",
        "every",
        "-7 for South",
        ("pd.DataFrame({'region': ['North', 'South'], 'change': [12, -7]})",),
    ),
    ("South leads with 245 units.", "superlative", "410", (BY_REGION,)),
]

RIGHT = [
    ("Sales rose from 18 to 20 units.", ()),
    ("Sales did not rise: they went from 20 to 18.", ()),
    ("Sales rose from 2015 to 2012 prices.", ()),
    ("Units fell from week 3 to week 10.", ()),
    ("The shop is open from 9 to 5 and sales rose.", ()),
    ("Rather than rising from 20 to 18, the index was rebased.", ()),
    ("You asked whether sales rose from 20 to 18.", ()),
    ("Did sales rise from 20 to 18? They fell from 20 to 18.", ()),
    ("Its rank rose from 5 to 2.", ()),
    ("The p-value fell from 0.2 to 0.01.", ()),
    ("Costs fell from 20 to 18 while revenue rose from 30 to 35.", ()),
    ("The rate rose from 9 % to 12 %, and the count fell from 120 to 95.", ()),
    ("Sales increased by 3 from 20 to 23.", ()),
    ("The share went up to 0.5 from 0.4.", ()),
    ("Growth slowed from 8 % to 3 %.", ()),
    ("Weight dropped from 2 kg to 1,500 g.", ()),
    ("Sales nearly doubled from 20 to 37.", ()),
    ("Sales more than doubled, from 20 to 45.", ()),
    ("We double-checked the totals from 20 to 26.", ()),
    ("It is called `rose from 20 to 18`.", ()),
    ('The column "Fell from 4 to 6" is empty.', ()),
    ("North (22.3) is higher than South (20.1).", ()),
    ("North (22.3, n = 10) is higher than South (20.1, n = 60).", ()),
    ("North (20.1) is not higher than South (22.3).", ()),
    ("North (20.1) is higher than West (18.0) but lower than South (22.3).", ()),
    ("North averages 48.8 mm, 1.3 mm more than South's 47.5 mm.", ()),
    ("North is 1.3 higher than South at 47.5.", ()),
    ("Of 30 shops, more than 50 customers visited each.", ()),
    ("There are 30 shops, and more than 50 of the customers came twice.", ()),
    ("Model A is more efficient (5.0 l) than model B (7.2 l).", ()),
    ("In 2019 North (22.3) sold more than South (20.1) did in 2021.", ()),
    ("The value 20.1 is higher than 95 % of the rows.", ()),
    ("It is cheaper (12 €) than the other (15 €).", ()),
    ("Men stay longer than women (6.0 vs 4.5 days).", ()),
    ("Men stay shorter than women (4.5 vs. 6.0 days).", ()),
    ("If North (20.1) were higher than South (22.3), prices would matter.", ()),
    ("North sold more (410 units) at a lower price (9.9) than South (245 units, 12.2).", ()),
    ("Prices are higher than expected: 12.5.", ()),
    ("With 245 units the South sold fewer than the North (410).", ()),
    ("At least 20 rows and no more than 50 have a value.", ()),
    ("Sales grew: 20 in 2019, 18 in 2020 and 25 in 2021.", ()),
    ("Sales fell in 2020 (18) and recovered in 2021 (25).", ()),
    ("The mean stay of 18 days is twice as long as the median of 9 days.", ()),
    ("North sold almost twice as many units as South.", (BY_REGION,)),
    ("North leads with 410 units.", (BY_REGION,)),
    ("A low price leads to more units in the South.", (BY_REGION,)),
    ("Units never fell.", (BY_YEAR,)),
    (
        "Units never fell below 200.",
        ("sales[sales.region == 'North'].groupby('year').units.sum()",),
    ),
    ("All wards lie between 10 and 40 dose units.", (BY_WARD,)),
    ("South sold fewer units than North.", (BY_REGION,)),
    ("North sold more units than South, at a lower average price.", (BY_REGION_SQL,)),
    ("South has a higher average price than North.", (BY_REGION_SQL,)),
    ("South has the highest average price, North the most units.", (BY_REGION_SQL,)),
    ("South has the highest average price.", (BY_REGION_SQL,)),
    ("South does not have the highest units.", (BY_REGION_SQL,)),
    ("South is the second highest.", (BY_REGION,)),
    ("South has one of the highest prices.", (BY_REGION_SQL,)),
    ("The highest single order came from the South.", (BY_REGION,)),
    ("South saw the largest increase.", (BY_REGION,)),
    ("Most units were sold in the North.", (BY_REGION,)),
    ("Ward B has the longest stays, ward C the highest dose.", (BY_WARD,)),
    ("After ward C, ward B has the highest dose.", (BY_WARD,)),
    ("Ward C has the highest dose and the shortest stay.", (BY_WARD,)),
    ("Ward A has the highest median dose.", (BY_WARD, "print('A')")),
    ("Units rose in every year.", (BY_YEAR,)),
    (
        "Units did not rise in every year.",
        ("sales[sales.region == 'North'].groupby('year').units.sum()",),
    ),
    (
        "Units rose in almost every year.",
        ("sales[sales.region == 'North'].groupby('year').units.sum()",),
    ),
    (
        "Units rose from 2019 to 2021, though not steadily.",
        ("sales[sales.region == 'North'].groupby('year').units.sum()",),
    ),
    (
        "Units rose in all years but 2021.",
        ("sales[sales.region == 'North'].groupby('year').units.sum()",),
    ),
    (
        "Units fell from 2020 to 2021.",
        ("sales[sales.region == 'North'].groupby('year').units.sum()",),
    ),
    ("In all, units rose from 200 to 235.", (BY_YEAR,)),
    ("Males get a higher dose than females in wards A and C, but not in every ward.", (PIVOT,)),
    ("In ward B females get a higher dose than males.", (PIVOT,)),
    ("Males get a higher dose than females in every ward except B.", (PIVOT,)),
    (
        "Males stay longer than females in every ward.",
        ("patients.pivot_table(index='ward', columns='sex', values='stay')",),
    ),
    ("Every ward averages more than 13 dose units.", (BY_WARD,)),
    ("Not all wards average more than 15.", (BY_WARD,)),
    ("All wards stay above 3.", (BY_WARD,)),
    ("All 6 rows have a dose; every ward has more than 1 patient.", (BY_WARD,)),
    ("Above all, North sold more than 300 units.", (BY_REGION,)),
    ("All regions together sold over 600 units.", (BY_REGION,)),
    ("No region sold fewer than 200 units.", (BY_REGION,)),
    ("None of the regions sold more than 500 units.", (BY_REGION,)),
    ("Higher prices may go with fewer units than 300 in every region.", (BY_REGION,)),
]


@pytest.mark.parametrize(("answer", "kind", "against", "code"), WRONG)
def test_a_mistake_is_found(answer: str, kind: str, against: str, code: tuple[str, ...]) -> None:
    found = doubts(answer, *code, tables=TABLES)
    assert [one.kind for one in found] == [kind], found
    assert re.search(against, found[0].against), found


@pytest.mark.parametrize(("answer", "code"), RIGHT)
def test_a_right_sentence_is_left_alone(answer: str, code: tuple[str, ...]) -> None:
    assert doubts(answer, *code, tables=TABLES) == []
