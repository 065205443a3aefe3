"""Pictures of a state in every theme and width, and what a program can see in them.

They are kept in build/ui-pictures to be looked at.
"""

from __future__ import annotations

from tests.support.accessibility import findings
from tests.support.panel_page import Panel, Theme

Shots = tuple[tuple[Theme, tuple[int, ...]], ...]
"""Themes, and widths of the sidebar in pixels."""

SHOTS: Shots = (
    ("light", (250, 420, 900)),
    ("dark", (250, 300)),
    ("high contrast", (250,)),
)
FEW: Shots = (("light", (250,)), ("dark", (300,)), ("high contrast", (420,)))

_TOO_WIDE = """root => [...root.querySelectorAll('main, footer, header, .ak-Data, .ak-Status, .ak-Banner')]
  .filter(part => part.scrollWidth > part.clientWidth + 1)
  .map(part => {
    const edge = part.getBoundingClientRect().right + 1;
    const over = [...part.querySelectorAll('*')]
      .filter(one => one.getBoundingClientRect().right > edge && !one.closest('table, pre'))
      .slice(0, 3)
      .map(one => `<${one.tagName} ${one.className}>`).join(' ');
    return `${part.className}: ${part.scrollWidth} in ${part.clientWidth}, by ${over}`;
  })"""
_CUT = """root => [...root.querySelectorAll('.ak-Picker-name, .ak-Button, .ak-Status *')]
  .filter(part => part.clientWidth > 0 && part.scrollWidth > part.clientWidth + 1)
  .map(part => `cut: ${part.textContent}`)"""


def look(panel: Panel, state: str, shots: Shots = SHOTS) -> None:
    """Keep pictures of a state; nothing may be cut off, too wide or unreadable."""
    found: list[str] = []
    for theme, widths in shots:
        panel.theme(theme)
        for width in widths:
            panel.width(width)
            panel.picture(f"look-{state}-{theme.replace(' ', '-')}-{width}")
            bad = [*panel.root.evaluate(_TOO_WIDE), *panel.root.evaluate(_CUT)]
            found += [f"{state}, {theme}, {width} px: {part}" for part in bad]
        found += [f"{state}, {theme}: {line}" for line in findings(panel.page, "#analyst-panel")]
    assert found == [], "\n".join(found)
