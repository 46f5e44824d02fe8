"""Twins of ``typing.TypedDict`` classes that Pydantic takes on every Python version."""

from __future__ import annotations

import operator
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from typing_extensions import TypedDict, is_typeddict


class Twins:
    """Twins made for one annotation: what describes itself, itself or by way of others, is described once."""

    def __init__(self) -> None:
        self._made: dict[type[Any], Any] = {}

    def of(self, annotation: Any) -> Any:  # noqa: ANN401 - any annotation
        """The annotation with ``typing_extensions.TypedDict`` classes wherever it names TypedDict classes.

        Raises:
            NameError: A class names a type that there is not.
        """
        if is_typeddict(annotation):
            return self._twin(annotation)
        origin, args = get_origin(annotation), get_args(annotation)
        if origin is None or origin is Literal:
            return annotation
        if origin is Annotated:
            return Annotated[(self.of(args[0]), *annotation.__metadata__)]
        twins = tuple(self.of(arg) for arg in args)
        if all(map(operator.is_, twins, args)):
            return annotation
        if origin in (Union, types.UnionType):
            return Union[twins]  # noqa: UP007 - of a tuple
        return annotation.copy_with(twins) if hasattr(annotation, "copy_with") else origin[twins]

    def _twin(self, original: type[Any]) -> Any:  # noqa: ANN401 - a class that a type checker cannot know
        known = self._made.get(original)
        if known is not None:
            return known
        make: Any = TypedDict
        twin = make(original.__name__, {})
        self._made[original] = twin
        # Whole in one pass: what a base has is among the annotations of whatever inherits it.
        for name in ("__module__", "__qualname__", "__doc__", "__required_keys__", "__optional_keys__"):
            setattr(twin, name, getattr(original, name))
        if "__pydantic_config__" in vars(original):
            twin.__pydantic_config__ = vars(original)["__pydantic_config__"]
        hints = get_type_hints(original, include_extras=True)
        twin.__annotations__ = {key: self.of(hint) for key, hint in hints.items()}
        return twin
