"""File and environment in, settings out, or every fault at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from gateway.settings._checks import cross_faults
from gateway.settings._environment import overlay
from gateway.settings._faults import Fault, SettingsError, from_pydantic, render, without_echoes
from gateway.settings._models import Settings
from gateway.settings._reading import NotReadable, read_tree
from gateway.settings._shapes import Shape, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_Model = TypeVar("_Model", bound=BaseModel)


def load_settings(path: Path, environ: Mapping[str, str]) -> Settings:
    """The settings of the YAML file at ``path`` with ``NEXUS_GATEWAY__…`` variables of ``environ`` over it.

    Raises:
        SettingsError: with one line for each fault of the file, the environment and both together.
    """
    root = shape_of(Settings)
    merged = overlay(_tree(path), root, environ)
    settings, faults = _validate(Settings, merged.tree, root, path.absolute().parent)
    faults += cross_faults(merged.tree)
    lines = (*merged.faults, *render(faults, str(path), merged.origins))
    if lines or settings is None:
        raise SettingsError(lines)
    return settings


def load_document(path: Path, model: type[_Model]) -> _Model:
    """The YAML file at ``path`` as ``model``; its relative paths start at its own directory.

    Raises:
        SettingsError: with one line for each fault.
    """
    root = shape_of(model)
    document, faults = _validate(model, _tree(path), root, path.absolute().parent)
    if document is None:
        raise SettingsError(render(faults, str(path), {}))
    return document


def _tree(path: Path) -> dict[str, Any]:
    try:
        return read_tree(path.read_bytes())
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read: {error.strerror or 'input/output error'}"]) from None
    except NotReadable as error:
        raise SettingsError(render(error.faults, str(path), {})) from None


def _validate(
    model: type[_Model], tree: dict[str, Any], root: Shape, directory: Path
) -> tuple[_Model | None, list[Fault]]:
    # A section whose keys are all commented out is one that is not there.
    given = {key: value for key, value in tree.items() if value is not None}
    try:
        return model.model_validate(given, context={"directory": directory}), []
    except ValidationError as error:
        return None, without_echoes(list(_in_own_words(error, root)))


def _in_own_words(error: ValidationError, root: Shape) -> Iterator[Fault]:
    for detail in error.errors(include_url=False, include_input=False):
        yield from_pydantic(detail, root)
