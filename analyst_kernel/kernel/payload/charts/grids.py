"""Heat maps, images and contours: values on a grid, with the names of its rows and columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from analyst_kernel.kernel.payload.charts.scales import Scale
from analyst_kernel.kernel.payload.charts.sheet import Sheet
from analyst_kernel.kernel.payload.charts.values import MOST_POINTS, chosen, floats, listed, text_of


def read_grids(sheet: Sheet) -> None:
    """Read the images and meshes of a panel."""
    readers = {"AxesImage": _image, "QuadMesh": _mesh, "PolyQuadMesh": _mesh}
    readers["ContourSet"] = _contour
    for shape in [*sheet.axes.images, *sheet.axes.collections]:
        kinds = (cls.__name__ for cls in type(shape).__mro__)
        read = next((readers[kind] for kind in kinds if kind in readers), None)
        if read is not None and sheet.is_open(shape):
            sheet.use(shape)
            read(sheet, shape)


def _image(sheet: Sheet, image: Any) -> None:
    values = image.get_array()
    if values is None or values.ndim != 2:
        sheet.warnings.append("A picture in colours has no values to list.")
        return
    rows, columns = values.shape
    left, right, bottom, top = image.get_extent()
    if image.origin == "upper":
        bottom, top = top, bottom
    across = left + (right - left) * (np.arange(columns) + 0.5) / columns
    up = bottom + (top - bottom) * (np.arange(rows) + 0.5) / rows
    steps = abs(right - left) / columns, abs(top - bottom) / rows
    _add(sheet, image, values, (up, across), (steps[1], steps[0]))


def _mesh(sheet: Sheet, mesh: Any) -> None:
    values = mesh.get_array()
    corners = floats(mesh.get_coordinates())
    if values is None:
        sheet.warnings.append("A mesh without values is not listed.")
        return
    across, up = corners[0, :, 0], corners[:, 0, 1]
    rows, columns = len(up) - 1, len(across) - 1
    if values.size == len(up) * len(across):  # a value at each corner
        _add(sheet, mesh, values.reshape(len(up), len(across)), (up, across), (1.0, 1.0))
    elif values.size == rows * columns:
        middles = (up[:-1] + up[1:]) / 2, (across[:-1] + across[1:]) / 2
        steps = np.abs(np.diff(up)).min(), np.abs(np.diff(across)).min()
        edges = listed(up), listed(across)
        _add(sheet, mesh, values.reshape(rows, columns), middles, steps, edges)
    else:
        sheet.warnings.append("A mesh in colours has no values to list.")


def _names(scale: Scale, middles: Any, step: float) -> list[Any]:
    """Return the names of rows or columns: the tick label within each, else its position."""
    if not scale.is_text:
        return scale.values(np.round(middles, 12))
    if scale.kind == "category":
        return [scale.label_at(float(middle)) for middle in middles]
    ticks = [tick for tick in zip(scale.ticks, scale.labels) if tick[1]]  # noqa: B905 - a kernel may be older
    return [
        next((word for position, word in ticks if abs(position - middle) < step / 2), None)
        for middle in middles.tolist()
    ]


def _add(
    sheet: Sheet,
    shape: Any,
    values: Any,
    middles: tuple[Any, Any],
    steps: tuple[float, float],
    edges: tuple[list[Any], list[Any]] | None = None,
) -> None:
    cells = floats(values)
    rows, columns = cells.shape
    positions = chosen(rows, rows), chosen(columns, columns)
    if rows * columns > MOST_POINTS:
        side = max(1, int((MOST_POINTS / (rows * columns)) ** 0.5 * rows))
        positions = chosen(rows, side), chosen(columns, max(1, MOST_POINTS // max(1, side)))
        sheet.warnings.append(
            f"{len(positions[0])} x {len(positions[1])} of {rows} x {columns} cells are listed, "
            "evenly spaced; the picture shows all."
        )
    names = [
        _names(scale, middle[position], step)
        for scale, middle, position, step in zip((sheet.y, sheet.x), middles, positions, steps)  # noqa: B905 - a kernel may be older
    ]
    kept = [listed(row) for row in cells[np.ix_(*positions)]]
    finite = cells[np.isfinite(cells)]
    bar = getattr(shape, "colorbar", None)
    label = (bar.ax.get_ylabel() or bar.ax.get_xlabel()) if bar is not None else ""
    matrix: dict[str, Any] = {
        "rows": names[0],
        "columns": names[1],
        "values": kept,
        "shape": [rows, columns],
        "label": text_of(label) or None,
    }
    named = sheet.x.is_text or sheet.y.is_text
    if edges is not None and not named and rows * columns <= MOST_POINTS:
        matrix["row_edges"], matrix["column_edges"] = edges
    elements = [
        {
            "label": "" if name is None else str(name),
            "points": [[column, value] for column, value in zip(names[1], row)],  # noqa: B905 - a kernel may be older
            "_count": len(row),
        }
        for name, row in zip(names[0], kept)  # noqa: B905 - a kernel may be older
    ]
    elements[0]["_values"] = listed([finite.min(), finite.max()]) if finite.size else None
    sheet.add("heatmap", elements, shape, matrix=matrix)


def _contour(sheet: Sheet, shape: Any) -> None:
    levels = listed(floats(shape.levels))
    elements = [{"label": f"level {level:.6g}", "value": level} for level in levels]
    sheet.warnings.append("Of a contour plot only the levels are listed, not its grid.")
    low, high = listed([float(shape.zmin), float(shape.zmax)])
    sheet.add("contour", elements, shape, filled=bool(shape.filled), value_range=[low, high])
