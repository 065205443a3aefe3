"""A file of questions is read strictly, and each error names its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from analyst_kernel.evaluation.cases import read_cases
from analyst_kernel.evaluation.checks import ChoiceCheck, NamedCheck, NumberCheck, TextCheck
from analyst_kernel.protocol.errors import InputError

GOOD: dict[str, Any] = {"id": "a", "question": "How many?", "data": ["t.csv"], "answer": 3}


def written(folder: Path, *lines: object) -> Path:
    path = folder / "q.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts), encoding="utf-8")
    return path


FAULTY = {
    "no JSON": ('{"id": ', "is not JSON"),
    "a list": ("[1]", "is not a JSON object"),
    "not finite": ('{"id": "a", "question": "q", "answer": NaN}', "NaN is not JSON"),
    "unknown field": (GOOD | {"anwser": 3}, "`anwser`"),
    "no id": ({"question": "q", "answer": 1}, "`id`"),
    "no question": ({"id": "a", "answer": 1}, "`question`"),
    "blank question": (GOOD | {"question": "  "}, "`question`"),
    "nothing to score": ({"id": "a", "question": "q"}, "neither `answer` nor `checks`"),
    "both keys": (GOOD | {"checks": [{"kind": "refuse"}]}, "both `answer` and `checks`"),
    "unknown kind": (
        {"id": "a", "question": "q", "checks": [{"kind": "vibes"}]},
        "`checks.0`",
    ),
    "empty text check": (
        {"id": "a", "question": "q", "checks": [{"kind": "text"}]},
        "needs words",
    ),
    "value outside the options": (
        {"id": "a", "question": "q", "checks": [{"kind": "choice", "value": "x", "among": ["y"]}]},
        "`value` must be one of `among`",
    ),
    "negative tolerance": (
        {
            "id": "a",
            "question": "q",
            "checks": [{"kind": "number", "value": 1, "tolerance": -1}],
        },
        "tolerance",
    ),
    "tolerance of nothing": (GOOD | {"answer": True, "tolerance": 1}, "`tolerance`"),
    "no rows": (
        {"id": "a", "question": "q", "checks": [{"kind": "table", "rows": []}]},
        "rows",
    ),
    "empty turns": ({"id": "a", "turns": []}, "`turns`"),
    "data elsewhere": (GOOD | {"data": ["../../etc/passwd"]}, "outside the folder"),
    "data with a null": (GOOD | {"data": ["a\0b"]}, "the data path"),
    "deep": ("[" * 100_000, "nested too deeply"),
}


@pytest.mark.parametrize("fault", FAULTY)
def test_an_error_names_its_line(tmp_path: Path, fault: str):
    line, said = FAULTY[fault]
    with pytest.raises(InputError) as error:
        read_cases(written(tmp_path, GOOD | {"id": "first"}, "", line))
    assert "line 3: " in str(error.value)
    assert "line 1" not in str(error.value)
    assert said in str(error.value)
    assert "Nothing was asked" in str(error.value)


def test_every_faulty_line_is_named_up_to_a_few(tmp_path: Path):
    with pytest.raises(InputError, match=r"line 1: .*; line 2: .*and 2 more"):
        read_cases(written(tmp_path, *["{"] * 7))


def test_an_id_stands_once(tmp_path: Path):
    with pytest.raises(InputError, match=r"line 2: the id 'a' stands in line 1 too"):
        read_cases(written(tmp_path, GOOD, GOOD))


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_a_file_without_questions_is_refused(tmp_path: Path, content: str):
    with pytest.raises(InputError, match="holds no questions"):
        read_cases(written(tmp_path, content))


def test_what_cannot_be_read_is_refused(tmp_path: Path):
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\x00")
    for name in ("missing.jsonl", ".", "binary.jsonl"):
        with pytest.raises(InputError, match="cannot be read"):
            read_cases(tmp_path / name)


def test_data_is_relative_to_the_file_and_a_link_leads_nowhere_else(tmp_path: Path):
    folder, other = tmp_path / "questions", tmp_path / "other"
    folder.mkdir()
    other.mkdir()
    (other / "t.csv").write_text("a\n1\n")
    (folder / "link.csv").symlink_to(other / "t.csv")
    (case,) = read_cases(written(folder, GOOD))
    assert case.data == (str(folder / "t.csv"),)
    for data in ("link.csv", "../other/t.csv", str(other / "t.csv")):
        path = written(folder, GOOD | {"data": data})
        with pytest.raises(InputError, match="outside the folder"):
            read_cases(path)
        (case,) = read_cases(path, allowed=[str(other)])
        assert case.data[0].endswith("t.csv") or case.data[0].endswith("link.csv")
    with pytest.raises(InputError, match="outside the folder"):
        read_cases(path, allowed=[str(other)[:-1]])


@pytest.mark.parametrize(
    ("answer", "check"),
    [
        (3, NumberCheck(kind="number", value=3)),
        (2.5, NumberCheck(kind="number", value=2.5)),
        ("Gentoo", TextCheck(kind="text", any=("Gentoo",))),
        (False, ChoiceCheck(kind="choice", value="no", among=("yes", "no"), where="lead")),
        ("@mean[34.65]", NamedCheck(kind="named", name="mean", value=34.65)),
        ("@n[1,2,3]", NamedCheck(kind="named", name="n", value=(1, 2, 3))),
        ("@best[Ford Focus]", NamedCheck(kind="named", name="best", value="Ford Focus")),
    ],
)
def test_a_short_answer_becomes_its_check(tmp_path: Path, answer: object, check: object):
    (case,) = read_cases(written(tmp_path, GOOD | {"answer": answer}))
    assert case.turns[0].wanted == (check,)


def test_the_form_is_put_behind_the_question(tmp_path: Path):
    plain, formed = read_cases(
        written(tmp_path, GOOD | {"id": 1}, GOOD | {"id": 2, "format": "@n[whole number]"})
    )
    assert plain.id == "1"
    assert plain.turns[0].text == "How many?"
    assert formed.turns[0].text == "How many?\n\nAnswer in this form: @n[whole number]"
    assert plain.asked != formed.asked


def test_a_byte_order_mark_and_windows_line_ends_are_no_fault(tmp_path: Path):
    path = tmp_path / "q.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\r\n\r\n")
    assert [case.id for case in read_cases(path)] == ["a"]
