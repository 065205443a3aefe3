"""The level ``restricted``: nobody's permissions, owners, times or attributes of files change.

Landlock governs no metadata, and there are no mounts, so the filter of system calls has to.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import struct
from pathlib import Path
from typing import Any

import pytest
from traitlets.config import Config

from analyst_kernel.sandbox.linux import landlock
from tests.sandbox.conftest import Start

pytestmark = pytest.mark.skipif(landlock.abi() < 1, reason="this kernel has no Landlock")

WAYS = r"""
import ctypes, fcntl, json, os, shutil, struct, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
arm = os.uname().machine in ("aarch64", "arm64")
tried = {}

def way(name):
    def run(function):
        try:
            tried[name] = repr(function())
        except (OSError, AttributeError, subprocess.CalledProcessError) as error:
            tried[name] = f"{type(error).__name__}: {error}"
    return run

def call(x86, aarch, *arguments):
    number = aarch if arm else x86
    if number is None:
        return "no such call here"
    ready = [a.encode() if isinstance(a, str) else a for a in arguments]
    ready = [a if isinstance(a, bytes) or a is None else ctypes.c_long(a) for a in ready]
    result = libc.syscall(ctypes.c_long(number), *ready)
    return result, ctypes.get_errno()

HERE, EMPTY, BARE = -100, 0x1000, 0x200000
old = struct.pack("qqqq", 1, 0, 1, 0)
name, value = "user.analyst", b"x"
for path in PATHS:
    mark = os.path.basename(path) + " "
    way(mark + "os.chmod")(lambda: os.chmod(path, 0o777))
    way(mark + "chmod")(lambda: call(90, None, path, 0o777))
    way(mark + "fchmodat")(lambda: call(268, 53, HERE, path, 0o777))
    way(mark + "fchmodat2")(lambda: call(452, 452, HERE, path, 0o777, 0))
    way(mark + "os.chown")(lambda: os.chown(path, os.getuid(), 12345))
    way(mark + "chown")(lambda: call(92, None, path, 12345, 12345))
    way(mark + "lchown")(lambda: call(94, None, path, 12345, 12345))
    way(mark + "fchownat")(lambda: call(260, 54, HERE, path, 12345, 12345, 0))
    way(mark + "os.utime")(lambda: os.utime(path, (1, 1)))
    way(mark + "os.utime now")(lambda: os.utime(path))
    way(mark + "utime")(lambda: call(132, None, path, old))
    way(mark + "utimes")(lambda: call(235, None, path, old))
    way(mark + "futimesat")(lambda: call(261, None, HERE, path, old))
    way(mark + "utimensat")(lambda: call(280, 88, HERE, path, old, 0))
    way(mark + "utimensat now")(lambda: call(280, 88, HERE, path, None, 0))
    way(mark + "os.setxattr")(lambda: os.setxattr(path, name, value))
    way(mark + "setxattr")(lambda: call(188, 5, path, name, value, 1, 0))
    way(mark + "lsetxattr")(lambda: call(189, 6, path, name, value, 1, 0))
    given = struct.pack("QII", ctypes.addressof(ctypes.create_string_buffer(value)), 1, 0)
    way(mark + "setxattrat")(lambda: call(463, 463, HERE, path, 0, name, given, 16))
    way(mark + "os.removexattr")(lambda: os.removexattr(path, "user.kept"))
    way(mark + "removexattr")(lambda: call(197, 14, path, "user.kept"))
    way(mark + "lremovexattr")(lambda: call(198, 15, path, "user.kept"))
    way(mark + "removexattrat")(lambda: call(466, 466, HERE, path, 0, "user.kept"))
    nodump = struct.pack("QIIII", 0x80, 0, 0, 0, 0)
    way(mark + "file_setattr")(lambda: call(469, 469, HERE, path, nodump, 24, 0))
    way(mark + "link")(lambda: os.link(path, OUTPUT_DIR / "linked"))
    way(mark + "link beside")(lambda: os.link(path, path + ".linked"))
    way(mark + "rename")(lambda: os.rename(path, path + ".moved"))
    way(mark + "truncate")(lambda: os.truncate(path, 0))
    way(mark + "shell")(lambda: subprocess.run(
        ["/bin/sh", "-c", 'chmod 777 "$0"; chown 12345 "$0"; touch -d @1 "$0"', path],
        check=True, capture_output=True))
    for flags in (os.O_RDONLY, os.O_PATH):
        try:
            held = os.open(path, flags)
        except OSError as error:
            tried[f"{mark}open {flags}"] = str(error)
            continue
        more = f"{mark}{flags} "
        way(more + "fchmod")(lambda: os.fchmod(held, 0o777))
        way(more + "fchmodat2 of itself")(lambda: call(452, 452, held, "", 0o777, EMPTY))
        way(more + "chmod by /proc")(lambda: os.chmod(f"/proc/self/fd/{held}", 0o777))
        way(more + "fchown")(lambda: call(93, 55, held, 12345, 12345))
        way(more + "fchownat of itself")(lambda: call(260, 54, held, "", 12345, 12345, EMPTY))
        way(more + "futimens")(lambda: call(280, 88, held, None, old, 0))
        way(more + "futimens now")(lambda: call(280, 88, held, None, None, 0))
        way(more + "fsetxattr")(lambda: call(190, 7, held, name, value, 1, 0))
        way(more + "fremovexattr")(lambda: call(199, 16, held, "user.kept"))
        way(more + "FS_IOC_SETFLAGS")(lambda: fcntl.ioctl(held, 0x40086602, struct.pack("L", 0x40)))
        way(more + "FS_IOC_SETVERSION")(lambda: fcntl.ioctl(held, 0x40087602, struct.pack("L", 7)))
        way(more + "FS_IOC_FSSETXATTR")(
            lambda: fcntl.ioctl(held, 0x401C5820, struct.pack("IIIII8x", 0x80, 0, 0, 0, 0)))
        os.close(held)
print(json.dumps(tried))
"""

NEEDED = r"""
import json, os, pathlib, shutil, sqlite3, subprocess, tarfile, tempfile, zipfile
import pandas as pd
out, broken = pathlib.Path(OUTPUT_DIR), {}

def needs(name):
    def run(function):
        try:
            function()
        except Exception as error:
            broken[name] = f"{type(error).__name__}: {error}"
    return run

def check(value):
    assert value, value

frame = pd.DataFrame({"a": range(9)})
first = out / "first.csv"
needs("to_csv")(lambda: frame.to_csv(first))
needs("to_parquet")(lambda: check(len(pd.read_parquet(
    (frame.to_parquet(out / "a.parquet"), out / "a.parquet")[1])) == 9))
needs("to_excel")(lambda: frame.to_excel(out / "a.xlsx"))
for name in ("copyfile", "copy", "copy2", "copymode", "copystat"):
    needs("shutil." + name)(lambda: getattr(shutil, name)(first, out / f"{name}.csv")
                            if name.startswith("copy") and name not in ("copymode", "copystat")
                            else getattr(shutil, name)(first, out / "copy.csv"))
needs("copies are whole")(lambda: check((out / "copy2.csv").read_text() == first.read_text()))
needs("shutil.copytree")(lambda: check(
    (shutil.copytree(out, out.parent / out / ".." / out.name / "tree" / "deep",
     ignore=lambda *_: ["tree"]) / "copy.csv").exists()))
needs("shutil.move")(lambda: shutil.move(out / "copy.csv", out / "moved.csv"))
needs("Path.touch")(lambda: ((out / "new").touch(), (out / "new").touch(), check((out / "new").exists())))
needs("Path.chmod")(lambda: (out / "new").chmod(0o600))
needs("os.replace")(lambda: os.replace(out / "new", out / "newer"))
needs("tempfile")(lambda: (tempfile.NamedTemporaryFile().write(b"x"), tempfile.mkdtemp(),
                           tempfile.TemporaryDirectory().cleanup()))

@needs("zipfile")
def _():
    with zipfile.ZipFile(out / "a.zip", "w") as packed:
        packed.write(first, "in.csv")
    with zipfile.ZipFile(out / "a.zip") as packed:
        packed.extractall(out / "unzipped")
    check((out / "unzipped" / "in.csv").stat().st_size)
    shutil.unpack_archive(out / "a.zip", out / "unpacked")

@needs("tarfile")
def _():
    with tarfile.open(out / "a.tar.gz", "w:gz") as packed:
        packed.add(first, "in.csv")
    with tarfile.open(out / "a.tar.gz") as packed:
        kept = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # since 3.11.4
        packed.extractall(out / "untarred", **kept)
    check((out / "untarred" / "in.csv").stat().st_size)

@needs("sqlite")
def _():
    with sqlite3.connect(out / "a.db") as made:
        made.execute("PRAGMA journal_mode=WAL")
        frame.to_sql("t", made)
    made.close()
    check(sqlite3.connect(out / "a.db").execute("select count(*) from t").fetchone() == (9,))

@needs("duckdb")
def _():
    import duckdb
    with duckdb.connect(str(out / "a.duckdb")) as made:
        made.execute("create table t as select 1 as x")
    duckdb.sql(f"copy (select 1) to '{out}/b.parquet'")

@needs("matplotlib")
def _():
    import matplotlib.pyplot as plt
    plt.plot([1, 2]); plt.title("é"); plt.savefig(out / "a.png"); plt.savefig(out / "a.pdf"); plt.close()

@needs("numpy")
def _():
    import numpy
    numpy.save(out / "a.npy", numpy.ones(3)); numpy.load(out / "a.npy", mmap_mode="r")

for line in (f"cp -p '{first}' '{out}/shell.csv'", f"touch '{out}/shell.new'",
             f"touch '{out}/shell.new'", f"mkdir -p '{out}/shell/deep'", f"mv '{out}/shell.csv' '{out}/s2'",
             f"install -m 600 '{first}' '{out}/installed'", f"chmod 600 '{first}'",
             f"tar -C '{out}' -cf '{out}/s.tar' first.csv && mkdir -p '{out}/x' && tar -C '{out}/x' -xf '{out}/s.tar'",
             f"test -s '{out}/s2' && test -e '{out}/shell.new' && test -s '{out}/x/first.csv'"):
    needs(line.split(" ")[0] + " " + line[-20:])(lambda: subprocess.run(["/bin/sh", "-c", line], check=True, capture_output=True))
print(json.dumps(broken))
"""


@pytest.fixture(params=["one by one", "forked"])
def form(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Keywords for a start in either construction of the level."""
    if request.param == "one by one":
        return {"form": "landlock"}
    return {"form": "", "config": Config({"AnalystProvisioner": {"bubblewrap": ""}})}


def facts(path: Path) -> dict[str, Any]:
    """Everything about a file that is not its content or the time of the last look at it."""
    status = path.lstat()
    found: dict[str, Any] = {
        name: getattr(status, f"st_{name}")
        for name in ("mode", "uid", "gid", "nlink", "size", "mtime_ns", "ctime_ns", "ino")
    }
    if not path.is_symlink():
        found["attributes"] = sorted(os.listxattr(path))
        with contextlib.suppress(OSError), path.open("rb") as held:
            flags = fcntl.ioctl(held, 0x80086601, bytes(8))
            found["flags"] = struct.unpack("L", flags)[0]
    return found


async def test_no_way_changes_the_metadata_of_any_file(
    form: dict[str, Any], start: Start, work: Path
) -> None:
    home = Path(os.environ["HOME"])
    key = home / "id_ed25519"
    key.write_text("PRIVATE")
    key.chmod(0o600)
    home.chmod(0o700)
    files = [home, key, work, work / "cars.csv", work / "data", work / "secret.csv"]
    for path in files:
        with contextlib.suppress(OSError):  # not every file system has them
            os.setxattr(path, "user.kept", b"x")
    before = {path: facts(path) for path in files}
    names = {path: sorted(os.listdir(path)) for path in files if path.is_dir()}
    async with start(**form) as kernel:
        before[work] = facts(work)  # it has OUTPUT_DIR now
        names[work] = sorted(os.listdir(work))
        report = kernel.provisioner.sandbox_report
        assert report is not None
        assert report.level == "restricted"
        assert "Permissions, owners and times of files cannot be changed" in report.sentence
        tried = await kernel.value(f"PATHS = {[str(path) for path in files]!r}\n{WAYS}")
        assert {path: facts(path) for path in files} == before, json.dumps(tried, indent=1)
        assert {path: sorted(os.listdir(path)) for path in names} == names
        assert len(tried) > 200


async def test_what_libraries_do_to_their_own_files_works(
    form: dict[str, Any], start: Start
) -> None:
    async with start(**form) as kernel:
        assert await kernel.value(NEEDED) == {}
