"""Every way out, tried in a real kernel of every enclosing backend; each must be observed closed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from traitlets.config import Config

from analyst_kernel.sandbox.linux import foreign_abi
from tests.sandbox import attacks
from tests.sandbox.conftest import Start

MARKER = "SECRET-MARKER-OF-THE-SERVER"


@pytest.fixture
def targets(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Any]]:
    """Doors on the host: secrets, listening sockets, a marker in the server's environment."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", MARKER)
    other = subprocess.Popen(["sleep", "600"], env={"TOKEN": MARKER, "PATH": os.environ["PATH"]})
    home = Path(os.environ["HOME"])
    (home / "private.txt").write_text("SECRET-HOME\n")
    tmp_secret = Path("/tmp") / f"host-{os.getpid()}.txt"
    shm_secret = Path("/dev/shm") / f"host-{os.getpid()}.txt"
    with ExitStack() as stack:
        stack.callback(other.wait)
        stack.callback(other.kill)
        for secret in (tmp_secret, shm_secret):
            secret.write_text("SECRET-TMP\n")
            stack.callback(secret.unlink)

        def listen(family: int, kind: int, address: Any) -> socket.socket:
            server = stack.enter_context(socket.socket(family, kind))
            server.bind(address)
            if kind == socket.SOCK_STREAM:
                server.listen()
            return server

        tcp = listen(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0))
        listen(socket.AF_UNIX, socket.SOCK_STREAM, str(tmp_path / "s"))
        listen(socket.AF_UNIX, socket.SOCK_STREAM, str(work / "data" / "live.sock"))
        listen(socket.AF_UNIX, socket.SOCK_DGRAM, str(tmp_path / "d"))
        abstract = f"analyst-test-{os.getpid()}"
        listen(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + abstract)
        secrets = [work / "secret.csv", work / ".env", home / "private.txt", tmp_secret, shm_secret]
        yield {
            "secrets": [str(path) for path in secrets],
            "marker": MARKER,
            "server": os.getpid(),
            "pid_namespace": os.readlink("/proc/self/ns/pid"),
            "port": tcp.getsockname()[1],
            "socket": str(tmp_path / "s"),
            "datagram": str(tmp_path / "d"),
            "abstract": abstract,
            "unwritable": [
                str(work), str(work / "data"), str(home), str(tmp_path), "/", "/usr", "/etc",
                "/var/tmp", "/proc", "/dev", "/root", "/home", os.path.dirname(os.__file__),
            ],
            "scratch": str(work / "mileage_files" / "scratch"),
            "tmp_name": tmp_secret.name,
            "shm_name": shm_secret.name,
            "foreign": foreign_abi.exists(),
        }  # fmt: skip


@pytest.mark.parametrize(
    ("form", "landlock"), [("bubblewrap", True), ("bubblewrap", False), ("landlock", True)]
)
async def test_every_way_out_is_closed(
    form: str, landlock: bool, start: Start, targets: dict[str, Any], work: Path
) -> None:
    config = Config({"AnalystProvisioner": {"landlock": landlock}})
    async with start(form, config=config) as kernel:
        provisioner = kernel.provisioner
        targets |= {"runtime": provisioner.connection_info["ip"], "mounts": form != "landlock"}
        targets["enclosed"] = True
        code = f"TARGETS = {json.dumps(targets)!r}\n{attacks.CODE}"
        found = await kernel.value(code)
        report = provisioner.sandbox_report

    assert {name: what for name, what in found.items() if what} == {}
    assert len(found) > 100
    assert report is not None
    assert report.level == ("restricted" if form == "landlock" else "isolated")
    assert [probe.name for probe in report.probes if not probe.closed] == []
    assert (work / "cars.csv").read_text() == "a,b\n1,2\n"
    assert (work / "data" / "part.csv").read_text() == "a\n1\n"


async def test_what_a_kernel_needs_works(start: Start, work: Path) -> None:
    async with start("bubblewrap") as kernel:
        seen = await kernel.value(
            "import json, os, duckdb, pandas as pd\n"
            "print(json.dumps({'here': sorted(os.listdir('.')), 'data': sorted(os.listdir('data')),"
            " 'rows': len(pd.read_csv('cars.csv')),"
            " 'sql': duckdb.sql(\"select a from 'data/part.csv'\").fetchall(),"
            " 'cwd': os.getcwd(), 'out': str(OUTPUT_DIR)}))"
        )
        pools = await kernel.value(
            "import json\nfrom concurrent.futures import ProcessPoolExecutor\n"
            "with ProcessPoolExecutor(2) as pool: print(json.dumps(list(pool.map(abs, [-1, 2]))))"
        )
        chart = await kernel.run("import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.show()")
        bang = await kernel.run("!echo $((40+2))")
        await kernel.run("pd.DataFrame({'a': [1]}).to_csv(OUTPUT_DIR / 'made.csv')")
    assert seen["here"] == ["cars.csv", "data", "mileage_files"]
    assert seen["rows"] == 1
    assert seen["sql"] == [[1]]
    assert seen["cwd"] == str(work)
    assert seen["out"] == "mileage_files"
    assert pools == [1, 2]
    assert any("image/png" in data for data in chart.data)
    assert "42" in bang.text
    assert (work / "mileage_files" / "made.csv").exists()


async def test_what_a_kernel_needs_works_without_namespaces(start: Start, work: Path) -> None:
    async with start("landlock") as kernel:
        seen = await kernel.value(
            "import json, duckdb, pandas as pd, tempfile\n"
            "with tempfile.TemporaryFile() as scratch: scratch.write(b'x')\n"
            "print(json.dumps({'rows': len(pd.read_csv('cars.csv')),"
            " 'sql': duckdb.sql(\"select a from 'data/part.csv'\").fetchall()}))"
        )
        chart = await kernel.run("import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.show()")
        bang = await kernel.run("!echo $((40+2))")
    assert seen == {"rows": 1, "sql": [[1]]}
    assert any("image/png" in data for data in chart.data)
    assert "42" in bang.text


@pytest.mark.parametrize("form", ["bubblewrap", "landlock"])
async def test_a_refused_write_names_the_output_folder(form: str, start: Start) -> None:
    async with start(form) as kernel:
        for code in (
            "open('result.csv', 'w')",
            "import pandas as pd; pd.DataFrame({'a': [1]}).to_csv('result.csv')",
            "import os; os.mkdir('results')",
            "import duckdb; duckdb.sql(\"copy (select 1) to 'result.csv'\")",
        ):
            reply = await kernel.run(code)
            assert "OUTPUT_DIR (mileage_files/)" in reply.error, code
        reply = await kernel.run("open('not-attached.csv')")
        assert "shows only attached data" in reply.error
        reply = await kernel.run("1/0")
        assert reply.error == "division by zero"


async def test_the_attacks_work_where_nothing_encloses(
    start: Start, targets: dict[str, Any], work: Path, tmp_path: Path
) -> None:
    """Otherwise a closed door above would prove nothing."""
    targets["unwritable"] = [str(work), str(tmp_path)]
    async with start("limits", require="limits") as kernel:
        targets |= {"runtime": kernel.provisioner.connection_info["ip"], "mounts": False}
        targets["enclosed"] = False
        found = await kernel.value(f"TARGETS = {json.dumps(targets)!r}\n{attacks.CODE}")
    opened = {name for name, what in found.items() if what}
    assert len(opened) > 50
    assert opened >= {
        "from an older thread", "read through a link in a granted folder", "tcp to the host",
        "named socket of the host", "named socket in a granted folder", "signal the server",
        "abstract socket of the host", "datagram to a named socket", "datagram through a pair",
        "host temporary files", "host shared memory", "hidden file of a granted folder",
        "hidden folder of a granted folder", "climb out of a granted folder",
        "every readable environment", "hard link a grant and write", "append to cars.csv",
        "the connection file", "prlimit of the server", "unshare", "mount", "io_uring", "keyctl",
    }  # fmt: skip


async def test_limits_alone_promises_nothing_and_reports_that(start: Start, work: Path) -> None:
    async with start("limits", require="limits") as kernel:
        report = kernel.provisioner.sandbox_report
        outside = await kernel.run("open('beside.txt', 'w').write('x')")
        secret = await kernel.run("import os; print('SECRET' in str(os.environ))")
    assert report is not None
    assert report.level == "limits"
    assert report.sentence.startswith("Not isolated.")
    open_doors = {probe.name for probe in report.probes if not probe.closed}
    assert {"tcp", "host-files", "write-outside", "signal-parent"} <= open_doors
    assert not outside.error
    assert secret.text.strip() == "False"
    assert (work / "beside.txt").exists()


async def test_a_refused_connection_is_explained_by_the_missing_network(start: Start) -> None:
    async with start("bubblewrap") as kernel:
        for code in (
            "import socket; socket.create_connection(('127.0.0.1', 80))",
            "import urllib.request; urllib.request.urlopen('http://127.0.0.1/')",
            "import pandas as pd; pd.read_csv('http://example.com/x.csv')",
        ):
            reply = await kernel.run(code)
            assert "no network" in reply.error, reply.error
