"""Chart cells: matplotlib code with title, axis labels and units.

Writes code; draws nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from analyst_kernel.models.offline.recipe import Cell
from analyst_kernel.models.offline.rows import quoted


def chart_cell(
    body: Sequence[str],
    *,
    title: str,
    x: str,
    y: str,
    step: int,
    purpose: str,
    grid: str = "both",
    size: str = "(8, 5)",
) -> Cell:
    """Return a cell that draws ``body`` on ``ax`` and labels it."""
    lines = [
        "import matplotlib.pyplot as plt",
        "",
        f"fig, ax = plt.subplots(figsize={size})",
        *body,
        f"ax.set_title({quoted(plain(title))})",
        f"ax.set_xlabel({quoted(plain(x))})",
        f"ax.set_ylabel({quoted(plain(y))})",
        f'ax.grid(axis="{grid}", alpha=0.3)',
        "fig.tight_layout()",
        "plt.show()",
    ]
    return Cell("chart", purpose, "\n".join(lines), step, optional=True)


def plain(text: str) -> str:
    """Keep matplotlib from reading dollar signs as mathematics, and drop code marks."""
    text = " ".join(text.split())
    short = text if len(text) <= 90 else text[:89] + "…"
    return short.replace("`", "").replace("$", r"\$")
