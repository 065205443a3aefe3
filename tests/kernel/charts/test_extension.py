"""Any client of the ``analyst`` kernel gets the same start-up, and a session's own adds nothing."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from binascii import a2b_base64
from pathlib import Path
from typing import Any

import nbformat
import pytest

from analyst_kernel.kernel.payload import extension
from analyst_kernel.protocol.outputs import CHART_MIME, DisplayOutput, StreamOutput
from tests.kernel.conftest import MakeSession

SECONDS = 120.0
pytestmark = pytest.mark.real  # nbclient and a plain IPython start kernels of their own
NBFORMAT: Any = nbformat
"""It has no types."""

KERNEL_FOLDER = Path(extension.__file__).parent
FIGURE = "import matplotlib.pyplot as plt\nplt.bar(['a', 'b'], [3, 4])\nplt.show()"


def width(picture: str) -> int:
    found: int = struct.unpack(">I", a2b_base64(picture)[16:20])[0]
    return found


async def test_a_figure_run_by_nbclient_holds_picture_and_data(tmp_path: Path) -> None:
    from nbclient import NotebookClient

    where = "print(OUTPUT_DIR)\nimport sys\nprint('matplotlib.pyplot' in sys.modules)"
    cells = [NBFORMAT.v4.new_code_cell(code) for code in (where, FIGURE)]
    runner = NotebookClient(
        NBFORMAT.v4.new_notebook(cells=cells),
        kernel_name="analyst",
        timeout=int(SECONDS),
        resources={"metadata": {"path": str(tmp_path)}},
    )
    await runner.async_execute()
    assert runner.nb.cells[0].outputs[0]["text"].splitlines()[0] == "analysis_files"
    (output,) = runner.nb.cells[1].outputs
    assert {"image/png", CHART_MIME, "text/plain"} <= set(output["data"])
    chart = output["data"][CHART_MIME]
    assert [(e["label"], e["value"]) for e in chart["elements"]] == [("a", 3), ("b", 4)]
    assert width(output["data"]["image/png"]) > 600
    NBFORMAT.validate(runner.nb)


async def test_a_session_over_the_analyst_kernel_doubles_nothing(
    make_session: MakeSession,
) -> None:
    session = make_session(kernel_name="analyst", require="none")
    await session.start()
    count = (
        "import sys\n"
        "kinds = [type(finder).__name__ for finder in sys.meta_path]\n"
        "print(kinds.count('_Finder'), kinds.count('_Text'), OUTPUT_DIR)\n"
        f"print(list(get_ipython().display_formatter.formatters).count('{CHART_MIME}'))"
    )
    printed = await session.execute(count, timeout=SECONDS)
    assert printed.outputs == (StreamOutput(name="stdout", text="1 1 mileage_files\n1\n"),)
    drawn = await session.execute(FIGURE, timeout=SECONDS)
    (output,) = drawn.outputs
    assert isinstance(output, DisplayOutput)
    assert isinstance(chart := output.data[CHART_MIME], dict)
    assert chart["type"] == "bar"


async def test_loading_it_twice_or_from_other_texts_doubles_nothing(
    make_session: MakeSession,
) -> None:
    session = make_session()
    await session.start()
    again = (
        "import runpy, sys\n"
        f"extension = runpy.run_path({str(KERNEL_FOLDER / 'extension.py')!r})\n"
        "setup = sys.modules['_analyst_setup']\n"
        "extension['load_ipython_extension'](get_ipython())\n"
        "print(sys.modules['_analyst_setup'] is setup, OUTPUT_DIR)\n"
        "texts = {**setup.texts, '_analyst_setup': setup.texts['_analyst_setup'] + '\\n#'}\n"
        "extension['start'](get_ipython(), texts, str(OUTPUT_DIR.absolute()))\n"
        "kinds = [type(finder).__name__ for finder in sys.meta_path]\n"
        "print(kinds.count('_Finder'), kinds.count('_Text'))"
    )
    printed = await session.execute(again, timeout=SECONDS)
    assert printed.error is None
    assert printed.outputs == (StreamOutput(name="stdout", text="True mileage_files\n1 1\n"),)
    drawn = await session.execute(FIGURE, timeout=SECONDS)
    assert isinstance(output := drawn.outputs[-1], DisplayOutput)
    assert {"image/png", CHART_MIME} <= set(output.data)


def test_the_kernelspec_names_the_extension() -> None:
    folder = KERNEL_FOLDER.parents[1] / "sandbox" / "kernelspec"
    spec = json.loads((folder / "kernel.json").read_text())
    assert "--ext=analyst_kernel.kernel.payload.extension" in spec["argv"]


def test_a_plain_kernel_loads_it_by_its_name(tmp_path: Path) -> None:
    """What another provisioner than ours would run."""
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel = {
        "argv": [*command, "--ext=analyst_kernel.kernel.payload.extension"],
        "display_name": "With the extension",
        "language": "python",
    }
    spec = tmp_path / "share" / "kernels" / "extended"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text(json.dumps(kernel))
    code = f"{FIGURE}\nimport sys\nprint(OUTPUT_DIR, 'pydantic' in sys.modules)"
    notebook = tmp_path / "mileage.ipynb"
    NBFORMAT.write(NBFORMAT.v4.new_notebook(cells=[NBFORMAT.v4.new_code_cell(code)]), notebook)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "jupyter",
            "execute",
            "--kernel_name=extended",
            "--inplace",
            notebook,
        ],
        env={**os.environ, "JUPYTER_PATH": str(tmp_path / "share")},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    text, output = sorted(
        NBFORMAT.read(notebook, as_version=4).cells[0].outputs, key=lambda o: "data" in o
    )
    assert text["text"] == "analysis_files False\n"
    assert {"image/png", CHART_MIME} <= set(output["data"])


def test_every_chart_reader_is_sent() -> None:
    there = {f"charts/{path.name}" for path in KERNEL_FOLDER.glob("charts/*.py")}
    sent = {file for file in extension.FILES.values() if file.startswith("charts/")}
    assert sent == there


async def test_a_kernel_without_the_chart_readers_still_shows_pictures(
    make_session: MakeSession, tmp_path: Path
) -> None:
    """An extension of another version, say: a reader is missing, the picture is not."""
    folder = tmp_path / "kernel"
    shutil.copytree(KERNEL_FOLDER, folder)
    (folder / "charts" / "sheet.py").write_text("raise ImportError('gone')\n")
    session = make_session()
    await session.start()
    load = (
        "import runpy\n"
        f"runpy.run_path({str(folder / 'extension.py')!r})['load_ipython_extension'](get_ipython())"
    )
    assert (await session.execute(load, timeout=SECONDS)).error is None
    drawn = await session.execute(FIGURE, timeout=SECONDS)
    assert isinstance(output := drawn.outputs[-1], DisplayOutput)
    assert "image/png" in output.data
    assert isinstance(chart := output.data[CHART_MIME], dict)
    assert chart["type"] == "unknown"
    assert "gone" in str(chart["warnings"])
