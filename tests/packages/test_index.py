"""What an index may give: honest wheels, and everything else that a server can answer."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from analyst_kernel.packages.outside import PackageFailed, PackageSource
from analyst_kernel.packages.policy import PackagePolicy
from analyst_kernel.packages.task import PackageLimits
from tests.fakes.package_index import PackageIndex, package_index

pytestmark = pytest.mark.real

ONE = {"one.py": "VALUE = 1\n"}


def source(
    index: PackageIndex, root: Path, *, url: str = "", limits: PackageLimits | None = None
) -> PackageSource:
    policy = PackagePolicy(indexes=(url or index.url,), limits=limits or PackageLimits())
    return PackageSource(root, sys.executable, policy)


def bad(index: PackageIndex, case: str) -> str:
    """Offer a package that cannot be had, and return what is to be said."""
    match case:
        case "source alone":
            index.add_source("one", "1.0")
            return "as source alone, and building it would execute its code"
        case "another machine":
            index.add("one", "1.0", ONE, tag="cp311-cp311-win_amd64")
            return "no wheel of one for this Python on this machine"
        case "nothing":
            return "The index has no package one. Check how it is spelt."
        case "no way for a version":
            index.add("one", "1.0", ONE, requires=["numpy<2"])
            return "one 1.0 needs numpy<2, and numpy"
        case "wrong hash":
            index.add("one", "1.0", ONE, mode="wrong-hash")
            return "is not what it had announced"
        case "endless":
            index.add("one", "1.0", ONE, mode="endless")
            return "one is larger than what is fetched here"
        case "slow":
            index.add("one", "1.0", ONE, mode="slow")
            return "did not answer within"
        case _:
            raise AssertionError(case)


CASES = ("source alone", "another machine", "nothing", "no way for a version", "wrong hash",
         "endless", "slow")  # fmt: skip


@pytest.mark.parametrize("case", CASES)
async def test_what_cannot_be_had_is_one_sentence(
    index: PackageIndex, tmp_path: Path, case: str
) -> None:
    said = bad(index, case)
    limits = PackageLimits(wheel_bytes=4 << 20)
    if case == "slow":
        limits = replace(limits, find_seconds=3.0)
    seeker = source(index, tmp_path / "own", limits=limits)
    with pytest.raises(PackageFailed) as failed:
        await seeker.find("one", module="one")
    assert said in str(failed.value)
    assert os.listdir(seeker.store) == []  # nothing is left, of pip's temporary files neither


async def test_credentials_go_to_the_index_alone_and_are_shown_nowhere(
    index: PackageIndex, tmp_path: Path
) -> None:
    """A redirect to another host is followed, without credentials, and its content compared."""
    with package_index() as other:
        index.login = "ann:s3cret"
        made = other.add("one", "1.0", ONE)
        index.add("one", "1.0", ONE).mode = f"http://localhost:{other.port}/files"
        index.files["one"][0].content = made.content
        url = index.url.replace("://", "://ann:s3cret@")
        seeker = source(index, tmp_path / "own", url=url)
        offer = await seeker.find("one", module="one")
        assert "s3cret" not in offer.model_dump_json()
        assert offer.indexes == (index.url,)
        assert await seeker.fetch(offer.wheels) == {made.sha256: ("one",)}
        assert set(other.authorizations) == {""}
        assert "ann:s3cret" in index.authorizations
        index.login = "ann:another"
        with pytest.raises(PackageFailed) as failed:
            await source(index, tmp_path / "more", url=url).find("one", module="one")
        assert "s3cret" not in str(failed.value)


async def test_the_store_is_used_before_the_index(index: PackageIndex, tmp_path: Path) -> None:
    index.add("one", "1.0", ONE)
    seeker = source(index, tmp_path / "own")
    offer = await seeker.find("one", module="one")
    await seeker.fetch(offer.wheels)
    folder = Path(seeker.folder(offer.wheels[0].sha256))
    assert (folder / "one.py").read_text() == "VALUE = 1\n"
    assert seeker.is_stored(offer.wheels[0].sha256)
    asked = len(index.requests)
    await seeker.fetch(offer.wheels)
    assert len(index.requests) == asked
    shutil.rmtree(folder)  # half of it is gone: fetched again, whole
    assert not seeker.is_stored(offer.wheels[0].sha256)
    await seeker.fetch(offer.wheels)
    assert seeker.is_stored(offer.wheels[0].sha256)
