"""The session's own judgement of its kernel, whatever the provisioner let pass."""

from __future__ import annotations

from typing import Any

import psutil
import pytest

from analyst_kernel.kernel.diagnosis import check_isolation, report_of
from analyst_kernel.kernel.payload.extension import SETUP
from analyst_kernel.protocol.errors import KernelError, SandboxError
from analyst_kernel.protocol.sandbox import LEVELS, SandboxLevel, SandboxReport
from tests.kernel.conftest import MakeSession, output_folder
from tests.support.kernel import Watched

SECONDS = 60.0


class Witness(Watched):
    """A real host that asks every kernel, before it is ended, whether anything ran in it.

    Attributes:
        processes: Every kernel that was started.
        set_up: Of every kernel that was ended, whether the set-up is in it. It is the first code
            that a session sends; an ``analyst`` kernel brings it along.
    """

    def __init__(self, report: SandboxReport | None = None) -> None:
        """Have a kernel claim an isolation, until it is started anew."""
        super().__init__(report)
        self.processes: list[psutil.Process] = []
        self.set_up: list[bool] = []

    async def start(self, *names: str, **options: Any) -> Any:
        km = await super().start(*names, **options)
        self.processes.append(psutil.Process(km.provisioner.pid))
        return km

    async def restart(self, km: Any) -> None:
        await super().restart(km)
        self.processes.append(psutil.Process(km.provisioner.pid))
        if self.report is not None:
            km.provisioner.sandbox_report = None

    async def shutdown(self, km: Any) -> None:
        if km.has_kernel:
            self.set_up.append(await has_set_up(km))
        await super().shutdown(km)

    def is_alone(self) -> bool:
        """Return whether every kernel is gone; one that ended and was not waited for is a leftover."""
        return not any(process.is_running() for process in self.processes)


async def has_set_up(km: Any) -> bool:
    """Ask a living kernel whether the set-up is in it."""
    client = km.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=SECONDS)
        look = {"x": f"{SETUP!r} in __import__('sys').modules"}
        reply = await client.execute_interactive(
            "", silent=True, user_expressions=look, timeout=SECONDS
        )
    finally:
        client.stop_channels()
    found = reply["content"]["user_expressions"]["x"]["data"]["text/plain"]
    assert found in ("True", "False")
    return bool(found == "True")


def report(level: SandboxLevel, *notes: str) -> SandboxReport:
    return SandboxReport(level=level, form="test", sentence="For this test.", notes=notes)


async def test_a_kernel_without_a_report_runs_nothing_and_is_gone(
    make_session: MakeSession,
) -> None:
    host = Witness()
    session = make_session(kernel_name="python3", require="restricted", host=host)
    with pytest.raises(SandboxError, match="'restricted' is required; no code ran") as caught:
        await session.start()
    assert caught.value.exit_code == 4
    assert "analyst doctor" in caught.value.remedy
    assert host.set_up == [False]
    assert host.is_alone()
    assert session.manager is None
    assert not output_folder(session).exists()
    with pytest.raises(KernelError, match="no running kernel"):
        await session.execute("x = 1", timeout=SECONDS)


@pytest.mark.parametrize("form", ["none", "limits"])
async def test_a_kernel_that_its_provisioner_let_pass_is_refused_all_the_same(
    make_session: MakeSession, form: str
) -> None:
    host = Witness()
    asked = {"require": "none", "form": form}  # of the provisioner; the session wants more
    session = make_session(
        kernel_name="analyst", require="restricted", host=host, start_options=asked
    )
    with pytest.raises(SandboxError, match=f"{form!r}, and 'restricted' is required") as caught:
        await session.start()
    assert "analyst doctor" in caught.value.remedy
    assert len(host.processes) == 1
    assert host.is_alone()
    assert session.manager is None
    assert not output_folder(session).exists()


async def test_a_kernel_at_the_required_level_is_used(make_session: MakeSession) -> None:
    session = make_session(
        kernel_name="analyst", require="limits", start_options={"form": "limits"}
    )
    assert (await session.start()).sandbox.level == "limits"
    assert (await session.execute("x = 1", timeout=SECONDS)).outcome == "ok"
    host = Witness(report("restricted"))
    claiming = make_session(kernel_name="python3", require="restricted", host=host)
    await claiming.start()
    await claiming.stop()
    assert host.set_up == [True]
    assert host.is_alone()


async def test_a_kernel_that_comes_back_less_isolated_runs_nothing_more(
    make_session: MakeSession,
) -> None:
    host = Witness(report("limits"))
    session = make_session(kernel_name="python3", require="limits", host=host)
    await session.start()
    with pytest.raises(SandboxError, match="'limits' is required; no code ran"):
        await session.execute("import os\nos._exit(3)", timeout=SECONDS)
    assert host.set_up == [False]
    assert len(host.processes) == 2
    assert host.is_alone()
    assert session.manager is None


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("required", LEVELS)
def test_every_level_meets_itself_and_those_below_alone(
    level: SandboxLevel, required: SandboxLevel
) -> None:
    order = ["none", "limits", "restricted", "isolated"]
    if order.index(level) >= order.index(required):
        check_isolation(report(level), required)
        return
    with pytest.raises(SandboxError, match=f"{level!r}, and {required!r} is required") as caught:
        check_isolation(report(level, "Namespaces are off.", "b", "c", "d"), required)
    assert "(Namespaces are off.; b; c)" in caught.value.what
    assert caught.value.remedy.endswith(f"--sandbox {level}.")


def test_what_reports_nothing_has_no_isolation() -> None:
    class Claims:
        sandbox_report = "isolated"

    for provisioner in (None, object(), Claims()):
        assert report_of(provisioner).level == "none"
