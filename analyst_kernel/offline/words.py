"""Words of a question and of column names, brought to one form so that they can be compared.

Holds the vocabulary (synonyms, abbreviations, adjectives, stop words). It knows nothing of data.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

STRIPPED = frozenset(
    "mm cm m km g kg mg lb lbs oz l ml usd eur gbp pct percent mph kmh kwh kw c f celsius "
    "fahrenheit hpa hz seconds minutes".split()
)
"""Last words of column names that are units, and so no part of what the column is called."""

_WRITTEN = {
    "usd": "USD", "eur": "EUR", "gbp": "GBP", "chf": "CHF", "pct": "%", "percent": "%",
    "kmh": "km/h", "kwh": "kWh", "kw": "kW", "hpa": "hPa", "hz": "Hz", "c": "°C", "f": "°F",
    "celsius": "°C", "fahrenheit": "°F", "min": "minutes",
}  # fmt: skip
_WARMTH = frozenset("temp temperature temperatur température temperatura dewpoint dewp".split())
_LASTS = frozenset("wait waiting duration delay elapsed travel response trip time".split())
_DEGREES = re.compile(r"\s*(°\s?[CF]|%|‰|€|£|\$)\s*$")
_MARK = re.compile(r"[$€£%]")


def unit_of(name: str) -> str:
    """Return the unit a column name states in brackets or at its end, or ``""``."""
    found = _BRACKET.findall(name)
    if found and 0 < len(found[-1].strip()) <= 12:
        return str(found[-1].strip())
    sign = _DEGREES.search(name)
    if sign is not None and sign.start() > 0:
        return sign[1].replace(" ", "")
    parts = [part.casefold() for part in re.split(r"[\W_]+", name) if part]
    if len(parts) < 2 or len(parts[0]) < 2:
        return ""
    last, rest = parts[-1], set(parts[:-1])
    if last in ("c", "f"):
        return _WRITTEN[last] if rest & _WARMTH else ""
    if last == "min":
        return _WRITTEN[last] if rest & _LASTS else ""
    return _WRITTEN.get(last, last) if last in STRIPPED else ""


def without_unit(name: str) -> str:
    """Return a column name without the unit at its end: ``fare_eur`` -> ``fare``."""
    bare = _DEGREES.sub("", _BRACKET.sub(" ", name)).strip() or name
    of = unit_of(name)
    if not of or bare != name.strip():
        return bare
    return re.sub(r"[\W_]+[^\W_]+$", "", bare) or bare


def mark_of(values: Iterable[str]) -> str:
    """Return the one sign of money or share that all of the written values carry, or ``""``."""
    signs = {"".join(sorted(set(_MARK.findall(value)))) for value in values}
    only = signs.pop() if len(signs) == 1 else ""
    return only if len(only) == 1 else ""


def decimal_comma(values: Iterable[str]) -> bool:
    """Whether written numbers use a comma for the decimals: "1.234,50 €"."""
    texts = [value.strip() for value in values if "," in value]
    return bool(texts) and all(_COMMA_LAST.search(text) for text in texts)


_COMMA_LAST = re.compile(r"^\D*(?:\d{1,3}(?:[. ']\d{3})+|\d+),\d{1,2}(?!\d)\D*$")


Form = frozenset[str]


def stem(word: str) -> str:
    """Return the lower-case, singular form of a word, the same for both that are compared."""
    word = word.casefold()
    for end in ("'s", "’s"):
        word = word.removesuffix(end)
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


_IRREGULAR = {
    "people": "person",
    "men": "male",
    "man": "male",
    "boys": "male",
    "women": "female",
    "woman": "female",
    "girls": "female",
    "means": "mean",
    "averages": "average",
    "analyses": "analysis",
    "monthly": "month",
    "yearly": "year",
    "annual": "year",
    "annually": "year",
    "daily": "day",
    "weekly": "week",
    "hourly": "hour",
    "quarterly": "quarter",
    "milage": "mileage",
    "datum": "data",
}


def _stems(text: str) -> Form:
    return frozenset(stem(word) for word in text.split())


ABBREVIATIONS: dict[str, Form] = {
    key: _stems(key + " " + words)
    for key, words in {
        "cty": "city",
        "hwy": "highway motorway",
        "displ": "displacement",
        "disp": "displacement",
        "cyl": "cylinder",
        "trans": "transmission gearbox",
        "temp": "temperature",
        "dewp": "dewpoint dew",
        "humid": "humidity",
        "precip": "precipitation rain rainfall",
        "visib": "visibility",
        "dir": "direction",
        "lat": "latitude",
        "lon": "longitude",
        "lng": "longitude",
        "alt": "altitude elevation",
        "tz": "timezone",
        "tzone": "timezone",
        "qty": "quantity",
        "amt": "amount",
        "dept": "department",
        "cust": "customer",
        "prod": "product",
        "yr": "year",
        "mo": "month",
        "dt": "date",
        "hp": "horsepower",
        "wt": "weight mass",
        "num": "number",
        "faa": "airport",
        "origin": "airport",
        "tailnum": "tail",
        "make": "maker brand manufacturer marque",
        "manufacturer": "maker brand make",
        "brand": "maker make manufacturer",
        "carrier": "airline",
        "sex": "gender",
        "gender": "sex",
        "culmen": "bill beak",
        "bill": "beak culmen",
        "mass": "weight",
        "weight": "mass",
        "revenue": "sale turnover",
        "class": "category",
        "price": "cost",
        "cost": "price",
        "country": "nation",
        "drive": "drivetrain",
    }.items()
}
"""A word of a column name -> the words of a question that it stands for."""

WEAK: dict[str, Form] = {
    "cty": _stems("mileage mpg economy"),
    "hwy": _stems("mileage mpg economy"),
    "mpg": _stems("mileage economy"),
}
"""Words that fit a column only in part: alone they may fit several, beside it they belong to it."""

COMPANIONS: dict[str, Form] = {
    "cty": _stems("mileage mpg economy fuel"),
    "hwy": _stems("mileage mpg economy fuel"),
    "mpg": _stems("mileage economy fuel"),
    "year": _stems("model calendar"),
    "displ": _stems("engine"),
    "cyl": _stems("engine"),
    "fuel": _stems("type kind"),
    "mass": _stems("body"),
    "trans": _stems("type"),
    "class": _stems("vehicle car"),
    "temp": _stems("air"),
    "pressure": _stems("air"),
    "wait": _stems("time"),
    "travel": _stems("time"),
    "response": _stems("time"),
    "delay": _stems("time"),
}
"""Words that may stand beside a column's own word without naming another column."""

SPOKEN: dict[str, str] = {
    "cty": "city mileage",
    "hwy": "highway mileage",
    "displ": "engine displacement",
    "cyl": "cylinders",
    "trans": "transmission",
    "temp": "temperature",
    "dewp": "dew point",
    "humid": "humidity",
    "precip": "precipitation",
    "visib": "visibility",
    "wind_speed": "wind speed",
    "wind_gust": "wind gust",
    "wind_dir": "wind direction",
}
"""How a person says a column whose name is an abbreviation."""

ADJECTIVES: dict[str, tuple[Form, int]] = {}
"""Adjective -> the nouns that it is about, and whether it means much (1) or little (-1)."""

COMPARATIVES: set[str] = set()
SUPERLATIVES: set[str] = set()


def _adjective(forms: str, nouns: str, direction: int) -> None:
    for form in forms.split():
        ADJECTIVES[form] = (_stems(nouns), direction)
        if form.endswith("est"):
            SUPERLATIVES.add(form)
        elif form.endswith("er"):
            COMPARATIVES.add(form)


_adjective("heavy heavier heaviest", "mass weight", 1)
_adjective("light lighter lightest", "mass weight", -1)
_adjective("long longer longest", "length duration", 1)
_adjective("short shorter shortest", "length duration height", -1)
_adjective("tall taller tallest", "height", 1)
_adjective("deep deeper deepest", "depth", 1)
_adjective("wide wider widest", "width", 1)
_adjective("fast faster fastest quick quickest", "speed", 1)
_adjective("slow slower slowest", "speed", -1)
_adjective("expensive pricier priciest", "price cost", 1)
_adjective("cheap cheaper cheapest", "price cost", -1)
_adjective("hot hotter hottest warm warmer warmest", "temperature", 1)
_adjective("cold colder coldest cool cooler coolest", "temperature", -1)
_adjective("rainy rainier rainiest wet wetter wettest", "precipitation rain", 1)
_adjective("old older oldest", "age", 1)
_adjective("young younger youngest", "age", -1)
_adjective("weigh", "mass weight", 1)
_adjective("powerful", "horsepower power", 1)
_adjective("profitable", "profit", 1)

DIRECTIONS = {
    **dict.fromkeys(
        "highest most best largest biggest greatest maximum max strongest top".split(), 1
    ),
    **dict.fromkeys("lowest least worst smallest fewest minimum min weakest bottom".split(), -1),
}
"""Superlatives without a noun of their own."""

MORE_OR_LESS = {
    **dict.fromkeys("more higher larger bigger greater better stronger".split(), 1),
    **dict.fromkeys("less lower smaller fewer worse weaker".split(), -1),
}
"""Comparatives without a noun of their own."""

YEAR_ROUND = "yearround"
"""Stands for "of the year": the same month of every year."""

PHRASES: tuple[tuple[str, str], ...] = (
    (r"\bmiles[ -]per[ -](?:us )?gallon\b", "mileage"),
    (r"\b(?:fuel|gas) (?:economy|efficiency|mileage)\b", "mileage"),
    (r"\bmost (?:fuel[- ])?efficient\b", "highest mileage"),
    (r"\bleast (?:fuel[- ])?efficient\b", "lowest mileage"),
    (r"\bmore (?:fuel[- ])?efficient\b", "higher mileage"),
    (r"\bless (?:fuel[- ])?efficient\b", "lower mileage"),
    (r"\bengine (?:size|capacity|displacement)\b", "displacement"),
    (r"\bnumber of cylinders\b", "cylinders"),
    (r"\bdew point\b", "dewpoint"),
    (r"\bhours? of (?:the )?day\b|\btime of (?:the )?day\b", "hour"),
    (r"\bmonths? of (?:the )?year\b", f"month {YEAR_ROUND}"),
    (r"\bdays? of (?:the )?week\b", "weekday"),
    (r"\bwind(?:iest)\b", "highest wind speed"),
    (r"\bwindier\b", "higher wind speed"),
    (r"\bwindy\b", "wind speed"),
    (r"\bleast wind speed\b", "lowest wind speed"),
    (r"\b(?:calmest)\b", "lowest wind speed"),
    (r"\b(?:strongest|highest) winds?\b(?! (?:speed|gust))", "highest wind speed"),
    (r"\bsuvs?\b", "sport utility"),
    (r"\bfour[- ]wheel\b", "4-wheel"),
    (r"\btwo[- ]wheel\b", "2-wheel"),
    (r"\bmost (?:common|frequent|popular)\b", "commonest"),
    (r"\bleast (?:common|frequent|popular)\b", "rarest"),
    (r"\b(?:appears?|occurs?) (?:the )?most(?: (?:often|frequently))?\b", "commonest"),
    (r"\b(?:appears?|occurs?) (?:the )?least(?: (?:often|frequently))?\b", "rarest"),
    (r"\b(?:in |sorted |ordered )*ascending(?: order)?\b", "lowest first"),
    (r"\b(?:in |sorted |ordered )*descending(?: order)?\b", "highest first"),
    (r"\bleast (?=expensive|powerful|profitable)", "lowest "),
    (r"\bmost (?=expensive|powerful|profitable)", "highest "),
)
"""Ways of saying one thing, replaced before words are looked at."""

_MAKE = re.compile(
    r"(?:^|(?<=[,.;] )|(?<=and )|(?<=please ))make (?=(?:me|an?|the|it|this|that|them)\b)",
    re.IGNORECASE,
)

VALUE_WORDS: dict[str, tuple[str, ...]] = {
    "petrol": ("regular", "premium", "midgrade", "petrol", "gasoline"),
    "gasoline": ("regular", "premium", "midgrade", "gasoline", "petrol"),
    "ev": ("electricity", "electric"),
    "electric": ("electricity", "electric"),
    "gas": ("cng", "natural gas"),
    "female": ("f", "w", "woman", "women"),
    "male": ("m", "man", "men"),
}
"""A word of a question -> values (whole, lower case) that it stands for."""

ROW_NOUNS: dict[str, Form] = {
    "vehicle": _stems("car cars automobile auto vehicle"),
    "car": _stems("car vehicle automobile auto"),
    "penguin": _stems("penguin bird animal"),
    "weather": _stems("weather observation measurement reading"),
    "plane": _stems("plane aircraft airplane"),
    "airport": _stems("airport"),
    "airline": _stems("airline carrier"),
    "employee": _stems("employee worker staff"),
    "customer": _stems("customer client"),
    "order": _stems("order"),
    "sale": _stems("sale"),
}
"""A word of a dataset's name -> words that mean one of its rows."""

STOP = _stems(
    "a an the of in on at for to from with by per and or is are was were be been do does did "
    "done has "
    "have had how what which who whose where why me my i we us you it its this that these those "
    "there "
    "their they them than then as so if not no yes any all some every each both please show "
    "display "
    "give tell list find make draw let can could would will should may might about into out up "
    "down "
    "also just only now same but between among across over within during through versus vs when "
    "much "
    "many more less very really quite there's ever row record entry data dataset table file sheet "
    "column field variable value group type kind different various one ones other others get "
    "see want "
    "need know like look using use based along against whether while compute calculate answer "
    "question "
    "overall per-row respectively case instance available exist exactly approximately here because "
    "good looking thing still together got shown your our she he his her unit number result mostly "
    "usual "
    "observed ask according since name i'd i'm what's how's who's dont isn't aren't doesn't "
    f"each other {YEAR_ROUND}"
)

NUMBER_WORDS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6,
    "seven": 7, "eight": 8, "nine": 9, "ten": 10, "twenty": 20,
}  # fmt: skip

MONTHS = (
    "january", "february", "march", "april", "may", "june", "july",
    "august", "september", "october", "november", "december",
)  # fmt: skip

GENERIC = _stems("number name id type value code date total count key index study sample other")
"""Words of column names that do not tell columns apart on their own."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a question.

    Attributes:
        index: Its place, from 0.
        text: As written (after phrases were replaced).
        stem: Its compared form.
        nouns: For an adjective, the nouns that it is about.
        direction: 1 for much, -1 for little, 0 for neither.
        number: Its value, where it is a number.
        quoted: Whether it stands in quotes or backticks.
    """

    index: int
    text: str
    stem: str
    nouns: Form = frozenset()
    direction: int = 0
    number: float | None = None
    quoted: bool = False


_GLUED = re.compile(
    rf"(?<![\w.])(\d[\d,.]*)(?:{'|'.join(sorted(STRIPPED | {'mpg'}))})\b", re.IGNORECASE
)
"""A number with its unit, written as one word: "32F", "4000g"."""

_TOKEN = re.compile(
    r"\d[\d,]*\.\d+|\d{1,3}(?:,\d{3})+|\d++(?![^\W\d_])|[^\W_]+(?:['’][a-z]+)?|[<>]=?|="
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_BRACKET = re.compile(r"[\(\[\{]([^)\]}]*)[\)\]}]")


def replace_phrases(text: str, known: frozenset[Form] = frozenset()) -> str:
    """Replace ways of saying one thing; a phrase that is a column's own name stays as it is."""
    text = _GLUED.sub(r"\1", _MAKE.sub("show ", text))
    for pattern, replacement in PHRASES:

        def swap(found: re.Match[str], replacement: str = replacement) -> str:
            said = frozenset(stem(part) for part in re.split(r"[\W_]+", found.group()) if part)
            return found.group() if any(said <= name for name in known) else replacement

        text = re.sub(pattern, swap, text, flags=re.IGNORECASE)
    return text


def split_words(text: str) -> tuple[Word, ...]:
    """Cut a question into words; numbers keep their value, adjectives their nouns."""
    quoted = [
        (found.start(), found.end())
        for found in re.finditer(r"`[^`]+`|\"[^\"]+\"|“[^”]+”|(?<!\w)'[^']+'(?!\w)", text)
    ]
    words: list[Word] = []
    for found in _TOKEN.finditer(text):
        raw = found.group()
        low = raw.casefold()
        inside = any(start <= found.start() < end for start, end in quoted)
        nouns, direction = ADJECTIVES.get(low, (frozenset(), 0))
        direction = direction or DIRECTIONS.get(low, 0) or MORE_OR_LESS.get(low, 0)
        words.append(Word(len(words), raw, stem(raw), nouns, direction, _number(raw), inside))
    return tuple(words)


def _number(raw: str) -> float | None:
    plain = raw.replace(",", "")
    if not (plain.isascii() and plain.replace(".", "", 1).isdigit()):
        return None
    return float(plain) if len(plain) < 16 else None


def name_tokens(name: str) -> tuple[str, ...]:
    """Return the compared words of a column name, without a unit in brackets.

    ``Body Mass (g)`` -> ``("body", "mass")``; ``studyName`` -> ``("study", "name")``.
    """
    bare = _BRACKET.sub(" ", name)
    parts = [part for part in re.split(r"[\W_]+", _CAMEL.sub(" ", bare)) if part]
    if not parts:
        parts = [part for part in re.split(r"[\W_]+", name) if part]
    while len(parts) > 1 and parts[-1].casefold() in STRIPPED:
        if len(parts[-1]) == 1 and not unit_of(name):
            break  # "vitamin_c" is no vitamin in degrees
        parts.pop()
    return tuple(stem(part) for part in parts)


def spoken(name: str) -> str:
    """Return a column name as a person would say it, without its unit."""
    if name in SPOKEN:
        return SPOKEN[name]
    bare = re.sub(r"\s+", " ", without_unit(name).replace("_", " ")).strip()
    return bare or name


def token_forms(token: str) -> Form:
    """Return the words of a question that one word of a column name stands for."""
    return ABBREVIATIONS.get(token, frozenset()) | {token}
