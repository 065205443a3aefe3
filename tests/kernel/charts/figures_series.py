"""Lines, scatters, areas, error bars, dates, scales: figures and their expected data."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.kernel.charts.cases import DATA, assert_near, figure, layer, pairs, points

YEARS, MILEAGE, TRUCKS = DATA["YEARS"], DATA["MILEAGE"], DATA["TRUCKS"]
FRAME = DATA["FRAME"]
DATES = ["2024-01-30", "2024-01-31", "2024-02-01", "2024-02-02"]
TIMES = [f"2024-01-30T{hour:02}:30:00" for hour in (6, 7, 8, 9)]


@figure(
    "plt.plot(YEARS, MILEAGE, label='cty'); plt.title('City mileage'); plt.legend()\n"
    "plt.xlabel('Model year'); plt.ylabel('Mileage (mpg)'); plt.show()"
)
def plain_line(chart: dict[str, Any]) -> None:
    assert (chart["version"], chart["library"]) == (1, "matplotlib")
    assert (chart["type"], chart["title"]) == ("line", "City mileage")
    assert (chart["x_label"], chart["x_unit"]) == ("Model year", None)
    assert (chart["y_label"], chart["y_unit"]) == ("Mileage (mpg)", "mpg")
    assert (chart["x_scale"], chart["y_scale"]) == ("linear", "linear")
    assert [e["label"] for e in chart["elements"]] == chart["series"] == ["cty"]
    assert points(chart) == pairs(YEARS, MILEAGE)
    assert len(chart["x_ticks"]) == len(chart["x_tick_labels"]) > 2
    assert min(chart["x_ticks"]) >= 2017.5
    assert chart["alt"] == (
        "Line chart 'City mileage': Mileage (mpg) by Model year; 1 series (cty), 5 points, "
        "x from 2018 to 2022, y from 18.25 to 22.5."
    )
    assert chart["warnings"] == []
    assert "layers" not in chart


@figure("plt.plot(YEARS, MILEAGE, label='cars'); plt.plot(YEARS, TRUCKS, '--', label='trucks')")
def two_lines(chart: dict[str, Any]) -> None:
    assert chart["type"] == "line"
    assert chart["series"] == ["cars", "trucks"]
    assert points(chart, 0) == pairs(YEARS, MILEAGE)
    assert points(chart, 1) == pairs(YEARS, TRUCKS)


@figure(
    "plt.plot(YEARS, MILEAGE); plt.plot(YEARS, TRUCKS)\nplt.legend(['cars', 'trucks']); plt.show()"
)
def names_from_the_legend(chart: dict[str, Any]) -> None:
    assert [e["label"] for e in chart["elements"]] == ["cars", "trucks"]
    assert points(chart, 1) == pairs(YEARS, TRUCKS)


@figure("plt.scatter(SALES, EXPORTS, label='makers'); plt.legend(); plt.show()")
def scatter(chart: dict[str, Any]) -> None:
    assert chart["type"] == "scatter"
    assert chart["elements"][0]["label"] == "makers"
    assert_near(points(chart), pairs(DATA["SALES"], DATA["EXPORTS"]))


@figure(
    "plt.scatter(SALES, EXPORTS, c=[1.5, 2, 3, 4], s=[10, 20, 30, 40])\nplt.colorbar(label='w')"
)
def scatter_with_values(chart: dict[str, Any]) -> None:
    assert chart["type"] == "scatter"
    assert_near(chart["elements"][0]["values"], [1.5, 2, 3, 4])
    assert_near(chart["elements"][0]["sizes"], [10, 20, 30, 40])


@figure("plt.plot(SALES, EXPORTS, 'o')")
def markers_without_a_line(chart: dict[str, Any]) -> None:
    assert chart["type"] == "scatter"
    assert points(chart) == pairs(DATA["SALES"], DATA["EXPORTS"])


@figure("plt.plot([1, 2, 3, 4], [1.0, np.nan, np.inf, 2.5])")
def nan_and_infinity(chart: dict[str, Any]) -> None:
    assert points(chart) == [[1, 1.0], [2, None], [3, None], [4, 2.5]]


@figure("plt.plot(np.ma.masked_greater([1, 2, 9, 3], 5))")
def masked_values(chart: dict[str, Any]) -> None:
    assert points(chart) == [[0, 1], [1, 2], [2, None], [3, 3]]


@figure("plt.plot([0, 10], [5, 5], label='goal'); plt.plot([0, 10], [1, 7], label='now')")
def level_line_of_two_points(chart: dict[str, Any]) -> None:
    assert chart["series"] == ["goal", "now"]
    assert points(chart, 0) == [[0, 5], [10, 5]]


@figure(
    "plt.plot(YEARS, MILEAGE, label='cty'); plt.axhline(20, label='goal', color='k')\n"
    "plt.axvline(2020); plt.axvspan(2018.5, 2019.5, alpha=.2); plt.legend(); plt.show()"
)
def reference_lines(chart: dict[str, Any]) -> None:
    assert points(chart) == pairs(YEARS, MILEAGE)
    assert len(chart["elements"]) == 1
    assert {"axis": "y", "value": 20, "label": "goal"} in chart["references"]
    assert {"axis": "x", "value": 2020, "label": ""} in chart["references"]
    span = next(r for r in chart["references"] if "span" in r)
    assert_near(span["span"], [2018.5, 2019.5])
    assert chart["warnings"] == []


@figure("plt.plot(DAYS, [1, 2, 3, 4]); plt.show()")
def dates(chart: dict[str, Any]) -> None:
    assert chart["x_scale"] == "datetime"
    assert points(chart) == pairs(DATES, [1, 2, 3, 4])
    assert all(str(tick).startswith("2024-0") for tick in chart["x_ticks"])


@figure("plt.plot(HOURS.values, [1, 2, 3, 4]); plt.show()")
def times(chart: dict[str, Any]) -> None:
    assert points(chart) == pairs(TIMES, [1, 2, 3, 4])


@figure("plt.scatter(DAYS, [1, 2, 3, 4]); plt.show()")
def scatter_of_dates(chart: dict[str, Any]) -> None:
    assert chart["x_scale"] == "datetime"
    assert points(chart) == pairs(DATES, [1, 2, 3, 4])


@figure("import datetime\nplt.plot([datetime.date(2024, 1, d) for d in (5, 6)], [1.5, 2])")
def python_dates(chart: dict[str, Any]) -> None:
    assert points(chart) == [["2024-01-05", 1.5], ["2024-01-06", 2]]


@figure("pd.Series([1.5, 2.5, 3.5, 4.5], index=DAYS, name='level').plot(legend=True)")
def pandas_dates(chart: dict[str, Any]) -> None:
    assert (chart["type"], chart["x_scale"]) == ("line", "datetime")
    assert chart["elements"][0]["label"] == "level"
    assert points(chart) == pairs(DATES, [1.5, 2.5, 3.5, 4.5])


@figure("pd.DataFrame({'cars': MILEAGE, 'trucks': TRUCKS}, index=YEARS).plot(xlabel='year')")
def pandas_lines(chart: dict[str, Any]) -> None:
    assert chart["series"] == ["cars", "trucks"]
    assert chart["x_label"] == "year"
    assert_near(points(chart, 1), pairs(YEARS, TRUCKS))


@figure("pd.DataFrame({'a': SALES, 'b': EXPORTS}).plot.scatter('a', 'b')")
def pandas_scatter(chart: dict[str, Any]) -> None:
    assert (chart["type"], chart["x_label"], chart["y_label"]) == ("scatter", "a", "b")
    assert_near(points(chart), pairs(DATA["SALES"], DATA["EXPORTS"]))


@figure("plt.plot([1, 10, 100], [2, 20, 200]); plt.yscale('log'); plt.xscale('symlog')")
def log_scale(chart: dict[str, Any]) -> None:
    assert (chart["x_scale"], chart["y_scale"]) == ("symlog", "log")
    assert points(chart) == [[1, 2], [10, 20], [100, 200]]
    assert {10, 100} <= set(chart["y_ticks"])
    assert not any("mathdefault" in label for label in chart["y_tick_labels"])


@figure("plt.plot(['low', 'mid', 'high'], [3, 1, 2])")
def categorical_line(chart: dict[str, Any]) -> None:
    assert chart["x_scale"] == "categorical"
    assert points(chart) == [["low", 3], ["mid", 1], ["high", 2]]
    assert chart["x_tick_labels"] == ["low", "mid", "high"]


@figure("plt.step([1, 2, 3], [5, 4, 6], where='post', label='s')")
def steps(chart: dict[str, Any]) -> None:
    assert (chart["type"], chart["elements"][0]["step"]) == ("line", "post")
    assert points(chart) == [[1, 5], [2, 4], [3, 6]]


@figure(
    "plt.errorbar(YEARS, MILEAGE, yerr=[.5, .25, .5, .75, 1], xerr=.1, label='m'); plt.legend()"
)
def error_bars(chart: dict[str, Any]) -> None:
    assert chart["type"] == "errorbar"
    element = chart["elements"][0]
    assert element["label"] == "m"
    assert_near(element["points"], pairs(YEARS, MILEAGE))
    errors = [0.5, 0.25, 0.5, 0.75, 1]
    assert_near(element["y_low"], list(np.subtract(MILEAGE, errors)))
    assert_near(element["y_high"], list(np.add(MILEAGE, errors)))
    assert_near(element["x_high"], list(np.add(YEARS, 0.1)))


@figure(
    "plt.plot(YEARS, MILEAGE, label='mean')\n"
    "plt.fill_between(YEARS, np.subtract(MILEAGE, 1), np.add(MILEAGE, 2), alpha=.3, label='band')"
)
def line_with_band(chart: dict[str, Any]) -> None:
    assert chart["type"] == "line"
    assert [each["type"] for each in chart["layers"]] == ["line", "band"]
    assert points(chart) == pairs(YEARS, MILEAGE)
    band = layer(chart, "band")["elements"][0]
    assert (band["label"], band["columns"]) == ("band", ["x", "low", "high"])
    expected = [[x, y - 1, y + 2] for x, y in pairs(YEARS, MILEAGE)]
    assert_near(band["points"], expected)
    assert chart["series"] == ["mean", "band"]


@figure("plt.fill_between(YEARS, MILEAGE, label='area')")
def area_over_zero(chart: dict[str, Any]) -> None:
    assert chart["type"] == "area"
    assert chart["elements"][0]["label"] == "area"
    assert_near(points(chart), pairs(YEARS, MILEAGE))


@figure("plt.stackplot(YEARS, MILEAGE, TRUCKS, labels=['cars', 'trucks']); plt.legend()")
def stack(chart: dict[str, Any]) -> None:
    assert (chart["type"], chart["stacked"]) == ("area", True)
    assert chart["series"] == ["cars", "trucks"]
    assert_near(points(chart, 0), pairs(YEARS, MILEAGE))
    assert_near(points(chart, 1), pairs(YEARS, TRUCKS))


@figure("pd.DataFrame({'cars': MILEAGE, 'trucks': TRUCKS}, index=YEARS).plot.area()")
def pandas_stack(chart: dict[str, Any]) -> None:
    assert (chart["type"], chart["stacked"]) == ("area", True)
    assert chart["series"] == ["cars", "trucks"]
    assert_near(points(chart, 1), pairs(YEARS, TRUCKS))
    assert "layers" not in chart


@figure("plt.stem(YEARS, MILEAGE, label='s'); plt.legend(); plt.show()")
def stems(chart: dict[str, Any]) -> None:
    assert (chart["type"], chart["elements"][0]["label"]) == ("stem", "s")
    assert_near(points(chart), pairs(YEARS, MILEAGE))


@figure("plt.scatter(SALES, EXPORTS); plt.plot([0, 30], [4, 5], 'r', label='trend')")
def scatter_with_line(chart: dict[str, Any]) -> None:
    assert {each["type"] for each in chart["layers"]} == {"scatter", "line"}
    assert_near(layer(chart, "line")["elements"][0]["points"], [[0, 4], [30, 5]])
    scattered = layer(chart, "scatter")["elements"][0]["points"]
    assert_near(scattered, pairs(DATA["SALES"], DATA["EXPORTS"]))


@figure("plt.hlines([1, 2], [0, 1], [5, 6], label='spans'); plt.show()")
def level_segments(chart: dict[str, Any]) -> None:
    assert chart["type"] == "segments"
    assert_near(points(chart), [[0, 1], [1, 2]])
    assert_near(chart["elements"][0]["ends"], [[5, 1], [6, 2]])


@figure("plt.polar([0, 1.5, 3], [1, 2, 3])")
def polar(chart: dict[str, Any]) -> None:
    assert (chart["type"], chart["projection"]) == ("line", "polar")
    assert_near(points(chart), [[0, 1], [1.5, 2], [3, 3]])
    assert "polar" in chart["alt"]


@figure("plt.figure().add_subplot(projection='3d').scatter([1, 2], [3, 4], [5, 6])")
def three_dimensions(chart: dict[str, Any]) -> None:
    assert (chart["type"], chart["elements"]) == ("unknown", [])
    assert "Three-dimensional" in chart["warnings"][0]
    assert "Three-dimensional" in chart["alt"]


@figure("fig, ax = plt.subplots(); ax.set_title('Nothing')")
def empty_axes(chart: dict[str, Any]) -> None:
    assert (chart["type"], chart["title"]) == ("unknown", "Nothing")
    assert chart["warnings"] == ["There is no data in it."]


@figure("fig, ax = plt.subplots(); ax.add_patch(plt.Circle((.5, .5), .2))")
def unknown_shapes(chart: dict[str, Any]) -> None:
    assert chart["type"] == "unknown"
    assert any("Circle (1)" in warning for warning in chart["warnings"])


@figure(
    "fig, (a, b) = plt.subplots(1, 2); fig.suptitle('Both')\n"
    "a.plot(YEARS, MILEAGE); a.set_title('Lines'); b.scatter(SALES, EXPORTS); fig"
)
def several_axes(chart: dict[str, Any]) -> None:
    assert (chart["type"], chart["title"]) == ("superchart", "Both")
    assert [part["type"] for part in chart["elements"]] == ["line", "scatter"]
    assert chart["elements"][0]["title"] == "Lines"
    assert points(chart["elements"][0]) == pairs(YEARS, MILEAGE)
    assert chart["alt"].startswith("Figure 'Both' with 2 charts: Line chart 'Lines'")


@figure(
    "fig, left = plt.subplots(); left.plot(YEARS, MILEAGE); left.set_xlabel('year')\n"
    "left.set_ylabel('city'); right = left.twinx()\n"
    "right.bar(YEARS, TRUCKS); right.set_ylabel('trucks')"
)
def twin_axes(chart: dict[str, Any]) -> None:
    assert chart["type"] == "superchart"
    assert [part["type"] for part in chart["elements"]] == ["line", "bar"]
    assert [part["y_label"] for part in chart["elements"]] == ["city", "trucks"]
    assert [part["x_label"] for part in chart["elements"]] == ["year", "year"]


@figure("plt.scatter(np.arange(12_000) % 997, np.arange(12_000)); plt.title('Many')")
def many_points(chart: dict[str, Any]) -> None:
    assert len(points(chart)) == 5_000
    assert points(chart)[0] == [0, 0]
    assert points(chart)[-1] == [11_999 % 997, 11_999]
    assert "12,000" in chart["warnings"][0]
    assert "12,000 points" in chart["alt"]
    assert "y from 0 to 11999" in chart["alt"]
