"""From entries to cells."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_kernel.agent.ports import AnswerEntry, SetupEntry, TitleEntry
from analyst_kernel.notebook.document.cells import (
    awakened,
    cell_for,
    dormant,
    labelled,
    nbformat_output,
    split_label,
)
from analyst_kernel.notebook.document.serialize import validate_cell
from analyst_kernel.protocol.ids import CellId, RunId
from analyst_kernel.protocol.outputs import DisplayOutput, Outcome, ResultOutput
from analyst_kernel.protocol.records import Answer, Value
from tests.notebook.entry_makers import (
    failed,
    iteration,
    plan,
    printed,
    question,
    ran,
    result,
    whole_run,
)


def test_every_cell_of_a_run_is_valid_untrusted_and_has_its_own_id() -> None:
    entries = whole_run()
    cells = [cell_for(entry) for entry in entries]
    for entry, cell in zip(entries, cells, strict=True):
        validate_cell(cell)
        assert cell["id"] == entry.cell
        assert "trusted" not in json.dumps(cell["metadata"])
    roles = [c["metadata"]["analyst_kernel"]["role"] for c in cells]
    assert roles[:4] == ["title", "setup", "question", "plan"]
    assert roles[4:] == ["iteration"] * 5 + ["answer"]


def test_an_iteration_carries_exactly_the_keys_that_apply() -> None:
    cell = cell_for(iteration(3, "x", ran(count=7), step=2, attempt=2))
    assert cell["metadata"] == {
        "analyst_kernel": {
            "role": "iteration",
            "run": "r1",
            "iteration": 3,
            "step": 2,
            "attempt": 2,
            "outcome": "ok",
            "origin": "agent",
        }
    }
    assert cell["execution_count"] == 7
    running = cell_for(iteration(3, "x", step=None))["metadata"]["analyst_kernel"]
    assert "outcome" not in running
    assert "step" not in running


def test_a_failed_iteration_is_folded_and_may_raise() -> None:
    cell = cell_for(iteration(1, "1/0", failed("error", "ZeroDivisionError", "division by zero")))
    assert cell["source"] == "1/0"
    assert cell["metadata"]["tags"] == ["raises-exception"]
    assert cell["metadata"]["jupyter"] == {"source_hidden": True, "outputs_hidden": True}
    assert cell["metadata"]["collapsed"] is True
    assert cell["outputs"][0]["ename"] == "ZeroDivisionError"


@pytest.mark.parametrize("outcome", ["timeout", "cancelled", "rejected"])
def test_what_must_not_run_again_is_kept_as_comments(outcome: Outcome) -> None:
    code = "while True:\n\n    x = '''\n  a'''"
    execution = failed(outcome, "Timeout", "x") if outcome != "rejected" else None
    cell = cell_for(iteration(1, code, execution, outcome=outcome, purpose="Wait"))
    assert all(line.startswith("#") for line in cell["source"].split("\n"))
    assert cell["metadata"]["tags"] == ["raises-exception", "skip-execution", "nbval-skip"]
    assert split_label(awakened(cell["source"])) == ("Wait", code)
    exec(compile(cell["source"], "cell", "exec"))


@given(st.text(alphabet="ab #\n\t'", max_size=40))
def test_dormant_code_comes_back(code: str) -> None:
    assert awakened(dormant(code, "timeout")) == code
    assert awakened("# a comment of its own\nx = 1") == "# a comment of its own\nx = 1"


def test_the_purpose_is_the_first_line_unless_the_code_begins_with_its_own() -> None:
    assert labelled("x = 1", "Mean city\nmileage", 2) == "# Step 2: Mean city mileage\nx = 1"
    assert labelled("x = 1", "Mean", None) == "# Mean\nx = 1"
    for code in ("# mine\nx", "%%timeit\nx", "\n  # mine"):
        assert labelled(code, "Mean", 2) == code
    assert labelled("x", "  ", 2) == "x"
    assert split_label(labelled("x\ny", "Mean", 2)) == ("Mean", "x\ny")


def test_a_question_stays_text() -> None:
    source = cell_for(question("Is *a* <img src=x>?\n\n# second\n- third"))["source"]
    assert source == "## Is \\*a\\* &lt;img src=x>?\n\n\\# second  \n\\- third"


def test_a_plan_is_a_checklist() -> None:
    cell = cell_for(
        plan(("Read <b>", "done"), ("Draw", "doing"), ("Wait", "blocked"), ("End", "todo"))
    )
    assert cell["source"].split("\n") == [
        "### Plan",
        "",
        "- [x] 1. Read &lt;b>",
        "- [ ] 2. Draw *(in progress)*",
        "- [ ] 3. Wait *(blocked)*",
        "- [ ] 4. End",
    ]


def test_an_answer_shows_what_it_rests_on() -> None:
    source = cell_for(whole_run()[-1])["source"]
    assert "from [18.4](#cell-id=it3) to [20.8](#cell-id=it3) mpg" in source
    assert "by `2.4`, over 31 (not verified) years" in source
    assert "| first year | 18.4 mpg |" in source
    assert "- City mileage is the column `cty`." in source
    assert source.endswith(
        "Proof: 3 of 4 numbers stand in the output of an executed cell. Also: [2.4](#cell-id=it3)."
    )


def test_an_unfinished_answer_says_so_and_leading_blank_lines_do_not_shift_its_proofs() -> None:
    text = "\n\nOnly 5 done."
    answer = Answer.model_validate(
        {
            "text": text,
            "unfinished": ["the trend"],
            "numbers": [{"text": "5", "start": 7, "end": 8, "cell": "c"}],
        }
    )
    source = cell_for(AnswerEntry(CellId("a"), RunId("r1"), answer, "incomplete"))["source"]
    assert source.startswith("### Answer\n\n**This answer is incomplete.**\n\nOnly [5](#cell-id=c)")
    assert "**Not done**\n\n- the trend" in source


def test_a_table_cell_keeps_its_table() -> None:
    values = (Value(label="a|b", value="x|y"), Value(label="c", value=1))
    answer = Answer(text="t", key_values=values)
    source = cell_for(AnswerEntry(CellId("a"), RunId("r1"), answer, "answered"))["source"]
    assert "| a\\|b | x\\|y |" in source


def test_outputs_are_strict_json_whatever_they_hold() -> None:
    output = DisplayOutput(
        data={
            "application/vnd.x.v1+json": {"y": [math.nan, 1.0], "trusted": True},
            "text/plain": 5,
            "text/html": "\ud800<b>",
        },
        metadata={"w": math.inf},
    )
    saved = nbformat_output(output)
    json.dumps(saved, allow_nan=False).encode()
    assert saved["data"]["application/vnd.x.v1+json"] == {"y": [None, 1.0]}
    assert saved["data"]["text/plain"] == "5"
    assert saved["data"]["text/html"] == "?<b>"
    assert saved["metadata"] == {"w": None}


def test_setup_and_text_outputs() -> None:
    cell = cell_for(
        SetupEntry(CellId("s"), "import x\r\n", ran(printed("a"), result("1"), count=1))
    )
    validate_cell(cell)
    assert cell["source"] == "import x\n"
    assert cell["metadata"] == {"analyst_kernel": {"role": "setup", "outcome": "ok"}}
    broken = cell_for(SetupEntry(CellId("s"), "import x", failed("error", "ImportError", "x")))
    assert broken["metadata"]["tags"] == ["raises-exception"]


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_text_makes_a_valid_cell(title: str, code: str) -> None:
    for entry in (
        TitleEntry(CellId("t"), title, code),
        question(code),
        iteration(1, code, ran(ResultOutput(data={"text/plain": title})), purpose=title),
    ):
        validate_cell(cell_for(entry))
