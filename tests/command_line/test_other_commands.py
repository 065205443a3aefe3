"""``analyst files``, ``profile``, ``models``, ``doctor`` and help."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.fakes.fixtures import FAKE_KEY
from tests.support.cli import VEHICLES
from tests.support.command import analyst

COMMANDS = (
    "ask", "verify", "refresh", "export", "branch", "undo", "ledger", "log", "eval", "files",
    "profile", "models", "keys", "connections", "doctor", "lab",
)  # fmt: skip


@pytest.fixture
def place(folder: Path) -> Path:
    shutil.copyfile(VEHICLES.with_name("nyc_airlines.csv"), folder / "nyc_airlines.csv")
    with sqlite3.connect(folder / "shop.db") as shop:
        shop.execute("CREATE TABLE sales (day TEXT, price REAL)")
        shop.execute("INSERT INTO sales VALUES ('2024-01-01', 3.5)")
    shop.close()
    (folder / "notes.md").write_text("nothing to see\n")
    return folder


def test_files(place: Path):
    listed = analyst("files", cwd=place)
    assert listed.code == 0, listed.err
    line = next(line for line in listed.out.splitlines() if "vehicles.csv" in line)
    assert line.split() == ["vehicles.csv", "csv", "3.5", "MB", "33,442", "12"]
    assert "notes.md" not in listed.out
    rows = json.loads(analyst("files", str(place), "--json", cwd=place).out)
    found = {Path(row["path"]).name: row for row in rows}
    assert set(found) == {"vehicles.csv", "nyc_airlines.csv", "shop.db"}
    assert found["nyc_airlines.csv"]["rows"] == 16
    assert found["vehicles.csv"]["bytes"] == VEHICLES.stat().st_size
    assert "cty" in json.dumps(found["vehicles.csv"]["columns"])


def test_files_where_there_are_none(tmp_path: Path):
    ended = analyst("files", cwd=tmp_path)
    assert ended.code == 2
    assert "no data files" in ended.error
    assert json.loads(analyst("files", "--json", cwd=tmp_path).out) == []


def test_profile(place: Path):
    shown = analyst("profile", "vehicles.csv", cwd=place)
    assert shown.code == 0, shown.err
    assert "33,442 rows x 12 columns" in shown.out
    assert "'cty' BIGINT" in shown.out
    described = [
        json.loads(line)
        for line in analyst("profile", "nyc_airlines.csv", "shop.db", "--json", cwd=place)
        .out.splitlines()
    ]  # fmt: skip
    assert [one["dataset"]["rows"] for one in described] == [16, 1]
    assert sorted(path.name for path in place.iterdir()) == [
        "notes.md", "nyc_airlines.csv", "shop.db", "vehicles.csv",
    ]  # fmt: skip
    assert analyst("profile", "missing.csv", cwd=place).code == 2


def test_models(tmp_path: Path):
    plain = analyst("models", cwd=tmp_path)
    assert plain.code == 0
    assert "Default: offline:rules" in plain.out
    with_key = analyst("models", "--json", cwd=tmp_path, env={"ANTHROPIC_API_KEY": FAKE_KEY})
    assert FAKE_KEY not in with_key.out + with_key.err
    listed = json.loads(with_key.out)
    assert listed["default"].startswith("anthropic:")
    providers = {row["name"]: row for row in listed["providers"]}
    assert providers["anthropic"]["credential_source"] == "ANTHROPIC_API_KEY"
    assert not providers["openrouter"]["has_credentials"]


def test_doctor(tmp_path: Path):
    ended = analyst("doctor", "--json", cwd=tmp_path, env={"ANTHROPIC_API_KEY": FAKE_KEY})
    assert ended.code == 0, ended.err
    assert FAKE_KEY not in ended.out
    report = json.loads(ended.out)
    assert report["sandbox"]["level"] in ("isolated", "restricted", "limits")
    assert {"tcp", "write-outside"} <= {probe["name"] for probe in report["sandbox"]["probes"]}
    assert report["credentials"] == {"anthropic": "ANTHROPIC_API_KEY"}
    assert report["versions"]["analyst-kernel"]
    assert report["kernel_versions"]["pandas"]
    assert list(tmp_path.iterdir()) == []
    assert report["reader"]["level"] == report["sandbox"]["level"]
    for_people = analyst("doctor", cwd=tmp_path)
    assert f"Sandbox: {report['sandbox']['level']}" in for_people.out
    assert "Credentials found: none" in for_people.out


def test_help_names_every_command(tmp_path: Path):
    main = analyst("--help", cwd=tmp_path)
    assert main.code == 0
    listed = [line.split()[0] for line in main.out.split("Commands:")[1].splitlines() if line]
    assert sorted(listed) == sorted(COMMANDS)
    assert "..." not in main.out.split("Commands:")[1], "each fits its line"
    for command in COMMANDS:
        if command != "lab":  # its help is JupyterLab's own
            assert analyst(command, "--help", cwd=tmp_path).code == 0
    ask = analyst("ask", "--help", cwd=tmp_path).out
    for option in (
        "--data", "--notebook", "--model", "--max-iterations", "--cell-timeout", "--max-cost",
        "--approve", "--sandbox", "--json", "--quiet",
    ):  # fmt: skip
        assert option in ask
    assert analyst("--version", cwd=tmp_path).out.startswith("analyst, version ")


def test_an_unknown_command(tmp_path: Path):
    ended = analyst("answer", "me", cwd=tmp_path)
    assert ended.code == 2
    assert "answer" in ended.err


@pytest.mark.parametrize("command", [["verify"], ["export", "--to", "py", "-o", "x.py"]])
@pytest.mark.parametrize(("name", "said"), [("none.ipynb", "no notebook"), ("bad.ipynb", "JSON")])
def test_notebooks_that_cannot_be_read(tmp_path: Path, command: list[str], name: str, said: str):
    (tmp_path / "bad.ipynb").write_text("{")
    ended = analyst(command[0], name, *command[1:], cwd=tmp_path)
    assert ended.code == 2
    assert said in ended.error
    assert [path.name for path in tmp_path.iterdir()] == ["bad.ipynb"]


def test_a_command_that_reads_a_notebook_waits_for_no_import_that_it_does_not_need(
    tmp_path: Path,
):
    notebook = tmp_path / "plain.ipynb"
    nbformat.write(nbformat.v4.new_notebook(), notebook)
    code = (
        "import sys\nfrom analyst_kernel.cli import main\n"
        f"try: main(['undo', {str(notebook)!r}])\n"
        "except SystemExit as end: print(end.code)\n"
        "print('jsonschema' in sys.modules, 'lark' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split() == ["2", "True", "False"], done.stderr


def test_definitions_are_listed_and_changed(folder: Path) -> None:
    ask = ("ask", "--data", "vehicles.csv", "--notebook", "n.ipynb", "--model", "offline:rules")
    empty = analyst("ledger", "n.ipynb", cwd=folder)
    assert empty.code == 2
    asked = analyst(*ask, "A guzzler means below 15 mpg. How many rows are there?", cwd=folder)
    assert "The built-in rules do not apply definitions (d1)" in asked.err
    listed = analyst("ledger", "n.ipynb", cwd=folder)
    assert listed.out == "d1  A guzzler means below 15 mpg  (question 1)\n"
    assert analyst("ledger", "n.ipynb", "--remove", "d7", cwd=folder).error == (
        "Error: There is no definition 'd7' in this analysis. Nothing was changed. It has d1."
    )
    changes = ("--add", "Skip trucks.", "--edit", "d1", "A guzzler means below 16.", "--off", "d1")
    assert analyst("ledger", "n.ipynb", *changes, cwd=folder).out.splitlines() == [
        "d1  A guzzler means below 16.  (question 1, off)",
        "d2  Skip trucks.  (written by hand)",
    ]
    analyst("ledger", "n.ipynb", "--on", "d1", "--remove", "d2", cwd=folder)
    record = json.loads(analyst("ledger", "n.ipynb", "--json", cwd=folder).out)
    assert [(d["id"], d["active"], d["claimed"]) for d in record["definitions"]] == [
        ("d1", True, False)
    ]
    assert record["states"] == []
    assert analyst("undo", "n.ipynb", cwd=folder).code == 0
    assert analyst("ledger", "n.ipynb", cwd=folder).code == 2
