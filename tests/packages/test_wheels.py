"""Wheels as archives, and the names between an import and an index."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from analyst_kernel.agent.tools.packages import imports_of
from analyst_kernel.analysis.packages import noted_packages
from analyst_kernel.packages import names
from analyst_kernel.packages.policy import FORBID, PackagePolicy
from analyst_kernel.packages.task import without_credentials
from analyst_kernel.packages.unpack import UnpackLimits, WheelRefused, unpack
from analyst_kernel.protocol.records import PackageUsed
from tests.fakes.package_index import wheel_bytes

LIMITS = UnpackLimits(bytes=100_000, entries=50)


def unpacked(content: bytes, folder: Path) -> Any:
    (folder / "w.whl").write_bytes(content)
    (folder / "out").mkdir()
    return unpack(str(folder / "w.whl"), str(folder / "out"), LIMITS)


def test_what_a_wheel_becomes(tmp_path: Path) -> None:
    files = {
        "one/__init__.py": "", "two.cpython-311-x86_64-linux-gnu.so": "", "x.pth": "import os",
        "sitecustomize.py": "", "one-1.0.data/scripts/run": "", "one-1.0.data/data/etc/x": "",
        "one-1.0.data/purelib/three.py": "", ".libs/a.so": "", "one/sub/x.pth": "",
    }  # fmt: skip
    became = unpacked(wheel_bytes("one", "1.0", files), tmp_path)
    assert became.modules == ("one", "three", "two")
    assert set(became.left_out) == {
        "x.pth", "sitecustomize.py", "one-1.0.data/scripts/run", "one-1.0.data/data/etc/x",
    }  # fmt: skip
    there = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*")}
    assert {"three.py", ".libs/a.so", "one/sub/x.pth"} <= there
    assert not any("scripts" in path or path == "x.pth" for path in there)


OUTSIDE = ("../out.py", "/etc/out.py", "a/../../out.py", "a\\..\\out.py", "C:/out.py", "a//b.py")


@pytest.mark.parametrize("path", OUTSIDE)
def test_no_path_leads_outside(tmp_path: Path, path: str) -> None:
    with pytest.raises(WheelRefused, match="outside its folder"):
        unpacked(wheel_bytes("one", "1.0", {path: "x"}), tmp_path)
    assert not list(tmp_path.rglob("out.py"))


def packed(**files: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (wheel_bytes("one", "1.0", {}, links={"one/link": "/etc/passwd"}), "neither a file nor"),
        (wheel_bytes("one", "1.0", {"one.py": b"\0" * 200_000}), "too large"),
        (wheel_bytes("one", "1.0", {f"m{n}.py": "" for n in range(60)}), "more than 50"),
        (wheel_bytes("one", "1.0", {"a.py": "", "A.py": ""}), "twice"),
        (wheel_bytes("one", "1.0", {"n" * 250 + ".py": ""}), "too long"),
        (packed(one=b"x"), "no metadata"),
        (b"no zip at all", "no archive"),
        (wheel_bytes("one", "1.0", {"one.py": "x" * 9000})[:-400], "no archive"),
    ],
)
def test_what_is_no_honest_wheel_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(WheelRefused, match=said):
        unpacked(content, tmp_path)


@pytest.mark.parametrize(
    ("module", "distribution"),
    [
        ("sklearn", "scikit_learn"), ("cv2", "opencv-python-headless"), ("yaml", "PyYAML"),
        ("bs4", "beautifulsoup4"), ("PIL", "Pillow"), ("rapidfuzz", "rapidfuzz"), ("json", ""),
        ("google", ""), ("-r x", ""), ("a" * 80, ""), ("x\n--index", ""),
    ],
)  # fmt: skip
def test_from_an_import_to_a_distribution(module: str, distribution: str) -> None:
    assert names.distribution_of(module) == distribution


def test_names_that_only_look_like_known_ones() -> None:
    assert names.is_known("Scikit.Learn")
    assert (names.is_known("scikit-laern"), names.alike("scikit-laern")) == (False, "scikit-learn")
    assert names.alike("rapidfuzz") == ""
    assert names.is_listed("sklearn")
    assert not names.is_listed("anything_else_at_all")


def test_what_is_not_written_as_an_import_is_none() -> None:
    code = "import a.b, c as d\nfrom e.f import g\nfrom . import h\n__import__('i')\n'import j'"
    assert imports_of(code) == {"a", "c", "e"}


def test_administrators() -> None:
    policy = PackagePolicy(names=("Tiny_Stats",))
    assert policy.refusal({}) == ""
    assert "forbids" in policy.refusal({FORBID: "forbid"})
    assert "forbids" in PackagePolicy("forbid").refusal({})
    assert policy.refusal_of("tiny-stats") == ""
    assert "is not among" in policy.refusal_of("tinyhelp")
    assert without_credentials("see https://u:p@h/simple now") == "see https://h/simple now"


def test_what_a_notebook_notes_is_checked() -> None:
    """Whoever wrote the notebook chose the texts, and they go into files that pip reads."""
    good = {"name": "one", "version": "1.0", "sha256": "a" * 64}
    listed = [
        good, {**good, "version": "1.0\n-r /etc/passwd"}, {**good, "sha256": "../../x"},
        {**good, "name": "one --index"}, "text", None,
    ]  # fmt: skip
    document: Any = {"cells": [], "metadata": {"analyst_kernel": {"fetched_packages": listed}}}
    assert [one.version for one in noted_packages(document)] == ["1.0"]
    with pytest.raises(ValidationError):
        PackageUsed(name="one", version="1.0\n", sha256="a" * 64)
