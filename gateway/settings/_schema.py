"""The configuration's JSON Schema, for editors."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from gateway.settings._models import Settings
from gateway.settings._values import format_duration


class _WithWrittenDefaults(GenerateJsonSchema):
    """Shows default durations as one writes them, not as ISO 8601."""

    def encode_default(self, dft: Any) -> Any:  # noqa: ANN401 - the signature of the class that calls it
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def settings_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) that ``nexus-gateway config schema`` prints."""
    schema = Settings.model_json_schema(schema_generator=_WithWrittenDefaults)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "Nexus gateway configuration",
    }
