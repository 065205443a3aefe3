"""What servers of models stream on the wires of OpenAI and Gemini, folded event by event."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from analyst_kernel.agent import ports
from analyst_kernel.models.gemini.events import InteractionFault, InteractionFold
from analyst_kernel.models.openai_chunks import ChunkFold
from analyst_kernel.models.openai_responses import ResponseFold
from analyst_kernel.models.prices import Price, Tariff
from analyst_kernel.models.wire.streaming import EventFold, ReportedError
from analyst_kernel.testing.fakes.openai_events import Style, chat_events, response_events
from analyst_kernel.testing.fakes.openai_rules import Reasoning
from tests.fakes.gemini_events import ThoughtSignatures, interaction_events
from tests.fakes.turns import Turn, calls, fail, say, think, turn
from tests.fuzz.target import Seed, Target, hold
from tests.fuzz.targets.wires import check_types

_REFUSED = (
    AttributeError,
    InteractionFault,
    LookupError,
    ReportedError,
    TypeError,
    ValueError,
)
"""What a fold raises over an event that is none; the model makes a ``ModelError`` of it."""

_TARIFF = Tariff(Price(1.0, 2.0, 1.5, 0.1), Price(2.0, 4.0, 3.0, 0.2), 100_000)


def _folded(make: Callable[[], EventFold]) -> Callable[[Any], None]:
    """Return what folds a list of events, and holds what the loop relies on."""

    def fold(given: Any) -> None:
        folder = make()
        begun: set[int] = set()
        ended: set[int] = set()

        def check(found: list[ports.ModelEvent]) -> None:
            for event in found:
                check_types(event)
                if isinstance(event, ports.ToolStarted):
                    hold(event.index not in begun, "a call begins once")
                    begun.add(event.index)
                elif isinstance(event, ports.ToolInputDelta):
                    hold(event.index in begun - ended, "an input belongs to an open call")
                elif isinstance(event, ports.ToolEnded):
                    hold(event.index in begun - ended, "a call ends once, after it began")
                    ended.add(event.index)

        for event in given if isinstance(given, list) else [given]:
            try:
                check(folder.feed(event))
            except _REFUSED:
                # A stream ends with the first event that is none.
                return
        try:
            check(folder.end())
        except _REFUSED:
            return
        if folder.stopped is not None:
            check_types(folder.stopped)
            if folder.stopped.reason == "tool_use":
                hold(begun == ended, "a message with calls has all of their ends")

    return fold


# --- seeds -------------------------------------------------------------------------------------


def _turns() -> Iterator[Turn]:
    two = calls(("run_python", {"code": "1 + 1", "purpose": "é"}), ("run_sql", {"sql": "select 1"}))
    yield turn(think("hm"), say("Look."), two)
    yield say("Forty-two.")
    yield turn(say("No."), fault=fail("refusal").fault)
    yield turn(two, fault=fail("max_tokens_in_tool").fault)


_BODY = {"model": "m", "input": [], "stream_options": {"include_usage": True}}


def _response_seeds() -> Iterator[Seed]:
    usage = {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 1},
        "total_tokens": 12,
    }
    for said in _turns():
        yield response_events(said, list(said.blocks), _BODY, usage, 1, Reasoning())


def _chunk_seeds() -> Iterator[Seed]:
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12, "cost": 0.01}
    styles = (
        Style(),
        Style(whole=True, index="zero", ids="each", thinking="both"),
        Style(index="none", ids="none", says_stop=True, thinking="reasoning"),
        Style(whole=True, index="none", ids="once"),
    )
    for said, style in zip(_turns(), styles, strict=True):
        events = chat_events(said, list(said.blocks), _BODY, usage, 1, style)
        yield [event for event in events if isinstance(event, dict)]


def _interaction_seeds() -> Iterator[Seed]:
    usage = {"total_input_tokens": 9, "total_cached_tokens": 4, "total_output_tokens": 3}
    for said in _turns():
        yield interaction_events(said, _BODY, number=1, usage=usage, signatures=ThoughtSignatures())


TARGETS = (
    Target("responses", "json", _folded(lambda: ResponseFold(_TARIFF)), _response_seeds, 8192,
           ("type", "output_index", "item", "delta", "arguments", "usage", "response", "status", "error", "name", "call_id")),
    Target("chunks", "json", _folded(lambda: ChunkFold(_TARIFF, states_cost=True)), _chunk_seeds, 8192,
           ("choices", "delta", "tool_calls", "index", "id", "function", "arguments", "usage", "finish_reason", "error")),
    Target("interactions", "json", _folded(lambda: InteractionFold(_TARIFF)), _interaction_seeds, 8192,
           ("event_type", "index", "delta", "step", "interaction", "usage", "status", "error", "code", "signature")),
)  # fmt: skip
