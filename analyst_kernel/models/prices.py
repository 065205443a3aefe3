"""What tokens cost, in US dollars per million. Pure; the figures stand in ``models.toml``."""

from __future__ import annotations

from dataclasses import dataclass

from analyst_kernel.protocol.records import Usage


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens; ``cache_write`` is the provider's usual, shortest cache."""

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


FREE = Tariff(Price(0.0, 0.0, 0.0, 0.0))
"""A model on the user's own machine."""
