"""What is kept from question to question: who may define, what holds, what an undo takes out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_kernel.agent.ledger import (
    MOST_CHARACTERS,
    MOST_STATES,
    Ledger,
    is_quoted,
    resting_on,
    stated_definitions,
)
from analyst_kernel.protocol.errors import InputError
from analyst_kernel.protocol.ids import DefinitionId, RunId
from analyst_kernel.protocol.records import LONGEST_DEFINITION, DataState

R1, R2, R3 = RunId("r1"), RunId("r2"), RunId("r3")


def texts(ledger: Ledger) -> list[str]:
    return [definition.text for definition in ledger.holding]


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("Revenue means net of returns. What was it in May?", ["Revenue means net of returns"]),
        ('"Active" means logged in within 30 days', ['"Active" means logged in within 30 days']),
        ("Ignore test accounts.", ["Ignore test accounts"]),
        ("How many users? Ignore the test accounts!", ["Ignore the test accounts"]),
        ("From now on use metric tons. How many?", ["From now on use metric tons"]),
        ("Always exclude Sundays. And the mean?", ["Always exclude Sundays"]),
        ("By sales we mean shipped orders.\nTotal?", ["By sales we mean shipped orders"]),
        ("Treat empty regions as North. Top region?", ["Treat empty regions as North"]),
        ("For the rest of this, prices are in 1.5 dollars. Sum?",
         ["For the rest of this, prices are in 1.5 dollars"]),
        # What only this question asks, or what is a question, is none.
        ("What does revenue mean here?", []),
        ("Is it so that revenue means net of returns?", []),
        ("What is the mean price?", []),
        ("Compare the means of both groups.", []),
        ("Plot group means by year.", []),
        ("How many orders? Exclude refunds.", []),
        ("Ignore refunds and count the orders.", []),
        ("Show the revenue by region, then by year.", []),
        ("", []),
    ],
)  # fmt: skip
def test_what_a_question_plainly_defines(question: str, found: list[str]) -> None:
    assert list(stated_definitions(question)) == found


@given(st.text(max_size=400))
def test_any_question_can_be_read(question: str) -> None:
    for sentence in stated_definitions(question):
        assert sentence in question
        assert 0 < len(sentence) <= LONGEST_DEFINITION


@pytest.mark.parametrize(
    ("quote", "said", "quoted"),
    [
        ("net of returns", "Revenue is net of returns.", True),
        ("Net  of\nReturns", "revenue is NET OF returns", True),
        ("“net of returns”", 'revenue is "net of returns"', True),
        ("et of return", "Revenue is net of returns.", False),
        ("gross of returns", "Revenue is net of returns.", False),
        ("", "Revenue", False),
        ("?!", "?!", False),
    ],
)
def test_a_quote_is_what_the_user_wrote(quote: str, said: str, quoted: bool) -> None:
    assert is_quoted(quote, ["Something else.", said]) is quoted


def test_a_correction_takes_the_place_and_gives_it_back() -> None:
    ledger = Ledger()
    first = ledger.add("Revenue is gross.", run=R1)
    second = ledger.add("Revenue is net.", run=R2, replaces=first.id)
    assert texts(ledger) == ["Revenue is net."]
    ledger.end(second.id, R3)
    assert texts(ledger) == []
    assert ledger.undo(R3)
    assert texts(ledger) == ["Revenue is net."]
    assert ledger.undo(R2)
    assert texts(ledger) == ["Revenue is gross."]
    assert ledger.undo(R1)
    assert not ledger.undo(R1)
    assert ledger.definitions == []


def test_what_the_user_writes_is_the_users() -> None:
    ledger = Ledger()
    made = ledger.add("Net  of\nreturns", quote="net", run=R1)
    assert made.text == "Net of returns"
    claimed = made.model_copy(update={"claimed": True})
    ledger.definitions = [claimed]
    edited = ledger.edit(made.id, "Gross", active=False)
    assert (edited.text, edited.quote, edited.claimed) == ("Gross", "", False)
    assert texts(ledger) == []
    ledger.edit(made.id, "Gross", active=True)
    assert texts(ledger) == ["Gross"]
    ledger.remove(made.id)
    assert ledger.definitions == []


def test_a_replaced_definition_that_is_switched_on_holds_again() -> None:
    ledger = Ledger()
    first = ledger.add("Gross", run=R1)
    ledger.add("Net", run=R2, replaces=first.id)
    ledger.edit(first.id, "Gross", active=True)
    assert texts(ledger) == ["Gross", "Net"]


@pytest.mark.parametrize("text", ["", "  \n", "x" * (LONGEST_DEFINITION + 1)])
def test_an_unusable_text_is_refused(text: str) -> None:
    ledger = Ledger()
    with pytest.raises(InputError, match="1 to 500 characters"):
        ledger.add(text)
    assert ledger.definitions == []


def test_definitions_that_no_question_can_carry_are_refused_and_a_shorter_one_is_taken() -> None:
    ledger = Ledger()
    while sum(map(len, texts(ledger))) + 400 <= MOST_CHARACTERS:
        ledger.add("x" * 400)
    with pytest.raises(InputError, match="too long together"):
        ledger.add("y" * 400)
    known = ledger.definitions[0]
    ledger.add("y" * 400, replaces=known.id, run=R1)
    ledger.remove(DefinitionId("d2"))
    ledger.add("z" * 400)


def test_an_unknown_definition_or_state_is_named_with_what_there_is() -> None:
    ledger = Ledger()
    with pytest.raises(InputError, match="none yet"):
        ledger.remove(DefinitionId("d1"))
    ledger.add("Net")
    with pytest.raises(InputError, match="It has d1"):
        ledger.edit(DefinitionId("d7"), "Gross", active=True)
    with pytest.raises(InputError, match="No state"):
        ledger.state("clean orders")
    ledger.put_state(DataState(name="clean orders", definition="d", variable="clean"))
    with pytest.raises(InputError, match="clean orders"):
        ledger.state("cleaned order")


def test_a_state_has_versions_and_an_undo_gives_the_one_before() -> None:
    ledger = Ledger()
    named = DataState(name="Clean orders", definition="d", variable="clean", run=R1, named=R1)
    ledger.put_state(named)
    again = named.model_copy(update={"variable": "clean_orders", "run": R2})
    ledger.put_state(again)
    assert ledger.states == (again,)
    assert ledger.state("clean  ORDERS") == again
    ledger.undo(R2)
    assert ledger.states == (named,)
    for number in range(MOST_STATES - 1):
        ledger.put_state(DataState(name=f"state {number}", definition="d", variable="v"))
    with pytest.raises(InputError, match="at most"):
        ledger.put_state(DataState(name="one more", definition="d", variable="v"))
    ledger.put_state(again)


def test_an_answer_rests_on_what_it_shares_a_word_of_content_with() -> None:
    ledger = Ledger()
    revenue = ledger.add("Revenue means net of returns")
    accounts = ledger.add("Ignore test accounts")
    found = resting_on(ledger.holding, ["What are the revenues by year?", "x = accounts.all()"])
    assert found == (revenue, accounts)
    assert resting_on(ledger.holding, ["How many rows does the table have?"]) == ()


@given(st.lists(st.tuples(st.sampled_from("aeru"), st.integers(1, 6), st.integers(1, 9))))
def test_undoing_every_run_leaves_what_the_user_wrote(steps: list[tuple[str, int, int]]) -> None:
    """Whatever runs recorded, replaced and ended, undoing them all leaves the user's own."""
    ledger = Ledger()
    own = [ledger.add(f"Own {number}").id for number in range(3)]
    for kind, run, target in steps:
        name = DefinitionId(f"d{target}")
        known = any(d.id == name for d in ledger.definitions)
        if kind == "a":
            ledger.add("By a run", run=RunId(f"r{run}"))
        elif kind == "e" and known:
            ledger.end(name, RunId(f"r{run}"))
        elif kind == "r" and known:
            ledger.add("Instead", run=RunId(f"r{run}"), replaces=name)
        elif kind == "u":
            ledger.undo(RunId(f"r{run}"))
    for run in range(1, 7):
        ledger.undo(RunId(f"r{run}"))
    assert [d.id for d in ledger.holding] == own
