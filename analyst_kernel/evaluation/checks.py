"""The checks that a case lists: what a right answer must satisfy. Nothing is scored here."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from analyst_kernel.protocol.base import Record

NAMED_VALUE = re.compile(r"@(\w+)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]")
"""A value in the form ``@name[value]``."""

Filled: TypeAlias = Annotated[str, Field(min_length=1, pattern=r"\S")]
Finite: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]
Scalar: TypeAlias = Annotated[bool, Field(strict=True)] | int | Finite | Filled
Row: TypeAlias = Annotated[tuple[Scalar, ...], Field(min_length=1)]
Place: TypeAlias = Literal["lead", "anywhere"]
"""Where a check looks: the answer's first paragraph, or all of it."""


class Numeric(Record):
    """How far a number of an answer may lie from the right one.

    Without both fields a whole number must be met exactly, and another one as precisely as it is
    written in the case.
    """

    tolerance: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    relative: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)

    def margin(self, value: float) -> float:
        """Return the largest difference from ``value`` that is still right."""
        if self.tolerance is None and self.relative is None:
            exponent = Decimal(repr(value)).as_tuple().exponent
            if isinstance(value, int) or not isinstance(exponent, int):
                return 0.0
            return 0.5 * 10.0**exponent
        return max(self.tolerance or 0.0, (self.relative or 0.0) * abs(value))


class NumberCheck(Numeric):
    """The answer states this number; with the unit ``%``, 0.25 counts as 25 %."""

    kind: Literal["number"]
    value: int | Finite
    unit: Literal["", "%"] = ""
    where: Place = "lead"


class TextCheck(Record):
    """The answer holds these words: one of ``any``, each of ``all``, and none of ``none``.

    Letter case does not count, whole words do; ``currenc*`` stands for every word that begins so.
    """

    kind: Literal["text"]
    any: tuple[Filled, ...] = ()
    all: tuple[Filled, ...] = ()
    none: tuple[Filled, ...] = ()
    where: Place = "anywhere"

    @model_validator(mode="after")
    def _asks_for_something(self) -> TextCheck:
        if not (self.any or self.all or self.none):
            raise ValueError("needs words in `any`, `all` or `none`")
        return self


class ChoiceCheck(Record):
    """Of the options ``among``, the answer names ``value`` first."""

    kind: Literal["choice"]
    value: Filled
    among: tuple[Filled, ...]
    where: Place = "anywhere"

    @model_validator(mode="after")
    def _is_an_option(self) -> ChoiceCheck:
        if self.value not in self.among:
            raise ValueError("`value` must be one of `among`")
        return self


class NamedCheck(Numeric):
    """The answer holds ``@name[value]`` with this value, or this list of values."""

    kind: Literal["named"]
    name: Annotated[str, Field(pattern=r"^\w+$")]
    value: Scalar | tuple[Scalar, ...]


class TableCheck(Numeric):
    """The answer holds these rows in any order; with ``extra``, others beside them."""

    kind: Literal["table"]
    rows: Annotated[tuple[Row, ...], Field(min_length=1)]
    extra: bool = False


class RefuseCheck(Record):
    """The answer says that the data cannot answer, and names one of ``because``."""

    kind: Literal["refuse"]
    because: tuple[Filled, ...] = ()


Check: TypeAlias = Annotated[
    NumberCheck | TextCheck | ChoiceCheck | NamedCheck | TableCheck | RefuseCheck,
    Field(discriminator="kind"),
]
