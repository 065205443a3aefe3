"""When a kernel can be reached: after the verdict, whole, and with the limits it was asked for."""

from __future__ import annotations

import os
import venv
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager

from analyst_kernel.sandbox.enclosure import Enclosure
from analyst_kernel.sandbox.policy import SandboxPolicy
from analyst_kernel.sandbox.zygote.manager import zygote_manager
from analyst_kernel.sandbox.zygote.pool import provisional_connection
from analyst_kernel.sandbox.zygote.prewarm import prewarm_from_server
from tests.sandbox.conftest import Start
from tests.sandbox.zygote.test_kernels import PROGRAM, begin, forked, pytestmark

__all__ = ["pytestmark"]


@pytest.fixture(params=["fresh", "spare"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_nobody_reaches_a_kernel_before_the_verdict(
    way: str, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = Enclosure._judge
    seen: list[list[str]] = []

    def looked(self: Enclosure, started: Any, policy: SandboxPolicy, *rest: Any) -> None:
        address = os.path.join(policy.runtime_dir, "k")
        seen.append([f"{address}-{n}" for n in range(1, 6) if os.path.exists(f"{address}-{n}")])
        judge(self, started, policy, *rest)

    monkeypatch.setattr(Enclosure, "_judge", looked)
    async with begin(start, way) as kernel:
        address = kernel.provisioner.connection_info["ip"]
        assert seen == [[]]
        assert sorted(os.listdir(os.path.dirname(address))) == [f"k-{n}" for n in range(1, 6)]


def test_sockets_without_names_are_not_handed_over() -> None:
    with pytest.raises(OSError, match="names"):
        provisional_connection({"transport": "tcp", "ip": "127.0.0.1"})


def test_a_spare_that_does_not_answer_is_none(tmp_path: Path) -> None:
    nobody = {"ip": str(tmp_path / "k"), "shell_port": 1, "key": "0" * 64}
    assert prewarm_from_server(nobody, 0.2) is False


async def test_a_spare_made_for_other_limits_gets_those_of_its_kernel(start: Start) -> None:
    async with begin(start, "fresh", limits={"memory_bytes": "512M", "processes": 90}):
        pass
    asked = {"memory_bytes": "256M", "processes": 70}
    async with begin(start, "spare", limits=asked) as kernel:
        greedy = await kernel.run("hoard = []\nwhile True: hoard.append(bytearray(2**26))")
        assert greedy.name == "MemoryError"
        group = forked(kernel).group
        policy = kernel.provisioner._policy
        assert policy is not None
        if group is not None:
            written = group.needed(policy.limits)
            assert {path: Path(path).read_text().strip() for path in written} == written
    async with begin(start, "spare", limits={"memory_bytes": "1G"}) as kernel:
        assert not (await kernel.run("hoard = bytearray(2**29)")).error


@pytest.fixture
def beside(tmp_path: Path, work: Path) -> Path:
    """The interpreter of an environment whose folder is next to the notebook's."""
    assert work.parent == tmp_path
    folder = tmp_path / "env"
    venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
    (library,) = (folder / "lib").glob("python*/site-packages")
    (library / "outer.pth").write_text(str(Path(pytest.__file__).parents[1]))
    return folder / "bin" / "python"


async def test_a_working_folder_beside_the_environment_is_read_only(
    start: Start, beside: Path, work: Path, kernelspecs: KernelSpecManager, monkeypatch: Any
) -> None:
    if not str(work).startswith("/tmp/"):
        pytest.skip("the temporary folder is not below /tmp")
    given = kernelspecs.get_kernel_spec("analyst")
    argv = [str(beside), *given.argv[1:]]
    changed = KernelSpec(**{**given.to_dict(), "argv": argv})
    monkeypatch.setattr(kernelspecs, "get_kernel_spec", lambda _name: changed)
    assert PROGRAM is not None
    async with start("zygote") as kernel:
        facts = await kernel.run("import sys; print(sys.executable)")
        assert facts.text.strip() == str(beside)
        assert (await kernel.run("print(open('cars.csv').read(), end='')")).text == "a,b\n1,2\n"
        for path in ("beside.txt", str(work / "data" / "more.txt")):
            refused = await kernel.run(f"open({path!r}, 'w').write('x')")
            assert refused.name == "OSError", path
            assert "OUTPUT_DIR" in refused.error
        assert not (await kernel.run("open(OUTPUT_DIR / 'kept.txt', 'w').write('x')")).error
    assert not (work / "beside.txt").exists()
    assert (work / "mileage_files" / "kept.txt").read_text() == "x"
    zygote_manager(str(beside), PROGRAM).close()
