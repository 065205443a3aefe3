"""What the scripted model of the fake server says about the mileage question, turn by turn.

``mileage`` answers by how far the conversation in the request has come, so that it serves any
number of runs of one analysis, complete, repeated or stopped in the middle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from analyst_kernel.testing.fakes.wire_rules import blocks_of
from tests.fakes.fixtures import FAKE_KEY
from tests.fakes.turns import Turn, call, say, think, turn
from tests.fakes.wire_server import WireServer

Body = dict[str, Any]

FAILING = "vehicles.groupby('model_year')['cty'].mean().round(2)"
REPAIRED = "mileage = vehicles.groupby('year')['cty'].mean().round(2)\nmileage"
DRAWING = (
    "import matplotlib.pyplot as plt\n"
    "ax = mileage.plot(title='City mileage by year')\n"
    "ax.set_ylabel('mpg')\n"
    "plt.show()"
)
ANSWER = "City mileage rose from 15.55 mpg in 1984 to 20.81 mpg in 2015 [cell {cell}]."

MILEAGE: tuple[Turn, ...] = (
    turn(
        think("First the mean per year, then the line."),
        say("I compute the mean per model year."),
        call(
            "update_plan",
            steps=["Compute the mean per year", "Draw it as a line", "State the change"],
            datasets=["vehicles"],
            reason="first plan",
        ),
    ),
    turn(call("run_python", code=FAILING, purpose="Mean per model year", step=1)),
    turn(
        think("The column is called year."),
        call("run_python", code=REPAIRED, purpose="Mean per year", step=1),
    ),
    turn(call("run_python", code=DRAWING, purpose="Draw the line", step=2)),
    turn(
        call(
            "record_finding",
            statement="City mileage rose from 15.55 mpg in 1984 to 20.81 mpg in 2015.",
            values=[{"label": "2015", "value": 20.81, "unit": "mpg"}],
            cells=[2],
            caveats=[],
        )
    ),
    turn(
        call(
            "finish",
            answer=ANSWER.format(cell=2),
            key_values=[{"label": "2015", "value": 20.81, "unit": "mpg"}],
            assumptions=["Every row counts once."],
            caveats=[],
            next_questions=["Only for Toyota?"],
        )
    ),
)
"""Plan, a first attempt that fails, its repair, the chart, a finding, the answer."""


def turns_so_far(body: Body) -> int:
    """Count the model's turns in a request."""
    return sum(message["role"] == "assistant" for message in body["messages"])


def mileage(body: Body) -> Turn:
    """Go on with the conversation of :data:`MILEAGE` from where it stands."""
    return MILEAGE[turns_so_far(body)]


def credentials(server: WireServer) -> dict[str, str]:
    """Return the environment that leads the provider ``anthropic`` to the fake server."""
    return {"ANTHROPIC_BASE_URL": server.url, "ANTHROPIC_API_KEY": FAKE_KEY}


def refusals(server: WireServer) -> list[str]:
    """Return why the server refused requests; empty where each was as the real API wants it."""
    return [request.refused for request in server.requests if request.refused]


def results(body: Mapping[str, Any]) -> dict[str, str]:
    """Return the results in a request by the id of the call they answer; each once, or it fails."""
    asked: list[str] = []
    found: dict[str, str] = {}
    for message in body["messages"]:
        for block in blocks_of(message):
            if block["type"] == "tool_use":
                asked.append(block["id"])
            elif block["type"] == "tool_result":
                assert block["tool_use_id"] not in found
                found[block["tool_use_id"]] = _text(block.get("content", ""))
    assert sorted(found) == sorted(asked)
    return found


def _text(content: str | Sequence[Mapping[str, Any]]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", "")) for part in content)
