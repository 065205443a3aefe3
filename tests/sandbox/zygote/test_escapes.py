"""Every way out, tried in forked kernels: fresh, from a spare, and enclosed by mounts alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from traitlets.config import Config

from tests.sandbox import attacks
from tests.sandbox.conftest import Start
from tests.sandbox.test_escapes import targets
from tests.sandbox.zygote.test_kernels import begin, pytestmark

__all__ = ["pytestmark", "targets"]

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(("way", "landlock"), [("fresh", True), ("spare", True), ("fresh", False)])
async def test_every_way_out_of_a_forked_kernel_is_closed(
    way: str,
    landlock: bool,
    start: Start,
    targets: dict[str, Any],
    work: Path,
) -> None:
    config = Config({"AnalystProvisioner": {"landlock": landlock}})
    async with begin(start, way, config=config) as kernel:
        provisioner = kernel.provisioner
        targets |= {"runtime": provisioner.connection_info["ip"], "mounts": True, "enclosed": True}
        found = await kernel.value(f"TARGETS = {json.dumps(targets)!r}\n{attacks.CODE}")
        writable = await kernel.value(
            "import json, os\nprint(json.dumps([d for d, _, _ in os.walk('/')"
            " if not d.startswith(('/proc', '/tmp/home')) and os.access(d, os.W_OK)]))"
        )
        report = provisioner.sandbox_report
        output = provisioner.output_dir
    assert {name: what for name, what in found.items() if what} == {}
    assert len(found) > 100
    assert report is not None
    assert (report.level, report.form) == ("isolated", "zygote")
    assert [probe.name for probe in report.probes if not probe.closed] == []
    assert (work / "cars.csv").read_text() == "a,b\n1,2\n"
    assert (work / "data" / "part.csv").read_text() == "a\n1\n"
    # Where this checkout itself lies under /tmp, its parents are folders of the private /tmp.
    own = {str(REPOSITORY), *map(str, REPOSITORY.parents), str(REPOSITORY / "analyst_kernel")}
    folders = {path for path in writable if "/ak-" not in path and path not in own - {"/tmp"}}
    assert folders == {"/tmp", "/dev/shm", output}
