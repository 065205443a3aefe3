"""From entries to cells."""

from __future__ import annotations

import json
import math
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_kernel.agent.ports import AnswerEntry, PlanEntry, SetupEntry, TitleEntry
from analyst_kernel.notebook.document.cells import (
    awakened,
    cell_for,
    dormant,
    labelled,
    nbformat_output,
    split_label,
)
from analyst_kernel.notebook.document.markdown import one_line
from analyst_kernel.notebook.document.operations import new_document
from analyst_kernel.notebook.document.read import entries_of
from analyst_kernel.notebook.document.serialize import validate_cell
from analyst_kernel.protocol.ids import AnalysisId, CellId, RunId
from analyst_kernel.protocol.outputs import DisplayOutput, Outcome, ResultOutput
from analyst_kernel.protocol.records import Answer, Step, StepStatus, Value
from tests.notebook.entry_makers import (
    failed,
    iteration,
    labels,
    plan,
    printed,
    question,
    ran,
    recorded,
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


def test_number_step_and_purpose_are_the_first_line() -> None:
    first = labelled("x = 1", "Mean city\nmileage", 2, 5)
    assert first == "# Cell 5, step 2: Mean city mileage\nx = 1"
    assert labelled("x = 1", "Mean", None, 12) == "# Cell 12: Mean\nx = 1"
    assert labelled("# mine\nx", "Mean", 1, 3) == "# Cell 3, step 1: Mean\n# mine\nx"
    assert labelled("%%timeit\nx", "Mean", 2, 3) == "%%timeit\nx"
    # What the user wrote or edited stays as it is.
    assert labelled("x", "  ", 2, 3) == labelled("x", "Mean", 2, 0) == "x"


@given(st.text(max_size=40), st.sampled_from([None, 1, 12]), st.integers(1, 999))
def test_a_label_comes_off_again(code: str, step: int | None, number: int) -> None:
    if not code.lstrip().startswith("%%"):
        assert split_label(labelled(code, "Mean", step, number)) == ("Mean", code)
    # As earlier versions labelled cells; and no label at all.
    assert split_label(f"# Step 3: Mean\n{code}") == ("Mean", code)
    assert split_label(f"# Mean\n{code}") == ("", f"# Mean\n{code}")


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


STATUSES: tuple[StepStatus, ...] = get_args(StepStatus)


@given(
    st.lists(
        st.tuples(
            st.text("ab ·[]()*#", min_size=1, max_size=12).map(str.strip).filter(bool),
            st.sampled_from(STATUSES),
            st.lists(st.integers(1, 30), max_size=3),
        ),
        min_size=1,
        max_size=7,
    )
)
def test_a_plan_comes_back_as_it_was_written(
    goals: list[tuple[str, StepStatus, list[int]]],
) -> None:
    steps = tuple(
        Step(number=n, goal=one_line(goal), status=status, cells=labels(*cells))
        for n, (goal, status, cells) in enumerate(goals, start=1)
    )
    entry = PlanEntry(CellId("plan-r1"), RunId("r1"), steps)
    blank = new_document(AnalysisId("0123456789ab"), created="2026-01-02T03:04:05+00:00")
    (found,) = [e for e in entries_of(recorded(blank, entry)) if isinstance(e, PlanEntry)]
    assert [(s.number, s.status, s.cells) for s in found.steps] == [
        (s.number, s.status, s.cells) for s in steps
    ]


def test_a_plan_of_an_earlier_version_is_read() -> None:
    blank = new_document(AnalysisId("0123456789ab"), created="2026-01-02T03:04:05+00:00")
    document = recorded(blank, plan(("a", "todo")))
    lines = ["### Plan", "", "- [x] 1. Read", "- [ ] 2. Draw *(in progress)*", "- [ ] 3. End"]
    document["cells"][-1]["source"] = "\n".join(lines)
    (found,) = [e for e in entries_of(document) if isinstance(e, PlanEntry)]
    assert [(s.goal, s.status) for s in found.steps] == [
        ("Read", "done"),
        ("Draw", "doing"),
        ("End", "todo"),
    ]


def test_an_answer_shows_what_it_rests_on() -> None:
    source = cell_for(whole_run()[-1])["source"]
    assert "from [18.4](#cell-id=it3) to [20.8](#cell-id=it3) mpg" in source
    assert "by `2.4`, over 31† years [cell [3](#cell-id=it3)]; see `[cell 2]`." in source
    assert "few cars [cells [2](#cell-id=it2) and [3](#cell-id=it3)]." in source
    assert "| first year | 18.4 mpg |" in source
    assert "- City mileage is the column `cty`." in source
    assert source.endswith(
        "Sources: 3 of 4 numbers stand in the output of an executed cell. Also: [2.4](#cell-id=it3)."
        "\n\n† Not verified, no executed cell shows it: 31."
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
