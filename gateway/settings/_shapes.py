"""What the models accept at each place, so that environment variables and error messages can walk them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, RootModel

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping with fixed keys."""

    fields: Mapping[str, Shape]


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping with keys the user chooses."""

    element: Shape


@dataclass(frozen=True, slots=True)
class Listed:
    """A list."""

    element: Shape


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value; ``text`` means that it is taken as it is written, without a look at YAML's spellings."""

    text: bool
    nullable: bool = False


Shape = Section | Table | Listed | Scalar


def shape_of(annotation: Any, *, nullable: bool = False) -> Shape:  # noqa: ANN401 - a type annotation can be anything
    """The shape of a pydantic model or of one of its annotations."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return shape_of(args[0], nullable=nullable)
    if origin in (Union, UnionType):
        # Where two kinds may stand, a variable's name leads into the first; the other is set as a whole.
        inner = next(arg for arg in args if arg is not NoneType)
        return shape_of(inner, nullable=NoneType in args)
    if origin is dict:
        return Table(shape_of(args[1]))
    if origin in (tuple, frozenset):
        return Listed(shape_of(args[0]))
    if isinstance(annotation, type) and issubclass(annotation, RootModel):
        return shape_of(annotation.model_fields["root"].annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return Section({name: shape_of(info.annotation) for name, info in annotation.model_fields.items()})
    text = origin is Literal or (isinstance(annotation, type) and issubclass(annotation, (str, Path, Enum)))
    return Scalar(text=text, nullable=nullable)
