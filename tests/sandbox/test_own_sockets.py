"""Processes of one kernel talk to each other over Unix sockets of their own, and to nothing else."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.sandbox.conftest import Start

ENCLOSED = ["zygote", "bubblewrap", "landlock"]

PREPARED = """
import json, multiprocessing as mp, os, socket, warnings
warnings.simplefilter("ignore", DeprecationWarning)
"""

OF_THEIR_OWN = {
    "manager": "with mp.get_context(METHOD).Manager() as m: d = m.dict(a=1); d['b'] = 2; R = dict(d)",
    "process": (
        "ours, theirs = mp.Pipe()\n"
        "p = mp.get_context(METHOD).Process(target=theirs.send, args=({'a': 1, 'b': 2},))\n"
        "p.start(); R = ours.recv(); p.join()"
    ),
}
WITH_LOCKS = {
    "pool": "with mp.get_context(METHOD).Pool(2) as p: R = p.map(abs, [-1, 2])",
    "queue": (
        "c = mp.get_context(METHOD); q = c.Queue()\n"
        "p = c.Process(target=q.put, args=([1, 2],)); p.start(); R = q.get(); p.join()"
    ),
    "executor": (
        "from concurrent.futures import ProcessPoolExecutor\n"
        "with ProcessPoolExecutor(2, mp.get_context(METHOD)) as p: R = list(p.map(abs, [-1, 2]))"
    ),
}


@pytest.mark.parametrize("form", ENCLOSED)
async def test_processes_work_with_every_start_method(form: str, start: Start) -> None:
    # Locks that processes share need a /dev/shm of one's own.
    kinds = OF_THEIR_OWN | (WITH_LOCKS if form != "landlock" else {})
    async with start(form) as kernel:
        for name, code in kinds.items():
            for method in ("fork", "spawn", "forkserver"):
                found = await kernel.value(
                    f"{PREPARED}\nMETHOD = {method!r}\n{code}\nprint(json.dumps(R))"
                )
                assert found == ({"a": 1, "b": 2} if name in OF_THEIR_OWN else [1, 2]), method


@pytest.mark.parametrize("form", ENCLOSED)
async def test_sockets_of_their_own_work(form: str, start: Start) -> None:
    async with start(form) as kernel:
        found = await kernel.value(SERVED)
    assert found == {
        "absolute": "echo", "relative": "echo", "from a thread": "echo", "asyncio": "echo",
        "packets": "echo", "from a subprocess": "echo", "a full queue": "echo" * 5,
        "nobody listens": "ConnectionRefusedError", "no such socket": "FileNotFoundError",
        "no socket": "ConnectionRefusedError", "pair": "echo", "not blocking, full": "BlockingIOError",
    }  # fmt: skip


SERVED = r"""
import asyncio, json, os, socket, subprocess, sys, tempfile, threading
folder = tempfile.mkdtemp(); R = {}
def serve(name, kind=socket.SOCK_STREAM, backlog=8, accept=True):
    s = socket.socket(socket.AF_UNIX, kind); s.bind(f"{folder}/{name}"); s.listen(backlog)
    def answer():
        while True:
            c, _ = s.accept(); c.send(b"echo"); c.close()
    if accept: threading.Thread(target=answer, daemon=True).start()
    return s
def ask(path, kind=socket.SOCK_STREAM):
    try:
        with socket.socket(socket.AF_UNIX, kind) as s: s.connect(path); return s.recv(9).decode()
    except OSError as error: return type(error).__name__
kept = serve("a")
R["absolute"] = ask(f"{folder}/a")
here = os.getcwd(); os.chdir(folder); R["relative"] = ask("a"); os.chdir(here)
threads = [threading.Thread(target=lambda: R.update({"from a thread": ask(f"{folder}/a")}))]
[t.start() for t in threads]; [t.join() for t in threads]
async def talk():
    reader, writer = await asyncio.open_unix_connection(f"{folder}/a")
    R["asyncio"] = (await reader.read()).decode(); writer.close()
await talk()
packets = serve("p", socket.SOCK_SEQPACKET)
R["packets"] = ask(f"{folder}/p", socket.SOCK_SEQPACKET)
code = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect({folder + '/a'!r}); print(s.recv(9).decode())"
R["from a subprocess"] = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip()
slow = serve("slow", backlog=0, accept=False)
results = []
threads = [threading.Thread(target=lambda: results.append(ask(f"{folder}/slow"))) for _ in range(5)]
[t.start() for t in threads]
for _ in range(5):
    c, _peer = slow.accept(); c.send(b"echo"); c.close()
[t.join() for t in threads]
R["a full queue"] = "".join(results)
full = serve("full", backlog=0, accept=False)
first, second = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
first.connect(f"{folder}/full"); second.setblocking(False)
try: second.connect(f"{folder}/full")
except OSError as error: R["not blocking, full"] = type(error).__name__
kept.close(); dead = socket.socket(socket.AF_UNIX); dead.bind(f"{folder}/dead"); dead.close()
R["nobody listens"] = ask(f"{folder}/dead"); R["no such socket"] = ask(f"{folder}/none")
open(f"{folder}/file", "w").close(); R["no socket"] = ask(f"{folder}/file")
one, two = socket.socketpair(); one.send(b"echo"); R["pair"] = two.recv(9).decode()
print(json.dumps(R))
"""


@pytest.fixture
def doors(work: Path, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Sockets of the host where a kernel may look, write or be led to."""
    output = work / "mileage_files"
    output.mkdir()
    with ExitStack() as stack:
        paths = {
            "elsewhere": tmp_path / "s",
            "granted": work / "data" / "live.sock",
            "writable": output / "host.sock",
            "temporary": Path("/tmp") / f"own-sockets-{os.getpid()}",
        }
        for path in paths.values():
            server = stack.enter_context(socket.socket(socket.AF_UNIX))
            server.bind(str(path))
            server.listen(4000)  # nobody accepts, and a full queue would make each attempt wait
            stack.callback(path.unlink, missing_ok=True)
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind(f"\0own-sockets-{os.getpid()}")
        abstract.listen(4000)
        yield {name: str(path) for name, path in paths.items()}


ATTACKS = r"""
import ctypes, json, os, socket, struct, tempfile, threading
T = json.loads(DOORS); R = {}
here = tempfile.mkdtemp()
libc = ctypes.CDLL(None, use_errno=True)
def attempt(name, path, kind=socket.SOCK_STREAM):
    try:
        with socket.socket(socket.AF_UNIX, kind) as s: s.connect(path)
        R[name] = "connected"
    except OSError as error: R[name] = ""
def put(make, name, *arguments):
    try: make(*arguments)
    except OSError: pass
    return name
for name, path in T.items():
    attempt(name, path)
    attempt(f"{name} by a link", put(os.symlink, f"{here}/{name}", path, f"{here}/{name}"))
    attempt(f"{name} by a linked folder", put(os.symlink, f"{here}/f-{name}/", os.path.dirname(path), f"{here}/f-{name}") + os.path.basename(path))
    attempt(f"{name} by a hard link", put(os.link, f"{here}/h-{name}", path, f"{here}/h-{name}"))
    attempt(f"{name} by climbing", f"{here}/../../../../../../..{path}")
    attempt(f"{name} by root", f"/proc/self/root{path}")
    attempt(f"{name} by root's first", f"/proc/1/root{path}")
    os.chdir(os.path.dirname(path)) if os.access(os.path.dirname(path), os.X_OK) else None
    attempt(f"{name} relative", os.path.basename(path))
    os.chdir(here)
    fd = os.open(os.path.dirname(path), os.O_PATH) if os.path.isdir(os.path.dirname(path)) else -1
    attempt(f"{name} by a descriptor", f"/proc/self/fd/{fd}/{os.path.basename(path)}")
    attempt(f"{name} by packets", path, socket.SOCK_SEQPACKET)
attempt("abstract of the host", "\0" + ABSTRACT)
own = socket.socket(socket.AF_UNIX); own.bind("\0own"); own.listen()
attempt("abstract of its own", "\0own")
attempt("no name", b"")
for family, size in ((2, 16), (10, 28), (16, 12), (1, 2), (1, 3), (1, 200), (1, -1), (0, 16)):
    s = socket.socket(socket.AF_UNIX)
    raw = struct.pack("=H", family) + T["elsewhere"].encode() + bytes(300)
    code = libc.connect(s.fileno(), raw, ctypes.c_int(size))
    R[f"family {family}, {size} bytes"] = "" if code else "connected"
for fd in (-1, 0, 9999, os.open("/dev/null", os.O_RDONLY)):
    raw = struct.pack("=H", 1) + f"{here}/none".encode() + bytes(9)
    R[f"descriptor {fd}"] = "" if libc.connect(fd, raw, 60) else "connected"
R["no address"] = "" if libc.connect(own.fileno(), None, 60) else "connected"
# The address changes while it is being read: good and bad in turn.
good = socket.socket(socket.AF_UNIX); good.bind(f"{here}/good"); good.listen(4000)
memory = ctypes.create_string_buffer(110)
addresses = [struct.pack("=H", 1) + p.encode().ljust(108, b"\0") for p in (f"{here}/good", T["granted"], T["elsewhere"])]
over = threading.Event()
def swap():
    while not over.is_set():
        for raw in addresses: ctypes.memmove(memory, raw, 110)
threading.Thread(target=swap, daemon=True).start()
reached = set()
for _ in range(400):
    s = socket.socket(socket.AF_UNIX)
    if libc.connect(s.fileno(), memory, 110) == 0: reached.add(s.getpeername())
    s.close()
over.set()
R["swapped in between"] = "" if reached <= {f"{here}/good"} else str(reached)
# The path changes while it is opened: a socket of its own, and a link to the host's, in turn.
stop = threading.Event()
def turn():
    n = 0
    while not stop.is_set():
        n += 1
        try: os.symlink(T["granted"], f"{here}/t{n}"); os.replace(f"{here}/t{n}", f"{here}/turn"); os.link(f"{here}/good", f"{here}/g{n}"); os.replace(f"{here}/g{n}", f"{here}/turn")
        except OSError: pass
threading.Thread(target=turn, daemon=True).start()
reached = set()
for _ in range(400):
    s = socket.socket(socket.AF_UNIX)
    try: s.connect(f"{here}/turn"); reached.add(s.getpeername())
    except OSError: pass
    s.close()
stop.set()
R["a path that turns"] = "" if reached <= {f"{here}/good"} else str(reached)
for name, path in T.items():  # last, because nothing stands there afterwards
    attempt(f"{name} moved", put(os.rename, f"{here}/m-{name}", path, f"{here}/m-{name}"))
print(json.dumps(R))
"""


@pytest.mark.parametrize("form", ENCLOSED)
async def test_no_other_socket_is_reached(form: str, start: Start, doors: dict[str, str]) -> None:
    code = f"DOORS = {json.dumps(doors)!r}\nABSTRACT = 'own-sockets-{os.getpid()}'\n{ATTACKS}"
    async with start(form) as kernel:
        found = await kernel.value(code)
        after = await kernel.run("print('usable')")
    assert {name: what for name, what in found.items() if what} == {}
    assert len(found) > 50
    assert after.text == "usable\n"


HOW = ("by a link", "by a linked folder", "by a hard link", "moved", "by root")


async def test_the_attempts_succeed_where_nothing_encloses(
    start: Start, doors: dict[str, str]
) -> None:
    """Otherwise a closed door above would prove nothing."""
    code = f"DOORS = {json.dumps(doors)!r}\nABSTRACT = 'own-sockets-{os.getpid()}'\n{ATTACKS}"
    async with start("limits", require="limits") as kernel:
        found = await kernel.value(code)
    opened = {name for name, what in found.items() if what}
    assert opened >= {
        *doors, *(f"{name} by a link" for name in doors), "granted relative", "granted by root",
        "writable by a descriptor", "abstract of the host",
        "abstract of its own",
    }  # fmt: skip
