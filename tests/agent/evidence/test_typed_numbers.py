"""A number that the code only repeats proves nothing; what the code computes does."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_kernel.agent.evidence.proof import prove
from analyst_kernel.agent.evidence.shown import cell_numbers
from analyst_kernel.agent.evidence.typed import Names, names_after, typed_in
from analyst_kernel.protocol.ids import CellId
from analyst_kernel.protocol.outputs import Output, ResultOutput, StreamOutput
from tests.agent.checks.checked_answers import Play

SETUP = "import pandas as pd\nimport numpy as np\nimport duckdb\nfrom scipy import stats"
ORDERS = pd.DataFrame(
    {"region": ["North", "South", "West"] * 4, "amount": [120, 80, 95, 310, 42, 77] * 2}
)


class Typist(Play):
    """Runs cells on the orders, and keeps what each types and shows."""

    def __init__(self) -> None:
        super().__init__(orders=ORDERS)
        self.names: Names = {}
        self.numbers = []
        exec(SETUP.replace("from scipy import stats", ""), self.space)
        self.names = names_after(typed_in(SETUP, {}), {}, ran=True)

    def show(self, code: str) -> None:
        self.run(code)
        typed = typed_in(code, self.names)
        self.names = names_after(typed, self.names, ran=True)
        last = self.cells[-1]
        outputs: list[Output] = [StreamOutput(name="stdout", text=text) for text in last.texts]
        outputs += [ResultOutput(data={"text/html": html}) for html in last.html]
        self.numbers.append(cell_numbers(CellId(last.cell), outputs, code=code, typed=typed))

    def proves(self, number: str) -> bool:
        (proof,) = prove(f"It is {number}.", self.numbers)
        return proof.cell is not None


TYPED = [
    ["print('p =', 1.87e-28)"],
    ["print(1.87e-28)"],
    ["print('p = 1.87e-28')"],
    ["print(f'p = {1.87e-28}')"],
    ["p = 1.87e-28\nprint(p)"],
    ["p = 1.87e-28\nprint(f'p = {p:.2e}')"],
    ["p = 1.87e-28", "print('p is', p)"],
    ["p = 1.87e-28\nq = p\nprint(q)"],
    ["1.87e-28"],
    ["p = 1.87e-28\np"],
    ["print(orders.amount.mean(), 'and p = 1.87e-28')"],
    ["m = orders.amount.mean()\nprint(f'mean {m:.1f}, p = 1.87e-28')"],
    ["for name, rows in orders.groupby('region'):\n    print(f'{name}: {len(rows)} rows, p 1.87e-28')"],
    ["if len(orders) > 3:\n    print('p is 1.87e-28')"],
    ["result = {'p': 1.87e-28}\nresult"],
    ["pd.DataFrame({'test': ['t'], 'p': [1.87e-28]})"],
    ["table = pd.DataFrame({'p': [1.87e-28]})", "table"],
    ["pd.Series([1.87e-28])"],
    ["print(round(1.87e-28, 40))"],
    ["print(float('1.87e-28'))"],
    ["duckdb.sql('SELECT 1.87e-28 AS p').df()"],
    ["print('the result\\nof the test\\np = 1.87e-28')"],
    ["print('p = ' + str(1.87e-28))"],
    ["import sys\nsys.stdout.write('p = 1.87e-28')"],
    ["print(*[1.87e-28])"],
]  # fmt: skip


@pytest.mark.parametrize("cells", TYPED, ids=lambda cells: " | ".join(cells)[:70])
def test_what_somebody_typed_proves_nothing(cells: list[str]) -> None:
    typist = Typist()
    for code in cells:
        typist.show(code)
    assert not typist.proves("1.87e-28")


COMPUTED = [
    (["print(60 * 24)"], "1,440"),
    (["print(orders.amount.sum())"], "1,448"),
    (["print(f'{orders.amount.mean():.2f}')"], "120.67"),
    (["orders.groupby('region').amount.sum()"], "860"),
    # The same digits as a literal that stands elsewhere.
    (["print(f'Top 2 of {len(orders)}')\nprint(orders.amount.nlargest(2).sum())"], "620"),
    (["print('more than 620?', orders.amount.nlargest(2).sum())"], "620"),
    # A parameter of the computation may be named.
    (["limit = 100\nprint(limit, (orders.amount > limit).sum())"], "100"),
    (["print('over 100:', (orders.amount > 100).sum())"], "100"),
    (["limit = 100", "print(limit, (orders.amount > limit).sum())"], "100"),
    (["print('310:', len(orders.query('amount == 310')))"], "310"),
    (["rate = 0.19\nprint(rate, (orders.amount * rate).sum().round(2))"], "275.12"),
    # Not understood is computed.
    (["def f():\n    return 42.5\nprint(f())"], "42.5"),
    (["print(eval('42.5'))"], "42.5"),
    (["values = [x * 2 for x in [21.25]]\nprint(values)"], "42.5"),
    (["n = 0\nfor _ in range(7):\n    n += 6\nprint(n)"], "42"),
]


@pytest.mark.parametrize(("cells", "number"), COMPUTED, ids=lambda value: str(value)[:70])
def test_what_code_computes_proves(cells: list[str], number: str) -> None:
    typist = Typist()
    for code in cells:
        typist.show(code)
    assert typist.proves(number)


def test_a_variable_counts_as_typed_until_something_else_makes_it() -> None:
    typist = Typist()
    typist.show("p = 42.5")
    typist.show("p = orders.amount.mean() - 78.16666666666667")
    typist.show("print(p)")
    assert typist.proves("42.5")
    assert "p" not in typist.names


def test_a_cell_that_failed_leaves_only_what_it_did_not_touch() -> None:
    before = names_after(typed_in("a = 1\nb = 2", {}), {}, ran=True)
    after = names_after(typed_in("b = 3\nraise ValueError", before), before, ran=False)
    assert set(after) == {"a"}


@given(
    st.lists(st.sampled_from(["{x}", "{y}", "n=5 ", "12.5", " of ", "7", "\\n"]), max_size=6),
    st.integers(-99, 99),
    st.floats(0, 99).map(lambda value: round(value, 2)),
)
def test_masks_hide_digits_of_the_code_only(parts: list[str], x: int, y: float) -> None:
    """Every digit of a value stays readable, whatever text surrounds it."""
    template = "".join(parts)
    code = f"print(f'{template}')"
    lines = template.replace("\\n", "\n")
    text = lines.replace("{x}", str(x)).replace("{y}", str(y)) + "\n"
    hidden = typed_in(code, {}).masked(text)
    assert len(hidden) == len(text)
    assert re.sub("[0-9]", "#", hidden) == re.sub("[0-9]", "#", text)
    if not re.search("[0-9]", re.sub(r"\{[xy]\}", "", lines)):
        assert hidden == text


def test_hostile_templates_take_no_time() -> None:
    code = "print(" + ", ".join(["'1a'", "x"] * 200) + ")"
    typed = typed_in(code, {})
    assert typed.masked("1a 1a " * 300 + "\n")
    typed_in("x = " + "+".join(["1"] * 5000), {})
    typed_in("print(" * 80 + "1" + ")" * 80, {})
