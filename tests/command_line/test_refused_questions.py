"""A question that is refused leaves nothing: no notebook, and no grant of the data named with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyst_kernel.grants import GrantStore
from tests.support.command import analyst

pytestmark = pytest.mark.real  # kernels are started

QUESTION = "What is the mean of amount?"
REFUSALS = {
    "no such level here": (("--sandbox", "isolated"), {"ANALYST_BUBBLEWRAP": ""}, 4),
    "no such model": (("--model", "nonsense:x"), {}, 2),
    "no such limit": (("--max-iterations", "0"), {}, 2),
    "no data": (("--data", "gone.csv"), {}, 2),
    "no such notebook folder": (("--notebook", "gone/n.ipynb"), {}, 2),
}


def every_grant(store: GrantStore, folder: Path) -> list[str]:
    """Every grant of the store, whoever has it."""
    with store._open() as connection:
        rows = connection.execute("SELECT path FROM grants ORDER BY path").fetchall()
    return [str(Path(path).relative_to(folder)) for (path,) in rows]


@pytest.mark.parametrize("continued", [False, True])
@pytest.mark.parametrize("why", REFUSALS)
def test_a_refused_question_grants_nothing(tmp_path: Path, why: str, continued: bool) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    for name in ("sales.csv", "more.csv"):
        (folder / name).write_text("amount,city\n1,Rome\n3,Oslo\n")
    environment = {"JUPYTER_DATA_DIR": str(tmp_path / "data")}
    usual = ("--model", "offline:rules", "--notebook", "n.ipynb")
    kept = []
    if continued:
        first = analyst("ask", QUESTION, "--data", "sales.csv", *usual, cwd=folder, env=environment)
        assert first.code == 0, first.err
        kept = ["sales.csv"]
    options, more, code = REFUSALS[why]
    ended = analyst(
        "ask", QUESTION, "--data", "more.csv", *usual, *options,
        cwd=folder, env=environment | more,
    )  # fmt: skip
    assert ended.code == code, ended.err
    store = GrantStore(tmp_path / "data" / "analyst-kernel" / "grants.sqlite3")
    assert every_grant(store, folder) == kept
    assert (folder / "n.ipynb").exists() is continued
