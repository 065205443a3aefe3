"""No value of the data leaves for a model: canaries in every cell, searched for in every request.

The whole way is real: the command, the sandbox and its kernel, the SDK, HTTP.
"""

from __future__ import annotations

import csv
import json
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.command_line.conversation import credentials, refusals, results, turns_so_far
from tests.fakes.fixtures import FAKE_KEY
from tests.fakes.turns import Turn, call, finish, plan, python, say, turn
from tests.fakes.wire_server import WireServer
from tests.support.cli import cells, notebook_at
from tests.support.command import Ended, analyst

ROWS = 2500
TIERS = ("Zirconia-plus", 'O\'Quill "gold" \\ one', "Brämble {tier}", "漢字ティア", "⟦v17⟧")
COLUMNS = ("customer", "tier", "amount", "account", "joined", "remark")
TOKEN = re.compile("⟦[vn][0-9]+⟧")

Body = dict[str, Any]


def row(number: int) -> tuple[str, ...]:
    """Return a row whose every field is a value that stands nowhere else but in the tiers."""
    return (
        f"Quorvane{number:05d} Ñandú{number:05d}x",
        TIERS[number % len(TIERS)],
        f"{70_000_003.25 + number * 7919}",
        f"{8_100_000_001 + number * 104_729}",
        f"{1801 + number // 300}-{1 + number % 12:02d}-{1 + number // 12 % 25:02d}T{number % 24:02d}:"
        f"{number % 60:02d}:{number * 7 % 60:02d}.{100_000 + number}",
        f"Lorvex{number:05d} wrote on {number:05d}Q at length; qualmish{number:05d}, again and again"
        if number % 50
        else f"amountish{number:05d} Quorvane{number:05d}",
    )


TABLE = [row(number) for number in range(ROWS)]
CANARIES = sorted(
    {value for values in TABLE for value in values}
    | {word for values in TABLE for word in re.findall(r"\w*\d{5}\w*", " ".join(values[::5]))}
)


def whole(number: str) -> str:
    """Return the digits of a number, which no other form of it lacks."""
    return number.split(".", maxsplit=1)[0]


NUMBERS = sorted({whole(values[2]) for values in TABLE} | {values[3] for values in TABLE})


def leaks(bodies: list[str]) -> list[str]:
    """Return the canaries that stand in a body, in whatever form JSON gives them."""
    texts = [*bodies] + [json.dumps(json.loads(body)) for body in bodies]
    squeezed = [text.replace(",", "") for text in texts]
    found = [c for c in CANARIES if c != "⟦v17⟧" and any(c in text for text in texts)]
    return found + [n for n in NUMBERS if any(n in text for text in squeezed)]


def last_text(body: Body) -> str:
    """Return what the newest message of a request says."""
    content = body["messages"][-1]["content"]
    found = []
    for block in content if isinstance(content, list) else [{"type": "text", "text": content}]:
        inner = block.get("content", block.get("text", ""))
        found += [inner] if isinstance(inner, str) else [part.get("text", "") for part in inner]
    return "\n".join(found)


def tokens(text: str) -> list[str]:
    """Return the tokens of a text, in order."""
    return TOKEN.findall(text)


def first_text(body: Body) -> str:
    """Return the first message of a request."""
    return last_text({"messages": body["messages"][:1]})


def asked_tier(body: Body) -> str:
    """Return the token that the question quotes."""
    found = re.search(r"Question: .*tier (⟦v[0-9]+⟧)", first_text(body), re.DOTALL)
    assert found is not None, first_text(body)[-300:]
    return found[1]


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
CONVERSATION: tuple[Callable[[Body], Turn], ...] = (
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
    lambda body: call("run_sql", sql=SQL.format(tier=asked_tier(body)), name="by_sql"),
    lambda body: python(
        f"chosen = customers[customers['tier'] == \"{asked_tier(body)}\"]\n"
        "print(len(chosen), chosen.amount.sum())"
    ),
    lambda body: turn(
        call(
            "record_definition",
            text=f"Gold means the tier {asked_tier(body)}.",
            quote=f"Gold means tier {asked_tier(body)}",
        ),
        call(
            "record_finding",
            statement=f"The tier {asked_tier(body)} has {tokens(last_text(body))[0]} members.",
            cells=[12],
        ),
    ),
    lambda body: turn(
        finish(f"The tier {asked_tier(body)} has {numbers(body)[0]} members [cell 12]."),
    ),
)
SECOND: tuple[Callable[[Body], Turn], ...] = (
    lambda body: python("chosen.head()"),
    lambda body: finish(f"It begins with {tokens(last_text(body))[1]} [cell 13]."),
)

SHAPES: tuple[Callable[[Body], Turn], ...] = (
    *CONVERSATION[:13],
    lambda body: finish(f"How many are in tier {asked_tier(body)} is shown in [cell 12]."),
)
SECOND_SHAPES: tuple[Callable[[Body], Turn], ...] = (
    lambda body: python("chosen.head()"),
    lambda body: finish("[cell 13] shows how it begins."),
)


def numbers(body: Body) -> list[str]:
    """Return the number tokens that the cell before the last call showed."""
    shown = [text for text in results(body).values() if text.startswith("cell 12:")]
    return [token for token in tokens(shown[-1]) if token.startswith("⟦n")]


def conversation(body: Body) -> Turn:
    """Go on with whichever of the two questions the request is about."""
    script = SECOND if "Question: Once more" in first_text(body) else CONVERSATION
    return script[turns_so_far(body)](body)


def shapes(body: Body) -> Turn:
    """Go on with a question of which the model sees no output."""
    script = SECOND_SHAPES if "Question: Once more" in first_text(body) else SHAPES
    return script[turns_so_far(body)](body)


@dataclass
class Asked:
    """Two questions about the table, in one mode."""

    tier: str
    folder: Path
    first: Ended
    second: Ended
    log: Ended
    bodies: list[str]
    lengths: list[int]
    refused: list[str]


def ask_twice(folder: Path, mode: str, script: Callable[[Body], Turn], tier: str) -> Asked:
    """Ask a question and a second one of the same analysis, which keeps the mode."""
    with (folder / "customers.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *TABLE])
    data = {"JUPYTER_DATA_DIR": str(folder / "jupyter")}
    with WireServer([script], keys=[FAKE_KEY], repeat=True) as server:
        env = credentials(server) | data
        first = analyst(
            "ask", f"Gold means tier {tier}. How many customers are in tier {tier}?",
            "--data", "customers.csv", "--notebook", "a.ipynb", "--privacy", mode,
            "--max-iterations", "30", "--json", cwd=folder, env=env,
        )  # fmt: skip
        second = analyst(
            "ask", "Once more for gold, please.", "--notebook", "a.ipynb", "--json",
            cwd=folder, env=env,
        )  # fmt: skip
        log = analyst("log", "a.ipynb", "--bodies", cwd=folder, env=data)
        bodies = [json.dumps(r.body, ensure_ascii=False) for r in server.requests if r.body]
        lengths = [int(r.headers["content-length"]) for r in server.requests if r.body]
        return Asked(tier, folder, first, second, log, bodies, lengths, refusals(server))


@pytest.fixture(scope="module", params=[0, 1, 2, 3])
def no_values(tmp_path_factory: pytest.TempPathFactory, request: Any) -> Asked:
    folder = tmp_path_factory.mktemp("no-values")
    return ask_twice(folder, "no-values", conversation, TIERS[request.param])


def test_there_are_enough_canaries():
    assert len(CANARIES) >= 10_000
    assert len(NUMBERS) == 2 * ROWS


def test_no_value_leaves(no_values: Asked):
    assert no_values.first.code == 0, no_values.first.err
    assert no_values.second.code == 0, no_values.second.err
    assert not no_values.refused
    assert len(no_values.bodies) == len(CONVERSATION) + len(SECOND)
    assert leaks(no_values.bodies) == []


def test_what_code_makes_of_a_value_does_not_leave_either(no_values: Asked):
    name = TABLE[7][0]
    disguises = [name[::-1], name.upper(), name.encode().hex(), " ".join(name.replace(" ", ""))]
    disguises += [word for one in disguises[:3] for word in one.split()] + [" 110 118 97 "]
    assert [one for one in disguises if any(one in body for body in no_values.bodies)] == []


def test_a_search_that_finds_nothing_would_find_what_is_there():
    body = json.dumps({"text": f"x {TABLE[7][0]} {TABLE[7][5]} {int(float(TABLE[7][2])):,}"})
    assert len(leaks([body])) >= 3


def test_filters_by_value_find_the_right_rows(no_values: Asked):
    rows = [values for values in TABLE if values[1] == no_values.tier]
    answer = no_values.first.finished.answer
    assert answer == f"The tier {no_values.tier} has {len(rows)} members [cell 12]."
    shown = cells(notebook_at(no_values.folder / "a.ipynb"), "iteration")
    by_sql, by_python = shown[10].outputs[-1].data["text/plain"], shown[11].outputs[0].text
    assert f" {len(rows)} " in by_sql
    assert by_python.split()[0] == str(len(rows))


def test_notebook_and_answer_hold_the_real_values(no_values: Asked):
    text = (no_values.folder / "a.ipynb").read_text(encoding="utf-8")
    assert not set(tokens(text)) - {"⟦v17⟧"}
    assert TABLE[0][0] in text
    assert no_values.second.finished.answer.startswith("It begins with ")
    assert not TOKEN.search(no_values.second.finished.answer)
    definitions = [d["text"] for d in json.loads(_ledger(no_values))["definitions"]]
    assert f"Gold means the tier {no_values.tier}." in definitions


def test_the_answer_says_how_it_was_made(no_values: Asked):
    for ended in (no_values.first, no_values.second):
        details = ended.finished.details
        assert details is not None
        assert any("no values" in caveat for caveat in details.caveats)
    assert "no values" in (no_values.folder / "a.ipynb").read_text(encoding="utf-8")


def test_the_log_has_what_was_sent(no_values: Asked):
    assert no_values.log.code == 0, no_values.log.err
    logged = [json.loads(line) for line in no_values.log.out.splitlines()]
    assert logged == [json.loads(body) for body in no_values.bodies]
    assert [len(line.encode()) for line in no_values.log.out.splitlines()] == no_values.lengths
    assert FAKE_KEY not in no_values.log.out


def test_only_the_user_can_read_what_is_kept(no_values: Asked):
    kept = [p for p in (no_values.folder / "jupyter").rglob("*") if p.suffix in (".jsonl", ".log")]
    assert {p.parent.name for p in kept} == {"privacy", "sent"}
    assert {stat.S_IMODE(p.stat().st_mode) for p in kept} == {0o600}
    assert all(FAKE_KEY not in p.read_text(encoding="utf-8") for p in kept)


@pytest.fixture(scope="module")
def schema_only(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    return ask_twice(tmp_path_factory.mktemp("schema-only"), "schema-only", shapes, TIERS[1])


def test_only_names_types_and_sizes_leave(schema_only: Asked):
    assert schema_only.first.code == 0, schema_only.first.err
    assert schema_only.second.code == 0, schema_only.second.err
    assert not schema_only.refused
    assert leaks(schema_only.bodies) == []
    newest = json.loads(schema_only.bodies[len(SHAPES) - 1])
    shown = [text for text in results(newest).values() if text.startswith("cell ")]
    assert len(shown) == 12
    assert all("not sent" in text and not tokens(text) for text in shown)
    assert "error: KeyError" in shown[3]
    assert "chosen: 500 of customers's 2,500 rows" in shown[11]
    assert "'amount' DOUBLE\n" in first_text(newest)
    assert "mean=" not in schema_only.bodies[-1]


def test_a_filter_by_a_value_of_the_question_works_without_outputs(schema_only: Asked):
    answer = schema_only.first.finished.answer
    assert answer == f"How many are in tier {TIERS[1]} is shown in [cell 12]."
    shown = cells(notebook_at(schema_only.folder / "a.ipynb"), "iteration")
    assert shown[11].outputs[0].text.split()[0] == "500"


def _ledger(asked: Asked) -> str:
    data = {"JUPYTER_DATA_DIR": str(asked.folder / "jupyter")}
    return analyst("ledger", "a.ipynb", "--json", cwd=asked.folder, env=data).out
