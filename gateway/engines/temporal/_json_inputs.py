"""JSON inputs into values of the types that handlers declare."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

from pydantic import PydanticUserError
from temporalio.converter import value_to_type

from gateway.annotations import input_validator

if TYPE_CHECKING:
    from collections.abc import Callable


def read_json(data: bytes, as_type: Any) -> Any:  # noqa: ANN401 - any annotation and its value
    """The value of a type in a JSON text.

    Raises:
        ValidationError: It does not fit the type.
        ValueError, TypeError, RecursionError: It cannot be read.
    """
    try:
        read = _reader(as_type)
    except TypeError:
        # An annotation with unhashable metadata cannot be remembered.
        read = _reader.__wrapped__(as_type)
    return read(data)


@functools.lru_cache(maxsize=1024)
def _reader(as_type: Any) -> Callable[[bytes], Any]:  # noqa: ANN401 - any annotation
    try:
        return input_validator(as_type).validate_json
    except (PydanticUserError, TypeError, NameError):
        # What Pydantic has no validator for is read as a worker with Temporal's own converter reads it.
        return lambda data: value_to_type(as_type, json.loads(data))
