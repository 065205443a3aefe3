"""Questions that need a package which is not there: the card, the kernel, the notebook, verify."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from analyst_kernel.agent.ports import Approval
from analyst_kernel.analysis.analysis import Analysis
from analyst_kernel.analysis.assemble import Embedding, open_analysis
from analyst_kernel.analysis.branch import make_branch
from analyst_kernel.analysis.settings import AnalysisSettings
from analyst_kernel.analysis.verify import verify_notebook
from analyst_kernel.packages.policy import PackageMode, PackagePolicy
from analyst_kernel.protocol.errors import DataError, InputError
from analyst_kernel.protocol.events import ApprovalDecided, ApprovalRequested, IterationStarted
from analyst_kernel.protocol.ids import AskId
from analyst_kernel.protocol.records import PackageOffer
from tests.fakes.fixtures import FAKE_KEY
from tests.fakes.package_index import PackageIndex
from tests.fakes.turns import Turn, call, finish, python
from tests.fakes.wire_server import WireServer
from tests.support.cli import cells, notebook_at

pytestmark = pytest.mark.real

LIBRARY = {
    "tinystats/__init__.py": "from tinyhelp import twice\nVALUE = twice(21)\n",
    # None of these takes the place of what is installed, or runs by itself.
    "pandas/__init__.py": "raise SystemExit('a package in the place of pandas')\n",
    "json.py": "raise SystemExit('a module in the place of json')\n",
    "tinystats.pth": "import os; os._exit(7)\n",
    ".libs/readme.txt": "libraries of older wheels lie in such folders",
}
HELPER = {"tinyhelp.py": "def twice(n):\n    return 2 * n\n"}
IMPORT = "import json, pandas\nimport tinystats\nprint(tinystats.VALUE, pandas.__name__)"


@dataclass
class Clicker:
    """The user of a test, who says the same to every package."""

    yes: bool
    offers: list[PackageOffer] = field(default_factory=list)

    async def answer(
        self, ask: AskId, question: str, options: Sequence[str], default: str
    ) -> tuple[str, bool]:
        return default, False

    async def approve(self, ask: AskId, code: str, purpose: str) -> Approval:
        return Approval("run")

    async def approve_package(self, ask: AskId, offer: PackageOffer) -> bool:
        self.offers.append(offer)
        return self.yes


def offer_all(index: PackageIndex) -> None:
    index.add("tinystats", "1.2", LIBRARY, requires=["tinyhelp>=1", "pandas"])
    index.add("tinyhelp", "1.0", HELPER)
    index.add("oldnum", "0.9", {"oldnum.py": ""}, requires=["numpy<2"])


@asynccontextmanager
async def opened(
    notebook: Path,
    index: PackageIndex,
    script: Sequence[Turn],
    user: Clicker | None = None,
    *,
    mode: PackageMode = "ask",
    names: tuple[str, ...] = (),
    form: str = "",
) -> AsyncIterator[tuple[Analysis, WireServer]]:
    with WireServer(list(script), keys=[FAKE_KEY]) as server:
        analysis = await open_analysis(
            notebook=notebook,
            user=user,
            settings=AnalysisSettings(
                model="anthropic:claude-sonnet-5-5",
                own_instructions=False,
                packages=PackagePolicy(mode, indexes=(index.url,), names=names),
                start_options={"form": form} if form else {},
            ),
            embedding=Embedding(
                env={"ANTHROPIC_BASE_URL": server.url, "ANTHROPIC_API_KEY": FAKE_KEY}
            ),
        )
        try:
            yield analysis, server
        finally:
            await analysis.close()


def outputs_of(cell: Any) -> str:
    return json.dumps(cell.outputs)


def sent_by(server: WireServer) -> str:
    return json.dumps([json.loads(one.data) for one in server.requests if one.method == "POST"])


async def test_a_yes_gives_the_package_to_the_running_kernel(
    index: PackageIndex, tmp_path: Path
) -> None:
    offer_all(index)
    notebook, user = tmp_path / "n.ipynb", Clicker(yes=True)
    script = (python("kept = 5"), python(IMPORT), python("kept + tinystats.VALUE"),
              finish("It is 47 [cell 3]."))  # fmt: skip
    async with opened(notebook, index, script, user) as (analysis, _):
        seen: list[Any] = []
        analysis.log.listen(seen.append)
        finished = await analysis.ask("What is it?")
        assert (finished.status, finished.reason) == ("answered", "")
        (used, brought) = analysis.packages.used
        assert (used.name, used.version, used.index) == ("tinystats", "1.2", index.url)
        assert brought.brought_by == ("tinystats",)
    (offer,) = user.offers
    assert [wheel.name for wheel in offer.wheels] == ["tinystats", "tinyhelp"]
    assert all(wheel.bytes for wheel in offer.wheels)
    assert (offer.known, offer.indexes) == (False, (index.url,))
    asked = [one for one in seen if isinstance(one, ApprovalRequested)]
    assert [one.package for one in asked] == [offer]
    assert [one.decision for one in seen if isinstance(one, ApprovalDecided)] == ["run"]
    # One cell, which ran twice and holds what it showed the second time.
    saved = notebook_at(notebook)
    done = cells(saved, "iteration")
    assert len(done) == 3
    assert "%pip install tinystats==1.2" in done[1].source
    assert "42 pandas" in outputs_of(done[1])
    assert "Error" not in outputs_of(done[1])
    assert "47" in outputs_of(done[2])
    noted = saved.metadata["analyst_kernel"]["fetched_packages"]
    assert [(one["name"], one["sha256"]) for one in noted] == [
        (wheel.name, wheel.sha256) for wheel in offer.wheels
    ]
    assert {one.cell for one in seen if isinstance(one, IterationStarted)} == {
        cell.id for cell in done
    }

    # The next kernel has it, and a branch, without asking; removed, it is gone.
    again = Clicker(yes=False)
    async with opened(notebook, index, (python(IMPORT), finish("42 [cell 4].")), again) as (
        analysis,
        _,
    ):
        assert (await analysis.ask("Again?")).iterations[-1].outcome == "ok"
        made = await make_branch(
            notebook, at=done[1].id, to=tmp_path / "b.ipynb", grants=analysis.grants
        )
        with pytest.raises(InputError, match="is needed by tinystats"):
            await analysis.remove_package("tinyhelp")
        await analysis.remove_package("TinyStats")
        assert analysis.packages.used == ()
        with pytest.raises(InputError, match="No package tinystats"):
            await analysis.remove_package("tinystats")
    index.files.clear()
    async with opened(made.path, index, (), again) as (branch, _):
        _, execution = await branch.run("import tinystats; tinystats.VALUE")
        assert execution.outcome == "ok"
    assert again.offers == []

    # Verified by the same hashes, from the store, though this notebook was granted nothing.
    copy = tmp_path / "elsewhere.ipynb"
    copy.write_bytes(notebook.read_bytes().replace(b'"analysis": "', b'"analysis": "other'))
    problems: list[str] = []
    await verify_notebook(copy, on_problem=problems.append)
    # What is noted no more is not there, and its cells fail.
    assert problems == []


async def test_without_a_yes_the_model_is_told_why(index: PackageIndex, tmp_path: Path) -> None:
    offer_all(index)
    user = Clicker(yes=False)
    # A name that is made while code runs could carry data to whoever reads the index's log.
    made = "raise ModuleNotFoundError(f\"No module named '{'tiny' + 'stats'}'\")"
    script = (
        python(made), python("import oldnum"), python("import tinystats"),
        call("use_package", module="tinystats", reason="once more"), python("print('without')"),
        finish("Without it."),
    )  # fmt: skip
    async with opened(tmp_path / "n.ipynb", index, script, user) as (analysis, server):
        finished = await analysis.ask("What is it?")
        sent = sent_by(server)
        assert analysis.packages.used == ()
    hints = [one.error.hint for one in finished.iterations if one.error is not None]
    assert [one.outcome for one in finished.iterations] == ["error", "error", "error", "ok"]
    assert "its name does not stand in the cell" in hints[0]
    assert "oldnum 0.9 needs numpy<2, and numpy" in hints[1]
    assert "the user does not want tinystats" in hints[2]
    assert (
        sent.count("the user does not want tinystats") >= 2
    )  # the cell's error, the tool's answer
    assert [offer.name for offer in user.offers] == ["tinystats"]  # asked once
    assert not any("tinystats" in one for one in index.requests[: index.requests.index(
        "GET /simple/oldnum/")])  # fmt: skip


async def test_nothing_is_asked_where_nobody_can_say_yes(
    index: PackageIndex, tmp_path: Path
) -> None:
    offer_all(index)
    script = (python("import tinystats"), finish("Without it."))
    async with opened(tmp_path / "n.ipynb", index, script) as (analysis, _):
        error = (await analysis.ask("What is it?")).iterations[0].error
        assert error is not None
        assert "--allow-packages" in error.hint
        for policy in (PackagePolicy("forbid"), PackagePolicy(names=("rapidfuzz",))):
            analysis.packages._policy = policy
            with pytest.raises(DataError, match="administrator"):
                await analysis.packages.find("tinystats", "tinystats")
    assert index.requests == []


async def test_a_kernel_that_takes_no_data_is_replaced(index: PackageIndex, tmp_path: Path) -> None:
    """By one that has its state; in the other forms that are not forked it is the same."""
    offer_all(index)
    script = (python("kept = 5"), call("use_package", module="tinystats", reason="to count"),
              python("import tinystats\nkept + tinystats.VALUE"), finish("47 [cell 2]."))  # fmt: skip
    user = Clicker(yes=True)
    async with opened(tmp_path / "n.ipynb", index, script, user, form="bubblewrap") as (
        analysis,
        _,
    ):
        finished = await analysis.ask("What is it?")
    assert (finished.status, finished.reason) == ("answered", "")
    assert [one.outcome for one in finished.iterations] == ["ok", "ok"]
    assert "47" in outputs_of(cells(notebook_at(tmp_path / "n.ipynb"), "iteration")[-1])
