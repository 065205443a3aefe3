"""A tab's queue: joined, bounded, and a slow tab delays no other."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from analyst_kernel.agent.ports import OutputChange
from analyst_kernel.agent.run import apply_change
from analyst_kernel.protocol.events import (
    EVENT,
    Event,
    IterationFinished,
    ModelCalled,
    ModelReplied,
    NoticeRaised,
    OutputProduced,
    TextStreamed,
    ThinkingStreamed,
)
from analyst_kernel.protocol.ids import AnalysisId, CellId, RunId
from analyst_kernel.protocol.outputs import DisplayOutput, Output, StreamOutput
from analyst_kernel.protocol.records import Usage
from analyst_kernel.protocol.socket import CaughtUpFrame
from analyst_kernel.server.events.client import Tab
from analyst_kernel.server.events.coalesce import EncodedEvent, LiveTail, join_all
from analyst_kernel.server.events.journal import Journal, Row, StoredAnalysis
from analyst_kernel.server.events.recorder import Recorder, replay_events

ONE = AnalysisId("one")
RUN = RunId("r1")
CELL = CellId("c1")


def said(number: int, text: str = "a", call: int = 1) -> EncodedEvent:
    return EncodedEvent.of(TextStreamed(analysis=ONE, run=RUN, number=number, call=call, text=text))


def notice(number: int) -> EncodedEvent:
    return EncodedEvent.of(
        NoticeRaised(analysis=ONE, number=number, level="info", code="x", message="Hm.")
    )


class Wire:
    """What the tab sends to; ``open`` is whether the browser reads."""

    def __init__(self, **options: Any) -> None:
        self.sent: list[dict[str, Any]] = []
        self.closed: list[tuple[int, str]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.tab = Tab(self._send, lambda code, why: self.closed.append((code, why)), **options)

    async def _send(self, text: str) -> None:
        await self.open.wait()
        self.sent.append(json.loads(text))

    async def until(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(self.sent) < count:
                await asyncio.sleep(0.005)

    def numbers(self) -> list[int]:
        return [frame["event"]["number"] for frame in self.sent if frame["type"] == "event"]

    def text(self) -> str:
        return "".join(
            frame["event"].get("text", "") for frame in self.sent if frame["type"] == "event"
        )


async def nothing() -> AsyncIterator[tuple[int, str]]:
    none: tuple[tuple[int, str], ...] = ()
    for pair in none:
        yield pair


async def subscribed(wire: Wire) -> asyncio.Task[None]:
    wire.tab.subscribe(ONE, 0)
    await wire.tab.catch_up(ONE, nothing(), 0)
    return asyncio.create_task(wire.tab.run())


async def test_pieces_are_joined_to_few_frames_and_no_character_is_lost() -> None:
    wire = Wire()
    writer = await subscribed(wire)
    began = time.monotonic()
    for number in range(1, 1_001):
        wire.tab.send_events(ONE, [said(number, f"{number},")])
        await asyncio.sleep(0)
    wire.tab.send_events(ONE, [notice(1_001)])
    async with asyncio.timeout(30):
        while 1_001 not in wire.numbers():
            await asyncio.sleep(0.005)
    took = time.monotonic() - began
    assert wire.text() == "".join(f"{n}," for n in range(1, 1_001))
    assert wire.numbers() == sorted(set(wire.numbers()))
    assert len(wire.sent) <= 4 + 30 * took
    wire.tab.stop()
    await writer


async def test_a_tab_that_does_not_read_loses_streamed_pieces_first() -> None:
    wire = Wire(most_frames=50)
    writer = await subscribed(wire)
    await wire.until(1)
    wire.open.clear()
    for number in range(1, 200):
        wire.tab.send_events(
            ONE, [notice(number) if number % 10 == 0 else said(number, call=number)]
        )
    wire.open.set()
    async with asyncio.timeout(30):
        while 190 not in wire.numbers():
            await asyncio.sleep(0.005)
    kept = [frame["event"]["number"] for frame in wire.sent[1:]
            if frame["event"]["type"] == "notice_raised"]  # fmt: skip
    assert kept == list(range(10, 200, 10))
    assert not wire.closed
    wire.tab.stop()
    await writer


async def test_a_tab_that_never_reads_is_closed_with_try_again_later() -> None:
    wire = Wire(most_frames=50)
    writer = await subscribed(wire)
    await wire.until(1)
    wire.open.clear()
    for number in range(1, 200):
        wire.tab.send_events(ONE, [notice(number)])
    assert [code for code, _ in wire.closed] == [1013]
    assert wire.tab.closed
    wire.open.set()
    await writer


async def test_what_happens_during_a_replay_comes_after_it_once() -> None:
    wire = Wire()
    gate = asyncio.Event()

    async def slow() -> AsyncIterator[tuple[int, str]]:
        for number in range(1, 4):
            yield number, notice(number).json
            await gate.wait()

    wire.tab.subscribe(ONE, 0)
    writer = asyncio.create_task(wire.tab.run())
    replay = asyncio.create_task(wire.tab.catch_up(ONE, slow(), 3))
    await wire.until(1)
    wire.tab.send_events(ONE, [notice(4), notice(5)])
    gate.set()
    await replay
    await wire.until(6)
    assert wire.numbers() == [1, 2, 3, 4, 5]
    assert wire.sent[3] == json.loads(CaughtUpFrame(analysis=ONE, last=3).model_dump_json())
    wire.tab.send_events(AnalysisId("another"), [notice(9)])
    wire.tab.unsubscribe(ONE)
    wire.tab.send_events(ONE, [notice(6)])
    wire.tab.stop()
    await writer
    assert wire.numbers() == [1, 2, 3, 4, 5]


async def test_a_long_past_waits_for_the_tab_instead_of_filling_its_queue() -> None:
    wire = Wire(most_frames=40)

    async def long() -> AsyncIterator[tuple[int, str]]:
        for number in range(1, 1_001):
            yield number, notice(number).json

    wire.tab.subscribe(ONE, 0)
    writer = asyncio.create_task(wire.tab.run())
    await wire.tab.catch_up(ONE, long(), 1_000)
    await wire.until(1_001)
    assert wire.numbers() == list(range(1, 1_001))
    assert not wire.closed
    wire.tab.stop()
    await writer


async def test_five_hundred_events_a_second_are_journalled_and_delivered_in_order(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path / "journal.sqlite3")
    journal.save(StoredAnalysis(id=ONE))
    wires = [Wire(), Wire()]
    writers = [await subscribed(wire) for wire in wires]
    delivered: list[int] = []

    def deliver(batch: Any) -> None:
        delivered.extend(one.number for one in batch)
        for wire in wires:
            wire.tab.send_events(ONE, batch)

    recorder = Recorder(journal, ONE, last=0, deliver=deliver)
    for number in range(1, 1_501):
        recorder.take((notice(number) if number % 5 == 0 else said(number)).event)
        if number % 50 == 0:
            await asyncio.sleep(0)
    await recorder.settled()
    assert delivered == list(range(1, 1_501))
    assert recorder.delivered == 1_500
    assert [row.number for row in journal.events(ONE)] == list(range(5, 1_501, 5))
    for wire in wires:
        async with asyncio.timeout(30):
            while 1_500 not in wire.numbers():
                await asyncio.sleep(0.005)
        wire.tab.stop()
        assert wire.text() == "a" * 1_200
    await asyncio.gather(*writers)
    # The next life of the server begins after every number that may have been given out.
    assert journal.analyses()[0][1] >= 1_500
    journal.close()


async def test_a_journal_that_cannot_be_written_does_not_stop_the_run(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite3")
    journal.close()
    delivered: list[EncodedEvent] = []
    recorder = Recorder(journal, ONE, last=0, deliver=delivered.extend)
    recorder.take(notice(1).event)
    await recorder.settled()
    assert [one.number for one in delivered] == [1]
    assert "cannot be written" in recorder.trouble


async def test_a_reconnect_gets_prose_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite3")
    journal.save(StoredAnalysis(id=ONE))
    tail = LiveTail()
    events: list[Event] = [
        ModelCalled(analysis=ONE, run=RUN, number=1, call=1),
        ThinkingStreamed(analysis=ONE, run=RUN, number=2, call=1, text="Hm"),
        ThinkingStreamed(analysis=ONE, run=RUN, number=3, call=1, text="..."),
        *[said(number).event for number in (4, 5, 6)],
        ModelReplied(analysis=ONE, run=RUN, number=7, call=1, stop_reason="x", usage=Usage()),
    ]
    rows: list[Row] = []
    for delivered in map(EncodedEvent.of, events):
        kept = [*tail.add(delivered), *([] if delivered.is_stream else [delivered])]
        rows += [Row(k.number, k.first, k.event.type, RUN, k.json) for k in kept]
    journal.append(ONE, rows, 7)

    async def replay(after: int) -> list[tuple[int, str]]:
        sent = replay_events(journal, ONE, after=after, edge=7, live=tail.after(after))
        return [(n, EVENT.validate_json(text).type) async for n, text in sent]

    assert await replay(0) == [
        (1, "model_called"), (3, "thinking_streamed"), (6, "text_streamed"), (7, "model_replied"),
    ]  # fmt: skip
    # Whoever saw the first pieces of the prose does not get them again.
    assert await replay(5) == [(7, "model_replied")]
    journal.close()


def test_a_cell_that_ended_leaves_no_pieces() -> None:
    tail = LiveTail()
    piece = OutputProduced(
        analysis=ONE, number=1, cell=CELL, index=0, output=StreamOutput(name="stdout", text="a")
    )
    tail.add(EncodedEvent.of(piece))
    assert [delivered.number for delivered in tail.after(0)] == [1]
    tail.add(
        EncodedEvent.of(
            IterationFinished(
                analysis=ONE, number=2, iteration=1, cell=CELL, outcome="ok", seconds=0
            )
        )
    )
    assert tail.after(0) == []


OUTPUTS = st.one_of(
    st.builds(StreamOutput, name=st.sampled_from(["stdout", "stderr"]), text=st.text()),
    st.builds(DisplayOutput, data=st.just({"text/plain": "x"})),
)


@given(st.lists(st.tuples(OUTPUTS, st.booleans()), max_size=30))
def test_joined_outputs_lead_where_the_single_ones_do(changes: list[Any]) -> None:
    events = [
        OutputProduced(analysis=ONE, number=n, cell=CELL, index=0, output=output, append=append)
        for n, (output, append) in enumerate(changes, start=1)
    ]

    def fold(pieces: list[EncodedEvent]) -> object:
        live: list[Output] = []
        for delivered in pieces:
            event = delivered.event
            assert isinstance(event, OutputProduced)
            apply_change(live, OutputChange(event.index, event.output, event.append))
        return live

    batch = [EncodedEvent.of(event) for event in events]
    joined = join_all(batch)
    assert fold(joined) == fold(batch)
    numbers = [delivered.number for delivered in joined]
    assert numbers == sorted(set(numbers))
    assert not joined or joined[-1].number == len(events)
