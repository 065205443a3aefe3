"""What a provider of live rooms does by itself, with a notebook that no analysis has to do with."""

from __future__ import annotations

import re

import nbformat
import pytest

from tests.live.conftest import OpenPage
from tests.live.open_notebook import OpenNotebook, until
from tests.live.provider import PROVIDER, PROVIDERS_OWN_TROUBLE

documents_only = pytest.mark.skipif(
    PROVIDER != "jupyter-server-documents", reason="It is of jupyter-server-documents."
)


@documents_only
def test_its_own_outputs_trouble_the_page(open_page: OpenPage) -> None:
    """It puts outputs of cells that a user runs into the room in a form that pages do not know.

    The outputs are there, and each is shown; only an error is logged for each that follows another.
    When this fails the provider was mended: then ``PROVIDERS_OWN_TROUBLE`` is to go.
    """
    panel = open_page(show=False)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x = 1")])  # type: ignore[no-untyped-call]  # nbformat has no types
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, panel.lab.root / "alone.ipynb")  # type: ignore[no-untyped-call]  # nbformat has no types
    tab = OpenNotebook(panel.page, "alone.ipynb")
    tab.add_cell("")
    panel.page.keyboard.insert_text(
        "import time\nfor part in range(5):\n    print('part', part, flush=True)\n    time.sleep(0.3)"
    )
    tab.run_active()
    until(panel.page, lambda: "part 4" in str(tab.model()), "the cell is done")
    until(panel.page, lambda: panel.trouble != [], "an error is logged")
    assert all(re.search(PROVIDERS_OWN_TROUBLE, text) for text in panel.trouble)
    panel.trouble.clear()
