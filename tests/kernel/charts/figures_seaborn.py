"""Seaborn's figures: what its artists must be read as."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.kernel.charts.cases import DATA, assert_near, bars, figure, layer, pairs, points

FRAME, SAMPLE = DATA["FRAME"], DATA["SAMPLE"]
MAKERS = ["Audi", "Kia", "Fiat"]
FUELS = ["gas", "oil"]
CORRELATIONS = FRAME[["mpg", "power"]].corr()


def rows(maker: str, fuel: str | None = None) -> Any:
    chosen = FRAME[FRAME["maker"] == maker]
    return chosen if fuel is None else chosen[chosen["fuel"] == fuel]


@figure("import seaborn as sns\nsns.barplot(FRAME, x='maker', y='mpg')")
def sns_bars(chart: dict[str, Any]) -> None:
    assert chart["type"] == "bar"
    assert "layers" not in chart
    assert_near(list(bars(chart).values()), [rows(m)["mpg"].mean() for m in MAKERS])
    assert list(bars(chart)) == MAKERS
    assert all(e["low"] <= e["value"] <= e["high"] for e in chart["elements"])
    assert (chart["x_label"], chart["y_label"]) == ("maker", "mpg")


@figure("sns.barplot(FRAME, x='maker', y='mpg', hue='fuel', errorbar=('pi', 100), capsize=.2)")
def sns_bars_with_hue(chart: dict[str, Any]) -> None:
    assert chart["series"] == FUELS
    assert "layers" not in chart
    for fuel in FUELS:
        values = bars(chart, fuel)
        assert list(values) == MAKERS
        assert_near(list(values.values()), [rows(m, fuel)["mpg"].mean() for m in MAKERS])
        lows = [e.get("low") for e in chart["elements"] if e["group"] == fuel]
        several = [rows(m, fuel)["mpg"] for m in MAKERS]
        # One value alone has no interval.
        assert_near(lows, [mpg.min() if len(mpg) > 1 else None for mpg in several])


@figure("sns.countplot(FRAME, y='maker', hue='maker')")
def sns_counts(chart: dict[str, Any]) -> None:
    assert (chart["type"], chart["orientation"]) == ("bar", "horizontal")
    assert bars(chart) == {maker: len(rows(maker)) for maker in MAKERS}


@figure("sns.histplot(SAMPLE, bins=10)")
def sns_histogram(chart: dict[str, Any]) -> None:
    counts, edges = np.histogram(SAMPLE, 10)
    assert chart["type"] == "histogram"
    assert_near(chart["bins"], list(edges))
    assert_near([element["value"] for element in chart["elements"]], list(counts))


@figure("sns.histplot(SAMPLE, bins=10, kde=True)")
def sns_histogram_with_density(chart: dict[str, Any]) -> None:
    counts, _ = np.histogram(SAMPLE, 10)
    assert chart["type"] == "histogram"
    found = layer(chart, "histogram")["elements"]
    assert_near([element["value"] for element in found], list(counts))
    assert len(layer(chart, "line")["elements"][0]["points"]) == 200


@figure("sns.histplot(FRAME, x='power', hue='fuel', multiple='stack', bins=3)")
def sns_histogram_with_hue(chart: dict[str, Any]) -> None:
    edges = np.histogram_bin_edges(FRAME["power"], bins=3)
    assert chart["type"] == "histogram"
    for fuel in FUELS:
        counts = {e["label"]: e["value"] for e in chart["elements"] if e["group"] == fuel}
        power = FRAME[FRAME["fuel"] == fuel]["power"]
        assert_near(list(counts.values()), list(np.histogram(power, edges)[0]))


@figure("sns.kdeplot(SAMPLE, fill=True)")
def sns_filled_density(chart: dict[str, Any]) -> None:
    assert chart["type"] == "area"
    assert "layers" not in chart


@figure("sns.boxplot(FRAME, x='maker', y='mpg')")
def sns_boxes(chart: dict[str, Any]) -> None:
    assert chart["type"] == "box_and_whisker"
    assert "layers" not in chart
    assert [element["label"] for element in chart["elements"]] == MAKERS
    for element, maker in zip(chart["elements"], MAKERS, strict=True):
        names = ("first_quartile", "median", "third_quartile")
        expected = np.percentile(rows(maker)["mpg"], [25, 50, 75])
        assert_near([element[name] for name in names], list(expected))


@figure("sns.boxplot(FRAME, x='maker', y='power', hue='fuel')")
def sns_boxes_with_hue(chart: dict[str, Any]) -> None:
    assert chart["type"] == "box_and_whisker"
    found = {(e["label"], e["group"]): e["median"] for e in chart["elements"]}
    expected = {(m, f): rows(m, f)["power"].median() for m in MAKERS for f in FUELS}
    assert found == expected


@figure("sns.violinplot(FRAME, x='maker', y='mpg')")
def sns_violins(chart: dict[str, Any]) -> None:
    assert chart["type"] == "violin"
    assert "layers" not in chart
    assert [element["label"] for element in chart["elements"]] == MAKERS
    assert_near(
        [element["median"] for element in chart["elements"]],
        [rows(maker)["mpg"].median() for maker in MAKERS],
    )


@figure("sns.lineplot(FRAME, x='power', y='mpg', hue='fuel')")
def sns_lines_with_hue(chart: dict[str, Any]) -> None:
    assert chart["type"] == "line"
    assert chart["series"] == FUELS
    for place, fuel in enumerate(FUELS):
        means = FRAME[FRAME["fuel"] == fuel].groupby("power")["mpg"].mean()
        assert_near(points(chart, place), pairs(means.index, means))


@figure("sns.lineplot(FRAME, x='maker', y='mpg', errorbar=('pi', 100))")
def sns_line_with_band(chart: dict[str, Any]) -> None:
    assert chart["type"] == "line"
    assert_near(points(chart), [[maker, rows(maker)["mpg"].mean()] for maker in MAKERS])
    band = layer(chart, "band")["elements"][0]["points"]
    expected = [[m, rows(m)["mpg"].min(), rows(m)["mpg"].max()] for m in MAKERS]
    assert_near(band, expected)


@figure("sns.scatterplot(FRAME, x='power', y='mpg', hue='fuel')")
def sns_scatter_with_hue(chart: dict[str, Any]) -> None:
    assert chart["type"] == "scatter"
    for fuel in FUELS:
        element = next(e for e in chart["elements"] if e["label"] == fuel)
        chosen = FRAME[FRAME["fuel"] == fuel]
        assert_near(element["points"], pairs(chosen["power"], chosen["mpg"]))


@figure("sns.regplot(FRAME, x='power', y='mpg')")
def sns_regression(chart: dict[str, Any]) -> None:
    assert chart["type"] == "scatter"
    assert [each["type"] for each in chart["layers"]] == ["scatter", "line", "band"]
    assert_near(points(chart), pairs(FRAME["power"], FRAME["mpg"]))


@figure("sns.stripplot(FRAME, x='maker', y='mpg')")
def sns_strips(chart: dict[str, Any]) -> None:
    assert chart["type"] == "scatter"
    assert chart["series"] == MAKERS
    found = [tuple(point) for element in chart["elements"] for point in element["points"]]
    assert sorted(found) == sorted(zip(FRAME["maker"], FRAME["mpg"], strict=True))


@figure("sns.pointplot(FRAME, x='maker', y='mpg', errorbar=('pi', 100))")
def sns_points(chart: dict[str, Any]) -> None:
    assert chart["type"] == "line"
    assert len(chart["elements"]) == 1
    element = chart["elements"][0]
    assert_near(element["points"], [[m, rows(m)["mpg"].mean()] for m in MAKERS])
    assert_near(element["y_low"], [rows(m)["mpg"].min() for m in MAKERS])


@figure("sns.heatmap(FRAME[['mpg', 'power']].corr(), annot=True)")
def sns_heatmap(chart: dict[str, Any]) -> None:
    assert chart["type"] == "heatmap"
    assert chart["matrix"]["rows"] == chart["matrix"]["columns"] == ["mpg", "power"]
    assert_near(chart["matrix"]["values"], CORRELATIONS.to_numpy().tolist())
    assert chart["warnings"] == []


@figure("sns.relplot(FRAME, x='power', y='mpg', col='fuel')")
def sns_facets(chart: dict[str, Any]) -> None:
    assert chart["type"] == "superchart"
    assert [part["title"] for part in chart["elements"]] == ["fuel = gas", "fuel = oil"]
    for part, fuel in zip(chart["elements"], FUELS, strict=True):
        assert (part["type"], part["y_label"]) == ("scatter", "mpg")
        chosen = FRAME[FRAME["fuel"] == fuel]
        assert_near(points(part), pairs(chosen["power"], chosen["mpg"]))


@figure("sns.jointplot(FRAME, x='power', y='mpg')")
def sns_joint(chart: dict[str, Any]) -> None:
    kinds = [part["type"] for part in chart["elements"]]
    assert kinds == ["scatter", "histogram", "histogram"]


@figure("sns.swarmplot(FRAME, x='maker', y='mpg', hue='fuel')")
def sns_swarm_with_hue(chart: dict[str, Any]) -> None:
    assert chart["type"] == "scatter"
    assert sorted(chart["series"]) == FUELS
    for element in chart["elements"]:
        chosen = FRAME[FRAME["fuel"] == element["label"]]
        found = sorted(tuple(point) for point in element["points"])
        assert found == sorted(zip(chosen["maker"], chosen["mpg"], strict=True))


@figure("sns.catplot(FRAME, kind='bar', x='maker', y='mpg', hue='fuel', errorbar=None)")
def sns_categories(chart: dict[str, Any]) -> None:
    assert chart["type"] == "bar"
    assert chart["warnings"] == []
    for fuel in FUELS:
        expected = [rows(maker, fuel)["mpg"].mean() for maker in MAKERS]
        assert_near(list(bars(chart, fuel).values()), expected)


@figure("sns.boxenplot(FRAME, x='maker', y='mpg')")
def sns_letter_values(chart: dict[str, Any]) -> None:
    assert (chart["type"], chart["elements"]) == ("unknown", [])
    assert "PatchCollection" in chart["warnings"][0]
