"""The schema that editors are given."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from gateway.settings import settings_schema

if TYPE_CHECKING:
    from collections.abc import Iterator


def objects(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of the schema with its place."""
    if isinstance(node, dict):
        yield path, node
        for key, value in node.items():
            yield from objects(value, f"{path}/{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from objects(value, f"{path}/{index}")


def test_every_key_is_described() -> None:
    undescribed = [
        f"{path}/{name}"
        for path, node in objects(settings_schema())
        if path.rpartition("/")[2] != "properties"
        for name, field in node.get("properties", {}).items()
        if "description" not in field
    ]
    assert undescribed == []


def test_unknown_keys_are_refused_at_every_level() -> None:
    sections = [node for _, node in objects(settings_schema()) if "properties" in node and node.get("type") == "object"]
    assert sections
    assert all(node["additionalProperties"] is False for node in sections)


def test_every_reference_leads_somewhere() -> None:
    schema = settings_schema()
    references = {node["$ref"].removeprefix("#/$defs/") for _, node in objects(schema) if "$ref" in node}
    assert references <= schema["$defs"].keys()


def test_durations_are_shown_as_they_are_written() -> None:
    limits = settings_schema()["$defs"]["LimitSettings"]["properties"]
    drain = limits["drain"]
    assert drain["default"] == "30s"
    assert all(re.match(drain["pattern"], example) for example in drain["examples"])
    assert limits["result_wait"]["default"] == "1m"


def test_it_is_json() -> None:
    schema = json.loads(json.dumps(settings_schema()))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == "Nexus gateway configuration"
