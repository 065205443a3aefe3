"""Memory in sockets and pipes, and files that were removed while they are open, count too."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from traitlets.config import Config

from analyst_kernel.sandbox import parked
from analyst_kernel.sandbox.parked import parked_memory, unnamed_bytes
from analyst_kernel.sandbox.policy import MIB
from tests.sandbox.conftest import Start

SMALL = {"memory_bytes": 640 * MIB, "tmp_bytes": 32 * MIB, "file_bytes": 16 * MIB}
WATCHDOG_ONLY = Config({"AnalystProvisioner": {"cgroup": False}})
FORMS = ["zygote", "bubblewrap", "landlock"]

PAIR = """
import fcntl, mmap, os, socket, sys, tempfile, time
kept = []
def pair(kind=socket.SOCK_STREAM):
    ends = socket.socketpair(socket.AF_UNIX, kind)
    for end in ends:
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 20)
    return ends
def fill(end, size):
    try:
        while True: end.send(bytes(size))
    except BlockingIOError: pass
"""

SOCKETS = {
    "both ends are filled": "a, b = pair(); fill(a, 1 << 16); fill(b, 1 << 16); kept += [a, b]",
    "messages of one byte": "a, b = pair(); fill(a, 1); kept += [a, b]",
    "records": "a, b = pair(socket.SOCK_SEQPACKET); fill(a, 1 << 16); kept += [a, b]",
    "the senders are gone": "a, b = pair(); fill(a, 1 << 16); a.close(); kept += [b]",
    "small ones, senders gone": "a, b = pair(); fill(a, 1); a.close(); kept += [b]",
    "sockets in a socket": (
        "a, b = pair(); fill(a, 1 << 16)\n"
        "    c, d = pair(); socket.send_fds(c, [b'x'], [a.fileno(), b.fileno()])\n"
        "    a.close(); b.close(); kept += [c, d]"
    ),
}

UNNAMED = {
    "open": (
        "    file = open(OUTPUT_DIR / f'part{number}', 'wb'); file.write(bytes(8 << 20))\n"
        "    file.flush(); os.unlink(file.name); kept.append(file)\n"
    ),
    "never named": (
        "    file = tempfile.TemporaryFile(dir=OUTPUT_DIR); file.write(bytes(8 << 20))\n"
        "    file.flush(); kept.append(file)\n"
    ),
    "open for reading only": (
        "    path = OUTPUT_DIR / f'part{number}'; path.write_bytes(bytes(8 << 20))\n"
        "    kept.append(open(path, 'rb')); os.unlink(path)\n"
    ),
    "mapped and closed": (
        "    path = OUTPUT_DIR / f'part{number}'; path.write_bytes(bytes(8 << 20))\n"
        "    with open(path, 'rb') as file:\n"
        "        kept.append(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))\n"
        "    for name in os.listdir('/proc/self/fd'): pass\n"
        "    os.unlink(path)\n"
    ),
    "in folders whose names are too long for a path": (
        "    here = os.getcwd(); os.chdir(OUTPUT_DIR)\n"
        "    for _ in range(30): os.mkdir('d' * 200); os.chdir('d' * 200)\n"
        "    file = open('x', 'wb'); file.write(bytes(8 << 20)); file.flush(); os.unlink('x')\n"
        "    kept.append(file)\n"
        "    for _ in range(30): os.chdir('..'); os.rmdir('d' * 200)\n"
        "    os.chdir(here)\n"
    ),
}


# Each way once, and one in every form: how the memory was parked and how the host looks for it do not
# depend on each other.
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["small ones, senders gone"])
async def test_a_kernel_that_fills_sockets_is_ended_for_its_memory(
    kind: str, form: str, start: Start
) -> None:
    code = f"{PAIR}for _ in range(400):\n    {SOCKETS[kind]}\ntime.sleep(600)"
    async with start(form, limits=SMALL, config=WATCHDOG_ONLY) as kernel:
        assert await kernel.death(code) == "memory"


@pytest.mark.parametrize("kind", [kind for kind in SOCKETS if kind != "small ones, senders gone"])
async def test_no_way_to_fill_sockets_is_overlooked(kind: str, start: Start) -> None:
    code = f"{PAIR}for _ in range(400):\n    {SOCKETS[kind]}\ntime.sleep(600)"
    async with start(limits=SMALL, config=WATCHDOG_ONLY) as kernel:
        assert await kernel.death(code) == "memory"


async def test_a_control_group_counts_sockets_too(start: Start) -> None:
    code = f"{PAIR}for _ in range(400):\n    {SOCKETS['both ends are filled']}\ntime.sleep(600)"
    async with start(limits=SMALL) as kernel:
        assert await kernel.death(code) == "memory"


@pytest.mark.parametrize(
    ("kind", "form"),
    [*((kind, FORMS[0]) for kind in UNNAMED), *(("mapped and closed", form) for form in FORMS[1:])],
)
async def test_files_without_a_name_are_on_the_disk_all_the_same(
    kind: str, form: str, start: Start
) -> None:
    code = f"{PAIR}for number in range(16):\n{UNNAMED[kind]}time.sleep(600)"
    async with start(form, limits=SMALL | {"output_bytes": 48 * MIB}) as kernel:
        assert await kernel.death(code) == "disk"


async def test_what_is_removed_and_closed_counts_no_more(start: Start) -> None:
    code = (
        f"{PAIR}for number in range(16):\n{UNNAMED['open']}"
        "    kept.pop().close()\n"
        "    time.sleep(0.3)\n"
        "print(42)"
    )
    async with start(limits=SMALL | {"output_bytes": 48 * MIB}) as kernel:
        assert await kernel.value(code) == 42
        assert kernel.provisioner.death_reason is None


@contextmanager
def running(code: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that ran ``code`` and now waits."""
    with subprocess.Popen(
        [sys.executable, "-c", f"{PAIR}{code}\nprint('on', flush=True)\nsys.stdin.read()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "on\n"
        yield process
        process.kill()


PIPES = {
    "one write": "os.write(w, bytes(1 << 16))",
    "a page for each byte": (
        "r, w = os.pipe2(os.O_DIRECT | os.O_NONBLOCK); fcntl.fcntl(w, 1031, 1 << 20)\n"
        "for _ in range(200): os.write(w, b'x')"
    ),
}


@pytest.mark.parametrize("kind", [*PIPES])
@pytest.mark.parametrize("copies", [True, False])
def test_a_pipe_counts_once_however_many_hold_it(
    kind: str, copies: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not copies:
        monkeypatch.setattr(parked, "_copied", refused)
    empty = "r, w = os.pipe(); fcntl.fcntl(w, 1031, 1 << 20)\n"
    with running(empty, tmp_path) as idle, running(empty + PIPES[kind], tmp_path) as process:
        # Its standard streams are pipes too, and empty.
        before, after = sum(parked_memory([idle.pid])), sum(parked_memory([process.pid]))
        assert after == sum(parked_memory([process.pid, process.pid]))
    if copies:
        assert before == 0
        assert after == 1 << 20
    else:
        assert after >= 1 << 16


def refused(_pidfd: int, _number: int) -> int:
    raise PermissionError(1, "refused")


@pytest.mark.parametrize("kind", [*SOCKETS])
@pytest.mark.parametrize("copies", [True, False])
def test_a_socket_counts_at_least_for_what_it_holds(
    kind: str, copies: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not copies:
        monkeypatch.setattr(parked, "_copied", refused)
    code = f"if True:\n    {SOCKETS[kind]}"
    with running(code, tmp_path) as process:
        found = sum(parked_memory([process.pid]))
    assert found >= parked._largest_buffer() * 0.9
    assert found <= parked._largest_buffer() * 8


def test_nothing_parked_is_nothing(tmp_path: Path) -> None:
    with running("a, b = pair(); r, w = os.pipe()", tmp_path) as process:
        assert sum(parked_memory([process.pid])) == 0
        assert sum(unnamed_bytes([process.pid], str(tmp_path))) == 0


def test_only_files_of_the_folder_count(tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "own_other"
    code = ""
    for folder in (own, other):
        folder.mkdir()
        code += (
            f"file = tempfile.TemporaryFile(dir={str(folder)!r}); file.write(bytes(1 << 20))\n"
            "file.flush(); kept += [file, open(f'/proc/self/fd/{file.fileno()}', 'rb')]\n"
        )
    with running(code, tmp_path) as process:
        assert sum(unnamed_bytes([process.pid, process.pid], str(own))) == 1 << 20


def test_a_process_that_ends_meanwhile_counts_for_nothing(tmp_path: Path) -> None:
    with running("a, b = pair(); fill(a, 1 << 16)", tmp_path) as process:
        walk = parked_memory([process.pid])
        process.kill()
        process.wait()
        assert sum(walk) == 0
