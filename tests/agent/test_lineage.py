"""Lines of lineage, hints and caveats, and the end of a run that gets nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from analyst_kernel.agent.lineage.judge import hints, lineage_caveats
from analyst_kernel.agent.lineage.lines import lineage_lines, one_line
from analyst_kernel.agent.lineage.silenced import silenced
from analyst_kernel.agent.lineage.trace import CellTrace
from analyst_kernel.agent.loop import run_question
from analyst_kernel.protocol.ids import CellId
from analyst_kernel.protocol.outputs import Frame, FrameColumn, LineageHint
from analyst_kernel.protocol.records import IterationRecord, Limits
from tests.agent.fake_deps import Scene
from tests.agent.fake_model import FakeModel
from tests.fakes.turns import python, say


def table(name: str, rows: int, *columns: str) -> Frame:
    kinds = tuple(FrameColumn(name=column, dtype="int64") for column in columns)
    return Frame(name=name, type="pandas.DataFrame", shape=(rows, len(columns)), columns=kinds)


def line(frame: Frame, **origin: Any) -> str:
    source = table("raw", 344, "a", "b", "c")
    trace = CellTrace.model_validate({"frames": {frame.name: {"roots": ["raw"], **origin}}})
    (found,) = lineage_lines((source,), (frame, source), trace)
    return found


RAW = {"label": "raw", "rows": 344}


@pytest.mark.parametrize(("frame", "origin", "expected"), [
    (table("clean", 34, "a", "b", "c"), RAW,
     "clean: 34 of raw's 344 rows (-310), same columns"),
    (table("all", 344, "a", "b", "c", "d"), RAW,
     "all: all 344 rows of raw, +1 columns: 'd' int64"),
    (table("part", 9, "a", "b"), {**RAW, "sample": "head(9)"},
     "part: 9 of raw's 344 rows (-335), 2 of its 3 columns: 'a', 'b' [head(9)]"),
    (table("both", 400, "a", "b", "c", "x"), {**RAW, "others": [["right", 12]]},
     "both: 400 rows from raw (344 rows) with right (12 rows), +1 columns: 'x' int64"),
    (table("means", 3, "a", "m"), {**RAW, "reduced": True, "by": ["a"]},
     "means: 3 rows by 'a' from raw (344 rows): 'a' int64, 'm' int64"),
    (table("demo", 3, "x"), {"roots": [], "made": "values typed into the code"},
     "demo: 3 rows of values typed into the code: 'x' int64"),
])  # fmt: skip
def test_a_table_is_told_by_its_origin(frame: Frame, origin: dict[str, Any], expected: str) -> None:
    assert line(frame, **origin) == expected


def test_without_an_origin_a_table_is_told_by_its_schema() -> None:
    assert lineage_lines((), (table("new", 2, "a"),), None) == ("new: 2 x 1 ('a' int64) [new]",)
    reading = CellTrace.model_validate({"reads": ["raw", "?"]})
    assert one_line((), reading) == "reads raw"
    assert one_line((), None) == ""


@pytest.mark.parametrize(("code", "found"), [
    ("import warnings\nwarnings.filterwarnings('ignore')", True),
    ("from warnings import simplefilter\nsimplefilter(action='ignore')", True),
    ("warnings.simplefilter('ignore', category=RuntimeWarning)", True),
    ("warnings.filterwarnings('ignore', '.*', UserWarning)", True),
    ("pd.options.mode.chained_assignment = None", True),
    ("pd.set_option('mode.chained_assignment', None)", True),
    ("np.seterr(all='ignore')", True),
    ("import os\nos.environ['PYTHONWARNINGS'] = 'ignore'", True),
    ("warnings.simplefilter('ignore', FutureWarning)", False),
    ("warnings.filterwarnings('ignore', category=(DeprecationWarning, FutureWarning))", False),
    ("warnings.filterwarnings('error')", False),
    ("text = \"warnings.filterwarnings('ignore')\"", False),
    ("# warnings.filterwarnings('ignore')\nx = 1", False),
    ("np.seterr(all='warn')", False),
    ("with np.errstate(divide='ignore'):\n    x = 1 / y", False),
    ("not python at all (", False),
])  # fmt: skip
def test_silenced_warnings_are_found_in_the_tree(code: str, found: bool) -> None:
    assert bool(silenced(code)) is found


def judged(
    kind: str, question: str = "How much?", reads: tuple[str, ...] = (), **facts: Any
) -> str:
    trace = CellTrace.model_validate({"events": [{"kind": kind, **facts}], "reads": list(reads)})
    found = hints("x", trace, question=question, profiles=())
    return found[0].code if found else ""


def test_what_the_question_asks_for_is_no_mistake() -> None:
    sample = {"what": "head(10)", "rows": 10, "before": 90, "label": "raw"}
    assert judged("sample", **sample) == "sample-as-whole"
    assert judged("sample", "What is the mean of the first ten rows?", **sample) == ""
    means = {"column": "m", "by": ["g"], "low": 1, "high": 9, "count": 3}
    assert judged("mean-of-means", **means) == "average-of-averages"
    assert judged("mean-of-means", "What is the mean of the group averages?", **means) == ""
    assert judged("made-up", made="random numbers", what="mean") == "made-up-data"
    assert judged("made-up", "Simulate a walk", made="random numbers", what="mean") == ""
    assert judged("made-up", reads=("raw",), made="random numbers", what="mean") == ""
    assert judged("join", use="self", label="a", other="a") == ""
    assert judged("nothing", column="c", values=["3"], operator="<", use="count") == ""
    assert judged("nothing", column="c", values=["'x'"], near=["'X'"], use="count") != ""
    assert judged("of no kind that is known") == ""


def record(iteration: int, *found: LineageHint) -> IterationRecord:
    return IterationRecord(
        iteration=iteration, cell=CellId(f"c{iteration}"), step=None, attempt=1, language="python",
        purpose="", code="", outcome="ok", hints=found,
    )  # fmt: skip


def test_an_answer_gets_a_caveat_of_what_it_rests_on_and_does_not_mention() -> None:
    sample = LineageHint(code="sample-as-whole", message="rests on 10 rows of raw")
    quiet = LineageHint(code="warnings-silenced", message="warnings are silenced")
    added = LineageHint(
        code="dataset-changed", message="raw was changed in place (new columns: 'x')"
    )
    cells = [record(1, sample, quiet, added), record(2)]
    assert lineage_caveats(cells, ["c1"], ["The mean is 3."]) == (
        "Cell 1: Rests on 10 rows of raw.",
    )
    assert lineage_caveats(cells, ["c1"], ["The mean of a sample is 3."]) == ()
    assert lineage_caveats(cells, ["c2"], ["The mean is 3."]) == ()


async def test_the_same_code_with_the_same_output_a_third_time_ends_the_run() -> None:
    again = [python("print('same')"), python("print('same')  # anew"), python("print('same')\n")]
    scene = Scene(FakeModel(*again, say("Nothing more is established.")))
    finished = await run_question(scene.deps, scene.memory, "How much?", limits=Limits())
    assert "Once more, and the run ends" in scene.model.results(2)[0][0]
    assert "same output as cells 1 and 2" in scene.model.results(3)[0][0]
    assert finished.status == "incomplete"
    assert "same code with the same output" in finished.reason
    assert finished.answer.startswith("Nothing more")
    assert len(finished.iterations) == 3
    assert scene.model.requests[-1].tool_choice == "none"


async def test_the_same_code_with_another_output_goes_on() -> None:
    cells = ["n = 0"] + ["n += 1\nprint(n)"] * 4
    scene = Scene(FakeModel(*map(python, cells), say("It went on to 4.")))
    finished = await run_question(scene.deps, scene.memory, "How far?", limits=Limits())
    assert finished.status == "answered"
    assert len(finished.iterations) == 5
