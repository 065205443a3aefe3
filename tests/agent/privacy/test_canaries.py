"""No value of the data leaves for a model: canaries in every cell, searched for in every request.

The whole way is real on every wire: the analysis, the sandbox and its kernel, the SDK, HTTP.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from analyst_kernel.agent.ports import Approval
from analyst_kernel.analysis.analysis import Analysis
from analyst_kernel.analysis.assemble import Embedding, open_analysis
from analyst_kernel.analysis.privacy import PrivacyStore
from analyst_kernel.analysis.settings import AnalysisSettings
from analyst_kernel.grants import default_path
from analyst_kernel.protocol.events import RunFinished
from analyst_kernel.protocol.ids import AskId
from analyst_kernel.protocol.records import Limits, PrivacyMode
from tests.agent.privacy.canaries import (
    CANARIES,
    ROWS,
    SEARCH,
    TABLE,
    TIERS,
    TOKEN,
    leaks,
    strings_in,
    write_table,
)
from tests.agent.privacy.wire_rows import ROWS_OF_WIRES, Row
from tests.command_line.conversation import refusals
from tests.fakes.turns import Turn, call, finish, plan, python, say, turn
from tests.models.conformance.wires import WIRES
from tests.support.cli import cells, notebook_at

pytestmark = pytest.mark.real

Body = dict[str, Any]
Say = Callable[[Body], Turn]


GAVE = re.compile(r"^The tool \w+ (?:gave|failed):\s*", re.MULTILINE)
"""The head of a result, where tools are called in words."""
each_row = [pytest.param(row, id=row.wire) for row in ROWS_OF_WIRES]
MODES: tuple[PrivacyMode, ...] = ("no-values", "schema-only")


# --- what the model says ----------------------------------------------------------------------------


def texts(body: Body) -> list[str]:
    """Return the texts of the conversation, in order, on whichever wire.

    What a tool gave is a text of its own, where the wire joins it to others too.
    """
    whole = list(strings_in(body.get("messages") or body.get("input")))
    return [part for text in whole for part in GAVE.split(text) if part]


def tokens(text: str) -> list[str]:
    """Return the tokens of a text, in order."""
    return TOKEN.findall(text)


def tier_token(body: Body) -> str:
    """Return the token that the newest question quotes."""
    found = re.findall(r"Question: .*tier (⟦v[0-9]+⟧)", "\n".join(texts(body)))
    assert found, texts(body)[0][-300:]
    return found[-1]


def shown(body: Body, cell: int) -> str:
    """Return what a cell showed."""
    return [text for text in texts(body) if text.startswith(f"cell {cell}:")][-1]


def numbers(body: Body, cell: int) -> list[str]:
    return [token for token in tokens(shown(body, cell)) if token.startswith("⟦n")]


SQL = "SELECT count(*) AS members, sum(amount) AS total FROM customers WHERE tier = '{tier}'"
CHART = (
    "import matplotlib.pyplot as plt\n"
    "ax = customers.head(9).set_index('customer')['amount'].plot.bar(title='Chart of amounts')\n"
    "ax.set_ylabel('amount')\nplt.show()"
)
FORMS = (
    "print(customers.to_csv())\nprint(customers.to_dict('records')[:40])\n"
    "print(repr(customers.values.tolist()[100:140]))\ncustomers.describe(include='all')"
)
DISGUISES = (
    "name = customers.customer[7]\nprint(name[::-1], name.upper(), name.encode().hex())\n"
    "print(*name, [ord(letter) for letter in name], sep=' ')"
)
FILES = (
    "import os\nfrom pathlib import Path\n"
    "for name in customers.customer[:40]:\n    (Path(OUTPUT_DIR) / f'{name}.txt').write_text(name)\n"
    "print(sorted(os.listdir(OUTPUT_DIR)))\n"
    "globals()[customers.customer[11].split()[0]] = customers.head(3)\n"
    "open(Path(OUTPUT_DIR) / 'no' / f'{customers.customer[9]}.txt')"
)
LOOKING: tuple[Say, ...] = (
    lambda body: turn(
        say("I look at the table."),
        plan("Look", "Filter", "Say"),
        call("profile_dataset", name="customers", detail="full"),
    ),
    lambda body: python("print(customers.head(30).to_string())\ncustomers.sample(20)"),
    lambda body: python(FORMS),
    lambda body: python(DISGUISES),
    lambda body: python("customers[customers.customer[3]]"),
    lambda body: python("raise ValueError(customers.remark[4] + str(customers.amount[5]))"),
    lambda body: python("int(customers.remark[6])"),
    lambda body: python("customers.pivot_table(index='account', columns='tier', values='amount')"),
    lambda body: python(CHART, "Draw a chart"),
    lambda body: python(
        "names = list(customers.customer[:300])\nbig = customers.amount.max()\nbig"
    ),
    lambda body: call("run_sql", sql="SELECT cast(customer AS int) FROM customers", name="bad"),
    lambda body: call("run_sql", sql=SQL.format(tier=tier_token(body)), name="by_sql"),
    lambda body: python(
        f"chosen = customers[customers['tier'] == \"{tier_token(body)}\"]\n"
        "print(len(chosen), chosen.amount.sum())"
    ),
    lambda body: python(FILES),
    lambda body: call(
        "ask_user", question=f"Of {tier_token(body)}?", options=[tier_token(body), "all of them"]
    ),
)
CONVERSATION: tuple[Say, ...] = (
    *LOOKING,
    # One call a reply: tools in words are called so.
    lambda body: call(
        "record_definition",
        text=f"Gold means the tier {tier_token(body)}.",
        quote=f"Gold means tier {tier_token(body)}",
    ),
    lambda body: call(
        "record_finding",
        statement=f"The tier {tier_token(body)} has {numbers(body, 12)[0]} members.",
        cells=[12],
    ),
    lambda body: call("name_state", name="gold ones", variable="chosen", definition="of the tier"),
    lambda body: turn(
        finish(f"The tier {tier_token(body)} has {numbers(body, 12)[0]} members [cell 12]."),
    ),
    # The second question.
    lambda body: python("chosen.head()"),
    lambda body: finish(f"It begins with {tokens(shown(body, 14))[1]} [cell 14]."),
)
SHAPES: tuple[Say, ...] = (
    *LOOKING,
    lambda body: finish(f"How many are in tier {tier_token(body)} is shown in [cell 12]."),
    lambda body: python("chosen.head()"),
    lambda body: finish("[cell 14] shows how it begins."),
)
_NAME = TABLE[7][0].split()[0]
OPENLY: tuple[Say, ...] = (
    lambda body: turn(
        say(f"I look at {_NAME}."),
        python("print(customers.head(30).to_string())\ncustomers.sample(20)"),
    ),
    lambda body: python(
        f"{_NAME} = customers[customers.customer == '{TABLE[7][0]}']\n{_NAME}.amount.item()"
    ),
    lambda body: call("record_finding", statement=f"{_NAME} has {TABLE[7][2]}.", cells=[2]),
    lambda body: call("profile_dataset", name="customers", detail="full"),
    lambda body: call("ask_user", question=f"Go on with {_NAME}?", options=["yes", "no"]),
    # From here on in a stricter mode.
    lambda body: call("profile_dataset", name="customers", detail="full"),
    lambda body: python("print(customers.head(30).to_string())"),
    lambda body: python("customers[customers.customer[3]]"),
    lambda body: finish("[cell 3] shows them."),
    # The second question.
    lambda body: python("print(customers.tail(9).to_string())"),
    lambda body: finish("[cell 5] shows them."),
)


# --- asking ------------------------------------------------------------------------------------------


@dataclass
class Talk:
    """An analysis of the table on one wire, in one mode, with everything that was sent for it."""

    row: Row
    folder: Path
    mode: PrivacyMode
    finished: list[RunFinished]
    bodies: list[Body]
    lengths: list[int]
    refused: list[str]
    store: PrivacyStore
    heads: list[tuple[str, PrivacyMode]]
    notices: list[str]
    ledger: list[str]

    @property
    def strict(self) -> list[Body]:
        """The requests since the mode is strict."""
        modes = [mode for _, mode in self.heads]
        return self.bodies[modes.index(self.mode) :]


@dataclass
class Chooser:
    """The user: chooses the first option, and does what was prepared before that."""

    first: Callable[[], None] = lambda: None
    asked: list[str] = field(default_factory=list)

    async def answer(
        self, ask: AskId, question: str, options: Sequence[str], default: str
    ) -> tuple[str, bool]:
        self.asked.append(question)
        self.first()
        return options[0], True

    async def approve(self, ask: AskId, code: str, purpose: str) -> Approval:
        return Approval("run")


async def _talk(
    row: Row,
    folder: Path,
    mode: PrivacyMode,
    script: Sequence[Say],
    questions: Sequence[str],
    *,
    change: bool = False,
) -> Talk:
    write_table(folder / "customers.csv")
    user = Chooser()
    with row.serve(script, keys=[row.key]) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_DATA_DIR", str(folder / "jupyter"))
        analysis: Analysis = await open_analysis(
            notebook=folder / "a.ipynb",
            data=[folder / "customers.csv"],
            settings=AnalysisSettings(
                model=row.model,
                limits=Limits(iterations=30, tokens=None),
                privacy="full" if change else mode,
                own_instructions=False,
            ),
            user=user,
            embedding=Embedding(env=row.env(server.url, row.key)),
        )
        if change:
            user.first = lambda: analysis.choose_privacy(mode)
        notices: list[str] = []
        analysis.log.listen(
            lambda event: notices.append(event.message) if event.type == "notice_raised" else None
        )
        try:
            finished = [await analysis.ask(question) for question in questions]
        finally:
            await analysis.close()
        asked = [request for request in server.requests if request.method == "POST"]
        store = PrivacyStore(default_path().parent, analysis.id)
        return Talk(
            row, folder, mode, finished,
            bodies=[json.loads(request.data) for request in asked],
            lengths=[int(request.headers["content-length"]) for request in asked],
            refused=refusals(server),
            store=store,
            heads=[(sent.address, sent.privacy) for sent in store.requests()],
            notices=notices,
            ledger=[definition.text for definition in analysis.ledger.definitions],
        )  # fmt: skip


class Talks:
    """The analyses, each held once for all tests."""

    def __init__(self, make: pytest.TempPathFactory) -> None:
        self._make = make
        self._known: dict[tuple[str, str, bool], Talk] = {}

    def of(self, row: Row, mode: PrivacyMode, *, change: bool = False) -> Talk:
        name = (row.wire, mode, change)
        if name not in self._known:
            tier = row.tier
            if change:
                script, first = OPENLY, f"How much has {TABLE[7][0]}?"
                second = f"Again for {TABLE[7][0]}, please, as in cell 1 and cell 2."
            else:
                script = CONVERSATION if mode == "no-values" else SHAPES
                first = f"Gold means tier {tier}. How many customers are in tier {tier}?"
                second = "Once more for gold, please, and say what cell 2 and cell 12 have."
            folder = self._make.mktemp(f"{row.wire}-{mode}")
            made = _talk(row, folder, mode, script, (first, second), change=change)
            self._known[name] = asyncio.run(made)
        return self._known[name]

    def all(self) -> Iterator[Talk]:
        for row in ROWS_OF_WIRES:
            for mode in MODES:
                yield self.of(row, mode)
            yield self.of(row, row.stricter, change=True)


@pytest.fixture(scope="module")
def talks(tmp_path_factory: pytest.TempPathFactory) -> Talks:
    return Talks(tmp_path_factory)


# --- the search itself ---------------------------------------------------------------------------------


def test_there_are_enough_canaries_and_each_wire_has_its_row():
    assert len(CANARIES) >= 10_000
    assert len(TABLE) == ROWS
    assert {row.wire for row in ROWS_OF_WIRES} == {wire.name for wire in WIRES}
    assert set(SEARCH.others) == set(TIERS[:4])


@pytest.mark.parametrize("escape", [True, False])
def test_the_search_finds_every_canary_and_nothing_else(escape: bool):
    some = random.Random(7).sample(sorted(CANARIES), 400)
    for canary in [*some, *TIERS[:4]]:
        within = json.dumps({"x": [{"y": f"12345{canary}6"}]}, ensure_ascii=escape)
        assert canary in leaks([json.loads(within)]), canary
        assert canary in leaks([{"arguments": within}]), canary
    amount = f"{int(float(TABLE[7][2])):,}"
    assert leaks([{"text": amount}]) == [amount.replace(",", "")]
    assert leaks([{"text": "Quorvane12 12345 2026-01-05 gold"}]) == []


# --- in the mode from the start ----------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("row", each_row)
def test_no_value_leaves(talks: Talks, row: Row, mode: PrivacyMode):
    talk = talks.of(row, mode)
    assert [(finished.status, finished.reason) for finished in talk.finished] == [
        ("answered", "")
    ] * 2
    assert talk.refused == []
    assert len(talk.bodies) == len(CONVERSATION if mode == "no-values" else SHAPES)
    assert leaks(talk.bodies) == []


@pytest.mark.parametrize("row", each_row)
def test_what_code_makes_of_a_value_does_not_leave_either(talks: Talks, row: Row):
    talk = talks.of(row, "no-values")
    name = TABLE[7][0]
    disguises = [name[::-1], name.upper(), name.encode().hex(), " ".join(name.replace(" ", ""))]
    disguises += [word for one in disguises[:3] for word in one.split()] + [" 110 118 97 "]
    sent = "\n".join("\n".join(strings_in(body)) for body in talk.bodies)
    assert [one for one in disguises if one in sent] == []


@pytest.mark.parametrize("row", each_row)
def test_filters_by_value_find_the_right_rows(talks: Talks, row: Row):
    talk = talks.of(row, "no-values")
    count = sum(values[1] == row.tier for values in TABLE)
    assert talk.finished[0].answer == f"The tier {row.tier} has {count} members [cell 12]."
    ran = cells(notebook_at(talk.folder / "a.ipynb"), "iteration")
    by_sql, by_python = ran[10].outputs[-1].data["text/plain"], ran[11].outputs[0].text
    assert f" {count} " in by_sql
    assert by_python.split()[0] == str(count)


@pytest.mark.parametrize("row", each_row)
def test_notebook_and_answer_hold_the_real_values(talks: Talks, row: Row):
    talk = talks.of(row, "no-values")
    text = (talk.folder / "a.ipynb").read_text(encoding="utf-8")
    assert not set(tokens(text)) - {"⟦v17⟧"}
    assert TABLE[0][0] in text
    assert talk.finished[1].answer.startswith("It begins with ")
    assert not TOKEN.search(talk.finished[1].answer)
    assert f"Gold means the tier {row.tier}." in talk.ledger
    assert f"Of {row.tier}? {row.tier}" in talk.ledger


@pytest.mark.parametrize("row", each_row)
def test_only_names_types_and_sizes_leave(talks: Talks, row: Row):
    talk = talks.of(row, "schema-only")
    said = texts(talk.bodies[len(LOOKING)])
    outputs = [text for text in said if text.startswith("cell ")]
    assert len(outputs) == 13
    assert all("not sent" in text and not tokens(text) for text in outputs[:12])
    assert "error: KeyError" in outputs[3]
    assert "chosen: 500 of customers's 2,500 rows" in outputs[11]
    assert any("'amount' DOUBLE\n" in text for text in said)
    assert "mean=" not in json.dumps(talk.bodies)
    answer = talk.finished[0].answer
    assert answer == f"How many are in tier {row.tier} is shown in [cell 12]."


@pytest.mark.parametrize(("mode", "named"), [("no-values", "no values"), ("schema-only", "schema")])
def test_the_answer_says_how_it_was_made(talks: Talks, mode: PrivacyMode, named: str):
    talk = talks.of(ROWS_OF_WIRES[0], mode)
    for finished in talk.finished:
        assert finished.details is not None
        assert any(
            f'Made in the privacy mode "{named}' in said for said in finished.details.caveats
        )
    text = (talk.folder / "a.ipynb").read_text(encoding="utf-8")
    assert text.count('Made in the privacy mode \\"' + named) >= 2


# --- the mode becomes stricter in the middle -----------------------------------------------------------


@pytest.mark.parametrize("row", each_row)
def test_what_was_seen_before_a_stricter_mode_is_not_sent_again(talks: Talks, row: Row):
    talk = talks.of(row, row.stricter, change=True)
    assert [(finished.status, finished.reason) for finished in talk.finished] == [
        ("answered", "")
    ] * 2
    assert talk.refused == []
    assert Counter(mode for _, mode in talk.heads) == {
        "full": 5,
        row.stricter: len(OPENLY) - 5,
    }
    assert len(leaks(talk.bodies[:5])) > 100, "values went along before"
    assert leaks(talk.strict) == []


@pytest.mark.parametrize("row", each_row)
def test_what_was_sent_before_is_said(talks: Talks, row: Row):
    talk = talks.of(row, row.stricter, change=True)
    named = row.stricter.replace("-", " ")
    said = "What was sent before cannot be taken back: 5 requests of this analysis"
    assert any(said in notice for notice in talk.notices)
    first, second = (finished.details for finished in talk.finished)
    assert first is not None
    assert second is not None
    assert any(f'changed from "full" to "{named}"' in caveat for caveat in first.caveats)
    assert any('were sent in the mode "full"' in caveat for caveat in second.caveats)


# --- what is kept -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", each_row)
def test_the_log_has_what_was_sent(talks: Talks, row: Row):
    talk = talks.of(row, "no-values")
    logged = list(talk.store.requests())
    assert [json.loads(sent.body) for sent in logged] == talk.bodies
    assert [len(sent.body) for sent in logged] == talk.lengths
    assert all(sent.address.startswith("http://127.0.0.1:") for sent in logged)
    assert row.key.encode() not in talk.store.archive()


@pytest.mark.parametrize("row", each_row)
def test_only_the_user_can_read_what_is_kept(talks: Talks, row: Row):
    talk = talks.of(row, "no-values")
    kept = [p for p in (talk.folder / "jupyter").rglob("*") if p.suffix in (".jsonl", ".log")]
    assert {p.parent.name for p in kept} == {"privacy", "sent", "analyses", "days"}
    assert {stat.S_IMODE(p.stat().st_mode) for p in kept} == {0o600}
    assert all(row.key not in p.read_text(encoding="utf-8") for p in kept)


def test_all_wires_together(talks: Talks):
    sent = [body for talk in talks.all() for body in talk.strict]
    assert len(sent) == len(WIRES) * (len(CONVERSATION) + len(SHAPES) + len(OPENLY) - 5)
    assert leaks(sent) == []
