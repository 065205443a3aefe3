"""The small parts: hidden names, sizes, words of reports, hints, channels, the runtime folder."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_kernel._trees import remove_tree
from analyst_kernel.protocol.errors import PolicyError
from analyst_kernel.protocol.sandbox import LEVELS
from analyst_kernel.sandbox import report, runtime, settings
from analyst_kernel.sandbox.canaries import Canaries
from analyst_kernel.sandbox.environment import scrubbed
from analyst_kernel.sandbox.hidden_files import explode, find_hidden, is_hidden_name
from analyst_kernel.sandbox.inside import path_errors
from analyst_kernel.sandbox.inside.channel import Channel, ChannelClosed
from analyst_kernel.sandbox.inside.probe import _REFUSALS, ATTEMPTS
from analyst_kernel.sandbox.policy import BACKENDS, GIB, MIB, SandboxPolicy, within
from analyst_kernel.sandbox.watchdog import folder_bytes


def test_hidden_names() -> None:
    for name in (".env", ".git", ".ssh", "id_rsa", "ID_ED25519", "server.pem", "x.KEY", "a.kdbx"):
        assert is_hidden_name(name), name
    for name in ("cars.csv", "keys.csv", "env", ".zarray", "pem.txt", "monkey"):
        assert not is_hidden_name(name), name


def test_what_was_granted_by_name_is_not_hidden(work: Path) -> None:
    data = work / "data"
    with socket.socket(socket.AF_UNIX) as live:
        live.bind(str(data / "live.sock"))
        found = find_hidden(str(data))
        assert [os.path.basename(path) for path in found] == [
            ".env", ".git", "live.sock", "server.pem",
        ]  # fmt: skip
        named = find_hidden(str(data), [str(data / ".env"), str(data / ".git" / "config")])
        assert [os.path.basename(path) for path in named] == ["live.sock", "server.pem"]
    with pytest.raises(OverflowError):
        find_hidden(str(data), most=2)
    assert find_hidden(str(work / "cars.csv")) == []


def test_exploding_covers_all_but_the_hidden(work: Path) -> None:
    data = work / "data"
    (data / "deep").mkdir()
    (data / "deep" / "x.csv").write_text("")
    hidden = find_hidden(str(data))
    readable, listed = explode(str(data), hidden)
    assert readable == [str(data / "deep"), str(data / "part.csv")]
    assert listed == [str(data)]
    assert not any(within(one, other) for one in hidden for other in readable)
    assert explode(str(data), []) == ([str(data)], [])
    assert explode(hidden[0], hidden) == ([], [])


@pytest.mark.parametrize(
    ("text", "size"),
    [("512M", 512 * MIB), ("2 GiB", 2 * GIB), ("1.5g", 3 * GIB // 2), ("4096", 4096), (7, 7)],
)
def test_sizes(text: Any, size: int) -> None:
    assert settings.size(text) == size


def test_bad_settings_are_refused() -> None:
    for bad in ("", "many", "1 XB", "-1", "1e9"):
        with pytest.raises(PolicyError):
            settings.size(bad)
    with pytest.raises(PolicyError):
        settings.switch("maybe")
    with pytest.raises(PolicyError):
        settings.level("secure")
    with pytest.raises(PolicyError):
        settings.form("docker")
    with pytest.raises(PolicyError):
        settings.limits({"memory": 1})
    assert settings.limits({"memory_bytes": "1G"}, {"memory_bytes": "3G"}).memory_bytes == 3 * GIB


def test_reports_say_what_was_found() -> None:
    closed = [{"name": name, "closed": True, "detail": "EPERM"} for name in ATTEMPTS]
    for form in BACKENDS:
        results = report.read_results(closed, form, 7)
        assert report.breaches(results) == ()
        made = report.build(form, results, abi=7, memory_bytes=2 * GIB, cgroup=False)
        assert made.level == report.level_of(form)
        assert made.level in LEVELS
    assert report.memory_line("zygote", 2 * GIB, cgroup=True) == "hard limit 2 GiB (cgroup)"
    assert report.memory_line("none", 2 * GIB, cgroup=True) == "not enforced"
    line = report.memory_line("landlock", 640 * MIB, cgroup=False)
    assert line == "640 MiB per process, checked every 0.5 s"
    assert "Landlock ABI 5" in report.sentence("landlock", 5)
    assert "ABI" not in report.sentence("landlock", 6)


NONSENSE = st.recursive(
    st.none() | st.booleans() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(NONSENSE)
def test_nonsense_from_a_kernel_counts_as_open(raw: Any) -> None:
    results = report.read_results(raw, "bubblewrap", 7)
    assert {result.name for result in report.breaches(results)} == set(ATTEMPTS)


def test_one_open_door_is_a_breach_where_it_was_promised() -> None:
    reported = [
        {"name": name, "closed": name != "signal-parent", "detail": ""} for name in ATTEMPTS
    ]
    for form, abi, count in (("bubblewrap", 7, 1), ("landlock", 7, 1), ("landlock", 5, 0)):
        assert len(report.breaches(report.read_results(reported, form, abi))) == count
    # An answer that is not a plain "true" is no answer.
    sly = [{"name": name, "closed": "yes"} for name in ATTEMPTS]
    assert len(report.breaches(report.read_results(sly, "zygote", 7))) == len(ATTEMPTS)


def test_hints_only_where_they_are_true() -> None:
    refused = PermissionError(13, "Permission denied", "x.csv")
    path_errors.add_hint(refused, "/work/a_files")
    path_errors.add_hint(refused, "/work/a_files")
    assert str(refused).count("OUTPUT_DIR (a_files/)") == 1
    assert refused.filename == "x.csv"
    foreign = RuntimeError("IO Error: Cannot open file: Read-only file system")
    path_errors.add_hint(foreign, "/work/a_files")
    assert "OUTPUT_DIR" in str(foreign)
    other = ValueError("bad")
    path_errors.add_hint(other, "/work/a_files")
    assert str(other) == "bad"


def test_a_channel_bounds_what_it_takes() -> None:
    one, two = socket.socketpair()
    ours, theirs = Channel(one), Channel(two)
    theirs.send({"a": "ü"})
    assert ours.receive(5) == {"a": "ü"}
    with pytest.raises(ChannelClosed, match="within"):
        ours.receive(0.01)
    two.sendall(b"[1]\n")
    with pytest.raises(ChannelClosed, match="not a message"):
        ours.receive(5)
    two.sendall(b"\xff\n")
    with pytest.raises(ChannelClosed, match="not a message"):
        ours.receive(5)
    theirs.close()
    with pytest.raises(ChannelClosed):
        ours.receive(5)
    ours.close()
    with pytest.raises(ChannelClosed):
        ours.send({})


def test_the_environment_is_made_from_an_allow_list() -> None:
    outer = {
        "LANG": "de_DE.UTF-8", "LC_TIME": "C", "ANTHROPIC_API_KEY": "s", "JPY_PARENT_PID": "1",
        "PYTHONPATH": "/x", "LD_PRELOAD": "/x.so", "HTTP_PROXY": "h",
        "JPY_SESSION_NAME": "/a.ipynb",
    }  # fmt: skip
    policy = SandboxPolicy("/w", "/w/a_files", (), "/tmp/ak-1/s", ("/usr",))
    made = scrubbed(outer, policy, "/opt/bin/python")
    kept = {name for name in outer if made.get(name) == outer[name]}
    assert kept == {"LANG", "LC_TIME", "JPY_SESSION_NAME"}
    assert made["PATH"].startswith("/opt/bin:")
    assert made["TMPDIR"] == "/tmp"
    assert scrubbed(outer, replace(policy, backend="landlock"))["TMPDIR"] == "/tmp/ak-1/s/tmp"


def test_only_abandoned_folders_of_ours_are_swept(tmp_path: Path) -> None:
    session = runtime.RuntimeFolder(str(tmp_path))
    (tmp_path / "ak-foreign").mkdir()
    (tmp_path / "other").mkdir()
    abandoned = tmp_path / "ak-abandoned"
    abandoned.mkdir()
    (abandoned / runtime.LOCK).write_text("")
    (tmp_path / "ak-link").symlink_to(tmp_path / "other")
    assert runtime.sweep(str(tmp_path)) == [str(abandoned)]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [os.path.basename(session.path), "ak-foreign", "ak-link", "other"]
    )
    assert os.stat(session.kernel_folder()).st_mode & 0o777 == 0o700
    session.remove()
    session.remove()
    assert not os.path.exists(session.path)


def test_a_folders_size_is_counted_without_following_links(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(b"x" * 100_000)
    (tmp_path / "loop").symlink_to(tmp_path)
    assert 100_000 <= folder_bytes(str(tmp_path), 1 << 30) < 200_000
    assert folder_bytes(str(tmp_path / "gone"), 1) == 0


def test_folders_cannot_hide_what_they_hold(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "file").write_bytes(b"x" * 100_000)
    hidden.chmod(0)
    assert folder_bytes(str(tmp_path), 1 << 40) >= 100_000
    many = tmp_path / "many"
    many.mkdir()
    for number in range(1_000):
        (many / str(number)).touch()
    assert folder_bytes(str(many), 1 << 40) >= 1_000_000
    here = os.getcwd()
    os.chdir(tmp_path)
    try:
        for _ in range(100):
            os.mkdir("d" * 50)
            os.chdir("d" * 50)
    finally:
        os.chdir(here)
    assert folder_bytes(str(tmp_path), 1 << 40) > 1 << 40
    assert remove_tree(tmp_path / ("d" * 50))  # pytest's own function calls itself for each level


def test_targets_of_the_probe_are_reached_however_many_probed_before(tmp_path: Path) -> None:
    """Nothing answers there: what waits for an answer may neither hold up nor hide a later probe."""
    canaries = Canaries(str(tmp_path))
    policy = SandboxPolicy(
        workdir="/", output_dir="/o", grants=(), runtime_dir="/r", system=(), backend="limits"
    )
    try:
        for name in ("tcp", "unix-socket", "unix-datagram", "abstract-socket"):
            for _ in range(200):
                closed, _detail = ATTEMPTS[name](canaries.plan_for(policy, {}))
                assert not closed, name
        plan = canaries.plan_for(policy, {})
        for name in ("unix-socket", "unix-datagram", "abstract-socket"):
            for _ in range(200):  # many at once, before the server comes to it
                try:
                    closed, _detail = ATTEMPTS[name](plan)
                except BlockingIOError:  # full: the probe counts that as open
                    closed = errno.EAGAIN in _REFUSALS
                assert not closed, name
    finally:
        canaries.close()
