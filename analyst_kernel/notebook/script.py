"""A notebook as a plain Python script, with its cells marked (``# %%``). Pure; runs nothing."""

from __future__ import annotations

import re

from analyst_kernel.notebook.cells import RAISES, Cell
from analyst_kernel.notebook.document import Document
from analyst_kernel.notebook.source_code import uses_name

_MAGIC = re.compile(r"^([ \t]*)([%!?].*)$", re.MULTILINE)


def script(document: Document) -> str:
    """Return the script.

    Text and failed cells become comments, magics too, so that it runs from top to bottom. The value
    of a cell's last line is not printed: a script shows what it prints.
    """
    parts = [_part(cell) for cell in document["cells"]]
    code = [c["source"] for c in document["cells"] if c["cell_type"] == "code"]
    if any(uses_name(source, "display") for source in code):
        parts.insert(0, "# %%\nfrom IPython.display import display")
    return "\n\n".join(parts) + "\n"


def _part(cell: Cell) -> str:
    source = cell["source"].rstrip()
    if cell["cell_type"] != "code":
        return f"# %% [markdown]\n{_commented(source)}"
    failed = RAISES in cell["metadata"].get("tags", [])
    if failed or source.lstrip().startswith("%%"):
        return f"# %% {'(failed, kept as comments)' if failed else ''}".rstrip() + (
            f"\n{_commented(source)}"
        )
    return "# %%\n" + _MAGIC.sub(r"\1pass  # \2", source)


def _commented(text: str) -> str:
    return "\n".join(f"# {line}".rstrip() for line in text.split("\n"))
