"""Texts of users, models and strangers: shown, written as code, read for numbers and questions."""

from __future__ import annotations

import ast
import asyncio
import io
import json
import re
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from functools import cache
from typing import Any

from analyst_kernel import _text
from analyst_kernel._code import (
    Block,
    Comment,
    Name,
    block_literal,
    source,
    statements,
    text_literal,
)
from analyst_kernel._markdown import harmless_markdown
from analyst_kernel.agent.evidence.forms import closed_forms, forms_first
from analyst_kernel.agent.evidence.marks import UNVERIFIED, marked, with_marks
from analyst_kernel.agent.evidence.numbers import find_numbers
from analyst_kernel.agent.evidence.proof import prove
from analyst_kernel.agent.evidence.shown import cell_numbers, shown_dates, shown_numbers
from analyst_kernel.agent.observation import cell as observed
from analyst_kernel.agent.observation import repair
from analyst_kernel.agent.observation.text import html_text, output_text
from analyst_kernel.agent.preflight import check_code
from analyst_kernel.agent.tools.handlers import sql_cell
from analyst_kernel.agent.tools.inputs import ToolInput
from analyst_kernel.agent.tools.registry import Registry, Reply, Tool
from analyst_kernel.agent.transcript import parsed_input
from analyst_kernel.command_line import writer
from analyst_kernel.notebook.document import markdown
from analyst_kernel.notebook.verify.compare import difference, normalised
from analyst_kernel.offline.model import RECIPES, _lookup_cell
from analyst_kernel.offline.reader import interpret
from analyst_kernel.offline.task import LookUp, Ready
from analyst_kernel.offline.transcript import parse_shown
from analyst_kernel.protocol.ids import CellId
from analyst_kernel.protocol.outputs import (
    CellError,
    DisplayOutput,
    ErrorOutput,
    Frame,
    FrameColumn,
    StreamOutput,
)
from tests.fuzz.target import Seed, Target, hold
from tests.support.harmless import active_html, active_markdown, raw_html

_CONTROLS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_FRAMES = (
    Frame(name="df", type="DataFrame", shape=(3, 2), columns=(FrameColumn(name="a b", dtype="int64"),), summary="x"),
)  # fmt: skip


def _printable(text: str) -> None:
    shown = _text.printable(text)
    hold(not _CONTROLS.search(shown), "no control sequence is left")
    hold(_text.printable(shown) == shown, "a second pass changes nothing")
    coloured = _text.printable(text, colours=True)
    plain = re.sub(r"\x1b\[[0-9;]{0,40}m", "", coloured)
    hold(not _CONTROLS.search(plain), "no control sequence but colours is left")
    hold(_text.printable(coloured, colours=True) == coloured, "a second pass changes no colour")
    body = json.dumps({"x": text})
    visible = _text.with_visible_controls(body)
    hold(json.loads(visible) == json.loads(body), "JSON stays the same")
    hold(
        not _CONTROLS.search(_text.with_visible_controls(text).translate(_SURROGATES)),
        "all are seen",
    )


_SURROGATES = dict.fromkeys(range(0xD800, 0xE000))


def _writer(text: str) -> None:
    with redirect_stdout(io.StringIO()) as file:
        writer.out(text)
        writer.out_json(json.dumps(text))
    hold(not _CONTROLS.search(file.getvalue()), "no control sequence reaches a terminal")
    errors, sys.stderr = sys.stderr, io.StringIO()
    try:
        writer.note(text)
        hold(not _CONTROLS.search(sys.stderr.getvalue()), "nor its other stream")
    finally:
        sys.stderr = errors


def _words(text: str) -> None:
    words = text.split(",")
    found = _text.nearest(words[0], words[1:])
    hold(set(found) <= set(words[1:]) and words[0] not in found, "near names are names")
    hold(len(_text.shorten(text, 10)) <= 10, "short texts are short")
    hold("\n" not in _text.title_from_question(text), "a title is one line")
    _text.fault_of_path(text)
    if "\0" not in text and text:
        short = _text.relative_path(text, "/folder")
        hold(not short.startswith("~"), "a path stays the name of a file")


def _markdown(text: str) -> None:
    shown = harmless_markdown(text)
    hold(not active_markdown(shown), f"nothing loads or runs: {active_markdown(shown)[:3]}")
    hold(harmless_markdown(shown) == shown, "a second pass changes nothing")


def _markdown_time(text: str) -> None:
    harmless_markdown(text)


def _cell_markdown(text: str) -> None:
    line = markdown.one_line(text)
    hold(markdown.unescaped(markdown.literal(line)) == line, "an escaped line reads back")
    zones, _ = markdown.zones(text)
    hold("".join(text[z.start : z.end] for z in zones) == text, "zones leave no gap")
    for made in (markdown.inline(text), markdown.literal(line)):
        for tag in raw_html(made):
            hold(not active_html(tag), f"no raw HTML: {tag[:60]}")
    # As every cell is made. The safe text alone may hold a tag in what one parser takes for code
    # and another one does not; the second pass asks both.
    shown = harmless_markdown(markdown.safe_markdown(text))
    hold(not active_markdown(shown), f"nothing loads or runs: {active_markdown(shown)[:3]}")
    markdown.table_cell(text)


def _code(given: Any) -> None:
    if _is_deep(given, 50):
        return  # deeper than Python parses
    value = _without_floats(given)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    hold(ast.literal_eval(text_literal(text)) == text, "a text evaluates to itself")
    block = block_literal(text)
    if block is not None:
        hold(ast.literal_eval(block) == f"\n{text}\n", "so does a block")
    parts = statements(
        "x = VALUE\ny = f(VALUE, TEXT, BLOCK)", VALUE=value, TEXT=text, BLOCK=Block(text)
    )
    made = source([*parts, None, Comment(text)])
    tree = ast.parse(made)
    hold(len(tree.body) == 2, "two statements stay two")
    assign = tree.body[0]
    assert isinstance(assign, ast.Assign)
    hold(ast.literal_eval(assign.value) == value, "a value evaluates to itself")
    try:
        Name(text)
    except ValueError:
        return
    hold(text.isidentifier(), "a name is a name")


def _without_floats(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_floats(one) for one in value]
    if isinstance(value, dict):
        return {key: _without_floats(one) for key, one in value.items()}
    return repr(value) if isinstance(value, float) or _is_huge(value) else value


def _is_deep(value: Any, most: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return most == 0 or any(_is_deep(one, most - 1) for one in inner)


def _is_huge(value: Any) -> bool:
    return isinstance(value, int) and abs(value) > 10**300  # Python itself refuses to read it back


def _numbers(text: str) -> None:
    found = find_numbers(text, names=text.split(",")[:5])
    for number in found:
        hold(text[number.start : number.end] == number.text, "a number stands where it is said to")
        hold(
            number.date or all(abs(r.value) != float("inf") for r in number.readings),
            "it is finite",
        )
    hold(list(found) == sorted(found, key=lambda one: one.start), "in order")
    for value in shown_numbers(text):
        hold(value == value, "shown numbers are numbers")
    for date in shown_dates(text):
        hold(date in text, "shown dates are shown")
    shown = cell_numbers(CellId("c"), (StreamOutput(name="stdout", text=text),))
    proofs = prove(text, (shown,), question=text[:20])
    for proof in proofs:
        hold(text[proof.start : proof.end] == proof.text, "a proof stands at its number")
    signed = with_marks(text, proofs)
    hold(signed.replace(UNVERIFIED, "") == text.replace(UNVERIFIED, ""), "signs change no word")
    marked(text, proofs)
    closed_forms(text)
    forms_first(text, text[:20])
    written, _ = markdown.proven(text, proofs)
    written.encode("utf-8", "surrogatepass")


def _numbers_time(text: str) -> None:
    find_numbers(text)
    list(shown_numbers(text))
    list(shown_dates(text))


def _observed(text: str) -> None:
    parts = text.split("\n\n")
    outputs = (
        StreamOutput(name="stdout", text=text),
        DisplayOutput(data={"text/html": text, "text/plain": ""}, metadata={}),
        ErrorOutput(ename=parts[0], evalue=text, traceback=tuple(parts)),
    )
    for output in outputs:
        output_text(output)
    observed.outputs_text(outputs)
    observed.picture(outputs)
    html_text(text)
    inside = observed.envelope(text, "nonce")
    hold(inside.count("nonce") >= 2, "the envelope is closed")
    error = CellError(name=parts[0], message=text)
    repair.hint(error, text, _FRAMES)
    repair.error_text(error, text, outputs, _FRAMES)
    normalised(text)
    hold(difference(outputs[:1], outputs[:1]) == "", "an output is equal to itself")
    difference(outputs[:1], (StreamOutput(name="stdout", text=text[::-1]),))


def _cell_code(text: str) -> None:
    check_code(text, installed=frozenset({"pandas"}), datasets=frozenset({"df"}))
    repair.fingerprint(text)
    repair.frames_named(text, _FRAMES)
    made = sql_cell(text, "result", import_duckdb=True)
    hold(len(ast.parse(made).body) >= 1, "a query is a text of the cell that runs it")


async def _nothing(run: Any, inputs: Any) -> Reply:
    return Reply.say("done")


@cache
def _inputs() -> dict[str, type[ToolInput]]:
    return {kind.__name__: kind for kind in ToolInput.__subclasses__()}


@cache
def _registry() -> Registry:
    return Registry(Tool(name, kind, _nothing) for name, kind in _inputs().items())


def _tool_input(text: str) -> None:
    parsed = parsed_input(text)
    if parsed is None:
        return
    json.dumps(parsed, allow_nan=False)
    for name in (*_inputs(), "none"):
        run: Any = None
        reply = _loop().run(_registry().call(name, parsed, run))
        hold(reply.content, "there is a reply")


@cache
def _loop() -> asyncio.Runner:
    return asyncio.Runner()


@cache
def _profiles() -> Any:
    import pandas as pd

    from tests.offline.profiles import profile_frame

    sales = pd.DataFrame({
        "region": ["North", "South", "it's"] * 4, "product name": ["a'b", 'c"d', "e"] * 4,
        "revenue_eur": [1.5, 2, 3] * 4, "units": [1, 2, 3] * 4, "order_date": ["2024-01-01", "2024-02-01", "2023-01-01"] * 4,
        "returned": [True, False, True] * 4, "price (USD)": ["$5", "$7", "$1"] * 4, "year": [2020, 2021, 2022] * 4,
    })  # fmt: skip
    other = pd.DataFrame({"region": ["North", "South"], "population": [10, 20]})
    return profile_frame("sales", sales), profile_frame("regions", other)


def _shown_results(text: str) -> None:
    """Read what a cell printed, as the rules do."""
    found = parse_shown(text)
    hold(found is None or isinstance(found, dict), "results are a dictionary")
    repr(found)


def _question(text: str) -> None:
    questions = text.split("\n")
    reading = interpret(questions[-1], _profiles(), earlier=tuple(questions[:-1][-5:]))
    match reading:
        case Ready(task=task):
            recipe = RECIPES[task.intent](task)
            for cell in recipe.cells:
                if not callable(cell) and cell.sql_name is None:
                    ast.parse(cell.code)
        case LookUp():
            ast.parse(_lookup_cell(reading).code)
    repr(reading).encode("utf-8", "surrogatepass")


# --- seeds -------------------------------------------------------------------------------------


def _shown_seeds() -> Iterator[Seed]:
    yield "a\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b]52;c;AAAA\x1b\\ \x9b2J \u202eabc\u202c\r\nx\ty"
    yield "\x1bP+q\x1b\\\x90x\x9c \x1b(B \x1bc \u2066x\u2069 caf\u00e9 \U0001f600 \u200b"


def _markdown_seeds() -> Iterator[Seed]:
    from tests.test_markdown import HOSTILE_EXAMPLES

    for start in range(0, len(HOSTILE_EXAMPLES), 12):
        yield "\n\n".join(HOSTILE_EXAMPLES[start : start + 12])
    yield "# Title\n\n- 1. **b** _i_ `c` [x](https://e.example) | a |\n|-|\n\n```python\nx = '<b>'\n```\n"
    yield "$\\href{javascript:1}{x}$ \\\\(a\\\\) $$\\url{x}$$"


def _cell_markdown_seeds() -> Iterator[Seed]:
    yield "The mean is 3.5 [cell 2] *and* `x` &lt; <b>y</b> ![p](http://e.example) | 1. a\n\n> 2) b\n\n~~~\ncode"
    yield "[ref]: http://e.example\n\n[a][ref] https://e.example/1 www.e.example $x$ a@b.c"


def _code_seeds() -> Iterator[Seed]:
    yield ["a\nb", {"k": [1, None, True, -5], 'it\'s "q"': "\\"}, "'''\"\"\""]
    yield ["x\r\n\u2028\U0001f600\\"]
    yield {"sep": "\t", "names": ["a", "b'c", "{x}", "%s"]}


def _number_seeds() -> Iterator[Seed]:
    yield "Sales rose 3.5 % to $1,234.5 M (about 1.200 units) in 2024-05, -0.3 pp; p < 0.001; 1.234,56 and 1e5. [cell 3]"
    yield "1. first 33'000 `5` https://x.example/7 v1.2.3 4th cells 1, 2 and 3 2019_total 3d4 95 % confidence −7 k"


def _observed_seeds() -> Iterator[Seed]:
    yield "<table><tr><th>a</th><td>1</td></tr></table><script>x</script><!-- c -->\n\n   a  b\n0  1  2\n[3 rows x 2 columns]"
    yield "KeyError\n\nKeyError: 'a c'\n\nFile <cell>, line 3\n\x1b[31mx\x1b[0m 45%|####  | 9/20 [00:01<00:01]\n"
    yield "AttributeError\n\n'DataFrame' object has no attribute 'append'\n\n0x7f00aa11bb22 2024-01-01 10:00:00 took 3.4 s /tmp/x"


def _cell_code_seeds() -> Iterator[Seed]:
    yield "import requests, os.path\nfrom socket import x\n%matplotlib inline\n!pip install x\ndf = open('/x', 'w')\n"
    yield "df['a'] = eval('1')\ndf.to_csv('../x.csv')\nsubprocess.run(['ls'])\nx = f'{df!r:>{w}}'\n"
    yield "SELECT \"a\", 'b''c' FROM df WHERE x = '''\"\"\"\\n'"


def _tool_seeds() -> Iterator[Seed]:
    yield {"code": "x = 1", "purpose": "try", "step": 1}
    yield {
        "answer": "5 [cell 1]",
        "key_values": [{"label": "a", "value": 5, "unit": "x"}],
        "caveats": "none",
        "answered": True,
    }
    yield {
        "question": "Which?",
        "options": ["a", "b"],
        "default": "a",
        "steps": ["x", {"goal": "y"}],
        "name": "df",
    }


def _result_seeds() -> Iterator[Seed]:
    yield "{'rows': 5, 'mean': -1.5, 'best': [{'left': 'a'}], 'none': None, 'ok': True, ('a', 1): nan}"
    yield "{'a': np.float64(2.5), 'b': Timestamp('2024-01-01')}"


def _question_seeds() -> Iterator[Seed]:
    yield "How did average revenue change by year? Show a line chart."
    yield "Which 3 regions have the highest total revenue?\nand without North?"
    yield "compare units of North and South where price is over 5 in 2024"
    yield "correlation between units and revenue by region, excluding returned"
    yield "How many products named a'b are there?\nmissing values?\njoin sales and regions"


_MARKS = (
    "![a](",
    "](",
    "]: ",
    "```mermaid",
    "~~~",
    "<img src=x>",
    "<x ",
    "> ",
    "- ",
    "\\(",
    "$",
    "www.",
    "https://",
)
_NUMBER_TOKENS = (
    "1,234",
    "1.234,5",
    "%",
    " million",
    "−",
    "about ",
    "< ",
    "2024-01",
    "[cell 1]",
    "`",
    "1e9",
    "’",
    "_x",
    "th",
)
_QUESTION_TOKENS = (
    "average ", "total ", "by ", "over time", "top 5 ", "highest ", "where ", "not ", "between ", "and ", "revenue ",
    "region ", "units ", "North ", "South ", "2024 ", "share ", "per ", "how many ", "correlation ", "a'b ", "month ", "$5 ",
)  # fmt: skip
_CODE_TOKENS = (
    "lambda x: ",
    "f'{",
    "}'",
    "(",
    "not ",
    "-",
    ".a",
    "[0]",
    "import ",
    "def f():\n ",
    "%%sql\n",
    "!ls\n",
    "1+",
    "# coding: x\n",
)
TARGETS = (
    Target("terminal-text", "text", _printable, _shown_seeds, 1024, ("\x1b[", "\x1b]", "\x9b", "\x9c", "\x1b\\", "m"), grows=True),
    Target("command-line", "text", _writer, _shown_seeds, 1024, ("\x1b[", "\x1b]", "\x9b", "\x9c", "m")),
    Target("near-words", "text", _words, lambda: iter(["mileage,milage,city mileage,x", "~/x,file:y"]), 512),
    Target("markdown", "text", _markdown, _markdown_seeds, 2048, _MARKS),
    Target("markdown-time", "text", _markdown_time, _markdown_seeds, 512, _MARKS, grows=True),
    Target("cell-markdown", "text", _cell_markdown, _cell_markdown_seeds, 1024, _MARKS, grows=True),
    Target("code-literals", "json", _code, _code_seeds, 2048),
    Target("answer-numbers", "text", _numbers, _number_seeds, 1024, _NUMBER_TOKENS),
    Target("answer-numbers-time", "text", _numbers_time, _number_seeds, 512, _NUMBER_TOKENS, grows=True),
    Target("observation", "text", _observed, _observed_seeds, 1024, ("\x1b[31m", "<td>", "<!--", "<script>", "%|", " [", "'", "0x"), grows=True),
    Target("cell-code", "text", _cell_code, _cell_code_seeds, 1024, _CODE_TOKENS, grows=True),
    Target("tool-input", "text", _tool_input, _tool_seeds, 1024, ('"code"', '"goal"', '"steps"', "NaN", "[", "{", "}")),
    Target("shown-results", "text", _shown_results, _result_seeds, 1024, ("{", "'a': ", "[", "(", "-", "nan", "np.float64(1)")),
    Target("question", "text", _question, _question_seeds, 2000, _QUESTION_TOKENS),
)  # fmt: skip
