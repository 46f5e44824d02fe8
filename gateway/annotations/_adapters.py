"""From any annotation to Pydantic's adapter for it."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from pydantic.errors import PydanticUserError

from gateway.annotations._typed_dicts import Twins


def adapter_of(annotation: Any) -> TypeAdapter[Any]:  # noqa: ANN401 - any annotation
    """Pydantic's adapter for an annotation; making it takes milliseconds.

    Raises:
        PydanticUserError: Pydantic knows nothing of this type, such as a protocol buffer.
        TypeError, NameError: It is no annotation, or names something that there is not.
    """
    try:
        return TypeAdapter(annotation)
    except PydanticUserError as error:
        # Below Python 3.12, Pydantic takes no typing.TypedDict, as it cannot tell which of its keys are required.
        if error.code != "typed-dict-version":
            raise
        return TypeAdapter(Twins().of(annotation))
