"""The pure fold from messages to outputs."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from analyst_kernel.agent.ports import OutputChange
from analyst_kernel.kernel.collector import merge
from analyst_kernel.kernel.messages import (
    ClearMsg,
    DisplayMsg,
    ErrorMsg,
    ExecuteInputMsg,
    IgnoredMsg,
    IopubMsg,
    ResultMsg,
    StatusMsg,
    StreamMsg,
    UpdateDisplayMsg,
    parse,
)
from analyst_kernel.kernel.outputs.fold import Finished, OutputState, finish, fold
from analyst_kernel.kernel.outputs.sanitise import OutputLimits
from analyst_kernel.protocol.outputs import Output, StreamOutput

LIMITS = OutputLimits(stream_chars=60, outputs=4)


def run(
    *messages: IopubMsg, limits: OutputLimits = LIMITS
) -> tuple[OutputState, list[OutputChange]]:
    state, changes = OutputState(), []
    for message in messages:
        state, more = fold(state, message, limits)
        changes.extend(more)
    return state, changes


def outputs(*messages: IopubMsg, limits: OutputLimits = LIMITS) -> tuple[Output, ...]:
    return finish(run(*messages, limits=limits)[0]).outputs


def replay(changes: list[OutputChange]) -> list[Output]:
    """Apply changes as a front end does."""
    shown: list[Output] = []
    for change in changes:
        if change.output is None:
            shown = []
        elif change.append:
            before = shown[change.index]
            assert isinstance(before, StreamOutput)
            assert isinstance(change.output, StreamOutput)
            shown[change.index] = StreamOutput(
                name=before.name, text=before.text + change.output.text
            )
        elif change.index == len(shown):
            shown.append(change.output)
        else:
            shown[change.index] = change.output
    return shown


def out(text: str) -> StreamMsg:
    return StreamMsg("stdout", text)


def display(text: str, display_id: str | None = None) -> DisplayMsg:
    return DisplayMsg({"text/plain": text}, {}, display_id)


def plain(found: tuple[Output, ...]) -> list[Any]:
    return [
        output.text if output.output_type == "stream" else getattr(output, "data", output)
        for output in found
    ]


def test_writes_to_one_stream_are_one_output() -> None:
    found = outputs(out("a"), out("b\n"), StreamMsg("stderr", "c"), out("d"))
    assert plain(found) == ["ab\n", "c", "d"]


def test_code_that_ends_too_soon_is_a_syntax_error_on_every_python() -> None:
    private = "_IncompleteInputError"
    content = {"ename": private, "evalue": "'(' was never closed", "traceback": [f"{private}: '('"]}
    assert parse({"header": {"msg_type": "error"}, "content": content}) == ErrorMsg(
        "SyntaxError", "'(' was never closed", ("SyntaxError: '('",)
    )


def test_displays_are_updated_wherever_they_stand() -> None:
    found = outputs(
        display("old", "id"),
        out("x"),
        display("old", "id"),
        UpdateDisplayMsg({"text/plain": "new"}, {}, "id"),
        UpdateDisplayMsg({"text/plain": "other cell's"}, {}, "unknown"),
    )
    assert plain(found) == [{"text/plain": "new"}, "x", {"text/plain": "new"}]


def test_clear_now_and_clear_with_the_next_output() -> None:
    assert plain(outputs(out("a"), ClearMsg(wait=False), out("b"))) == ["b"]
    assert plain(outputs(out("a"), ClearMsg(wait=True))) == ["a"]
    assert plain(outputs(out("a"), ClearMsg(wait=True), out("b"), out("c"))) == ["bc"]


def test_result_and_count() -> None:
    state, _ = run(ExecuteInputMsg(7), ResultMsg({"text/plain": "1"}, {}, 7), StatusMsg("idle"))
    assert state.execution_count == 7
    (output,) = finish(state).outputs
    assert output.output_type == "execute_result"
    assert output.execution_count == 7


def test_outputs_beyond_the_cap_are_counted_but_errors_stay() -> None:
    many = [display(str(number)) for number in range(50)]
    finished = finish(run(*many, ErrorMsg("KeyError", "x", ()))[0])
    assert len(finished.outputs) == 6
    assert finished.outputs[4].output_type == "error"
    assert plain(finished.outputs)[5] == "… 46 further outputs omitted …\n"
    assert finished.notices == (
        ("outputs_left_out", "46 further outputs of the cell were left out."),
    )


def test_bundles_share_one_limit() -> None:
    limits = OutputLimits(total_bytes=25)
    found = outputs(display("x" * 20), display("y" * 20), limits=limits)
    assert plain(found) == [
        {"text/plain": "x" * 20},
        {"text/plain": "[output left out: text/plain]"},
    ]


def test_a_cut_stream_is_noted_in_its_text_and_in_a_notice() -> None:
    state, changes = run(*(out(f"{number}\n") for number in range(100)))
    finished = finish(state)
    (stream,) = finished.outputs
    assert isinstance(stream, StreamOutput)
    assert "lines omitted …" in stream.text
    assert finished.notices[0][0] == "stream_cut"
    assert replay([*changes, *finished.changes]) == list(finished.outputs)


def test_comms_are_ignored_with_a_notice() -> None:
    state, changes = run(IgnoredMsg("comm_open"), IgnoredMsg("comm_msg"), IgnoredMsg("debug_event"))
    assert changes == []
    assert finish(state) == Finished(
        (),
        (),
        (("comm_dropped", "An interactive widget was left out: only its text is kept."),),
    )


MESSAGES = st.lists(
    st.one_of(
        st.builds(
            StreamMsg, st.sampled_from(["stdout", "stderr"]), st.text("ab\n\r\b", max_size=9)
        ),
        st.builds(display, st.text(max_size=5), st.sampled_from([None, "1", "2"])),
        st.builds(
            lambda text, key: UpdateDisplayMsg({"text/plain": text}, {}, key),
            st.text(max_size=5),
            st.sampled_from(["1", "2"]),
        ),
        st.builds(ClearMsg, st.booleans()),
        st.builds(lambda text: ErrorMsg("E", text, (text,)), st.text(max_size=5)),
        st.builds(lambda text: ResultMsg({"text/html": text}, {}, 1), st.text(max_size=5)),
    ),
    max_size=14,
)


@given(MESSAGES)
def test_the_changes_lead_to_the_outputs(messages: list[IopubMsg]) -> None:
    state, changes = run(*messages)
    finished = finish(state)
    every = [*changes, *finished.changes]
    assert replay(every) == list(finished.outputs)
    assert len(finished.outputs) <= LIMITS.outputs + 11


@given(MESSAGES, st.lists(st.booleans(), min_size=80, max_size=80))
def test_merged_changes_lead_to_the_same_outputs(
    messages: list[IopubMsg], flushes: list[bool]
) -> None:
    state, changes = run(*messages)
    finished = finish(state)
    pending: list[OutputChange] = []
    handed: list[OutputChange] = []
    for change, flush in zip([*changes, *finished.changes], flushes, strict=False):
        pending = merge(pending, change)
        if flush:
            handed.extend(pending)
            pending = []
    assert replay([*handed, *pending]) == list(finished.outputs)


@given(MESSAGES, st.data())
def test_any_chunking_of_streams_gives_the_same_outputs(
    messages: list[IopubMsg], data: st.DataObject
) -> None:
    chunked: list[IopubMsg] = []
    for message in messages:
        if isinstance(message, StreamMsg) and len(message.text) > 1:
            cut = data.draw(st.integers(min_value=1, max_value=len(message.text) - 1))
            chunked.append(StreamMsg(message.name, message.text[:cut]))
            chunked.append(StreamMsg(message.name, message.text[cut:]))
        else:
            chunked.append(message)
    assert outputs(*chunked) == outputs(*messages)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["data", "metadata", "transient", "display_id", "text", "name", "wait"])
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)
TYPES = st.sampled_from(
    "stream display_data update_display_data execute_result error clear_output status "
    "execute_input comm_open nonsense".split()
)


@given(TYPES, JUNK)
def test_no_message_breaks_the_fold(msg_type: str, content: Any) -> None:
    state, _ = run(parse({"header": {"msg_type": msg_type}, "content": content}))
    finish(state)


def left_out(lines: Any, chars: Any, text: str = "\n… 7 lines omitted …\n") -> IopubMsg:
    return parse(
        {
            "header": {"msg_type": "stream"},
            "metadata": {"analyst_kernel_omitted": {"lines": lines, "chars": chars}},
            "content": {"name": "stdout", "text": text},
        }
    )


def test_what_the_kernel_left_out_is_counted_with_what_is_cut_here() -> None:
    before, after = "head\n" * 20, "tail\n" * 20
    (stream,) = outputs(StreamMsg("stdout", before), left_out(7, 700), StreamMsg("stdout", after))
    assert isinstance(stream, StreamOutput)
    kept = stream.text.count("head\n") + stream.text.count("tail\n")
    assert stream.text.count("omitted") == 1
    assert f"… {47 - kept} lines omitted …" in stream.text


def test_what_the_kernel_left_out_is_noted_even_if_nothing_is_cut() -> None:
    (stream,) = outputs(StreamMsg("stdout", "a\n"), left_out(7, 700), StreamMsg("stdout", "b\n"))
    assert stream == StreamOutput(name="stdout", text="a\n\n… 7 lines omitted …\nb\n")


@given(*[st.none() | st.booleans() | st.text() | st.floats() | st.integers() for _ in range(2)])
def test_a_hostile_count_is_no_count(lines: Any, chars: Any) -> None:
    message = left_out(lines, chars)
    assert isinstance(message, StreamMsg)
    assert all(type(count) is int and 0 <= count < 2**53 for count in message.omitted)
