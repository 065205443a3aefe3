"""What the set-up prepares for libraries, without importing them, and what it survives."""

from __future__ import annotations

from typing import Any

import pytest

from analyst_kernel.kernel import startup
from analyst_kernel.kernel.session import KernelSession
from analyst_kernel.protocol.outputs import DisplayOutput, StreamOutput
from tests.kernel.conftest import MakeSession

SECONDS = 60.0


async def printed(session: KernelSession, code: str) -> str:
    execution = await session.execute(code, timeout=SECONDS)
    assert execution.outcome == "ok", execution.error
    return "".join(
        output.text for output in execution.outputs if isinstance(output, StreamOutput)
    ).strip()


def with_capture(monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    """Let ``source`` stand for the chart capture."""
    read = startup._source

    def replaced(name: str) -> str:
        return source if name == "chart_capture.py" else read(name)

    monkeypatch.setattr(startup, "_source", replaced)


async def test_the_chart_capture_is_installed_where_it_exists(
    make_session: MakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_capture(
        monkeypatch,
        "def install(shell, when_imported):\n"
        "    when_imported('colorsys', lambda m: shell.user_ns.update(seen=m.__name__))\n",
    )
    session = make_session()
    await session.start()
    assert await printed(session, "print('seen' in globals())") == "False"
    assert await printed(session, "import colorsys\nprint(seen, colorsys.ONE_THIRD > 0)") == (
        "colorsys True"
    )


@pytest.mark.parametrize(
    "source", ["", "1 / 0", "def install(shell, when_imported): raise OSError"]
)
async def test_a_start_survives_a_capture_that_fails_or_is_missing(
    make_session: MakeSession, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    with_capture(monkeypatch, source)
    session = make_session()
    await session.start()
    assert await printed(session, "print(1)") == "1"


async def test_a_failing_hook_never_reaches_the_import(
    make_session: MakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_capture(
        monkeypatch,
        "def install(shell, when_imported):\n"
        "    def fail(module): raise ValueError('hook')\n"
        "    when_imported('colorsys', fail)\n",
    )
    session = make_session()
    await session.start()
    code = (
        "import colorsys, importlib\n"
        "print(type(colorsys.__loader__).__name__, importlib.reload(colorsys) is colorsys)"
    )
    assert await printed(session, code) == "SourceFileLoader True"


async def test_native_specs_are_chosen_without_importing(session: KernelSession) -> None:
    assert await printed(session, "import os\nprint(os.environ['PLOTLY_RENDERER'])") == (
        "plotly_mimetype"
    )
    module = (
        "import pathlib, sys\n"
        "(OUTPUT_DIR / 'altair.py').write_text('''\n"
        "class renderers:\n"
        "    enabled = []\n"
        "    @classmethod\n"
        "    def enable(cls, name): cls.enabled.append(name)\n"
        "''')\n"
        "sys.path.insert(0, str(OUTPUT_DIR))\n"
        "import altair\n"
        "print(altair.renderers.enabled)\n"
    )
    assert await printed(session, module) == "['mimetype']"


async def test_hostile_displays_come_out_harmless(session: KernelSession) -> None:
    execution = await session.execute(
        "from IPython.display import HTML, Javascript, display\n"
        "display(HTML('<b>7</b><script>alert(1)</script>'))\n"
        "display(Javascript('alert(1)'))",
        timeout=SECONDS,
    )
    html, script = execution.outputs
    assert isinstance(html, DisplayOutput)
    assert html.data["text/html"] == "<b>7</b>"
    assert isinstance(script, DisplayOutput)
    assert set(script.data) == {"text/plain"}
    assert {code for code, _ in execution.notices} == {"html_cleaned", "output_dropped"}


def test_facts_of_a_hostile_kernel_are_refused() -> None:
    def reply(value: Any) -> dict[str, Any]:
        return {"facts": {"data": {"application/vnd.analyst-kernel.facts+json": value}}}

    assert startup.read_facts({}) is None
    assert startup.read_facts(reply("[]")) is None
    assert startup.read_facts(reply({"python": 3})) is None
    facts = startup.read_facts(reply({"python": "3.12" * 50, "versions": {"a": "b"}}))
    assert facts is not None
    assert len(facts.python) == 40
    assert facts.versions == {"a": "b"}
