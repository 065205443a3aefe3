"""The names of series: an artist's own label, or the legend entry that looks like it."""

from __future__ import annotations

from typing import Any

from analyst_kernel.kernel.payload.charts.values import text_of


def rgb(color: Any) -> tuple[float, ...] | None:
    """Return a colour's red, green and blue, rounded, or None if it is not a colour."""
    from matplotlib.colors import to_rgba

    try:
        red, green, blue, alpha = to_rgba(color)
    except (ValueError, TypeError):
        return None
    return None if alpha == 0 else (round(red, 3), round(green, 3), round(blue, 3))


def look(artist: Any) -> tuple[float, ...] | None:
    """Return the colour by which a user finds an artist in a legend."""
    for method in ("get_markerfacecolor", "get_color", "get_facecolor", "get_edgecolor"):
        get = getattr(artist, method, None)
        if get is None:
            continue
        if method == "get_markerfacecolor" and artist.get_linestyle() not in ("None", "", " "):
            continue
        color = get()
        if getattr(color, "ndim", 1) == 2:
            color = color[0] if len(color) else None
        found = rgb(color) if color is not None else None
        if found is not None:
            return found
    return None


def own_name(artist: Any) -> str:
    """Return an artist's or container's own label; matplotlib's hidden ones are none."""
    label = artist.get_label()
    return "" if label is None or str(label).startswith("_") else text_of(label)


class Names:
    """The legend of one panel, or the figure's if the panel has none."""

    def __init__(self, axes: Any) -> None:
        self.entries: list[tuple[str, tuple[float, ...] | None]] = []
        legend = axes.get_legend()
        legends = [legend] if legend is not None else list(axes.get_figure().legends)
        for each in legends:
            handles = getattr(each, "legend_handles", None) or getattr(each, "legendHandles", [])
            for handle, words in zip(handles, each.get_texts()):  # noqa: B905 - a kernel may be older
                if handle is not None and words.get_text():
                    self.entries.append((text_of(words.get_text()), look(handle)))
        looks = [seen for _, seen in self.entries]
        self.by_look = {
            seen: name for name, seen in self.entries if seen is not None and looks.count(seen) == 1
        }

    def named(self, artist: Any) -> str:
        """Return the name of a series, empty if it has none."""
        return own_name(artist) or self.by_look.get(look(artist) or (), "")
