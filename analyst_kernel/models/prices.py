"""Prices of the models whose price is published, in US dollars per million tokens. Pure.

They are list prices of the provider's own API: no discounts, no gateways, no resellers. Their
source is the provider's model pages, read in November 2026.
"""

from __future__ import annotations

from dataclasses import dataclass

from analyst_kernel.protocol.records import Usage


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens; ``cache_write`` is the five-minute cache."""

    input: float
    output: float
    cache_write: float
    cache_read: float


@dataclass(frozen=True, slots=True)
class Tariff:
    """The usual price, and that of a request with a long prompt.

    A prompt is long if it exceeds ``threshold`` tokens, cached parts included.
    """

    base: Price
    long: Price | None = None
    threshold: int = 0


_OPUS_5 = Tariff(Price(5.0, 25.0, 6.25, 0.50))

ANTHROPIC: dict[str, Tariff] = {
    "claude-sonnet-5-5": Tariff(Price(2.0, 10.0, 2.50, 0.10)),
    "claude-opus-5-5": Tariff(Price(4.0, 20.0, 5.0, 0.20)),
    "claude-haiku-5-5": Tariff(
        Price(0.10, 0.50, 0.125, 0.01), Price(0.50, 2.50, 0.625, 0.05), 100_000
    ),
    # The cache price of this model is not published; ten per cent of input is the upper bound.
    "claude-fable-5-1": Tariff(Price(10.0, 50.0, 12.50, 1.0)),
    "claude-sonnet-5": Tariff(Price(2.0, 10.0, 2.50, 0.20)),
    "claude-opus-5": _OPUS_5,
    "claude-opus-4-8": _OPUS_5,
    "claude-opus-4-7": _OPUS_5,
    "claude-opus-4-6": _OPUS_5,
    "claude-opus-4-5": _OPUS_5,
    "claude-sonnet-4-6": Tariff(Price(3.0, 15.0, 3.75, 0.30)),
    "claude-haiku-4-5": Tariff(Price(1.0, 5.0, 1.25, 0.10)),
}
"""Known tariffs by model name without a date suffix."""


def cost_of(tariff: Tariff | None, usage: Usage) -> float | None:
    """Return the price of one call's tokens in US dollars, or None without a tariff."""
    if tariff is None:
        return None
    long = tariff.long if usage.prompt_tokens > tariff.threshold else None
    price = long or tariff.base
    dollars = (
        usage.input_tokens * price.input
        + usage.cached_tokens * price.cache_read
        + usage.cache_write_tokens * price.cache_write
        + usage.output_tokens * price.output
    )
    return dollars / 1_000_000


def anthropic_tariff(model: str) -> Tariff | None:
    """Return the tariff of a model; the name may have a date (``claude-haiku-4-5-20251001``)."""
    if model in ANTHROPIC:
        return ANTHROPIC[model]
    name, _, suffix = model.rpartition("-")
    return ANTHROPIC.get(name) if len(suffix) == 8 and suffix.isdigit() else None


FREE = Tariff(Price(0.0, 0.0, 0.0, 0.0))
"""A model on the user's own machine."""
