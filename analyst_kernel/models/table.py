"""The table of models: limits, capabilities and prices by provider and name, dated.

The figures stand in ``models.toml`` beside this module; its head says what the entries mean. A file
of the user's, of the same form, adds to it and replaces entries. One that cannot be used is said to
be so, in one sentence, and changes nothing.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from analyst_kernel.agent.budget import Billing
from analyst_kernel.models.prices import Price, Tariff

_OWN = Path(__file__).with_name("models.toml")
_LARGEST = 1_000_000
_DATED = re.compile(r"[-@](\d{8}|\d{4}-\d{2}-\d{2})\Z")

_Count = Annotated[int, Field(gt=0, lt=1 << 40)]
_Dollars = Annotated[float, Field(ge=0, lt=1_000_000, allow_inf_nan=False)]


class _BadEntry(ValueError):
    """An entry of a table is not as its form says; the message is part of a sentence."""


class _TableEntry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _PriceEntry(_TableEntry):
    input: _Dollars
    output: _Dollars
    cache_read: _Dollars | None = None
    cache_write: _Dollars | None = None

    def price(self) -> Price:
        read, write = self.cache_read, self.cache_write
        return Price(
            self.input,
            self.output,
            cache_write=self.input if write is None else write,
            cache_read=self.input if read is None else read,
        )


class _DatedPriceEntry(_PriceEntry):
    until: date | None = None


class _LongPriceEntry(_PriceEntry):
    above: _Count


class _ModelEntry(_TableEntry):
    context: _Count | None = None
    output: _Count | None = None
    images: bool | None = None
    reasoning: bool | None = None
    tools: bool | None = None
    price: _DatedPriceEntry | list[_DatedPriceEntry] | None = None
    long: _LongPriceEntry | None = None
    like: str | None = None


class _ProviderEntry(_TableEntry):
    read: date | None = None
    sources: list[str] = []
    billing: Literal["free", "reported"] | None = None
    models: dict[str, _ModelEntry] = {}


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What the table says of one model; None for what it does not say.

    Attributes:
        context: Tokens of a request and its answer together.
        output: Tokens of an answer, thinking included.
        images, reasoning, tools: Whether it sees pictures, thinks, calls tools.
        tariffs: Prices in order, each with the last day on which it holds (None: no end is known).
        read: The day on which the sources were read.
        by_user: Whether the user's own file says something of it.
    """

    context: int | None = None
    output: int | None = None
    images: bool | None = None
    reasoning: bool | None = None
    tools: bool | None = None
    tariffs: tuple[tuple[date | None, Tariff], ...] = ()
    billing: Billing = "unknown"
    read: date | None = None
    by_user: bool = False

    def tariff(self, day: date) -> Tariff | None:
        """Return the price that holds on a day, or None if none is known."""
        return next((t for until, t in self.tariffs if until is None or day <= until), None)


UNKNOWN = ModelFacts()
"""A model of which the table says nothing."""


@dataclass(frozen=True, slots=True)
class ModelTable:
    """The two tables in one.

    Attributes:
        path: Where the user's own table stands, or would stand.
        problem: Why that cannot be used; empty if it is used, or there is none.
    """

    path: Path
    problem: str = ""
    _rows: Mapping[str, _ProviderEntry] = field(default_factory=dict)
    _by_user: frozenset[tuple[str, str]] = frozenset()

    def names(self, provider: str) -> tuple[str, ...]:
        """Return the names of the models that the table has of a provider, in its order."""
        row = self._rows.get(provider)
        return tuple(row.models) if row else ()

    @property
    def providers(self) -> tuple[str, ...]:
        """The providers that the table has."""
        return tuple(self._rows)

    def sources(self, provider: str) -> tuple[str, ...]:
        """Return where a provider's figures stand."""
        row = self._rows.get(provider)
        return tuple(row.sources) if row else ()

    def facts(self, provider: str, model: str) -> ModelFacts:
        """Return what is known of a model; its name may end in a date (``-20251001``)."""
        row = self._rows.get(provider)
        if row is None:
            return UNKNOWN
        name, entry = self._entry(row, model)
        if entry.like is not None:
            other, _, other_name = entry.like.partition(":")
            _, base = self._entry(self._rows.get(other, _ProviderEntry()), other_name)
            given = {key: value for key, value in entry if value is not None}
            entry = base.model_copy(update=given)
        tariffs = _tariffs(entry)
        return ModelFacts(
            context=entry.context,
            output=entry.output,
            images=entry.images,
            reasoning=entry.reasoning,
            tools=entry.tools,
            tariffs=tariffs,
            billing="listed" if tariffs else row.billing or "unknown",
            read=row.read,
            by_user=(provider, name) in self._by_user,
        )

    @staticmethod
    def _entry(row: _ProviderEntry, model: str) -> tuple[str, _ModelEntry]:
        for name in (model, _DATED.sub("", model)):
            if name in row.models:
                return name, row.models[name]
        return model, _ModelEntry()


def user_table_path() -> Path:
    """Return where the user's own table stands: in Jupyter's configuration folder."""
    from jupyter_core.paths import jupyter_config_dir

    return Path(jupyter_config_dir()) / "analyst_kernel" / "models.toml"


def model_table() -> ModelTable:
    """Return the table as it stands now; both files are read again when they change."""
    path = user_table_path()
    try:
        at = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return _joined(path, None)
    except OSError as error:
        return _unusable(path, f"it cannot be read ({error.strerror})")
    return _joined(path, (at.st_mtime_ns, at.st_size, at.st_ino))


def look_up(name: str) -> ModelFacts:
    """Return what the table says of a model by its full name, ``provider:name``."""
    provider, _, model = name.partition(":")
    return model_table().facts(provider, model)


@lru_cache(maxsize=4)
def _joined(path: Path, version: tuple[int, int, int] | None) -> ModelTable:
    """Return the joined table for one version of the user's file (None: there is none)."""
    rows = _built_in()
    if version is None:
        return ModelTable(path, _rows=rows)
    try:
        if version[1] > _LARGEST:
            return _unusable(path, "it is larger than a megabyte")
        users = _parsed(path.read_bytes().decode("utf-8"))
    except OSError as error:
        return _unusable(path, f"it cannot be read ({error.strerror})")
    except UnicodeDecodeError:
        return _unusable(path, "it is no UTF-8 text")
    except _BadEntry as error:
        return _unusable(path, str(error))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return _unusable(path, f"it is no TOML ({str(error) or 'nested too deeply'})")
    merged = dict(rows)
    for provider, theirs in users.items():
        merged[provider] = _merged(rows.get(provider, _ProviderEntry()), theirs)
    by_user = {(provider, name) for provider, row in users.items() for name in row.models}
    for provider, name in sorted(by_user):
        like = merged[provider].models[name].like
        if like is not None and not _is_there(merged, like):
            where = f"{provider}.models.{name}.like"
            return _unusable(path, f"{where}: the table has no model {like[:100]!r}")
    return ModelTable(path, _rows=merged, _by_user=frozenset(by_user))


def _is_there(rows: Mapping[str, _ProviderEntry], like: str) -> bool:
    provider, _, name = like.partition(":")
    found = rows[provider].models.get(name) if provider in rows else None
    return found is not None and found.like is None


def _merged(ours: _ProviderEntry, theirs: _ProviderEntry) -> _ProviderEntry:
    models = dict(ours.models)
    for name, entry in theirs.models.items():
        given = entry.model_dump(exclude_unset=True).keys()
        update = {key: getattr(entry, key) for key in given}
        if "price" in update:  # the long price belongs to the one that is replaced
            update.setdefault("long", None)
        models[name] = models.get(name, _ModelEntry()).model_copy(update=update)
    update = {key: getattr(theirs, key) for key in theirs.model_fields_set if key != "models"}
    return ours.model_copy(update={**update, "models": models})


@lru_cache(maxsize=1)
def _built_in() -> dict[str, _ProviderEntry]:
    return _parsed(_OWN.read_text(encoding="utf-8"))


def _parsed(text: str) -> dict[str, _ProviderEntry]:
    rows = {}
    for name, row in tomllib.loads(text).items():
        try:
            rows[name] = _ProviderEntry.model_validate(row)
        except ValidationError as error:
            raise _BadEntry(_first_fault(name, error)) from None
    return rows


def _unusable(path: Path, why: str) -> ModelTable:
    problem = (
        f"Your table of models {path} is not used, because {why}. The built-in table holds. "
        "Correct the file or remove it; `analyst models` tells when it is used."
    )
    return ModelTable(path, problem, _built_in())


def _first_fault(provider: str, error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    inner = (str(part) for part in fault["loc"] if not str(part).startswith(("_", "list[")))
    where = ".".join((provider, *inner))[:200]
    if fault["type"] == "model_type" and not fault["loc"]:
        return f"{where} is no table of a provider"
    message = fault["msg"][:1].lower() + fault["msg"][1:]
    if fault["type"] == "extra_forbidden":
        message = "there is no such entry"
    return f"{where}: {message}"


def _tariffs(entry: _ModelEntry) -> tuple[tuple[date | None, Tariff], ...]:
    if entry.price is None:
        return ()
    prices = entry.price if isinstance(entry.price, list) else [entry.price]
    long, above = (entry.long.price(), entry.long.above) if entry.long else (None, 0)
    return tuple((price.until, Tariff(price.price(), long, above)) for price in prices)
