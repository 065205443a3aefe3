"""What a type checker makes of the Python API; checked by mypy, never run."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import assert_type

import analyst_kernel
from analyst_kernel import Analyst, AnalystError, CellResult, Chart, Limits, Result
from analyst_kernel.agent.ports import Model
from analyst_kernel.protocol.events import Event
from analyst_kernel.providers import Env, Provider, ProviderInfo


async def an_analysis() -> None:
    async with Analyst(model="offline:rules", limits=Limits(iterations=3)) as analyst:
        assert_type(analyst, Analyst)
        result = await analyst.ask("How many?", data=["vehicles.csv"], notebook="mileage.ipynb")
        assert_type(result, Result)
        assert_type(result.answer, str)
        assert_type(result.charts, tuple[Chart, ...])
        assert_type(result.charts[0].png, bytes | None)
        assert_type(result.notebook, str | None)
        assert_type(await analyst.run("1 + 1"), CellResult)
        assert_type(analyst.stream("And now?"), AsyncGenerator[Event, None])
        async for event in analyst.stream("And now?"):
            assert_type(event, Event)
        assert_type(await analyst.branch(), Analyst)
        assert_type(analyst.notebook, str | None)


def the_blocking_form() -> Result:
    try:
        return assert_type(analyst_kernel.ask("How many?", data="vehicles.csv"), Result)
    except AnalystError as error:
        assert_type(error.exit_code, int)
        assert_type((error.what, error.remedy), tuple[str, str])
        raise


class ThirdParty:
    """A provider as another package makes one."""

    name = "theirs"

    def describe(self, env: Env) -> ProviderInfo:
        return ProviderInfo(self.name, "Theirs", has_credentials="THEIR_KEY" in env)

    async def open(self, model: str, env: Env) -> Model:
        raise LookupError(model)


def a_provider() -> Provider:
    return ThirdParty()
