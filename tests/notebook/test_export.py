"""Exports that run elsewhere: executed for real, by nbclient and by Python."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from analyst_kernel.agent.ports import SetupEntry
from analyst_kernel.notebook.document.operations import Document
from analyst_kernel.notebook.document.serialize import parse, validate
from analyst_kernel.notebook.export.export import clean_checked, export, page, read
from analyst_kernel.notebook.export.source import (
    packages_of,
    read_names,
    relocated,
    touched_names,
    uses_name,
)
from analyst_kernel.notebook.storage.notebook import StoredNotebook
from analyst_kernel.notebook.verify.verify import VerifyReport, verify_document
from analyst_kernel.protocol.errors import NotebookError
from analyst_kernel.protocol.ids import CellId
from analyst_kernel.protocol.outputs import DisplayOutput, ResultOutput
from tests.notebook.entry_makers import (
    failed,
    iteration,
    picture,
    printed,
    ran,
    recorded,
    result,
    whole_run,
)
from tests.notebook.kernel_runner import python_kernel

FILES = Path(__file__).parent / "files"
DATA = "city,mpg\nOslo,20\nRome,22\n"
SETUP = "import csv\n\nwith open('data/cities.csv') as file:\n    rows = list(csv.DictReader(file))"
SAVE = "(OUTPUT_DIR / 'mean.txt').write_text('21.0')\nprint('saved')"


async def analysis(folder: Path) -> StoredNotebook:
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "cities.csv").write_text(DATA)
    notebook = await StoredNotebook.create(folder / "cities.ipynb", model="m:n", python="3.11.7")
    for entry in whole_run()[:1]:
        await notebook.record(entry)
    await notebook.record(SetupEntry(CellId("setup"), SETUP, ran(count=1)))
    mean = "sum(int(r['mpg']) for r in rows) / len(rows)"
    bad = failed("error", "KeyError", "'MPG'", 2)
    await notebook.record(iteration(1, mean.replace("mpg", "MPG"), bad, purpose="Mean"))
    await notebook.record(iteration(2, mean, ran(result("21.0", 3), count=3), purpose="Mean"))
    await notebook.record(iteration(3, "while True: pass", failed("timeout", "Timeout", "s", 4)))
    await notebook.record(iteration(4, SAVE, ran(printed("saved\n"), count=5)))
    return notebook


def run(path: Path) -> Any:
    """Execute a notebook as ``jupyter execute`` does, in its own folder."""
    loaded: Any = nbformat.read
    node = loaded(path, as_version=4)
    client = NotebookClient(node, timeout=120, resources={"metadata": {"path": str(path.parent)}})
    return client.execute()


@pytest.mark.real
async def test_a_clean_notebook_runs_in_another_folder_without_us(tmp_path: Path) -> None:
    notebook = await analysis(tmp_path / "work")
    target = tmp_path / "elsewhere" / "deep" / "copy.ipynb"
    target.parent.mkdir(parents=True)
    text = export(notebook.path, "ipynb", clean=True, destination=target)
    target.write_text(text, "utf-8")
    document = parse(text, "copy.ipynb")
    validate(document)
    assert "analyst_kernel" not in text
    assert document["metadata"]["kernelspec"]["name"] == "python3"
    assert [c["id"] for c in document["cells"]] == ["title", "packages", "setup", "it2", "it4"]
    assert "open('../../work/data/cities.csv')" in document["cells"][2]["source"]

    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [sys.executable, "-m", "jupyter", "execute", "--inplace", target.name]
    done = subprocess.run(
        command, cwd=target.parent, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    after = parse(target.read_text("utf-8"), "copy.ipynb")
    assert after["cells"][3]["outputs"][0]["data"]["text/plain"] == "21.0"
    assert (target.parent / "copy_files" / "mean.txt").read_text() == "21.0"


@pytest.mark.real
async def test_run_all_of_the_saved_notebook_passes_its_failed_cells(tmp_path: Path) -> None:
    notebook = await analysis(tmp_path / "work")
    path = Path(notebook.path)
    document = parse(path.read_text("utf-8"), "n")
    document["metadata"]["kernelspec"]["name"] = "python3"
    document["cells"] = document["cells"][:-1]  # OUTPUT_DIR is the sandboxed kernel's
    path.write_text(json.dumps(document), "utf-8")
    after = run(path)
    assert after.cells[2].outputs[0].ename == "KeyError"
    assert after.cells[3].outputs[0]["data"]["text/plain"] == "21.0"


async def test_a_full_export_is_the_notebook(tmp_path: Path) -> None:
    notebook = await analysis(tmp_path / "work")
    assert export(notebook.path) == Path(notebook.path).read_text("utf-8")


@pytest.mark.parametrize("clean", [False, True])
async def test_a_script_runs(tmp_path: Path, clean: bool) -> None:
    notebook = await analysis(tmp_path / "work")
    target = tmp_path / "out" / "script.py"
    target.parent.mkdir()
    target.write_text(export(notebook.path, "py", clean=clean, destination=target), "utf-8")
    done = subprocess.run(
        [sys.executable, target.name],
        cwd=target.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "saved\n"), done.stderr
    assert ("MPG" in target.read_text()) is not clean
    assert (target.parent / "script_files" / "mean.txt").exists()


@pytest.mark.real
async def test_clean_is_checked_and_keeps_a_failed_cell_that_others_need(tmp_path: Path) -> None:
    notebook = await StoredNotebook.create(tmp_path / "a.ipynb")
    half = failed("error", "ZeroDivisionError", "division by zero")
    await notebook.record(iteration(1, "x = 5\n1/0", half))
    await notebook.record(iteration(2, "x + 1", ran(result("6"))))
    seen: list[Document] = []

    async def check(document: Document) -> VerifyReport:
        seen.append(document)
        async with python_kernel(tmp_path) as execute:
            return await verify_document(document, execute=execute)

    text, report = await clean_checked(notebook.path, check, destination=tmp_path / "b.ipynb")
    assert [len(d["cells"]) for d in seen] == [2, 4]
    assert report.summary == "reproduced 2 of 2"
    clean = parse(text, "b")
    why, kept = clean["cells"][1:3]
    assert kept["metadata"] == {"tags": ["raises-exception"]}
    assert "fails (`ZeroDivisionError`) and is kept all the same" in why["source"]
    assert clean["metadata"]["requirements"]["packages"] == {}

    await notebook.record(iteration(2, "y = 1\ny + 5", ran(result("6"))))
    text, report = await clean_checked(notebook.path, check, destination=tmp_path / "b.ipynb")
    assert len(seen) == 3
    assert report.summary == "reproduced 1 of 1"
    assert len(parse(text, "b")["cells"]) == 2


@pytest.mark.real
async def test_clean_keeps_only_the_failed_cells_that_others_need(tmp_path: Path) -> None:
    notebook = await StoredNotebook.create(tmp_path / "a.ipynb")
    bad = failed("error", "ZeroDivisionError", "division by zero")
    await notebook.record(iteration(1, "rows = []", ran()))
    await notebook.record(iteration(2, "unused = 1\n1/0", bad))
    await notebook.record(iteration(3, "rows.append(4)\n1/0", bad))
    await notebook.record(iteration(4, "import pandas as pd\nsum(rows)", ran(result("4"))))

    async def check(document: Document) -> VerifyReport:
        async with python_kernel(tmp_path) as execute:
            return await verify_document(document, execute=execute)

    text, report = await clean_checked(notebook.path, check, destination=tmp_path / "b.ipynb")
    assert report.ok
    clean = parse(text, "b")
    sources = [c["source"] for c in clean["cells"] if c["cell_type"] == "code"]
    assert sources == ["rows = []", "rows.append(4)\n1/0", "import pandas as pd\nsum(rows)"]
    needed = clean["metadata"]["requirements"]["packages"]
    assert list(needed) == ["pandas"]
    assert f"pip install pandas=={needed['pandas']}" in clean["cells"][0]["source"]


@pytest.mark.parametrize(
    ("code", "touched"),
    [
        ("a = 1\nb.c = 2\nd[e] = 3", {"a", "b", "d"}),
        ("import os.path\nimport numpy as np\nfrom x import y as z", {"os", "np", "z"}),
        ("def f(): pass\nclass C: pass", {"f", "C"}),
        ("rows.append(1)\nprint(rows)", {"rows"}),
        ("%%time\nfirst second", {"time", "first", "second"}),
    ],
)
def test_names_that_code_may_change(code: str, touched: set[str]) -> None:
    assert touched_names(code) == touched


def test_names_that_code_reads_stand_in_queries_too() -> None:
    read_here = read_names('total = duckdb.sql("""select * from cars""").df()')
    assert {"duckdb", "cars"} <= read_here
    assert "total" not in read_here


def test_a_page_loads_and_runs_nothing() -> None:
    html = '<table class="dataframe"><tr><td>20.8</td></tr></table><style>x{}</style>'
    evil = f"{html}<script>alert(1)</script><img src=x onerror=alert(2)>"
    shown = (
        ResultOutput(data={"text/html": evil, "text/plain": "t"}),
        DisplayOutput(data={"image/png": picture(), "text/plain": "fig"}),
        DisplayOutput(data={"application/javascript": "alert(3)", "text/plain": "js"}),
    )
    document = recorded(read(FILES / "analysis.ipynb"), iteration(9, "table", ran(*shown)))
    text = page(document, "A & B")
    head, _, body = text.partition("<body")
    assert head.index("Content-Security-Policy") < head.index("<title>")
    assert "default-src 'none'" in head
    assert "<script" not in text
    assert "onerror" not in body.replace("&lt;img src=x onerror", "")
    assert "alert(3)" not in body
    assert "<td>20.8</td>" in body
    assert "data:image/png;base64," in body
    assert 'id="cell-id=it3"' in body
    assert 'href="#cell-id=it3"' in body
    assert "celltag_raises-exception" in body
    assert 'src="http' not in text


@pytest.mark.parametrize(
    "markdown",
    [
        "![x](http://evil.example/a)",
        "<img src='http://evil.example/a'>",
        "![x](../secret.png)",
        "<p style='background:url(http://evil.example/a)'>x</p>",
        "```mermaid\nflowchart LR\n a@{ img: 'http://evil.example/a' }\n```",
    ],
)
def test_a_page_of_hostile_text_names_no_place_to_load_from(markdown: str) -> None:
    outputs = [
        {"text/html": f"<b>kept</b>{markdown}<img src='http://evil.example/b'>"},
        {"text/html": ["<p style='color:red;", "background:url(http://evil.example/c)'>x</p>"]},
        {"text/markdown": [markdown]},
        {"text/vnd.mermaid": "flowchart LR\n a@{ img: 'http://evil.example/d' }"},
        {"image/svg+xml": "<svg><image href='http://evil.example/e'/></svg>"},
        {"image/png": picture()},
    ]
    document = read(FILES / "analysis.ipynb")
    document["cells"] += [
        {"cell_type": "markdown", "id": "hostile", "metadata": {}, "source": markdown},
        {
            "cell_type": "code", "id": "outputs", "metadata": {}, "source": "1",
            "execution_count": 1, "outputs": [
                {
                    "output_type": "display_data", "data": data,
                    "metadata": {"filenames": {"image/png": "http://evil.example/f"}},
                }
                for data in outputs
            ],
        },
    ]  # fmt: skip
    text = page(document, "hostile")
    loads = r"""(?:src|srcset|background|poster|data)\s*=\s*["']?(?!data:image)[^"'\s>]|url\("""
    body = text.partition("<body")[2]
    assert re.findall(rf"<[a-z][^>]*(?:{loads})[^>]*>", body) == []
    assert "secret" not in body or "../secret.png)" in body
    assert 'class="mermaid"' not in body
    assert "kept" in body


async def test_html_of_a_file(tmp_path: Path) -> None:
    notebook = await analysis(tmp_path / "work")
    assert "KeyError" in export(notebook.path, "html")
    assert "KeyError" not in export(notebook.path, "html", clean=True)
    with pytest.raises(NotebookError, match="There is no notebook"):
        export(tmp_path / "none.ipynb", "html")


@pytest.mark.parametrize(
    ("code", "moved"),
    [
        ("pd.read_csv('a.csv')", "pd.read_csv('../old/a.csv')"),
        ('pd.read_csv("sub/b.csv", sep=";")', 'pd.read_csv("../old/sub/b.csv", sep=";")'),
        ("x = 'a.csv'", "x = '../old/a.csv'"),
        ("glob.glob('sub/*.csv')", "glob.glob('../old/sub/*.csv')"),
        ("Path('sub') / 'b.csv'", "Path('../old/sub') / 'b.csv'"),
        (
            'duckdb.sql("""\nSELECT * FROM \'a.csv\' -- ü\n""").df(); open("a.csv")',
            'duckdb.sql("""\nSELECT * FROM \'../old/a.csv\' -- ü\n""").df(); open("../old/a.csv")',
        ),
        ("duckdb.sql('SELECT * FROM \\'a.csv\\'')", "duckdb.sql(\"SELECT * FROM '../old/a.csv'\")"),
        ("%matplotlib inline\nopen('a.csv')", "%matplotlib inline\nopen('../old/a.csv')"),
        ("{'data': 'a.csv'}", "{'data': '../old/a.csv'}"),
    ],
)
def test_data_paths_follow(tmp_path: Path, code: str, moved: str) -> None:
    (tmp_path / "old" / "sub").mkdir(parents=True)
    (tmp_path / "old" / "a.csv").touch()
    (tmp_path / "old" / "sub" / "b.csv").touch()
    assert relocated(code, tmp_path / "old", tmp_path / "new") == moved
    assert relocated(code, tmp_path / "old", tmp_path / "old") == code


@pytest.mark.parametrize(
    "code",
    [
        "df['sub']",
        "df.loc[df['x'] == 'a.csv']",
        "df[['sub', 'a.csv']]",
        "{'a.csv': 1}",
        "df.to_csv('a.csv')",
        "fig.savefig('a.csv')",
        "pd.read_csv('https://example.org/a.csv')",
        "pd.read_csv('none.csv')",
        "print('sub')",
        "f'{x}a.csv'",
        "%%bash\ncat 'a.csv'",
        "not python 'a.csv'",
        "x = ''",
    ],
)
def test_other_texts_stay(tmp_path: Path, code: str) -> None:
    (tmp_path / "old" / "sub").mkdir(parents=True)
    (tmp_path / "old" / "a.csv").touch()
    assert relocated(code, tmp_path / "old", tmp_path / "new") == code


def test_absolute_paths_become_relative(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    code = f"open({str(tmp_path / 'a.csv')!r})"
    assert relocated(code, tmp_path / "x", tmp_path / "new") == "open('../a.csv')"


def test_packages_come_from_imports_and_use() -> None:
    sources = [
        "import os, pandas as pd\nfrom sklearn.linear_model import X\nfrom . import y",
        "%matplotlib inline\nimport duckdb\nduckdb.sql('x').df()\npd.read_excel('x')",
        "import no_such_module_here",
        "%%bash\nimport nothing",
    ]
    found = packages_of(sources, {"pandas": "3.1.0", "duckdb": "2.0"})
    assert found["pandas"] == "3.1.0"
    assert found["duckdb"] == "2.0"
    assert found["openpyxl"]
    assert found["no_such_module_here"] == ""
    assert "os" not in found
    assert packages_of(["x = 1"], {}) == {}


def test_names_are_found_in_code_not_in_text() -> None:
    assert uses_name("open(OUTPUT_DIR / 'x')", "OUTPUT_DIR")
    assert not uses_name("# OUTPUT_DIR\nx = 'OUTPUT_DIR'", "OUTPUT_DIR")
    assert uses_name("%%time\nOUTPUT_DIR", "OUTPUT_DIR")
