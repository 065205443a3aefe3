"""The base of every record on the wire."""

from __future__ import annotations

from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict, JsonValue
from pydantic.json_schema import GenerateJsonSchema

Json: TypeAlias = JsonValue
"""Any JSON value."""


class Record(BaseModel):
    """An immutable value on the wire; unknown fields are refused, so that drift is detected."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_serialization_defaults_required=True,
        ser_json_inf_nan="null",
    )


class WireSchema(GenerateJsonSchema):
    """JSON Schema without generated field titles, which would become TypeScript type names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Return False for every field; called by pydantic."""
        return False
