"""Which backend a kernel gets on machines that lack something, and what is said when none will do."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import psutil
import pytest
from traitlets.config import Config

from analyst_kernel.data.reader.outside import FileReader
from analyst_kernel.protocol.errors import SandboxError
from analyst_kernel.sandbox.backends import tcp
from analyst_kernel.sandbox.backends.select import BackendSelector
from analyst_kernel.sandbox.backends.tcp import TcpBackend
from analyst_kernel.sandbox.shared import SharedResources, shared_resources
from tests.sandbox.conftest import Start, until


def configured(**settings: object) -> Config:
    return Config({"AnalystProvisioner": settings})


async def test_the_strongest_backend_is_the_default(start: Start) -> None:
    async with start() as kernel:
        report = kernel.provisioner.sandbox_report
    assert report is not None
    assert report.level == "isolated"


async def test_without_bubblewrap_landlock_serves_with_the_reason(start: Start) -> None:
    async with start(config=configured(bubblewrap="")) as kernel:
        report = kernel.provisioner.sandbox_report
    assert report is not None
    assert (report.level, report.form) == ("restricted", "landlock")
    assert any("apt install bubblewrap" in note for note in report.notes)


async def test_a_bubblewrap_that_cannot_make_namespaces_is_found_by_trying(
    start: Start, tmp_path: Path
) -> None:
    broken = tmp_path / "bwrap"
    says = "echo 'bwrap: setting up uid map: Permission denied' >&2"
    broken.write_text(f"#!/bin/sh\n{says}\nexit 1\n")
    broken.chmod(0o755)
    config = configured(bubblewrap=str(broken))
    async with start(config=config) as kernel:
        report = kernel.provisioner.sandbox_report
    assert report is not None
    assert report.form == "landlock"
    assert any("setting up uid map" in note and "AppArmor" in note for note in report.notes)


async def test_below_the_required_level_nothing_runs(start: Start, work: Path) -> None:
    children = {process.pid for process in psutil.Process().children(recursive=True)}
    folders = sorted(os.listdir(shared_resources().runtime.path))
    with pytest.raises(SandboxError) as failure:
        async with start(require="isolated", config=configured(bubblewrap="")):
            pytest.fail("a kernel started")
    assert failure.value.exit_code == 4
    assert "bubblewrap" in failure.value.remedy
    with pytest.raises(SandboxError):
        async with start(config=configured(bubblewrap="", landlock=False)):
            pytest.fail("a kernel started")
    with pytest.raises(SandboxError):
        async with start("limits"):
            pytest.fail("a kernel started")
    assert {process.pid for process in psutil.Process().children(recursive=True)} <= children
    await until(lambda: set(os.listdir(shared_resources().runtime.path)) <= set(folders))
    assert not (work / "mileage_files").exists()


async def test_a_sandbox_that_does_not_hold_ends_the_kernel(start: Start, tmp_path: Path) -> None:
    """A bubblewrap that only pretends is not believed: the probe finds the host."""
    pretender = tmp_path / "bwrap"
    pretender.write_text('#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\nshift\nexec "$@"\n')
    pretender.chmod(0o755)
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    with pytest.raises(SandboxError, match="does not hold") as failure:
        async with start("bubblewrap", config=configured(bubblewrap=str(pretender))):
            pytest.fail("a kernel started")
    assert "before any code ran" in failure.value.remedy
    after = psutil.Process().children(recursive=True)
    _gone, alive = psutil.wait_procs([p for p in after if p.pid not in before], timeout=60)
    assert alive == []


async def test_only_the_users_environment_sets_the_level(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A client's request may carry an environment; it decides nothing.
    environment = os.environ | {"ANALYST_SANDBOX": "none", "ANALYST_SANDBOX_FORM": "none"}
    async with start(env=environment, grants=[]) as kernel:
        report = kernel.provisioner.sandbox_report
        assert report is not None
        assert report.level == "isolated"
    monkeypatch.setenv("ANALYST_SANDBOX", "limits")
    monkeypatch.setenv("ANALYST_SANDBOX_FORM", "limits")
    monkeypatch.setenv("ANALYST_MEMORY", "512M")
    async with start("limits") as kernel:
        report = kernel.provisioner.sandbox_report
        assert report is not None
        assert report.level == "limits"
        assert "512 MiB" in report.memory


async def test_missing_grants_and_read_only_folders_are_noted(start: Start, work: Path) -> None:
    async with start(grants=[str(work / "gone.csv")]) as kernel:
        report = kernel.provisioner.sandbox_report
    assert report is not None
    assert report.notes == (f"{work / 'gone.csv'} was granted but is gone.",)


async def test_where_unix_sockets_cannot_be_assumed_a_kernel_is_only_limited(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Windows gets, started here."""
    monkeypatch.setattr(
        SharedResources, "selector", lambda *_configuration: BackendSelector([TcpBackend()])
    )
    with pytest.raises(SandboxError):
        async with start():
            pytest.fail("a kernel started")
    monkeypatch.setenv("OPENAI_API_KEY", "SECRET")
    async with start(require="limits", limits={"memory_bytes": "512M"}) as kernel:
        report = kernel.provisioner.sandbox_report
        assert report is not None
        assert report.level == "limits"
        assert report.sentence.startswith("Not isolated")
        assert (await kernel.run("import os; print(os.environ.get('OPENAI_API_KEY'))")).text == (
            "None\n"
        )
        assert (await kernel.run("print(OUTPUT_DIR.name)")).text == "mileage_files\n"
        assert await kernel.death("hoard = [bytearray(2**20) for _ in range(4096)]; input()") == (
            "memory"
        )


@pytest.mark.real  # starts a reader
async def test_where_unix_sockets_cannot_be_assumed_a_reader_reads_over_tcp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Windows gets, started here; a stranger who connects first is not believed."""
    monkeypatch.setattr(
        SharedResources, "selector", lambda *_configuration: BackendSelector([TcpBackend()])
    )
    strangers: list[socket.socket] = []
    create_server = socket.create_server

    def crowded(address: tuple[str, int]) -> socket.socket:
        listening = create_server(address)
        stranger = socket.create_connection(listening.getsockname())
        stranger.sendall(b"0" * 64)
        strangers.append(stranger)
        return listening

    monkeypatch.setattr(tcp.socket, "create_server", crowded)
    table = tmp_path / "sales.csv"
    table.write_text("city,price\nParis,3\nRome,4\n")
    with pytest.raises(SandboxError):
        await FileReader(require="restricted").read(str(table), 10**6)
    reader = FileReader(require="limits")
    found = await reader.read(str(table), 10**6)
    assert [one.profile.dataset.rows for one in found.tables] == [2]
    assert reader.sandbox_report is not None
    assert reader.sandbox_report.level == "limits"
    for stranger in strangers:
        assert stranger.recv(1) == b"", "closed, and told nothing"
        stranger.close()
