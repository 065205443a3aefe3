"""The console of the command line: styles of our own, and text of strangers that is only text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console, ConsoleOptions, RenderableType
from rich.markdown import Markdown
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from analyst_kernel._text import printable

Styled = str | tuple[str, str]
"""Text, or text and its style."""


class PlainConsole(Console):
    """A console that reads no markup and writes no control sequence but its own."""

    def __init__(self, *, stderr: bool = False) -> None:
        """Write to stdout or stderr."""
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Yield the segments of a renderable, the text of each made printable."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(printable(segment.text), segment.style)

    def write(self, *parts: Styled, end: str = "\n") -> None:
        """Write a line of text; it is not folded."""
        self.print(styled(*parts), soft_wrap=True, end=end)


def styled(*parts: Styled) -> Text:
    """Return text of several styles."""
    shown = [(part, "") if isinstance(part, str) else part for part in parts]
    return Text.assemble(*((printable(text), style) for text, style in shown))


def print_table(left: Sequence[str], right: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a table to stdout; the columns of ``left`` may fold, those of ``right`` are numbers."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in left:
        table.add_column(name, overflow="fold")
    for name in right:
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*map(styled, row))
    PlainConsole().print(table, soft_wrap=True)


def print_markdown(markdown: str) -> None:
    """Write Markdown to stdout, which is a terminal; links stand with their targets."""
    console = PlainConsole()
    console.print()
    console.print(Markdown(printable(markdown), hyperlinks=False))
