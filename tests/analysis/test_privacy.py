"""What is kept of a privacy mode: its choice, its tokens, the log of what was sent."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from pathlib import Path

import pytest

from analyst_kernel.agent.privacy.wall import MODES, Wall
from analyst_kernel.analysis import privacy
from analyst_kernel.analysis.privacy import (
    PrivacyStore,
    PrivacySwitch,
    chosen_mode,
    least_mode,
)
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


def switch(folder: Path, least: str = "") -> tuple[PrivacySwitch, Wall]:
    kept = store(folder)
    wall = kept.wall(chosen_mode(None, kept.mode(), least))
    return PrivacySwitch(kept, least, wall), wall


def test_a_stricter_mode_holds_at_once_and_a_less_strict_one_from_the_next_question(tmp_path: Path):
    chosen, wall = switch(tmp_path)
    assert "no value of the data is sent" in chosen.choose("no-values", confirmed=False)
    assert (chosen.mode, wall.mode) == ("no-values", "no-values")
    assert chosen.choose("no-values", confirmed=False) == ""
    with pytest.raises(InputError, match="Nothing was changed"):
        chosen.choose("full", confirmed=False)
    assert "From the next question on" in chosen.choose("full", confirmed=True)
    assert (chosen.mode, wall.mode) == ("full", "no-values"), "a run at work keeps it"
    # Stricter than what is chosen, and no less strict than what holds.
    chosen.choose("no-values", confirmed=False)
    assert wall.mode == "no-values"
    chosen.choose("full", confirmed=True)
    chosen.catch_up()
    assert wall.mode == "full"
    assert switch(tmp_path)[0].mode == "full"


def test_another_process_may_choose(tmp_path: Path):
    chosen, wall = switch(tmp_path)
    store(tmp_path).choose("schema-only")
    chosen.catch_up()
    assert wall.mode == "schema-only"


@pytest.mark.parametrize("mode", ["full", "no-values"])
def test_the_switch_does_not_get_below_the_administrators(tmp_path: Path, mode: PrivacyMode):
    chosen, wall = switch(tmp_path, "schema-only")
    with pytest.raises(InputError, match="not allowed here"):
        chosen.choose(mode, confirmed=True)
    store(tmp_path).choose(mode)
    chosen.catch_up()
    assert (chosen.mode, wall.mode) == ("schema-only", "schema-only")


@pytest.mark.parametrize(
    ("said", "least"),
    [
        (("", ""), ""),
        (("full", "no-values"), "no-values"),
        (("schema-only", "full"), "schema-only"),
        (("", "no-values"), "no-values"),
        (("no-values", "off"), "off"),
    ],
)
def test_the_strictest_word_of_the_administrator_holds(said: tuple[str, str], least: str):
    assert least_mode(*said) == least


def test_how_much_was_sent_in_a_less_strict_mode_is_said(tmp_path: Path):
    chosen, _ = switch(tmp_path)
    for mode in MODES:
        store(tmp_path).log(ADDRESS, b"{}", mode)
    assert "2 requests of this analysis" in chosen.choose("schema-only", confirmed=False)
    assert store(tmp_path).sent_in() == set(MODES)


def test_what_was_sent_is_found_in_either_form_of_json_and_removed(tmp_path: Path):
    bodies = [json.dumps({"a": 'Bräm "x"'}, ensure_ascii=plain).encode() for plain in (True, False)]
    for body in [*bodies, b"{}"]:
        store(tmp_path).log(ADDRESS, body, "no-values")
    found = [number for number, _ in store(tmp_path).search('Bräm "x"')]
    assert found == [1, 2]
    assert len(list(store(tmp_path).search(""))) == 3
    with zipfile.ZipFile(io.BytesIO(store(tmp_path).archive())) as file:
        assert [file.read(f"{number:04d}.json") for number in (1, 2)] == bodies
        first = json.loads(file.read("requests.jsonl").splitlines()[0])
    assert (first["address"], first["privacy"]) == (ADDRESS, "no-values")
    store(tmp_path).remove()
    assert list(store(tmp_path).requests()) == []
