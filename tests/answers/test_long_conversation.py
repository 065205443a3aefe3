"""A conversation of thirty questions with corrections, returns, rollbacks and counterfactuals.

The model does what a careful one does, and no more: it applies the definitions that its first
message lists, and goes back to a state only with the tool for it. What it answers comes out of the
real kernel; what is right is computed here in plain pandas, question by question.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analyst_kernel.analysis.results import Result
from analyst_kernel.api import Analyst
from analyst_kernel.protocol.ids import AskId, DefinitionId, RunId
from analyst_kernel.testing.fakes.wire_rules import blocks_of
from tests.command_line.conversation import credentials, refusals, results, turns_so_far
from tests.fakes.turns import Turn, call, finish, python, say
from tests.fakes.wire_server import WireServer

pytestmark = pytest.mark.real

RULES = re.compile(r"^(d\d+) \((.*?)\): (.*)$", re.MULTILINE)
SHOWN = re.compile(r"is: (-?[\d.]+)")


def orders() -> pd.DataFrame:
    chance = np.random.default_rng(11)
    size = 480
    return pd.DataFrame(
        {
            "order": range(1, size + 1),
            "quarter": chance.choice(["Q1", "Q2", "Q3", "Q4"], size),
            "account": chance.choice(["shop", "partner", "test"], size, p=[0.6, 0.3, 0.1]),
            "region": chance.choice(["North", "South", "West"], size),
            "amount": chance.integers(20, 1200, size),
            "returned": chance.integers(0, 20, size),
            "units": chance.integers(1, 9, size),
        }
    )


ORDERS = orders()
REAL = ORDERS[ORDERS["account"] != "test"]
USUAL = REAL[REAL["amount"] <= 900]


def net(rows: pd.DataFrame) -> float:
    return float((rows["amount"] - rows["returned"]).sum())


def gross(rows: pd.DataFrame) -> float:
    return float(rows["amount"].sum())


@dataclass
class Talk:
    """What the model has before it in one question."""

    body: dict[str, Any]

    @property
    def first(self) -> str:
        blocks = blocks_of(self.body["messages"][0])
        return "\n".join(block["text"] for block in blocks if block["type"] == "text")

    @property
    def rules(self) -> dict[str, str]:
        """The definitions that hold, by id, without those that the question overrides."""
        return {name: text for name, _, text in RULES.findall(self.first)}

    @property
    def told(self) -> str:
        found = list(results(self.body).values())
        return found[-1] if found else ""

    def rule(self, words: str) -> bool:
        return any(words in text.lower() for text in self.rules.values())

    @property
    def returned_to(self) -> str:
        """The variable that a return to a state named."""
        return re.findall(r"as `(\w+)`", self.told)[-1]


Step = Callable[[Talk], Turn]


def shown(expression: str, *, source: str = "", where: str = "", keep_tests: bool = False) -> Step:
    """Compute in the kernel, by the definitions that hold; ``source`` is the table, or a state."""

    def step(talk: Talk) -> Turn:
        table = source or "orders"
        if source == "state":
            table = talk.returned_to
        lines = [f"part = {table}"]
        if not source and not keep_tests and talk.rule("test accounts"):
            lines.append("part = part[part['account'] != 'test']")
        if where:
            lines.append(f"part = part[{where}]")
        value = "part['amount']"
        if talk.rule("minus returned"):
            value += " - part['returned']"
        if talk.rule("minus 5"):
            value += " - 5"
        if "revenue" in expression:
            lines.append(f"revenue = {value}")
        lines.append(f"print('It is:', round(float({expression}), 4))")
        return python("\n".join(lines))

    return step


def answer(talk: Talk) -> Turn:
    """Answer with what the last cell showed."""
    found = SHOWN.findall(talk.told)
    assert found, talk.told
    value = found[-1]
    return finish(f"It is {value}.", definitions=list(talk.rules))


def does(made: Turn) -> Step:
    return lambda talk: made


REVENUE = (shown("revenue.sum()"), answer)
QUARTER_3 = "part['quarter'] == 'Q3'"


@dataclass(frozen=True)
class Asked:
    """One question: what the model does, and what is right (None: no number)."""

    question: str
    steps: tuple[Step, ...]
    right: float | None
    names: tuple[str, ...] = ()


def state(name: str, then: Step) -> tuple[Step, ...]:
    return (does(call("return_to_state", name=name)), then, answer)


BEFORE = (
    Asked("What is the total revenue?", REVENUE, gross(ORDERS)),
    Asked(
        "From now on ignore test accounts. What is the total revenue?",
        REVENUE,
        gross(REAL),
        ("d1",),
    ),
    Asked(
        "Revenue means the amount minus returned. What is it in total?",
        REVENUE,
        net(REAL),
        ("d1", "d2"),
    ),
    Asked(
        "And in the region North?",
        (shown("revenue.sum()", where="part['region'] == 'North'"), answer),
        net(REAL[REAL["region"] == "North"]),
        ("d1", "d2"),
    ),
    Asked(
        "How many orders are left without the test accounts? I shall come back to that table.",
        (
            does(python("kept = orders[orders['account'] != 'test']\nprint('It is:', len(kept))")),
            does(
                call(
                    "name_state",
                    name="orders without test accounts",
                    variable="kept",
                    definition="orders whose account is not 'test'",
                )
            ),
            lambda talk: finish(f"There are {len(REAL)}."),
        ),
        float(len(REAL)),
    ),
    Asked(
        "Leave out outliers above 900 as well. How many orders are left?",
        (
            does(python("kept = kept[kept['amount'] <= 900]\nprint('It is:', len(kept))")),
            does(
                call(
                    "name_state",
                    name="without outliers",
                    variable="kept",
                    definition="the same, with an amount of at most 900",
                )
            ),
            lambda talk: finish(f"There are {len(USUAL)}."),
        ),
        float(len(USUAL)),
    ),
    Asked(
        "What is the revenue of these?",
        state("without outliers", shown("revenue.sum()", source="state")),
        net(USUAL),
    ),
    Asked(
        "As before the outlier rule, but only for Q3: what is the revenue?",
        state(
            "orders without test accounts",
            shown("revenue.sum()", source="state", where=QUARTER_3),
        ),
        net(REAL[REAL["quarter"] == "Q3"]),
        ("d2",),
    ),
    Asked(
        "Count units in pairs from here: halve them in the table. What is their sum?",
        (
            does(
                python(
                    "kept = kept.copy()\nkept['units'] = kept['units'] / 2\n"
                    "print('It is:', float(kept['units'].sum()))"
                )
            ),
            answer,
        ),
        float(USUAL["units"].sum() / 2),
    ),
    Asked(
        "And in single units, with the outlier rule?",
        state("without outliers", shown("part['units'].sum()", source="state")),
        float(USUAL["units"].sum()),
    ),
    Asked(
        "How large is the typical order?",
        (
            does(
                call(
                    "ask_user",
                    question="Typical: mean or median?",
                    options=["mean", "median"],
                )
            ),
            lambda talk: shown(f"revenue.{'median' if 'median' in talk.told else 'mean'}()")(talk),
            answer,
        ),
        float((REAL["amount"] - REAL["returned"]).median()),
    ),
    Asked(
        "And the typical order in the West?",
        (
            lambda talk: shown(
                f"revenue.{'median' if talk.rule('median? median') else 'mean'}()",
                where="part['region'] == 'West'",
            )(talk),
            answer,
        ),
        float((REAL["amount"] - REAL["returned"])[REAL["region"] == "West"].median()),
        ("d3",),
    ),
    Asked(
        "No, revenue means the amount minus returned minus 5 for the parcel. The total?",
        (
            does(
                call(
                    "record_definition",
                    text="Revenue means the amount minus returned minus 5 for each order.",
                    quote="revenue means the amount minus returned minus 5 for the parcel",
                    replaces="d2",
                )
            ),
            shown("(part['amount'] - part['returned'] - 5).sum()"),
            answer,
        ),
        net(REAL) - 5 * len(REAL),
    ),
    Asked(
        "And in Q1?",
        (shown("revenue.sum()", where="part['quarter'] == 'Q1'"), answer),
        net(REAL[REAL["quarter"] == "Q1"]) - 5 * int((REAL["quarter"] == "Q1").sum()),
    ),
)
UNDONE = (Asked("The total revenue again?", REVENUE, net(REAL), ("d1", "d2")),)
REOPENED = (
    Asked("What is the total revenue?", REVENUE, net(REAL), ("d1", "d2")),
    Asked(
        "If we had kept the test accounts, what would the revenue be?",
        (shown("revenue.sum()", keep_tests=True), answer),
        net(ORDERS),
    ),
    Asked("And as it is?", REVENUE, net(REAL), ("d1", "d2")),
    Asked(
        "As before the outlier rule, but only for Q3: how many orders?",
        state(
            "orders without test accounts", shown("len(part)", source="state", where=QUARTER_3)
        ),
        float((REAL["quarter"] == "Q3").sum()),
    ),
    Asked(
        "Drop the rule about the accounts. What is the revenue?",
        (
            does(
                call(
                    "record_definition",
                    text="",
                    quote="Drop the rule about the accounts",
                    replaces="d1",
                )
            ),
            shown("revenue.sum()", keep_tests=True),
            answer,
        ),
        net(ORDERS),
    ),
    Asked("And in Q2?", (shown("revenue.sum()", where="part['quarter'] == 'Q2'"), answer),
          net(ORDERS[ORDERS["quarter"] == "Q2"])),
)  # fmt: skip
ROLLED_BACK = (
    Asked(
        "What is the revenue in Q2?",
        (shown("revenue.sum()", where="part['quarter'] == 'Q2'"), answer),
        net(REAL[REAL["quarter"] == "Q2"]),
        ("d1", "d2"),
    ),
    Asked(
        "Give me the amounts by region, to keep.",
        (
            does(
                call(
                    "run_sql",
                    sql="select region, sum(amount) as total from orders group by region "
                    "order by region",
                    name="by_region",
                )
            ),
            does(
                call(
                    "name_state",
                    name="amounts by region",
                    variable="by_region",
                    definition="sum of amount by region, all orders",
                )
            ),
            does(python("print('It is:', float(by_region['total'].max()))")),
            answer,
        ),
        float(ORDERS.groupby("region")["amount"].sum().max()),
    ),
    Asked(
        "Now the share of each region in per cent: the largest?",
        (
            does(
                python(
                    "by_region['total'] = by_region['total'] / by_region['total'].sum() * 100\n"
                    "print('It is:', round(float(by_region['total'].max()), 4))"
                )
            ),
            answer,
        ),
        float((ORDERS.groupby("region")["amount"].sum() / ORDERS["amount"].sum()).max() * 100),
    ),
    Asked(
        "And the smallest amount of a region, as before the shares?",
        state("amounts by region", shown("part['total'].min()", source="state")),
        float(ORDERS.groupby("region")["amount"].sum().min()),
    ),
)
EDITED = (Asked("What is the total revenue?", REVENUE, gross(REAL), ("d1", "d2")),)
SWITCHED_OFF = (Asked("What is the total revenue?", REVENUE, gross(ORDERS), ("d2",)),)
SWITCHED_ON = (
    Asked("What is the total revenue now?", REVENUE, gross(REAL), ("d1", "d2")),
    Asked(
        "With the outlier rule, what is the revenue in Q4?",
        state(
            "without outliers",
            shown("revenue.sum()", source="state", where="part['quarter'] == 'Q4'"),
        ),
        gross(USUAL[USUAL["quarter"] == "Q4"]),
    ),
)
LOST = (
    Asked(
        "The amounts by region as they were: the largest?",
        (
            does(call("return_to_state", name="amounts by region")),
            lambda talk: say(f"It cannot be returned to. {'no state' in talk.told}"),
        ),
        None,
    ),
)
ALL = (BEFORE, UNDONE, REOPENED, ROLLED_BACK, EDITED, SWITCHED_OFF, SWITCHED_ON, LOST)


class Chooser:
    """A user who wants the median."""

    async def answer(
        self, ask: AskId, question: str, options: Sequence[str], default: str
    ) -> tuple[str, bool]:
        return "median", True

    async def approve(self, ask: AskId, code: str, purpose: str) -> Any:
        raise AssertionError("nothing waits for approval")


@dataclass
class Conversation:
    """Asks the questions and compares every answer."""

    folder: Path
    server: WireServer
    current: Asked | None = None
    firsts: list[str] = field(default_factory=list)
    asked: int = 0

    def respond(self, body: dict[str, Any]) -> Turn:
        talk, done = Talk(body), turns_so_far(body)
        if done == 0:
            self.firsts.append(talk.first)
        assert self.current is not None
        assert done < len(self.current.steps), f"asked again: {talk.told}"
        return self.current.steps[done](talk)

    def opened(self) -> Analyst:
        return Analyst(user=Chooser())

    async def ask(self, analyst: Analyst, questions: Sequence[Asked]) -> None:
        for asked in questions:
            self.current = asked
            result = await analyst.ask(
                asked.question,
                data=[] if self.asked else [self.folder / "orders.csv"],
                notebook=self.folder / "long.ipynb",
            )
            self.asked += 1
            self.check(asked, result)

    def check(self, asked: Asked, result: Result) -> None:
        said = f"{asked.question}\n{result.answer}\n{result.reason}"
        details = result.details
        assert details is not None, said
        if asked.right is not None:
            assert result.status == "answered", said
            value = float(re.findall(r"-?\d+(?:\.\d+)?", result.answer)[0])
            assert value == pytest.approx(asked.right, rel=1e-6, abs=1e-3), said
        named = re.findall(r"\((d\d+)\):", "\n".join(details.assumptions))
        assert set(asked.names) <= set(named), (said, details.assumptions)


async def test_thirty_questions_with_rollbacks_and_counterfactuals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sum(map(len, ALL)) == 30
    ORDERS.to_csv(tmp_path / "orders.csv", index=False)
    with WireServer() as server:
        for name, value in credentials(server).items():
            monkeypatch.setenv(name, value)
        talk = Conversation(tmp_path, server)
        server.push(*[talk.respond] * 200)
        async with talk.opened() as analyst:
            await talk.ask(analyst, BEFORE)
            analysis = analyst._analysis
            assert analysis is not None
            corrected = RunId("r13")
            await analysis.undo(corrected, roll_back=True)
            await talk.ask(analyst, UNDONE)
        # A new process would begin like this: all that is left is the notebook.
        async with talk.opened() as analyst:
            await talk.ask(analyst, REOPENED)
            analysis = analyst._analysis
            assert analysis is not None
            withdrawn = RunId(f"r{talk.asked - 1}")
            await analysis.undo(withdrawn)
            await talk.ask(analyst, ROLLED_BACK)
            made = RunId(f"r{talk.asked - 2}")
            text = "Revenue means the amount."
            await analysis.change_definitions(
                lambda ledger: ledger.edit(DefinitionId("d2"), text, active=True)
            )
            await talk.ask(analyst, EDITED)
            (accounts,) = [d for d in analysis.ledger.definitions if d.id == "d1"]
            for active, questions in ((False, SWITCHED_OFF), (True, SWITCHED_ON)):
                await analysis.change_definitions(
                    lambda ledger, on=active: ledger.edit(accounts.id, accounts.text, active=on)
                )
                await talk.ask(analyst, questions)
            await analysis.undo(made)
            await talk.ask(analyst, LOST)
        assert not refusals(server)
    # Carried are ledger, findings and variables, within a budget, and not the transcript.
    assert len(talk.firsts) == 30
    assert len(talk.firsts[29]) < 1.6 * len(talk.firsts[5]) + 2000
