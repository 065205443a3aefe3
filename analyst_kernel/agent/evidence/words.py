"""The words around a number: its sentence, and what they say of it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from analyst_kernel.agent.evidence.numbers import Number

_BREAK = re.compile(r"[.!?;](?=\s)|\n")
_WORD = re.compile(r"[^\W\d_]+")
_DOWN = re.compile(
    r"(?:\b(?:fell|fall(?:s|en|ing)?|drop(?:s|ped|ping)?|decreas\w*|declin\w*|lower\w*|less|fewer|"
    r"below|down\w*|loss\w*|los(?:e|es|t|ing)|minus|negativ\w*|invers\w*|shr[aiu]nk\w*|reduc\w*|"
    r"under\w*|deficit\w*|wors\w*|colder|cooler|small\w*|short\w*|cheap\w*|behind|short of|slid|"
    r"slip\w*|dip\w*|shed\w*|cut\w*|trail\w*|earlier|slow\w*|weak\w*|light\w*|thin\w*|narrow\w*|"
    r"contract\w*|plung\w*|tumbl\w*|sank|sink\w*|removed?|excluded?|lag\w*|young\w*|sub-?zero|"
    r"shortfall|outflow\w*|withdr\w*|refund\w*|debit\w*|west|south)\b|−\s*$)",
    re.IGNORECASE,
)
_UP = re.compile(
    r"\b(?:rose|ris(?:e|es|en|ing)|increas\w*|gr[eo]w\w*|growth|higher|more|above|gain\w*|up|climb\w*|"
    r"jump\w*|exceed\w*|longer|larger|bigger|heavier|faster|positiv\w*|added?|expand\w*|surplus|"
    r"improv\w*|better|warmer|taller|wider|surg\w*|soar\w*|profit\w*)\b",
    re.IGNORECASE,
)
_EITHER = re.compile(
    r"\b(?:differ\w*|gap|apart|margin|absolute\w*|distance|deviat\w*|magnitude|chang\w*|residual\w*|"
    r"swing|shift\w*|effect|spread)\b",
    re.IGNORECASE,
)
_ABSOLUTE = re.compile(
    r"\b(?:absolute\w*|magnitude|differ\w*|gap|apart|margin|distance)\b", re.IGNORECASE
)
_MEASURE = re.compile(
    r"\b(?:mean\w*|averag\w*|avg|median\w*|typical\w*|std|deviat\w*|variance|rate\w*|ratio\w*|"
    r"per|percentile|quantile|quartile|expected|predicted|forecast\w*|estimat\w*|score|index|"
    r"round\w*|nearest|approx\w*|slope|intercept|error|rmse|mae|speed|weight|mass|price|"
    r"temperature|distance|area|length|density)\b",
    re.IGNORECASE,
)
_COUNTED = re.compile(
    r"[\s*_]*(?:[^\W\d_]+\s)?(?:rows?|records?|observations?|entries|groups?|categor\w+|columns?|"
    r"values?|cases|samples|times|outliers?|duplicates?|missing|nulls?|unique|distinct)\b",
    re.IGNORECASE,
)
_N_EQUALS = re.compile(r"(?:\b[nN]\s*=|\b(?:count|number) (?:of [\w ]{1,40})?(?:is|was|=|:))\s*$")
_UNIT = re.compile(
    r"\s?(?:°|kg|mg|g|mm|cm|km|m|mi|miles?|mph|km/h|kmh|mpg|l|lit(?:er|re)s?|ml|degrees?|[CF]|ms|s|"
    r"sec(?:ond)?s?|min(?:ute)?s?|h|hours?|days?|weeks?|months?|years?|USD|EUR|GBP|CHF|dollars?|"
    r"euros?|pounds?|cents?|points?|kWh|MWh|kW|W|hp|Hz|ppm|lbs?|oz|ft|feet|inch(?:es)?|sq|kcal|cal|"
    r"calories|hPa|mbar|[€£¥$₹])(?![\w])",
    re.IGNORECASE,
)
_CURRENCY = re.compile(r"(?:[$€£¥₹]|\b(?:USD|EUR|GBP|CHF|US\$))\s?$")
_ROUNDING_ASKED = re.compile(
    r"\b(?:round\w*|nearest|whole number|integer|no decimals?|(?:0|zero) decimals?)\b",
    re.IGNORECASE,
)
_DIFFERENCE = re.compile(
    r"\b(?:differ\w*|gap|margin|chang\w*|apart|remov\w*|exclud\w*|left|remain\w*|span\w*|range|"
    r"spread|other\w*|rest|without|missing|lost|outside|swing|shift\w*|points?)\b",
    re.IGNORECASE,
)
_LEFT_OUT = re.compile(
    r"\b(?:remov\w*|exclud\w*|drop\w*|left out|discard\w*|filter\w*|ignor\w*|without|missing)\b",
    re.IGNORECASE,
)
_SUM = re.compile(
    r"\b(?:total\w*|together|sum\w*|combin\w*|overall|altogether|in all|both|add\w*|joint\w*|"
    r"all)\b",
    re.IGNORECASE,
)
_SHARE = re.compile(
    r"\b(?:share\w*|percent\w*|proportion\w*|fraction\w*|ratio\w*|times|fold|per|rate|"
    r"of (?:all|the)|twice|double|triple|half|third|quarter|make[s]? up|account\w*)\b"
    r"|[0-9]\s?[x×](?!\s?[0-9])",
    re.IGNORECASE,
)
_OF_ALL = re.compile(r"\b(?:every|each|all|always|any|never|none|no)\b", re.IGNORECASE)
_PERCENTAGE = re.compile(r"%|\b(?:percent\w*|pct|share\w*|rates?|proportion\w*)\b", re.IGNORECASE)
_COLUMNS = re.compile(
    r"\b(?:columns?|variables?|features?|fields?|attributes?|wide)\b", re.IGNORECASE
)
_BY = re.compile(r"(?:[×x*]|\bby|\\times)\s*$")
_ROWS_OF = re.compile(
    r"\b(?:row|index|position|line|record|label|id|observation)\w*\W*$", re.IGNORECASE
)
_OPERAND = re.compile(
    r"\s+(?:of\s+)?(?:that|this|it|(?:the|that|this|its|their)\b[^.;:]{0,60}?"
    r"\b(?:mean|average|median|sum|total|amount|value|number|count|difference|maximum|minimum"
    r"|figure|result|deviation)\b[^.;:]{0,40}?)"
    r"\s+(?:is|was|equals|comes to|would be|makes|gives|amounts to)\s+"
    r"(?:(?:about|around|roughly|approximately|nearly|exactly|then)\s+)?[(−-]?[$€£¥]?\s?[0-9]",
    re.IGNORECASE,
)
_OPENING = re.compile(r"[\W_]*(?:(?:so|and|then|hence|thus|therefore)\b\W*)*", re.IGNORECASE)
_MONTH = re.compile(
    r"\b(?:jan\w*|feb\w*|mar(?:ch)?|apr\w*|may|june?|july?|aug\w*|sep\w*|oct\w*|nov\w*|dec\w*|day|"
    r"month|hour|week|on the|o'clock|am|pm|a\.m\.|p\.m\.|minute)\b|/",
    re.IGNORECASE,
)
_METHOD = re.compile(
    r"\b(?:iqr|interquartile|alpha|significan\w*|ddof|degrees? of freedom|roll\w*|window\w*|moving|"
    r"threshold\w*|cut-?off|confidence|quantile\w*|percentile\w*|level|bins?|folds?|seed|lag\w*|"
    r"limit\w*|top|first|last|bottom|least|most|over|under|above|below|than|exceed\w*|within|"
    r"between|from|until|up to|at|clusters?|neighbou?rs?|components?|trees|iterations|random|"
    r"standard deviations?|sigma|std|whisker\w*|fence\w*|half-life|span|degree|order|lambda|"
    r"power)\b"
    r"|[<>=≤≥×σ]",
    re.IGNORECASE,
)
_P_VALUE = re.compile(r"\bp(?:[-\s]?val\w*)?\b|\bsig\w*|pval", re.IGNORECASE)
_NEAR = 40
_REACH = 300
"""The most characters of a sentence before and behind a number that are read."""


@dataclass(frozen=True)
class Words:
    """A number among the words of its sentence.

    ``start`` and ``end`` are the sentence's offsets in the text.
    """

    text: str
    number: Number
    start: int
    end: int
    question: str = ""

    @cached_property
    def sentence(self) -> str:
        """The sentence, or the line of a list or table; of a closed form, its name as well."""
        return self.text[self.start : self.end]

    @cached_property
    def before(self) -> str:
        """What stands before the number in its sentence; names of closed forms as words."""
        return self._spaced(self.text[self.start : self.number.start])

    @cached_property
    def after(self) -> str:
        """What stands behind the number in its sentence."""
        return self._spaced(self.text[self.number.end : self.end])

    def _spaced(self, part: str) -> str:
        return part.replace("_", " ") if self.number.form else part

    def says(self, pattern: re.Pattern[str], reach: int = 0) -> bool:
        """Return whether words of a kind stand in the sentence, or within ``reach`` characters."""
        before, after = self.before, self.after
        if reach:
            before, after = before[-reach:], after[:reach]
        suffix = self.number.text if self.number.rough or self.number.percent else ""
        return any(pattern.search(part) for part in (before, after, suffix))

    @cached_property
    def may_be_negative(self) -> bool:
        """Return whether the words allow a negative value for a number without a sign."""
        down, up, either = (self._distance(p) for p in (_DOWN, _UP, _EITHER))
        return min(down, either) < _NEVER and min(down, either) <= up

    @cached_property
    def is_rise(self) -> bool:
        """Return whether the words nearest to the number say that something rose."""
        up = self._distance(_UP)
        return up < min(self._distance(_DOWN), self._distance(_ABSOLUTE))

    def _distance(self, pattern: re.Pattern[str]) -> int:
        ahead = [len(self.before) - m.end() for m in pattern.finditer(self.before)]
        behind = pattern.search(self.after)
        # A word before a number says more of it than one behind: "fell by 3.2 and rose".
        after = behind.start() + 12 if behind is not None else _NEVER
        return min([*ahead, after, _NEVER])

    @cached_property
    def may_round(self) -> bool:
        """Return whether a whole number may be a rounded one: a measure is, a count is not."""
        if self.number.rough or self.number.bound:
            return True
        if _ROUNDING_ASKED.search(self.question) or _ROUNDING_ASKED.search(self.sentence):
            return True
        if _COUNTED.match(self.after) or _N_EQUALS.search(self.before):
            return False
        if _CURRENCY.search(self.before) or _UNIT.match(self.after):
            return True
        if len(f"{abs(self.number.readings[0].value):.0f}") >= 5:
            return True
        return _MEASURE.search(self.before[-_NEAR:]) is not None

    @cached_property
    def is_measure(self) -> bool:
        """Return whether a unit or a currency says that this counts no rows."""
        return bool(_CURRENCY.search(self.before) or _UNIT.match(self.after))

    @cached_property
    def is_of_columns(self) -> bool:
        """Return whether the number counts columns."""
        after = self.after[:_NEAR]
        return bool(
            _COLUMNS.search(after)
            or _COLUMNS.search(self.before[-_NEAR:])
            or (_BY.search(self.before) and re.search(r"[0-9]", self.before))
        )

    @cached_property
    def is_word(self) -> bool:
        """Return whether the number is written in words alone, as "twice" and "half of" are."""
        return re.search(r"[0-9]", self.number.text) is None

    @cached_property
    def names_operation(self) -> bool:
        """Return whether a word says what is computed, as in "Twice the mean is 8,403.6 g"."""
        return (
            self.is_word
            and _OPENING.fullmatch(self.before) is not None
            and _OPERAND.match(self.after) is not None
        )

    @cached_property
    def is_label(self) -> bool:
        """Return whether the number names a row."""
        return _ROWS_OF.search(self.before) is not None

    @cached_property
    def is_of_date(self) -> bool:
        """Return whether the number may be a day or a month."""
        return self.says(_MONTH, 14)

    @cached_property
    def is_p_value(self) -> bool:
        """Return whether the sentence speaks of a p-value."""
        return self.says(_P_VALUE)

    @cached_property
    def operations(self) -> str:
        """The operations that the words name: ``-``, ``+``, ``/`` and ``%`` for a change."""
        signs = ""
        if self.says(_DIFFERENCE) or self.says(_DOWN) or self.says(_UP):
            signs += "-"
        if self.says(_SUM):
            signs += "+"
        if self.number.percent or self.says(_SHARE):
            signs += "/"
        if self.number.percent and "-" in signs:
            signs += "%"
        return signs

    @cached_property
    def is_percentage(self) -> bool:
        """Return whether the sentence speaks of percentages."""
        return self.says(_PERCENTAGE)

    @cached_property
    def is_of_all(self) -> bool:
        """Return whether the sentence speaks of every one, or of none."""
        return self.says(_OF_ALL)

    @cached_property
    def is_left_out(self) -> bool:
        """Return whether the words say that rows were left out."""
        return self.says(_LEFT_OUT)

    @cached_property
    def is_of_method(self) -> bool:
        """Return whether words beside the number say that it is a setting of the method."""
        return self.says(_METHOD, 24)

    def shares_line(self, line: str) -> bool:
        """Return whether a line of an output speaks of the same thing as the sentence.

        A word or another number of the line stands in the sentence, in the question or in the name
        of a closed form.
        """
        ours = f"{self.sentence} {self.question} {self.number.form}".casefold().replace("_", " ")
        words = set(_WORD.findall(ours))
        line = line.casefold().replace("_", " ")
        if words & {word for word in _WORD.findall(line) if len(word) > 1}:
            return True
        values = re.findall(r"[0-9.]+", line)
        others = set(re.findall(r"[0-9.]+", ours.replace(self.number.text, " ")))
        return 1 < len(values) <= 12 and any(value.strip(".") in others for value in values)


_NEVER = 10**6


def words_beside(text: str, number: Number, question: str = "") -> Words:
    """Return a number with its sentence."""
    start = 0
    low = max(0, number.start - _REACH)
    for found in _BREAK.finditer(text, low, number.start):
        start = found.end()
    start = max(start, low)
    found_end = _BREAK.search(text, number.end, number.end + _REACH)
    end = found_end.start() + 1 if found_end else min(len(text), number.end + _REACH)
    if number.form:
        # Of a closed form, the words are its name and what stands inside.
        start = max(start, text.rfind("@", 0, number.start))
        close = text.find("]", number.end)
        end = close if 0 <= close < end else end
    return Words(text, number, start, end, question)
