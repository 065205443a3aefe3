"""What the scripted AI model of the browser tests says: turns in a row, or by conversation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.fakes import turns
from tests.fakes.turns import Turn, call, fail, finish, say, think, turn
from tests.fakes.wire_server import WireServer

Body = dict[str, Any]
QUESTION = "How heavy are the penguins of each species?"

MASS = (
    "import matplotlib.pyplot as plt\n"
    "mass = penguins_raw.groupby('Species')['Body Mass (g)'].mean().round(1)\n"
    "mass.index = [name.split(' ')[0] for name in mass.index]\n"
    "ax = mass.plot.bar(title='Mean body mass', rot=0)\n"
    "ax.set_ylabel('g')\n"
    "plt.show()\n"
    "mass"
)
FAILING = "penguins_raw.groupby('Species')['Mass (g)'].mean()"
WAIT = (
    "import pathlib, time\n"
    "print('waiting', flush=True)\n"
    "while not (pathlib.Path(OUTPUT_DIR) / 'go').exists(): time.sleep(0.02)\n"
    "print('released')"
)
"""Runs until the test makes a file (``Panel.release``)."""


class ScriptedModel:
    """Called by the fake server with each request; gives the turn that answers it.

    Attributes:
        bodies: The requests of this test.
    """

    def __init__(self) -> None:
        self._turns: list[Turn] = []
        self._by_body: Callable[[Body], Turn] | None = None
        self.bodies: list[Body] = []

    def reset(self, _: WireServer) -> None:
        """Forget the script."""
        self._turns, self._by_body, self.bodies = [], None, []

    def says(self, *turns: Turn) -> None:
        """Go on with these turns, whoever asks."""
        self._turns.extend(turns)

    def answers(self, by_body: Callable[[Body], Turn]) -> None:
        """Answer each request by what is in it."""
        self._by_body = by_body

    @property
    def left(self) -> int:
        """Turns that were not asked for yet."""
        return len(self._turns)

    def __call__(self, body: Body) -> Turn:
        """Return the next turn."""
        self.bodies.append(body)
        if self._by_body is not None:
            return self._by_body(body)
        if not self._turns:
            return fail("status", status=400, message="The script has no turn left.")
        return self._turns.pop(0)


def plan(*steps: str) -> Turn:
    """Think, say what is done, and make a plan."""
    return turn(
        think("The column names tell the unit, so no conversion is needed."),
        say("I look at the mean per species."),
        turns.plan(*steps, datasets=["penguins_raw"], reason="first plan"),
    )


def python(code: str, purpose: str, step: int = 1, **pace: Any) -> Turn:
    """Run a cell of a step of the plan; ``pace`` is ``delay`` and ``chunk``."""
    return turn(turns.python(code, purpose, step=step), **pace)


def penguins() -> tuple[Turn, ...]:
    """Tell of a plan, a cell that fails, its repair with a chart, a finding and the answer."""
    return (
        plan("Mean body mass per species", "Draw it as bars", "State which is heaviest"),
        python(FAILING, "Mean body mass per species"),
        python(MASS, "Mean body mass per species, as bars"),
        call(
            "record_finding",
            statement="Gentoo penguins are the heaviest, with 5,076 g on average.",
            values=[{"label": "Gentoo", "value": 5076.0, "unit": "g"}],
            cells=["{{cell:2}}"],
            caveats=[],
        ),
        finish(
            "Gentoo penguins are the heaviest: 5,076 g on average, Adelie 3,700.7 g.",
            next_questions=("Is that so on every island?", "Do males weigh more?"),
            assumptions=["Each row is one penguin."],
            caveats=["Two rows have no `Body Mass (g)`."],
        ),
    )
