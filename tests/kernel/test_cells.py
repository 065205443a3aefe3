"""Cells in a real kernel: their outputs, one after the other, errors and hints."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from analyst_kernel.agent.ports import Execution, OutputChange
from analyst_kernel.kernel.outputs.sanitise import OutputLimits
from analyst_kernel.kernel.session import KernelSession
from analyst_kernel.protocol.errors import KernelError
from analyst_kernel.protocol.outputs import DisplayOutput, ErrorOutput, ResultOutput, StreamOutput
from tests.kernel.conftest import MakeSession, output_folder

SECONDS = 60.0


async def run(session: KernelSession, code: str, **options: Any) -> Execution:
    return await session.execute(code, timeout=SECONDS, **options)


async def test_start_returns_the_facts(make_session: MakeSession) -> None:
    session = make_session()
    facts = await session.start()
    assert await session.start() is facts
    assert facts.python.startswith("3.")
    assert {"pandas", "numpy", "ipykernel"} <= set(facts.versions)
    assert facts.sandbox.level == "none"
    assert facts.sandbox.sentence.startswith("Not isolated.")
    assert facts.ready_ms > 0
    assert facts.output_dir == "mileage_files"


async def test_a_start_imports_no_heavy_library(plain_session: KernelSession) -> None:
    execution = await run(
        plain_session,
        "import sys\nprint(sorted({'pandas', 'numpy', 'matplotlib', 'duckdb'} & set(sys.modules)))",
    )
    assert execution.outputs == (StreamOutput(name="stdout", text="[]\n"),)
    assert execution.execution_count == 1


async def test_streams_display_update_clear_result(session: KernelSession) -> None:
    changes: list[OutputChange] = []
    execution = await run(
        session,
        "import sys\n"
        "from IPython.display import display, clear_output\n"
        "print('gone')\n"
        "clear_output()\n"
        "print('one', flush=True)\n"
        "print('10 %\\r20 %', flush=True)\n"
        "print('bad', file=sys.stderr, flush=True)\n"
        "handle = display('old', display_id=True)\n"
        "handle.update('new')\n"
        "6 * 7",
        on_change=changes.append,
    )
    assert execution.outcome == "ok"
    assert execution.error is None
    assert execution.notices == ()
    assert execution.outputs == (
        StreamOutput(name="stdout", text="one\n20 %\n"),
        StreamOutput(name="stderr", text="bad\n"),
        DisplayOutput(data={"text/plain": "'new'"}),
        ResultOutput(data={"text/plain": "42"}, execution_count=1),
    )
    assert changes[-1].output == execution.outputs[-1]


async def test_an_error_has_its_name_and_line(session: KernelSession) -> None:
    await run(session, "import pandas as pd\nvehicles = pd.DataFrame({'cty': [1], 'Model': ['x']})")
    execution = await run(session, "a = 1\n\nvehicles['model']\nprint('not reached')")
    assert execution.outcome == "error"
    assert execution.error is not None
    assert (execution.error.name, execution.error.line) == ("KeyError", 3)
    assert execution.error.hint == "", "the agent looks for the nearest name"
    assert not execution.kernel_died
    (output,) = execution.outputs
    assert isinstance(output, ErrorOutput)
    assert {frame.name for frame in execution.frames} == {"vehicles", "a"}
    undefined = await run(session, "vehicels.head()")
    assert undefined.error is not None
    assert (undefined.error.name, undefined.error.line) == ("NameError", 1)
    broken = await run(session, "x = 1\ny = (\n")
    assert broken.error is not None
    assert broken.error.name == "SyntaxError"


async def test_input_is_refused_clearly(session: KernelSession) -> None:
    execution = await run(session, "input('name? ')")
    assert execution.outcome == "error"
    assert execution.error is not None
    assert "cannot ask for input" in execution.error.hint


async def test_widgets_become_text(session: KernelSession) -> None:
    execution = await run(
        session,
        "from comm import create_comm\n"
        "create_comm(target_name='jupyter.widget')\n"
        "from IPython.display import display\n"
        "view = 'application/vnd.jupyter.widget-view+json'\n"
        "display({view: {}, 'text/plain': 'slider'}, raw=True)",
    )
    assert execution.outputs == (DisplayOutput(data={"text/plain": "slider"}),)
    assert {code for code, _ in execution.notices} == {"comm_dropped", "output_dropped"}


async def test_two_executions_take_turns(session: KernelSession) -> None:
    slow = "import time\ntime.sleep(0.3)\norder = ['first']\nprint('first')"
    first, second = await asyncio.gather(
        run(session, slow), run(session, "order.append('second')\norder")
    )
    assert first.outputs == (StreamOutput(name="stdout", text="first\n"),)
    assert second.outputs[0] == ResultOutput(
        data={"text/plain": "['first', 'second']"}, execution_count=2
    )


async def test_what_a_user_runs_by_hand_does_not_confuse(session: KernelSession) -> None:
    other = session.manager.client(context=session.manager.context)
    other.session.session = "a-person"
    other.start_channels(stdin=False, hb=False, control=False)
    try:
        for _ in range(5):
            request = other.execute("print('by hand')\nraise ValueError('theirs')")
            execution = await run(session, "print('ours')")
            await asyncio.wait_for(answer_to(other, request), SECONDS)
            assert execution.outcome == "ok", execution.error
            assert execution.outputs == (StreamOutput(name="stdout", text="ours\n"),)
    finally:
        other.shell_channel.stop()
        other.iopub_channel.stop()


async def answer_to(client: Any, request: str) -> None:
    while (await client.get_shell_msg())["parent_header"].get("msg_id") != request:
        pass


async def test_output_beyond_the_caps_is_cut_visibly(make_session: MakeSession) -> None:
    session = make_session(
        kernel_name="analyst", output_limits=OutputLimits(stream_chars=200, outputs=3)
    )
    await session.start()
    execution = await run(session, "for n in range(1000): print(n)\nprint('end')")
    (stream,) = execution.outputs
    assert isinstance(stream, StreamOutput)
    assert stream.text.startswith("0\n1\n")
    assert stream.text.endswith("999\nend\n")
    assert "lines omitted …" in stream.text
    assert [code for code, _ in execution.notices] == ["stream_cut"]
    many = await run(session, "for n in range(10): display(n)\n1 / 0")
    assert [output.output_type for output in many.outputs] == [
        *["display_data"] * 3,
        "error",
        "stream",
    ]


async def test_a_failing_receiver_raises_and_breaks_nothing(session: KernelSession) -> None:
    def receive(change: OutputChange) -> None:
        raise LookupError("receiver")

    with pytest.raises(LookupError, match="receiver"):
        await run(session, "print(1)", on_change=receive)
    assert (await run(session, "1")).outcome == "ok"


async def test_no_key_of_this_process_is_in_the_kernel(
    make_session: MakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXAMPLE_API_KEY", "do-not-show")
    session = make_session(kernel_name="analyst")
    await session.start()
    execution = await run(
        session,
        "import os\nprint('do-not-show' in str(dict(os.environ)), os.environ['JPY_SESSION_NAME'])",
    )
    assert execution.outputs == (StreamOutput(name="stdout", text=f"False {session.notebook}\n"),)


async def test_files_go_to_the_output_folder(session: KernelSession) -> None:
    execution = await run(
        session, "print(repr(OUTPUT_DIR))\n(OUTPUT_DIR / 'a.txt').write_text('x')"
    )
    assert execution.outputs[0] == StreamOutput(name="stdout", text="PosixPath('mileage_files')\n")
    await session.stop()
    assert [path.name for path in output_folder(session).iterdir()] == ["a.txt"]


async def test_executing_without_a_kernel_raises(make_session: MakeSession) -> None:
    with pytest.raises(KernelError, match="no running kernel"):
        await run(make_session(), "1")
