"""What a body must be to be an operation's input: what the published schema says, and not what could be made of it.

Pydantic makes numbers of strings and truths of numbers unless it is told not to. Its strict mode is no way to tell it:
that overrules types that ask for leniency, and refuses the dates and enumerations in what a type's own validators
return. So the strictness goes into the schema, to where JSON is read and the type's author has not said otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from pydantic_core import CoreSchema, SchemaError, SchemaValidator, core_schema

from gateway.annotations._adapters import adapter_of

if TYPE_CHECKING:
    from collections.abc import Mapping


class InputValidator(Protocol):
    """Reads values of one type."""

    def validate_json(self, data: bytes, /) -> Any:  # noqa: ANN401 - a value of the type
        """The value in a JSON text.

        Raises:
            ValidationError: It does not fit.
        """


_STRICT: Final = frozenset({"bool", "date", "datetime", "enum", "float", "time", "timedelta"})
# What these give to what is inside them is made by the type's author, and need not be JSON.
_AUTHORS: Final = frozenset({"chain", "function-before", "function-plain", "function-wrap"})
# Keys are not among them: those of JSON are strings, whatever they stand for.
_INSIDE: Final = frozenset(
    {
        "arguments_schema",
        "choices",
        "definitions",
        "extras_schema",
        "fields",
        "items_schema",
        "json_schema",
        "lax_schema",
        "schema",
        "values_schema",
    }
)


def input_validator(annotation: Any) -> InputValidator:  # noqa: ANN401 - any annotation
    """The validator for JSON of a type; making it takes milliseconds.

    Raises:
        PydanticUserError: Pydantic knows nothing of this type, such as a protocol buffer.
        TypeError, NameError: It is no annotation, or names something that there is not.
    """
    schema = cast("CoreSchema", _strict(adapter_of(annotation).core_schema, lenient=False))
    # Without this, the models inside bring their own validators along.
    return SchemaValidator(schema, _use_prebuilt=False)


def _strict(part: Any, *, lenient: bool) -> Any:  # noqa: ANN401 - a schema, or several of them
    match part:
        case {"type": str() as kind} if kind in _AUTHORS:
            return part
        case {"type": "union", "choices": choices}:
            return _strict_schema({**part, "choices": [_named(one) for one in choices]}, lenient=lenient)
        case {"type": str()}:
            return _strict_schema(part, lenient=lenient)
        case dict():
            return {name: _strict(inner, lenient=lenient) for name, inner in part.items()}
        case list() | tuple():
            return type(part)(_strict(inner, lenient=lenient) for inner in part)
        case _:
            return part


def _named(choice: Any) -> Any:  # noqa: ANN401 - a schema, with a name or without one
    # The path of a fault names the choice, and what is made of an integer would go by another name there.
    try:
        return choice if isinstance(choice, tuple) else (choice, SchemaValidator(choice).title)
    except SchemaError:
        # It refers to a definition, and has its name from that.
        return choice


def _strict_schema(schema: Mapping[str, Any], *, lenient: bool) -> Mapping[str, Any]:
    config = schema.get("config")
    if config is not None:
        lenient = config.get("strict") is False
    if not lenient and "strict" not in schema:
        if schema["type"] == "int":
            return _whole_number(schema)
        if schema["type"] in _STRICT:
            return {**schema, "strict": True}
    return {name: _strict(inner, lenient=lenient) if name in _INSIDE else inner for name, inner in schema.items()}


def _whole_number(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    # To JSON Schema 5.0 is an integer, to the strict mode it is none.
    number = core_schema.union_schema([core_schema.int_schema(strict=True), core_schema.float_schema(strict=True)])
    return core_schema.chain_schema([core_schema.custom_error_schema(number, custom_error_type="int_type"), schema])
