"""What is kept of a privacy mode: its choice, its tokens, the log of what was sent."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from analyst_kernel.analysis import privacy
from analyst_kernel.analysis.privacy import PrivacyStore, chosen_mode
from analyst_kernel.protocol.errors import InputError, ModelError
from analyst_kernel.protocol.ids import AnalysisId
from analyst_kernel.protocol.records import PrivacyMode

ADDRESS = "https://api.example.com/v1/messages"

CHOICES: dict[str, tuple[PrivacyMode | None, PrivacyMode | None, str, PrivacyMode]] = {
    "nothing said": (None, None, "", "full"),
    "as asked": ("no-values", None, "", "no-values"),
    "as kept": (None, "schema-only", "", "schema-only"),
    "asked over kept": ("full", "no-values", "", "full"),
    "the administrator's": (None, None, "no-values", "no-values"),
    "stricter than the administrator's": ("schema-only", None, "no-values", "schema-only"),
    "kept less strict than the administrator's": (None, "full", "no-values", "no-values"),
}


@pytest.mark.parametrize(("wanted", "kept", "least", "mode"), CHOICES.values(), ids=CHOICES)
def test_the_mode_that_holds(
    wanted: PrivacyMode | None, kept: PrivacyMode | None, least: str, mode: PrivacyMode
):
    assert chosen_mode(wanted, kept, least) == mode


@pytest.mark.parametrize(
    ("wanted", "least"), [("full", "no-values"), ("no-values", "schema-only"), (None, "off")]
)
def test_a_mode_that_is_not_allowed_is_refused(wanted: PrivacyMode | None, least: str):
    with pytest.raises(InputError):
        chosen_mode(wanted, None, least)


def store(folder: Path, name: str = "a1") -> PrivacyStore:
    return PrivacyStore(folder, AnalysisId(name))


def test_a_restart_goes_on_with_the_same_tokens(tmp_path: Path):
    first = store(tmp_path).wall("no-values")
    tokens = [first.table.token(value) for value in ("Anna\nMoe", "12", "⟦v1⟧")]
    assert store(tmp_path).mode() == "no-values"
    again = store(tmp_path).wall("schema-only")
    assert [again.table.token(value) for value in ("Anna\nMoe", "12", "⟦v1⟧")] == tokens
    assert store(tmp_path).mode() == "schema-only"


def test_a_line_that_was_cut_by_a_crash_costs_only_itself(tmp_path: Path):
    store(tmp_path).wall("no-values").table.token("Anna")
    path = tmp_path / "privacy" / "a1.jsonl"
    path.write_text(path.read_text() + '["value", "Be')
    table = store(tmp_path).wall("no-values").table
    table.token("Bern")
    assert store(tmp_path).wall("no-values").table.restore(table.token("Bern")) == "Bern"


def test_a_branch_has_mode_and_tokens_of_its_parent(tmp_path: Path):
    token = store(tmp_path).wall("no-values").table.token("Anna")
    store(tmp_path, "b2").follow(store(tmp_path))
    assert store(tmp_path, "b2").mode() == "no-values"
    assert store(tmp_path, "b2").wall("no-values").table.restore(token) == "Anna"


def test_full_leaves_nothing_behind(tmp_path: Path):
    store(tmp_path).wall("full")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../../escape", "a/b", "", "x" * 300, "ä"])
def test_an_id_from_a_notebook_leads_nowhere_else(tmp_path: Path, name: str):
    kept = store(tmp_path / "data", name)
    kept.wall("no-values").table.token("Anna")
    kept.log(ADDRESS, b"{}")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.parent.parent for path in files} == {tmp_path / "data"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_the_log_gives_back_each_body(tmp_path: Path):
    bodies = [
        b"{}",
        b"",
        '{"a": "漢\\n"}'.encode(),
        b"\x00\xff\n\n{",
        json.dumps({"b": 1}).encode(),
    ]
    for body in bodies:
        store(tmp_path).log(ADDRESS, body)
    kept = list(store(tmp_path).requests())
    assert [request.body for request in kept] == bodies
    assert {request.address for request in kept} == {ADDRESS}


def test_the_log_stays_within_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(privacy, "LOG_BYTES", 10_000)
    for number in range(100):
        store(tmp_path).log(ADDRESS, f"{number:04d}".encode() * 200)
    assert sum(path.stat().st_size for path in (tmp_path / "sent").iterdir()) < 11_000
    assert [request.body[:4] for request in store(tmp_path).requests()][-1] == b"0099"


def test_without_a_place_for_tokens_nothing_is_sent(tmp_path: Path):
    (tmp_path / "privacy").write_text("a file where the folder should be")
    with pytest.raises(ModelError):
        store(tmp_path).wall("no-values").table.token("Anna")
