"""JSON Schemas of what operations take and give, from their handlers' annotations.

Pydantic makes them, as it does the validating: models, dataclasses, TypedDicts and builtins. A type that it has no
schema for, such as a protocol buffer, may be anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, Literal

from nexusrpc import Content
from pydantic import TypeAdapter
from pydantic.errors import PydanticUserError
from pydantic_core import PydanticOmit

from gateway.annotations import adapter_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    Mode = Literal["validation", "serialization"]

ANYTHING: Final[Mapping[str, Any]] = {}
_DEEPEST: Final = 8


class Schemas:
    """The schemas of many types, which share their definitions; ``template`` is where a reference finds those.

    Making them takes milliseconds a type: who makes them while requests wait holds up all of these.
    """

    def __init__(self, wanted: Iterable[tuple[Any, Mode]], template: str) -> None:
        # The same few types come again with each endpoint; what is not kept could leave its id to another one.
        self._wanted = {(id(annotation), mode): annotation for annotation, mode in wanted}
        self._adapters = {
            key: adapter
            for key, annotation in self._wanted.items()
            if (adapter := _adapter(annotation, key[1])) is not None
        }
        inputs = [(known_as, mode, adapter) for (known_as, mode), adapter in self._adapters.items()]
        made, defined = TypeAdapter.json_schemas(inputs, ref_template=template)
        self._made = made
        self.definitions: Mapping[str, Any] = defined.get("$defs", {})
        """Definitions that the schemas refer to, by name."""

    def of(self, annotation: Any, mode: Mode) -> Mapping[str, Any]:  # noqa: ANN401 - any annotation
        """The schema of a type that was wanted."""
        return self._made.get((id(annotation), mode), ANYTHING)

    def needed_by(self, schema: Mapping[str, Any]) -> frozenset[str]:
        """The names of the definitions that a schema refers to, itself or by way of others."""
        needed: set[str] = set()
        found = _references(schema) & self.definitions.keys()
        while found:
            needed |= found
            found = {name for known in found for name in _references(self.definitions[known])} & self.definitions.keys()
            found -= needed
        return frozenset(needed)

    def example(self, annotation: Any) -> Any:  # noqa: ANN401 - any annotation, JSON
        """A value that a type accepts which was wanted for its input, as small as one finds it; None where none is."""
        adapter = self._adapters.get((id(annotation), "validation"))
        if adapter is None:
            return None
        try:
            value = _example(self.of(annotation, "validation"), self.definitions, 0)
            adapter.validate_python(value)
        except (ValueError, LookupError, TypeError):
            return None
        return value


def schema_of(annotation: Any, mode: Mode) -> Mapping[str, Any]:  # noqa: ANN401 - any annotation
    """The schema of one type, complete in itself."""
    adapter = _adapter(annotation, mode)
    return ANYTHING if adapter is None else adapter.json_schema(mode=mode)


def _adapter(annotation: Any, mode: Mode) -> TypeAdapter[Any] | None:  # noqa: ANN401 - any annotation
    if annotation in (Any, None, Content) and annotation is not NoneType:
        return None
    try:
        adapter = adapter_of(annotation)
        adapter.json_schema(mode=mode)
    except (PydanticUserError, PydanticOmit, TypeError, NameError):
        return None
    return adapter


def _references(schema: Any) -> set[str]:  # noqa: ANN401 - JSON
    match schema:
        case {"$ref": str() as reference, **others}:
            return {_named(reference)} | _references([*others.values()])
        case Mapping():
            return _references([*schema.values()])
        case list():
            return {name for each in schema for name in _references(each)}
        case _:
            return set()


def _named(reference: str) -> str:
    return reference.rsplit("/", 1)[-1]


def _example(schema: Mapping[str, Any], definitions: Mapping[str, Any], depth: int) -> Any:  # noqa: ANN401 - JSON
    if depth > _DEEPEST:
        raise LookupError
    if "$ref" in schema:
        return _example(definitions[_named(schema["$ref"])], definitions, depth + 1)
    if schema.get("examples"):
        return schema["examples"][0]
    for known in ("const", "default"):
        if known in schema:
            return schema[known]
    if schema.get("enum"):
        return schema["enum"][0]
    for several in ("anyOf", "oneOf", "allOf"):
        if schema.get(several):
            return _example(schema[several][0], definitions, depth + 1)
    return _of_type(schema, definitions, depth)


def _of_type(schema: Mapping[str, Any], definitions: Mapping[str, Any], depth: int) -> Any:  # noqa: ANN401 - JSON
    match schema.get("type"):
        case "object":
            required = schema.get("required", ())
            properties = schema.get("properties", {})
            return {name: _example(properties[name], definitions, depth + 1) for name in required}
        case "array":
            items = schema.get("items") or (schema.get("prefixItems") or [{}])[0]
            return [_example(items, definitions, depth + 1) for _ in range(schema.get("minItems", 0))]
        case "string":
            return "text"[: schema.get("maxLength", 4)].ljust(schema.get("minLength", 0), "x")
        case "integer" | "number":
            return schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
        case "boolean":
            return False
        case _:
            return None
