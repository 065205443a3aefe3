"""The plan of a run: its steps, how they move along, and when one is blocked.

Pure values: every method returns a new plan.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from analyst_kernel.agent.budget import MOST_STEPS
from analyst_kernel.protocol.ids import CellId
from analyst_kernel.protocol.records import CellLabel, Step, StepStatus

_ANSWERING = re.compile(
    r"(?:(?:and|then|finally|lastly)\b[,:]? )*"
    r"(?:(?:answer|reply|respond)\b.*"
    r"|(?:(?:finish|conclude|state|give|write(?: up)?|report|present|deliver|provide|formulate"
    r"|compose|draft|draw|summari[sz]e|synthesi[sz]e|interpret|explain|communicate|discuss|share)"
    r"(?:,? and |, |/| )?){0,3}"
    r"(?:(?:the|all|my|our|a|an|key|main|final|overall|short|written|concise|clear) ?)*"
    r"(?:answer|question|findings?|results?|conclusions?|insights?|takeaways?|recommendations?"
    r"|summary|report|write-?up|interpretation)?"
    r"(?: (?:to|for) (?:the |this )?(?:user|question|reader)"
    r"| and (?:answer|conclude)(?: the question)?"
    r"| (?:and|with|including|plus) (?:\w+ ){0,2}(?:caveats?|assumptions?|citations?|limitations?"
    r"|recommendations?|conclusions?|next (?:questions|steps)))*)\W*",
    re.IGNORECASE,
)
"""A goal that only says that the question is answered: no cell does that."""


class PlanRefused(Exception):
    """A revision that is not accepted; the message says what to send instead."""


@dataclass(frozen=True, slots=True)
class Plan:
    """An ordered list of goals.

    Attributes:
        steps: Numbered from 1.
        failures: Consecutive failed attempts of each step, parallel to ``steps``.
        implicit: Whether the loop made the plan up, because the model went straight to a cell.
    """

    steps: tuple[Step, ...] = ()
    failures: tuple[int, ...] = ()
    implicit: bool = False

    @classmethod
    def of(cls, goals: Sequence[str], *, implicit: bool = False) -> Plan:
        """Return a plan whose steps are all still to do."""
        steps = tuple(Step(number=i, goal=goal) for i, goal in enumerate(goals, start=1))
        return cls(steps, (0,) * len(steps), implicit)

    @property
    def blocked(self) -> Step | None:
        """The step that ran out of repairs, if any; the plan must be revised then."""
        return next((step for step in self.steps if step.status == "blocked"), None)

    @property
    def unfinished(self) -> tuple[str, ...]:
        """Goals that were not reached."""
        return tuple(step.goal for step in self.steps if step.status != "done")

    def begin(
        self, number: int | None, cell: CellLabel, ran: AbstractSet[CellId] = frozenset()
    ) -> tuple[Plan, int | None]:
        """Move to the step that a cell serves, and return the new plan and the step's number.

        An unknown number or None means the step at work, else the first still to do, else the last
        one. The step at work until now has ended; ``ran`` are the cells that ran without an error.
        """
        if not any(step.number == number for step in self.steps):
            first = {step.status: step for step in reversed(self.steps)}
            current = first.get("doing") or first.get("todo") or next(reversed(self.steps), None)
            number = current.number if current is not None else None
        steps = [
            _with(step, "doing") if step.number == number else ended
            for step, ended in zip(self.steps, self._ended(ran), strict=True)
        ]
        if number is not None:
            step = steps[number - 1]
            steps[number - 1] = step.model_copy(update={"cells": (*step.cells, cell)})
        return replace(self, steps=tuple(steps)), number

    def attempt(self, number: int | None) -> int:
        """Return the number of the next attempt at a step, from 1; repair k is attempt k + 1."""
        return 1 if number is None else self.failures[number - 1] + 1

    def succeeded(self, number: int | None) -> Plan:
        """Record that a cell of the step ran; the next one is a first attempt again."""
        return self if number is None else self._count(number, 0)

    def failed(self, number: int | None, *, repairs: int) -> Plan:
        """Record a failed attempt; after ``repairs`` repairs the step is blocked."""
        if number is None:
            return self
        count = self.failures[number - 1] + 1
        plan = self._count(number, count)
        if count <= repairs:
            return plan
        steps = tuple(_with(s, "blocked") if s.number == number else s for s in self.steps)
        return replace(plan, steps=steps)

    def revised(self, goals: Sequence[str]) -> Plan:
        """Replace the goals; a goal that stays keeps its status, its cells and its failures.

        A last goal that is only to answer is left out: answering is no step.

        Raises:
            PlanRefused: There is no goal, there are too many, or a blocked step stays as it was.
        """
        goals = [" ".join(goal.split()) for goal in goals if goal.strip()]
        if not goals:
            raise PlanRefused("A plan needs at least one step.")
        while len(goals) > 1 and _ANSWERING.fullmatch(goals[-1]):
            goals.pop()
        if len(goals) > MOST_STEPS:
            raise PlanRefused(
                f"A plan has at most {MOST_STEPS} steps; this has {len(goals)}. Merge some."
            )
        old = {
            _key(step.goal): (step, n) for step, n in zip(self.steps, self.failures, strict=True)
        }
        blocked = self.blocked
        if blocked is not None and _key(blocked.goal) in {_key(goal) for goal in goals}:
            raise PlanRefused(
                f"Step {blocked.number} is blocked: {blocked.goal!r} did not work. Replace it with "
                "another way to the same end, or leave it out; do not append to it."
            )
        steps: list[Step] = []
        failures: list[int] = []
        for number, goal in enumerate(goals, start=1):
            before, count = old.get(_key(goal), (None, 0))
            kept = {} if before is None else {"status": before.status, "cells": before.cells}
            steps.append(Step(number=number, goal=goal).model_copy(update=kept))
            failures.append(count)
        return Plan(tuple(steps), tuple(failures))

    def finished(self, ran: AbstractSet[CellId], *, answered: bool) -> Plan:
        """Return the plan of a run that ended: each step as it ended, or skipped.

        ``ran`` are the cells that ran without an error. The step of a plan that the loop made up is
        the question itself, so it is done if that is answered.
        """
        if self.implicit:
            status: StepStatus = "done" if answered else "failed"
            return replace(self, steps=tuple(_with(step, status) for step in self.steps))
        steps = (_with(s, "skipped") if s.status == "todo" else s for s in self._ended(ran))
        return replace(self, steps=tuple(steps))

    def _ended(self, ran: AbstractSet[CellId]) -> list[Step]:
        """Return the steps without one at work: it is done if its last cell succeeded."""
        return [
            step
            if step.status != "doing"
            else _with(step, "done" if step.cells and step.cells[-1].cell in ran else "failed")
            for step in self.steps
        ]

    def _count(self, number: int, count: int) -> Plan:
        failures = list(self.failures)
        failures[number - 1] = count
        return replace(self, failures=tuple(failures))


def plan_text(plan: Plan) -> str:
    """Return a plan as text, one line per step."""
    return "\n".join(f"{step.number}. [{step.status}] {step.goal}" for step in plan.steps)


def guidance(failures: int, repairs: int) -> str:
    """Return what to do after the ``failures``-th failed attempt at a step; it escalates."""
    if failures > repairs:
        return (
            "This step is blocked: no repairs are left. Call update_plan and replace the step by "
            "another way to the same end (revise it, do not append), or finish with what is "
            "established and say what could not be found."
        )
    counter = f"Next is repair {failures} of {repairs}."
    if failures == 1:
        return f"{counter} Change as little as possible: fix just what the error names."
    if failures == 2:
        return (
            f"{counter} The last idea did not hold. State a different hypothesis of the cause in "
            "`purpose` and act on that one."
        )
    return (
        f"{counter} Inspect first: print the dtypes, columns and first rows of the failing object, "
        "and only then compute, in the same cell."
    )


def _with(step: Step, status: StepStatus) -> Step:
    return step if step.status == status else step.model_copy(update={"status": status})


def _key(goal: str) -> str:
    return " ".join(goal.casefold().split()).rstrip(".")
