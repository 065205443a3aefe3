"""The zygote's parts that need no kernel: command lines, records, what is safe to show."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_kernel.sandbox import paths
from analyst_kernel.sandbox.provisioner import AnalystProvisioner
from analyst_kernel.sandbox.zygote import command, messages
from analyst_kernel.sandbox.zygote.manager import close_all
from tests.sandbox.conftest import DEADLINE
from tests.sandbox.zygote.test_kernels import pytestmark, the_manager

__all__ = ["pytestmark"]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
UNSHARED = ("user", "pid", "net", "ipc", "uts")


@given(record=st.dictionaries(st.text(), JSON))
def test_a_record_arrives_as_it_was_sent(record: dict[str, object]) -> None:
    one, two = messages.pair()
    with one, two:
        messages.send(one, record)
        assert messages.receive(two, 5.0) == (record, [])


def test_descriptors_come_along_and_are_the_receivers() -> None:
    one, two = messages.pair()
    reading, writing = os.pipe()
    with one, two:
        messages.send(one, {"pipe": True}, [writing])
        os.close(writing)
        _record, [copy] = messages.receive(two, 5.0)
        assert not os.get_inheritable(copy)
        os.write(copy, b"x")
        os.close(copy)
        assert os.read(reading, 2) == b"x"
    os.close(reading)


@pytest.mark.parametrize(
    "data", [b"[]", b"nothing", b"\xff", b'"text"', b"1" * (messages.MOST + 9)]
)
def test_anything_but_a_record_is_refused(data: bytes) -> None:
    one, two = messages.pair()
    with one, two:
        one.send(data)
        with pytest.raises(messages.ConnectionBroken):
            messages.receive(two, 5.0)


def test_nobody_and_nothing_is_waited_for_forever() -> None:
    one, two = messages.pair()
    with one, two:
        with pytest.raises(messages.ConnectionBroken, match="in time"):
            messages.receive(two, 0.01)
        with pytest.raises(messages.ConnectionBroken, match="too long"):
            messages.send(one, {"long": "x" * messages.MOST})
        one.setblocking(True)
        # The waiting does not depend on the mode that forked processes share.
        with pytest.raises(messages.ConnectionBroken, match="in time"):
            messages.receive(one, 0.01)
        two.close()
        with pytest.raises(messages.ConnectionBroken):
            messages.receive(one, 5.0)
    assert isinstance(one, socket.socket)


@pytest.mark.parametrize("uid", [0, 1000])
def test_no_command_line_without_isolation(uid: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getuid", lambda: uid)
    system = paths.system_paths()
    for line in (
        command.argv(sys.executable, system, paths.system_links(), (5, 6)),
        command.bare_argv(sys.executable, 5, bwrap="bwrap"),
    ):
        assert "--die-with-parent" in line
        assert {f"--unshare-{name}" for name in UNSHARED} <= set(line)
        assert line[line.index("--cap-drop") + 1] == "ALL"
        assert ("--uid" in line) == (uid == 0)
        kept = [line[at + 1] for at, word in enumerate(line) if word == "--cap-add"]
        assert set(kept) <= set(command.CAPABILITIES)
    assert "--cap-add" not in command.bare_argv(sys.executable, 5, bwrap="bwrap")


def test_the_environment_of_a_zygote_names_nothing_of_the_servers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "SECRET")
    made = command.zygote_environment(sys.executable, paths.system_paths())
    assert "SECRET" not in str(made)
    assert os.environ["HOME"] not in made.values()
    assert made["OPENBLAS_NUM_THREADS"] == made["OMP_NUM_THREADS"] == "1"


def test_folders_without_data_cannot_be_shown() -> None:
    known = command.tops(paths.system_paths())
    assert not {"/proc", "/sys", "/dev", "/etc", "/usr"} & set(known)
    assert not command.reachable("/etc/passwd", known)


def test_a_server_can_prepare_before_the_first_kernel() -> None:
    close_all()
    AnalystProvisioner.warm_up()
    manager = the_manager()
    assert manager.pool.ready(DEADLINE)
    assert manager.client().alive()
    assert "analyst-zygote" in {thread.name for thread in threading.enumerate()}


def ended(program: str) -> tuple[str, str]:
    """Run a program that ends well, and return what it printed and what it complained about."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=True, capture_output=True, text=True, timeout=DEADLINE,
    )  # fmt: skip
    return done.stdout, done.stderr


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.2])
def test_a_process_that_ends_while_it_prepares_prints_nothing(seconds: float) -> None:
    program = f"""
import time
from analyst_kernel.sandbox.provisioner import AnalystProvisioner
AnalystProvisioner.warm_up()
time.sleep({seconds})
"""
    assert ended(program) == ("", "")


def test_a_process_that_ends_starts_nothing_more() -> None:
    program = """
import os, threading
from analyst_kernel.sandbox import spawn

def late():
    threading.main_thread().join()
    begun = spawn.start(["true"], environment={}, cwd="/", keep=(), log=os.devnull)
    print(begun.exception(10))

threading.Thread(target=late).start()
"""
    printed, complaints = ended(program)
    assert "this process is ending" in printed
    assert complaints == ""
