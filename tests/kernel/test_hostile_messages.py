"""Whatever a kernel sends, signed by its own key, its host goes on and the cell ends."""

from __future__ import annotations

import asyncio
import json
import os
import time
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jupyter_client.session import Session

from analyst_kernel.kernel.channels import LARGEST_MESSAGE, LARGEST_STOPPED, read_message
from analyst_kernel.kernel.collector import CellRun
from analyst_kernel.kernel.messages import DroppedMsg, parent_of, parse, type_of
from analyst_kernel.kernel.outputs.sanitise import OutputLimits
from analyst_kernel.kernel.session import KernelSession
from analyst_kernel.kernel.startup import read_frames
from analyst_kernel.protocol.outputs import DisplayOutput, StreamOutput

SECONDS = 300.0
TYPES = (
    "status", "stream", "display_data", "update_display_data", "execute_result", "error",
    "clear_output", "execute_input", "comm_open", "debug_event", "no_such_type", "",
)  # fmt: skip
FIELDS = (
    "execution_state", "name", "text", "data", "metadata", "transient", "execution_count", "ename",
    "evalue", "traceback", "wait", "code", "status", "user_expressions",
)  # fmt: skip


def deep(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


ODD: tuple[object, ...] = (
    None, True, -1, 10**400, float("nan"), float("-inf"), "", "\ud800", "\x00\x1b]0;x\x07", [], {},
    [None], {"": None}, deep(200), {"text/plain": deep(90)}, {"text/plain": "\udfff"},
    {"image/png": 5}, {"image/png": "\ud800"}, {"text/html": ["<b>", 3]}, {"\ud800/x": "\ud800"},
    {"application/json": {"\ud800": "\udfff", "n": float("nan"), "i": 10**400}},
    {"application/vnd.plotly.v1+json": {"data": [10**400, "\ud800"], "layout": deep(60)}},
    {"application/vnd.analyst-kernel.chart.v1+json": {"type": "line", "elements": [{"points": 3}]}},
    {"display_id": "\ud800"}, {"display_id": 5}, "stdout", "stderr", "idle", ["\ud800", 5, None],
)  # fmt: skip


def session() -> Session:
    return Session(key=b"key")


def frames(maker: Session, kind: object, content: object, parent: object = None) -> list[bytes]:
    """Return what a kernel that knows its key sends, whatever it holds."""
    header = {"msg_id": os.urandom(8).hex(), "msg_type": kind, "session": "s", "version": "5.3"}
    parts = [
        json.dumps(part).encode()
        for part in (header, {"msg_id": "p"} if parent is None else parent, {}, content)
    ]
    return [b"topic", b"<IDS|MSG>", maker.sign(parts), *parts]


async def taken(*messages: list[bytes]) -> CellRun:
    """Return a run that took the messages, as the reader of the channels does."""
    reader, run = session(), CellRun(OutputLimits(), lambda change: None)
    for message in messages:
        raw = read_message(reader, message)
        assert isinstance(parent_of(raw), str)
        assert isinstance(type_of(raw), str)
        await run.take(parse(raw))
    run.take_reply({"status": "ok"})
    return run


def check(run: CellRun) -> None:
    """Check that what came out can be written as a notebook and sent to a browser."""
    finished = run.finish()
    run.check_receiver()
    for output in finished.outputs:
        output.model_dump_json().encode()
        json.dumps(output.model_dump(mode="json"), allow_nan=False, ensure_ascii=False).encode()
    "".join(f"{code}{text}" for code, text in finished.notices).encode()


@pytest.mark.parametrize("kind", TYPES)
async def test_every_odd_value_in_every_field(kind: str) -> None:
    maker = session()
    for field in FIELDS:
        for value in ODD:
            content = {"name": "stdout", "data": {"text/plain": "x"}, field: value}
            check(await taken(frames(maker, kind, content), frames(maker, kind, {field: value})))


@pytest.mark.parametrize(
    "listing",
    [
        5, "x", "\ud800", [], [[]], {"name": "x"}, deep(300), [{"name": "x", "type": "\ud800"}],
        [{"name": "x", "type": "t", "shape": [10**400, -1]}],
        [{"name": "x", "type": "t", "columns": [["\ud800", "y"], ["a"]]}],
    ],
)  # fmt: skip
def test_odd_listings_of_variables(listing: object) -> None:
    reply = {"frames": {"data": {"application/vnd.analyst-kernel.frames+json": listing}}}
    for frame in read_frames(reply) or ():
        assert all(0 <= float(size) < 2**54 for size in frame.shape)
        frame.model_dump_json().encode()


VALUES = st.recursive(
    st.sampled_from([value for value in ODD if not isinstance(value, dict | list)])
    | st.text(st.characters(), max_size=5)
    | st.integers()
    | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(st.sampled_from(TYPES), st.dictionaries(st.sampled_from(FIELDS), VALUES)),
        max_size=6,
    )
)
def test_any_messages_become_outputs_that_can_be_written(
    contents: list[tuple[str, dict[str, Any]]],
) -> None:
    async def all_of_them() -> None:
        maker = session()
        check(await taken(*(frames(maker, kind, content) for kind, content in contents)))

    asyncio.run(all_of_them())


@pytest.mark.parametrize("parent", [[], 5, "p", {"msg_id": {}}, {"msg_id": "\ud800"}, {}])
@pytest.mark.parametrize("kind", [None, 5, ["stream"], {}, "stream"])
def test_odd_headers_belong_to_nobody(kind: object, parent: object) -> None:
    try:
        raw = read_message(session(), frames(session(), kind, {}, parent))
    except (ValueError, TypeError, KeyError, AttributeError):
        return  # the reader skips it
    assert isinstance(parent_of(raw), str)
    assert isinstance(type_of(raw), str)


@pytest.mark.parametrize(
    "content",
    [
        {"data": {"text/plain": "x" * (LARGEST_MESSAGE + 1)}},
        {"data": {"application/json": [[]] * 2_000_000}},
        {"data": {f"a/{n}": n for n in range(1_100_000)}},
    ],
)
def test_a_large_message_is_not_parsed(content: object) -> None:
    maker = session()
    raw = read_message(session(), frames(maker, "display_data", content))
    assert "content" not in raw
    assert raw["too_large"] > 1_000_000
    assert parent_of(raw) == "p"


async def test_an_error_counts_where_the_reply_is_lost() -> None:
    """A second interrupt, sent while the kernel replies to the first, takes the reply with it."""
    maker, run = session(), CellRun(OutputLimits())
    content = {"ename": "KeyboardInterrupt", "evalue": "", "traceback": []}
    assert not run.failed
    for kind, part in (("error", content), ("status", {"execution_state": "idle"})):
        await run.take(parse(read_message(session(), frames(maker, kind, part))))
    assert run.idle
    assert run.failed


async def test_once_stopped_nothing_large_is_made_harmless() -> None:
    """Each message takes seconds of Python's lock on a busy machine, and the user waits for Stop."""
    reader, maker, run = session(), session(), CellRun(OutputLimits())
    run.abandon()
    table = "<table><tr><td>" * 20_000
    sent = [
        ("display_data", {"data": {"text/html": table}, "metadata": {}}),
        ("display_data", {"data": {"application/json": ["["] * 50_000}, "metadata": {}}),
        ("error", {"ename": "KeyboardInterrupt", "evalue": "", "traceback": ["(" * 100_000] * 9}),
        ("error", {"ename": "KeyboardInterrupt", "evalue": "", "traceback": ["(" * 100_000]}),
        ("stream", {"name": "stdout", "text": "said before\n"}),
    ]
    read = []
    for kind, content in sent:
        raw = read_message(reader, frames(maker, kind, content), LARGEST_STOPPED)
        read.append("content" in raw)
        large = "too_large" in raw
        await run.take(DroppedMsg(raw["too_large"]) if large else parse(raw))
    assert read == [False, True, False, True, True]
    said, error, before = run.finish().outputs
    assert said == DisplayOutput(
        data={"text/plain": "[left out: what came after the stop]"}, metadata={}
    )
    assert (error.ename, error.traceback) == ("KeyboardInterrupt", ())
    assert before == StreamOutput(name="stdout", text="said before\n")


def test_a_message_with_a_large_header_is_refused() -> None:
    with pytest.raises(ValueError, match="header"):
        read_message(session(), frames(session(), "stream", {}, {"msg_id": "x" * 100_000}))


SEND = (
    "import sys\n"
    "kernel = get_ipython().kernel\n"
    "def send(kind, content):\n"
    "    sys.stdout.flush()  # as a display does, so that what was printed before comes before\n"
    "    kernel.session.send(kernel.iopub_socket, kind, content, parent=kernel.get_parent())\n"
)


async def test_large_messages_cost_a_notice_and_not_the_host(
    session: KernelSession,
) -> None:
    here = psutil.Process()
    longest, peak, before = 0.0, 0, here.memory_info().rss
    nested = (
        "send('display_data', {'data': {'application/json': [[]] * 20_000_000}, 'metadata': {}})"
    )
    cell = f"{SEND}print('a')\n{nested}\nprint('b')"
    task = asyncio.create_task(session.execute(cell, timeout=SECONDS))
    while not task.done():
        began = time.thread_time()
        await asyncio.sleep(0.01)
        longest = max(longest, time.thread_time() - began)
        peak = max(peak, here.memory_info().rss)
    execution = await task
    assert execution.outcome == "ok"
    one, left_out, two = execution.outputs
    assert isinstance(one, StreamOutput)
    assert one.text == "a\n"
    assert isinstance(left_out, DisplayOutput)
    assert "too large" in str(left_out.data["text/plain"])
    assert isinstance(two, StreamOutput)
    assert two.text == "b\n"
    assert "output_too_big" in dict(execution.notices)
    assert peak - before < 600 * 2**20
    assert longest < 2.0


async def test_nonsense_in_a_running_kernel_ends_with_its_cell(session: KernelSession) -> None:
    cell = SEND + (
        "for kind in ('status', 'stream', 'display_data', 'update_display_data', 'error',\n"
        "             'execute_result', 'clear_output', 'execute_input', 'comm_open', 'nonsense'):\n"
        "    for value in (None, -1, 10**400, float('nan'), [], {}, 'x', [[[[]]]]):\n"
        "        for field in ('execution_state', 'name', 'text', 'data', 'metadata', 'transient',\n"
        "                      'execution_count', 'ename', 'evalue', 'traceback', 'wait'):\n"
        "            send(kind, {field: value})\n"
        "send('clear_output', {'wait': False})\n"
        "print('end')"
    )
    execution = await session.execute(cell, timeout=SECONDS)
    assert StreamOutput(name="stdout", text="end\n") in execution.outputs
    again = await session.execute("print('usable')", timeout=SECONDS)
    assert again.outputs == (StreamOutput(name="stdout", text="usable\n"),)
