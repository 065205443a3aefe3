"""What every record on the wire has in common."""

from __future__ import annotations

from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict, JsonValue
from pydantic.json_schema import GenerateJsonSchema

Json: TypeAlias = JsonValue
"""Any JSON value."""


class Record(BaseModel):
    """An immutable value on the wire; unknown fields are refused, so drift is noticed."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_serialization_defaults_required=True,
        ser_json_inf_nan="null",
    )


class WireSchema(GenerateJsonSchema):
    """JSON Schema without the generated field titles, which would become noise type names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Say no for every field (called by pydantic while it walks the models)."""
        return False
