"""Bars, histograms, boxes, violins, pies and grids: figures and their expected data."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.kernel.charts.cases import DATA, assert_near, bars, figure, layer, pairs, points

MAKERS, SALES, EXPORTS = DATA["MAKERS"], DATA["SALES"], DATA["EXPORTS"]
YEARS, MILEAGE = DATA["YEARS"], DATA["MILEAGE"]
SAMPLE, GROUPS, MATRIX = DATA["SAMPLE"], DATA["GROUPS"], DATA["MATRIX"]
COUNTS, EDGES = np.histogram(SAMPLE, bins=10)
BY_MAKER = dict(zip(MAKERS, SALES, strict=True))


def fences(values: Any) -> tuple[float, float, list[float]]:
    """Return whiskers and outliers by the rule of 1.5 interquartile ranges."""
    low, high = np.percentile(values, [25, 75])
    reach = 1.5 * (high - low)
    inside = [v for v in values if low - reach <= v <= high + reach]
    return min(inside), max(inside), sorted(v for v in values if v < min(inside) or v > max(inside))


def assert_box(element: dict[str, Any], values: Any) -> None:
    quartiles = [element[name] for name in ("first_quartile", "median", "third_quartile")]
    assert_near(quartiles, list(np.percentile(values, [25, 50, 75])))
    low, high, outliers = fences(values)
    assert_near([element["min"], element["max"]], [low, high])
    assert_near(sorted(element["outliers"]), outliers)


@figure("plt.bar(MAKERS, SALES, label='Cars sold'); plt.title('Sales'); plt.legend(); plt.show()")
def plain_bars(chart: dict[str, Any]) -> None:
    assert (chart["type"], chart["orientation"]) == ("bar", "vertical")
    assert bars(chart, "Cars sold") == BY_MAKER
    assert chart["x_scale"] == "categorical"
    assert "highest Audi" not in chart["alt"]
    assert chart["alt"].startswith("Bar chart 'Sales'; 4 bars: Audi Cars sold 30")


@figure("plt.barh(MAKERS, SALES)")
def horizontal_bars(chart: dict[str, Any]) -> None:
    assert (chart["type"], chart["orientation"]) == ("bar", "horizontal")
    assert bars(chart) == BY_MAKER
    assert chart["y_scale"] == "categorical"


@figure("plt.bar(['a', 'b', 'c'], [.8, .8, .8])")
def equal_heights(chart: dict[str, Any]) -> None:
    assert chart["orientation"] == "vertical"
    assert bars(chart) == {"a": 0.8, "b": 0.8, "c": 0.8}


@figure("plt.bar(['only'], [5])")
def one_bar(chart: dict[str, Any]) -> None:
    assert (chart["orientation"], bars(chart)) == ("vertical", {"only": 5})


@figure("plt.bar(YEARS, MILEAGE)")
def bars_at_numbers(chart: dict[str, Any]) -> None:
    assert bars(chart) == {str(year): value for year, value in pairs(YEARS, MILEAGE)}
    assert [element["position"] for element in chart["elements"]] == YEARS


@figure("plt.bar(YEARS, MILEAGE, width=1.0)")
def touching_bars_at_years(chart: dict[str, Any]) -> None:
    assert chart["type"] == "bar"
    assert bars(chart) == {str(year): value for year, value in pairs(YEARS, MILEAGE)}


@figure("plt.bar(YEARS, MILEAGE); plt.xticks(YEARS[::2]); plt.show()")
def bars_between_ticks(chart: dict[str, Any]) -> None:
    assert bars(chart) == {str(year): value for year, value in pairs(YEARS, MILEAGE)}


@figure("plt.bar(DAYS, [4, 3, 2, 1])")
def bars_at_dates(chart: dict[str, Any]) -> None:
    expected = {"2024-01-30": 4, "2024-01-31": 3, "2024-02-01": 2, "2024-02-02": 1}
    assert bars(chart) == expected


@figure("plt.bar(MAKERS, [5, -3, 0, np.nan])")
def negative_and_missing_bars(chart: dict[str, Any]) -> None:
    assert bars(chart) == {"Audi": 5, "BMW": -3, "Fiat": 0, "Kia": None}


@figure(
    "x = np.arange(4)\nplt.bar(x - .2, SALES, .4, label='home')\n"
    "plt.bar(x + .2, EXPORTS, .4, label='abroad'); plt.xticks(x, MAKERS); plt.legend(); plt.show()"
)
def grouped_bars(chart: dict[str, Any]) -> None:
    assert chart["series"] == ["home", "abroad"]
    assert bars(chart, "home") == BY_MAKER
    assert bars(chart, "abroad") == dict(zip(MAKERS, EXPORTS, strict=True))
    assert "stacked" not in chart


@figure(
    "plt.bar(MAKERS, SALES, label='home')\n"
    "plt.bar(MAKERS, EXPORTS, bottom=SALES, label='abroad'); plt.legend(); plt.show()"
)
def stacked_bars(chart: dict[str, Any]) -> None:
    assert chart["stacked"] is True
    assert bars(chart, "home") == BY_MAKER
    assert bars(chart, "abroad") == dict(zip(MAKERS, EXPORTS, strict=True))
    bases = [e["base"] for e in chart["elements"] if e["group"] == "abroad"]
    assert bases == SALES


@figure("plt.bar(MAKERS, SALES, yerr=[1, 2, 3, 4], capsize=3)")
def bars_with_errors(chart: dict[str, Any]) -> None:
    assert chart["type"] == "bar"
    assert "layers" not in chart
    assert bars(chart) == BY_MAKER
    assert_near([e["low"] for e in chart["elements"]], [29, 10, 22, 4])
    assert_near([e["high"] for e in chart["elements"]], [31, 14, 28, 12])


@figure("plt.bar(MAKERS, SALES, label='sold'); plt.plot(MAKERS, EXPORTS, 'k-', label='abroad')")
def bars_with_line(chart: dict[str, Any]) -> None:
    assert chart["type"] == "bar"
    assert bars(layer(chart, "bar")) == BY_MAKER
    assert_near(layer(chart, "line")["elements"][0]["points"], pairs(MAKERS, EXPORTS))


@figure("pd.DataFrame({'home': SALES, 'abroad': EXPORTS}, index=MAKERS).plot.bar(rot=0)")
def pandas_bars(chart: dict[str, Any]) -> None:
    assert bars(chart, "home") == BY_MAKER
    assert bars(chart, "abroad") == dict(zip(MAKERS, EXPORTS, strict=True))


@figure("pd.DataFrame({'home': SALES, 'abroad': EXPORTS}, index=MAKERS).plot.barh(stacked=True)")
def pandas_stacked_bars(chart: dict[str, Any]) -> None:
    assert (chart["orientation"], chart["stacked"]) == ("horizontal", True)
    assert bars(chart, "abroad") == dict(zip(MAKERS, EXPORTS, strict=True))


@figure("plt.bar(MAKERS, SALES, color=list('rgbk'), label=['A', 'B', 'C', 'D']); plt.legend()")
def bars_with_names_of_their_own(chart: dict[str, Any]) -> None:
    assert [element["group"] for element in chart["elements"]] == ["A", "B", "C", "D"]
    assert bars(chart) == BY_MAKER


@figure("plt.hist(SAMPLE, bins=10); plt.xlabel('Speed (km/h)'); plt.show()")
def histogram(chart: dict[str, Any]) -> None:
    assert (chart["type"], chart["orientation"]) == ("histogram", "vertical")
    assert_near(chart["bins"], list(EDGES))
    assert [element["value"] for element in chart["elements"]] == list(COUNTS)
    assert_near(chart["elements"][3]["bin"], list(EDGES[3:5]))
    assert f"10 bins from {EDGES[0]:.6g} to {EDGES[-1]:.6g}" in chart["alt"]
    assert chart["x_unit"] == "km/h"


@figure("plt.hist([GROUPS[1], GROUPS[2]], bins=5, label=['a', 'b']); plt.legend(); plt.show()")
def histogram_of_two(chart: dict[str, Any]) -> None:
    edges = np.histogram_bin_edges(np.concatenate(GROUPS[1:]), bins=5)
    assert_near(chart["bins"], list(edges))
    for name, values in (("a", GROUPS[1]), ("b", GROUPS[2])):
        counts = [e["value"] for e in chart["elements"] if e["group"] == name]
        assert counts == list(np.histogram(values, edges)[0])


@figure("plt.hist([GROUPS[1], GROUPS[2]], bins=5, stacked=True, histtype='step', label=['a', 'b'])")
def histogram_outline(chart: dict[str, Any]) -> None:
    edges = np.histogram_bin_edges(np.concatenate(GROUPS[1:]), bins=5)
    assert chart["type"] == "histogram"
    for name, values in (("a", GROUPS[1]), ("b", GROUPS[2])):
        counts = [e["value"] for e in chart["elements"] if e["group"] == name]
        assert_near(counts, list(np.histogram(values, edges)[0]))


@figure("counts, edges = np.histogram(SAMPLE, 6); plt.stairs(counts, edges, label='s'); plt.show()")
def stairs(chart: dict[str, Any]) -> None:
    counts, edges = np.histogram(SAMPLE, 6)
    assert chart["type"] == "histogram"
    assert_near(chart["bins"], list(edges))
    assert_near([element["value"] for element in chart["elements"]], list(counts))


@figure("pd.DataFrame({'x': SAMPLE}).hist(bins=10)")
def pandas_histogram(chart: dict[str, Any]) -> None:
    assert (chart["type"], chart["title"]) == ("histogram", "x")
    assert [element["value"] for element in chart["elements"]] == list(COUNTS)


@figure("plt.hist(SAMPLE, bins=10, density=True, orientation='horizontal')")
def horizontal_density(chart: dict[str, Any]) -> None:
    assert chart["orientation"] == "horizontal"
    expected = np.histogram(SAMPLE, 10, density=True)[0]
    assert_near([element["value"] for element in chart["elements"]], list(expected))


@figure("fig, ax = plt.subplots()\nax.boxplot(GROUPS)\nax.set_xticks([1, 2, 3], ['x', 'y', 'z'])")
def boxes(chart: dict[str, Any]) -> None:
    assert (chart["type"], chart["orientation"]) == ("box_and_whisker", "vertical")
    assert [element["label"] for element in chart["elements"]] == ["x", "y", "z"]
    for element, values in zip(chart["elements"], GROUPS, strict=True):
        assert_box(element, values)
    assert len(chart["elements"][0]["outliers"]) >= 2


@figure("plt.boxplot(GROUPS, patch_artist=True, positions=[1, 3, 8], notch=True)")
def filled_boxes(chart: dict[str, Any]) -> None:
    assert chart["type"] == "box_and_whisker"
    assert "layers" not in chart
    assert [element["label"] for element in chart["elements"]] == ["1", "3", "8"]
    for element, values in zip(chart["elements"], GROUPS, strict=True):
        assert_box(element, values)


@figure(
    "way = {'orientation': 'horizontal'} if int(matplotlib.__version__.split('.')[1]) > 9 else "
    "{'vert': False}\nplt.boxplot([[1, 2, 3, 4, 5], [1, 2, 3, 4, 5]], **way)"
)
def boxes_with_equal_spread(chart: dict[str, Any]) -> None:
    assert chart["orientation"] == "horizontal"
    for element in chart["elements"]:
        assert_box(element, [1, 2, 3, 4, 5])


@figure("FRAME.boxplot(column='mpg', by='maker')")
def pandas_boxes(chart: dict[str, Any]) -> None:
    assert chart["type"] == "box_and_whisker"
    for element, (maker, rows) in zip(
        chart["elements"], DATA["FRAME"].groupby("maker"), strict=True
    ):
        assert element["label"] == maker
        assert_box(element, rows["mpg"].to_numpy())


@figure(
    "import sys\nfig, ax = plt.subplots(); ax.boxplot(GROUPS, patch_artist=True)\n"
    "ax.set_xticks([1, 2, 3], ['x', 'y', 'z'])\n"
    "sys.modules['_analyst_chart_capture'].records.clear()"
)
def boxes_by_their_shapes(chart: dict[str, Any]) -> None:
    assert chart["type"] == "box_and_whisker"
    assert "layers" not in chart
    assert [element["label"] for element in chart["elements"]] == ["x", "y", "z"]
    for element, values in zip(chart["elements"], GROUPS, strict=True):
        assert_box(element, values)


@figure("plt.violinplot(GROUPS, showmedians=True); plt.xticks([1, 2, 3], ['x', 'y', 'z'])")
def violins(chart: dict[str, Any]) -> None:
    assert chart["type"] == "violin"
    assert "layers" not in chart
    assert [element["label"] for element in chart["elements"]] == ["x", "y", "z"]
    for element, values in zip(chart["elements"], GROUPS, strict=True):
        numbers = [element[n] for n in ("min", "first_quartile", "median", "third_quartile", "max")]
        assert_near(numbers, list(np.percentile(values, [0, 25, 50, 75, 100])))


@figure("plt.pie(SALES, labels=MAKERS, autopct='%1.1f%%', shadow=True); plt.title('Shares')")
def pie(chart: dict[str, Any]) -> None:
    assert (chart["type"], chart["title"]) == ("pie", "Shares")
    assert bars(chart) == BY_MAKER
    total = sum(SALES)
    assert_near(
        [round(e["angle"], 3) for e in chart["elements"]],
        [round(360 * value / total, 3) for value in SALES],
    )
    assert [element["radius"] for element in chart["elements"]] == [1] * 4
    assert "Audi 40.0 %" in chart["alt"]


@figure("wedges = plt.pie([1, 3], wedgeprops={'width': .4})[0]; plt.legend(wedges, ['a', 'b'])")
def ring(chart: dict[str, Any]) -> None:
    assert bars(chart) == {"a": 1, "b": 3}
    assert_near([element["inner_radius"] for element in chart["elements"]], [0.6, 0.6])


@figure("pd.Series(SALES, index=MAKERS, name='sold').plot.pie()")
def pandas_pie(chart: dict[str, Any]) -> None:
    assert chart["type"] == "pie"
    assert bars(chart) == BY_MAKER


@figure("plt.imshow(MATRIX); plt.colorbar(label='degrees'); plt.show()")
def image(chart: dict[str, Any]) -> None:
    assert chart["type"] == "heatmap"
    assert_near(chart["matrix"]["values"], MATRIX.tolist())
    assert chart["matrix"]["rows"] == [0, 1]
    assert chart["matrix"]["columns"] == [0, 1, 2]
    assert chart["matrix"]["label"] == "degrees"


@figure(
    "plt.imshow(MATRIX, origin='lower'); plt.xticks(range(3), list('abc'))\n"
    "plt.yticks([0, 1], ['low', 'high'])"
)
def labelled_image(chart: dict[str, Any]) -> None:
    assert chart["matrix"]["rows"] == ["low", "high"]
    assert chart["matrix"]["columns"] == ["a", "b", "c"]
    assert_near(points(chart, 1), pairs("abc", MATRIX[1].tolist()))


@figure("plt.pcolormesh([0, 2, 4, 6], [10, 20, 30], MATRIX)")
def mesh(chart: dict[str, Any]) -> None:
    assert chart["type"] == "heatmap"
    assert_near(chart["matrix"]["values"], MATRIX.tolist())
    assert_near(chart["matrix"]["columns"], [1, 3, 5])
    assert_near(chart["matrix"]["rows"], [15, 25])
    assert_near(chart["matrix"]["column_edges"], [0, 2, 4, 6])


@figure("plt.imshow(np.arange(40_000).reshape(200, 200))")
def large_image(chart: dict[str, Any]) -> None:
    rows = chart["matrix"]["values"]
    assert chart["matrix"]["shape"] == [200, 200]
    assert 2_000 < sum(len(row) for row in rows) <= 5_000
    assert rows[0][0] == 0
    assert rows[-1][-1] == 39_999
    assert "200 x 200 cells" in chart["warnings"][0]
    assert "values from 0 to 39999" in chart["alt"]


@figure("plt.imshow(np.zeros((4, 4, 3)))")
def picture_in_colours(chart: dict[str, Any]) -> None:
    assert chart["type"] == "unknown"
    assert any("picture in colours" in warning for warning in chart["warnings"])


@figure("plt.hexbin(SAMPLE, SAMPLE[::-1], gridsize=8); plt.colorbar(label='count')")
def hexagons(chart: dict[str, Any]) -> None:
    assert (chart["type"], chart["value_label"]) == ("hexbin", "count")
    assert sum(chart["elements"][0]["values"]) == 200


@figure("plt.contourf([[0, 1], [2, 3]], levels=[0, 1, 2, 3])")
def contours(chart: dict[str, Any]) -> None:
    assert chart["type"] == "contour"
    assert [element["value"] for element in chart["elements"]] == [0, 1, 2, 3]
    assert "levels" in chart["warnings"][0]


@figure("plt.hist2d(SAMPLE, SAMPLE[::-1], bins=[3, 4])")
def histogram_in_two_directions(chart: dict[str, Any]) -> None:
    counts, across, up = np.histogram2d(SAMPLE, SAMPLE[::-1], bins=[3, 4])
    assert chart["type"] == "heatmap"
    assert_near(chart["matrix"]["values"], counts.T.tolist())
    assert_near(chart["matrix"]["column_edges"], list(across))
    assert_near(chart["matrix"]["row_edges"], list(up))


@figure("plt.hist(['a', 'b', 'a', 'c'])")
def counted_words(chart: dict[str, Any]) -> None:
    assert chart["type"] == "bar"
    assert bars(chart) == {"a": 2, "b": 1, "c": 1}


@figure("plt.hist(DAYS.values, bins=3)")
def histogram_of_dates(chart: dict[str, Any]) -> None:
    assert chart["type"] == "histogram"
    assert chart["bins"] == ["2024-01-30", "2024-01-31", "2024-02-01", "2024-02-02"]
    assert [element["value"] for element in chart["elements"]] == [1, 1, 2]


@figure("plt.barh(['t1', 't2'], [5, 3], left=[DAYS[0], DAYS[2]])")
def bars_that_begin_at_dates(chart: dict[str, Any]) -> None:
    assert bars(chart) == {"t1": 5, "t2": 3}
    assert [element["base"] for element in chart["elements"]] == ["2024-01-30", "2024-02-01"]
