"""No policy shows too much, and none yields a command without isolation."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyst_kernel.grants import grant_of
from analyst_kernel.protocol.errors import PolicyError
from analyst_kernel.sandbox import paths
from analyst_kernel.sandbox.backends.bwrap import NAMESPACES, bwrap_argv
from analyst_kernel.sandbox.policy import (
    BACKENDS,
    MIB,
    NEVER,
    ResourceLimits,
    SandboxPolicy,
    outermost,
    within,
)

NAMES = st.sampled_from(["a", "b", "c d", "é", "-x", "data", "tmp", "usr", "--bind"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))
POLICIES = st.fixed_dictionaries(
    {
        "workdir": PATHS,
        "output_dir": PATHS,
        "grants": st.lists(PATHS, max_size=4).map(tuple),
        "runtime_dir": PATHS,
        "system": st.just(("/usr", "/opt/python")),
        "hidden": st.lists(PATHS, max_size=2).map(tuple),
        "landlock": st.booleans(),
    }
)


def policy(**changes: Any) -> SandboxPolicy:
    usual: dict[str, Any] = {
        "workdir": "/work",
        "output_dir": "/work/a_files",
        "grants": ("/data/x.csv",),
        "runtime_dir": "/tmp/ak-1/1/s",
        "system": ("/usr",),
    }
    return with_identities(usual | changes)


def with_identities(fields: dict[str, Any]) -> SandboxPolicy:
    """A policy whose granted paths have a device and an inode."""
    seen = tuple((1, number) for number, _path in enumerate(fields["grants"]))
    return SandboxPolicy(**({"identities": seen} | fields))


@given(POLICIES)
@settings(suppress_health_check=[HealthCheck.filter_too_much])
def test_no_policy_yields_a_command_without_isolation(fields: dict[str, Any]) -> None:
    try:
        made = with_identities(fields)
    except PolicyError:
        return
    with patch("os.getuid", return_value=0):
        argv = bwrap_argv(made, ["/usr/bin/python"], filter_fd=7, exists=lambda _p: True)
    options = argv[: argv.index("--", 1)]
    assert set(NAMESPACES) <= set(options)
    assert "--die-with-parent" in options
    assert options[options.index("--seccomp") + 1] == "7"
    assert options[options.index("--cap-drop") + 1] == "ALL"
    assert options[options.index("--uid") + 1] != "0"
    assert options[-4:] == ["--remount-ro", "/", "--chdir", made.workdir]
    binds = operations(options)
    writable = [path for kind, path in binds if kind == "--bind"]
    assert sorted(writable) == sorted({made.output_dir, made.runtime_dir})
    for kind, path in binds:
        assert path not in NEVER
        assert path not in {"/", os.path.expanduser("~")}
        # Nothing is a mount point inside what the kernel may change.
        assert not any(path != folder and within(path, folder) for folder in writable)
        if kind == "--ro-bind":
            assert path in {*made.grants, *made.system, *made.hidden} or path.startswith(
                ("/etc/", "/proc/")
            )


def operations(options: list[str]) -> list[tuple[str, str]]:
    """``(kind, destination)`` of every bind; walks the options as bubblewrap does."""
    counts = {
        "--ro-bind": 2, "--bind": 2, "--symlink": 2, "--tmpfs": 1, "--size": 1, "--perms": 1,
        "--dir": 1, "--remount-ro": 1, "--dev": 1, "--proc": 1, "--uid": 1, "--gid": 1,
        "--seccomp": 1,
        "--chdir": 1, "--hostname": 1, "--cap-drop": 1, "--die-with-parent": 0, "--new-session": 0,
    }  # fmt: skip
    counts |= dict.fromkeys(NAMESPACES, 0)
    found: list[tuple[str, str]] = []
    at = 1
    while at < len(options):
        name = options[at]
        arguments = options[at + 1 : at + 1 + counts[name]]
        if name in {"--bind", "--ro-bind"}:
            assert arguments[0] in {arguments[1], "/dev/null"}
            found.append((name, arguments[1]))
        at += 1 + counts[name]
    return found


@given(POLICIES)
@settings(suppress_health_check=[HealthCheck.filter_too_much])
def test_a_policy_survives_its_json(fields: dict[str, Any]) -> None:
    try:
        made = with_identities(fields)
    except PolicyError:
        return
    assert SandboxPolicy.from_json(made.to_json()) == made


@pytest.mark.parametrize(
    "changes",
    [
        {"grants": ("/",)},
        {"grants": ("/etc",)},
        {"grants": ("/run",)},
        {"grants": ("/home",)},
        {"grants": (os.path.normpath(os.path.expanduser("~")),)},
        {"system": ("/",)},
        {"grants": ("/proc/1",)},
        {"grants": ("/sys/kernel",)},
        {"grants": ("/dev/sda",)},
        {"grants": ("data/x.csv",)},
        {"grants": ("/data/../etc",)},
        {"grants": ("//data",)},
        {"grants": ("/data/",)},
        {"grants": ("/data/x\ny",)},
        {"output_dir": "/"},
        {"output_dir": "/work"},
        {"output_dir": "/data", "grants": ("/data/x.csv",)},
        {"output_dir": "/tmp/ak-1"},
        {"output_dir": "/opt/venv/a_files", "system": ("/opt/venv",)},
        {"identities": ()},
        {"backend": "landlock", "landlock": False},
        {"backend": "docker"},
    ],
)
def test_what_no_user_can_mean_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(PolicyError):
        policy(**changes)


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"limits": 3}', '{"limits": {}}'])
def test_what_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises(PolicyError):
        SandboxPolicy.from_json(text)


@pytest.mark.parametrize("form", [form for form in BACKENDS if form != "bubblewrap"])
def test_bubblewrap_builds_no_command_for_a_different_backend(form: Any) -> None:
    with pytest.raises(PolicyError):
        bwrap_argv(policy(backend=form), ["/bin/true"])
    with pytest.raises(PolicyError):
        bwrap_argv(policy(), ["true"])


def test_limits_no_kernel_could_live_with_are_refused() -> None:
    for name, value in (
        ("memory_bytes", MIB),
        ("processes", 1),
        ("cpus", -1),
        ("open_files", True),
    ):
        with pytest.raises(PolicyError):
            ResourceLimits(**{name: value})
    assert ResourceLimits().data_bytes < ResourceLimits().memory_bytes


@given(st.lists(PATHS, max_size=8))
def test_the_outermost_paths_cover_all_and_none_covers_another(paths: list[str]) -> None:
    kept = outermost(paths)
    assert all(any(within(path, other) for other in kept) for path in paths)
    assert not any(a != b and within(a, b) for a in kept for b in kept)


def shown(*places: Path) -> list[paths.ShownPath]:
    found, notes = paths.shown_paths(grant_of(str(place)) for place in places)
    assert notes == []
    return found


def test_a_policy_of_this_machine_hides_what_is_hidden(work: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(work / "data")
    output = work / "a_files"
    assert paths.make_output_folder(str(output))
    (output / "old.csv").write_text("")
    common = {"workdir": str(work), "output_dir": str(output), "runtime_dir": str(tmp_path / "s")}
    made = paths.policy_for(**common, grants=shown(tmp_path / "link", output / "old.csv"))
    status = (work / "data").stat()
    assert made.grants == (str(work / "data"),)
    assert made.identities == ((status.st_dev, status.st_ino),)
    names = {os.path.relpath(path, work) for path in made.hidden}
    assert names == {"data/.env", "data/.git", "data/server.pem"}
    # Granting the whole folder hides neither the outputs nor what runs the kernel.
    whole = paths.policy_for(**common, grants=shown(work))
    assert str(work / ".env") in whole.hidden
    assert not any(within(path, str(output)) for path in whole.hidden)


def test_what_was_swapped_is_not_shown_and_each_gets_a_sentence(work: Path) -> None:
    names = ("cars.csv", "secret.csv", "gone.csv", "kept.csv", "pipe.csv")
    for name in names:
        (work / name).write_text("")
    grants = [grant_of(str(work / name)) for name in names]
    (work / "cars.csv").unlink()
    (work / "cars.csv").symlink_to(work / "secret.csv")
    (work / "pipe.csv").unlink()
    os.mkfifo(work / "pipe.csv")
    (work / "gone.csv").unlink()
    found, notes = paths.shown_paths(grants)
    assert [item.path for item in found] == [str(work / "secret.csv"), str(work / "kept.csv")]
    link, gone, pipe = notes
    assert link.startswith(f"{work}/cars.csv is a symbolic link now, so it is not read.")
    assert gone == f"{work}/gone.csv was granted but is gone."
    assert "neither a file nor a folder" in pipe


def test_an_output_folder_that_is_a_link_is_refused(work: Path) -> None:
    (work / "a_files").symlink_to("/var/tmp")
    with pytest.raises(PolicyError, match="real folder"):
        paths.make_output_folder(str(work / "a_files"))
    (work / "b_files").write_text("")
    with pytest.raises(PolicyError):
        paths.make_output_folder(str(work / "b_files"))


def test_the_output_folder_is_named_after_the_notebook(work: Path) -> None:
    assert paths.output_folder("/x", "/work/a b.ipynb") == "/work/a b_files"
    assert paths.output_folder(str(work), None) == str(work / "mileage_files")
    (work / "second.ipynb").write_text("")
    assert paths.output_folder(str(work), None) == str(work / "analysis_files")
