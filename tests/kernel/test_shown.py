"""Whatever a cell does, what it printed and what went wrong is shown, and an interrupt ends it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from analyst_kernel.kernel.session import KernelSession
from analyst_kernel.protocol.outputs import ErrorOutput, StreamOutput
from tests.kernel.conftest import MakeSession
from tests.kernel.test_interrupt import begin, value

SECONDS = 60.0
FORMS = ["zygote", "bubblewrap", "landlock", "limits"]

AWAITING = {
    "sleep": "await asyncio.sleep(600)",
    "gather": "await asyncio.gather(asyncio.sleep(600), asyncio.sleep(601))",
    "async for": "async def g():\n while True:\n  await asyncio.sleep(0.01)\n  yield\nasync for _ in g(): pass",
    "task": "await asyncio.create_task(asyncio.sleep(600))",
    "group": "async with asyncio.TaskGroup() as group: group.create_task(asyncio.sleep(600))",
    "future": "await asyncio.get_running_loop().create_future()",
    "shield": "await asyncio.shield(asyncio.sleep(600))",
    "subprocess": "p = await asyncio.create_subprocess_exec('sleep', '600')\nawait p.wait()",
    "computing": "async def f(): time.sleep(600)\nawait f()",
    "a task that computes": "async def f():\n while True: pass\nawait asyncio.create_task(f())",
    "a callback that computes": (
        "def f(): time.sleep(600)\n"
        "asyncio.get_running_loop().call_soon(f)\nawait asyncio.sleep(600)"
    ),
    "swallowed once": (
        "try: await asyncio.sleep(600)\nexcept asyncio.CancelledError: pass\n"
        "await asyncio.sleep(600)"
    ),
}


@pytest.mark.parametrize("what", AWAITING)
async def test_an_interrupt_ends_a_cell_that_awaits(session: KernelSession, what: str) -> None:
    await session.execute("kept = 5", timeout=SECONDS)
    code = f"import asyncio, time\nprint('running', flush=True)\n{AWAITING[what]}"
    task = await begin(session, code)
    for _ in range(100):
        await session.interrupt()
        done, _pending = await asyncio.wait({task}, timeout=1.0)
        if done:
            break
    execution = await task
    assert not execution.kernel_died
    assert execution.outcome == "cancelled", execution
    assert execution.error is not None
    assert execution.error.name == "KeyboardInterrupt"
    assert await value(session, "kept") == "5"


BROKEN = {
    "raises": ("def __str__(self): raise ValueError('no')", "raised ValueError: no"),
    "no string": ("def __str__(self): return 5", "raised TypeError"),
    "endless": ("def __str__(self): return str(self)", "raised RecursionError"),
    "exits": ("def __str__(self): raise SystemExit", "raised SystemExit"),
    "interrupts": ("def __str__(self): raise KeyboardInterrupt", "raised KeyboardInterrupt"),
    "repr": ("def __repr__(self): raise ValueError\n __format__ = __repr__", "text"),
    "traceback": ("def _render_traceback_(self): raise ValueError", "text"),
    "attributes": ("def __getattribute__(self, name): raise ValueError(name)", "text"),
    "surrogates": ("def __str__(self): return '\\ud800'", "\\ud800"),
}


@pytest.mark.parametrize("what", BROKEN)
async def test_an_error_that_cannot_be_put_into_words_shows(
    session: KernelSession, what: str
) -> None:
    body, expected = BROKEN[what]
    code = f"class Odd(Exception):\n {body}\nprint('before')\nraise Odd('text')"
    execution = await session.execute(code, timeout=SECONDS)
    errors = [output for output in execution.outputs if isinstance(output, ErrorOutput)]
    assert [error.ename for error in errors] == ["Odd"]
    assert expected in errors[0].evalue
    assert "Odd" in "".join(errors[0].traceback)
    assert execution.error is not None
    assert execution.error.name == "Odd"
    assert await value(session, "1 + 1") == "2"


async def test_groups_and_chains_show_with_their_own_traceback(session: KernelSession) -> None:
    await session.execute("1/0", timeout=SECONDS)
    code = "raise ExceptionGroup('several', [ValueError('one'), OSError(2, 'two')])"
    execution = await session.execute(code, timeout=SECONDS)
    (error,) = execution.outputs
    assert isinstance(error, ErrorOutput)
    assert error.ename == "ExceptionGroup"
    shown = "\n".join(error.traceback)
    assert "ValueError: one" in shown
    assert "ZeroDivisionError" not in shown
    odd = "class Odd(Exception):\n def __str__(self): raise ValueError\n"
    chained = f"{odd}try: raise Odd\nexcept Odd as odd: raise KeyError('outer') from odd"
    execution = await session.execute(chained, timeout=SECONDS)
    (error,) = execution.outputs
    assert isinstance(error, ErrorOutput)
    assert error.ename == "KeyError"
    assert "Odd" in "".join(error.traceback)


PRINTED = {
    "fork": "pid = os.fork()\nif pid == 0: print('from', 'it'); os._exit(0)\nos.waitpid(pid, 0)",
    "grandchild": (
        "pid = os.fork()\nif pid == 0:\n if os.fork() == 0: print('from it'); os._exit(0)\n"
        " os.wait(); os._exit(0)\nos.waitpid(pid, 0)"
    ),
    "process": "p = mp.Process(target=print, args=('from it',)); p.start(); p.join()",
    "half a line": (
        "p = mp.Process(target=print, args=('from it',), kwargs={'end': ''}); p.start(); p.join()"
    ),
    "in a thread": (
        "def f(): p = mp.Process(target=print, args=('from it',)); p.start(); p.join()\n"
        "t = threading.Thread(target=f); t.start(); t.join()"
    ),
    "spawned": (
        "p = mp.get_context('spawn').Process(target=print, args=('from it',)); p.start(); p.join()"
    ),
    "subprocess": "_ = subprocess.run([sys.executable, '-c', 'print(\"from it\")'])",
    "shell": "_ = os.system('echo from it')",
    "thread": "t = threading.Thread(target=print, args=('from it',)); t.start(); t.join()",
    "warning": ("def f(): warnings.warn('from it')\np = mp.Process(target=f); p.start(); p.join()"),
    "error": "def f(): raise ValueError('from it')\np = mp.Process(target=f); p.start(); p.join()",
}


LATE = """
import time
read = os.read
def late(*arguments):
    block = read(*arguments)
    if threading.current_thread() is not threading.main_thread():
        time.sleep(0.3)
    return block
os.read = late
"""
"""Threads of the kernel come late to what they read, as they do on a machine with much to do."""


@pytest.mark.parametrize("form", FORMS)
async def test_what_other_processes_print_arrives(make_session: MakeSession, form: str) -> None:
    session = make_session(kernel_name="analyst", require="limits", start_options={"form": form})
    await session.start()
    begun = (
        "import multiprocessing, os, subprocess, sys, threading, warnings\n"
        "warnings.simplefilter('ignore', DeprecationWarning)\n"
        "mp = multiprocessing.get_context('fork')"
    )
    await session.execute(begun, timeout=SECONDS)
    for what, code in PRINTED.items():
        execution = await session.execute(f"{code}\nprint('end')", timeout=SECONDS)
        assert execution.outcome == "ok", (what, execution.error)
        assert text_of(execution).count("from it") >= 1, what
    await session.execute(LATE, timeout=SECONDS)
    for n in range(5):  # what a program writes belongs to the cell that waited for it
        execution = await session.execute(f"os.write(1, 'é{n}\\n'.encode())", timeout=SECONDS)
        assert text_of(execution) == f"é{n}\n"
    await session.execute("os.read = read", timeout=SECONDS)
    if form in ("limits", "landlock"):
        return  # pools need shared memory
    lines = "p = mp.Pool(2); _ = p.map(print, [f'é{n:05}' * 9 for n in range(500)]); p.close(); p.join()"
    execution = await session.execute(lines, timeout=SECONDS)
    printed = text_of(execution).split()
    assert sorted(printed) == sorted(f"é{n:05}" * 9 for n in range(500))


async def test_ipykernel_reads_again_when_our_reader_is_taken_back(session: KernelSession) -> None:
    code = (
        "import os, sys, time\n"
        "sys.modules['_analyst_streams']._relays.pop().close()\n"
        "os.write(1, b'after\\n'); time.sleep(2)"
    )
    execution = await session.execute(code, timeout=SECONDS)
    assert text_of(execution) == "after\n"
    # And it may be taken over once more.
    code = (
        "streams = sys.modules['_analyst_streams']; streams.relay_other_processes()\n"
        "os.write(1, b'again\\n')"
    )
    execution = await session.execute(code, timeout=SECONDS)
    assert text_of(execution) == "again\n"


def text_of(execution: Any) -> str:
    return "".join(item.text for item in execution.outputs if isinstance(item, StreamOutput))


async def test_later_cells_are_metered_like_the_first(session: KernelSession) -> None:
    code = "for n in range(600_000): print(f'{n:9}')"
    for _ in range(3):
        execution = await session.execute(code, timeout=300)
        assert "lines omitted …" in text_of(execution)
        assert execution.notices
    execution = await session.execute("print('a\\ud800b')", timeout=SECONDS)
    assert text_of(execution) == "a\\ud800b\n"
