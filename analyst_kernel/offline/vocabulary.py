"""Words that say what is wanted: intents, statistics, charts.

A table and one function; no data is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from analyst_kernel.offline.filters import COMPARISON_WORDS
from analyst_kernel.offline.task import Statistic
from analyst_kernel.offline.words import MORE_OR_LESS, NUMBER_WORDS, Word, stem

_TAGS: dict[str, str] = {
    "profile": "describe description overview summary summarise summarize profile quality "
    "duplicate "
    "content contain structure schema explore analyse analyze problem clean dirty trust",
    "missing": "missing null na nan empty blank incomplete complete completeness gap absent "
    "without lack lacking",
    "distribution": "distribution distributed distribute histogram spread range skewed skew "
    "shape vary "
    "variation",
    "outliers": "outlier unusual extreme anomaly anomalous suspicious implausible",
    "correlation": "correlation correlate correlated relationship related relation relate "
    "association "
    "associated depend depends affect affects influence influences scatter scatterplot predict",
    "trend": "trend change changed changes changing evolve evolved evolution develop developed "
    "development "
    "grow grew growth increase increased increasing decrease decreased decline declined rise rose "
    "fall fell improve improved improving progress time history timeline",
    "compare": "compare compared comparing comparison difference differ differs than versus vs",
    "count": "count number often frequency how-many frequent occur occurrence",
    "distinct": "different distinct unique",
    "share": "percent percentage share proportion fraction rate",
    "common": "commonest common frequent popular",
    "rare": "rarest rare",
    "join": "join joined merge match matched matching key link linked connect combine unmatched "
    "overlap "
    "fit lookup",
    "chart": "chart plot graph line bar picture boxplot box visualise visualize diagram figure "
    "curve pie",
    "mean": "average mean typical typically expected",
    "median": "median middle",
    "sum": "total sum altogether",
    "std": "deviation std variance",
    "max": "maximum max peak",
    "min": "minimum min",
    "each": "each every",
}

TAG_OF: dict[str, set[str]] = {}
for _tag, _words in _TAGS.items():
    for _word in _words.split():
        TAG_OF.setdefault(stem(_word), set()).add(_tag)

GRAIN_WORDS = frozenset({"year", "quarter", "month", "week", "day", "hour", "decade"})
"""Words that may say how time is cut, where no column has that name."""

_EXTRA = frozenset(
    "highest lowest most least best worst largest smallest biggest greatest top bottom "
    "strongest weakest "
    "fewest first last standard level high low sort sorted order ordered rank ranked ranking "
    "average "
    "question only statistic distinct vs there rate correlated trend".split()
)

GUARDED = (
    frozenset(TAG_OF)
    | frozenset(map(stem, _EXTRA))
    | COMPARISON_WORDS
    | frozenset(map(stem, MORE_OR_LESS))
    | frozenset(NUMBER_WORDS)
)
"""Stems that mean something in every question, so that they rarely name a column."""

_PROFILE = re.compile(
    r"\b(?:what(?:'s| is| does| "
    r"do)?\b.*\b(?:in|contain|about)\b.*\b(?:data|dataset|file|table|it|this|here|there|folder)\b"
    r"|tell me (?:something )?about|look(?:s)? like|what (?:is|are) (?:this|these|the) "
    r"(?:data|dataset|file)"
    r"|data quality|first look|what columns|which columns|get to know)",
    re.IGNORECASE,
)


def tags_of(text: str, words: Sequence[Word], used: set[int]) -> frozenset[str]:
    """Return what the free words of a question ask for."""
    tags: set[str] = set()
    for word in words:
        if word.index not in used:
            tags |= TAG_OF.get(word.stem, set())
    low = text.casefold()
    if re.search(r"\bhow (?:many|often)\b|\bnumber of\b", low):
        tags.add("count")
    if re.search(r"\bover (?:the )?(?:time|years|months|days|weeks)\b", low):
        tags.add("trend")
        tags.add("over")
    if _PROFILE.search(text):
        tags.add("profile")
    if re.search(r"\b(?:which|what)\b", low):
        tags.add("which")
    return frozenset(tags)


def statistic_of(tags: frozenset[str]) -> Statistic | None:
    """Return the statistic that the words name, if any."""
    named: tuple[Statistic, ...] = ("median", "sum", "std", "mean", "max", "min")
    return next((name for name in named if name in tags), None)
