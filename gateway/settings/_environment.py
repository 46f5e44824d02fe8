"""Environment variables over the file: ``NEXUS_GATEWAY__SERVER__PORT=9000``.

A variable's name is a path: keys of the file in any case, list items by number, joined by two underscores. What a shell
cannot spell in a name (a dash or a dot in an endpoint's name) is written as one underscore. A variable may also hold a
whole list or section, as YAML or JSON.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from gateway.settings._faults import Path, nearest
from gateway.settings._shapes import Listed, Scalar, Section, Shape, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PREFIX = "NEXUS_GATEWAY__"

# Whatever stands at a place of a YAML tree.
Node = Any


@dataclass(slots=True)
class Overlay:
    """The file's tree with the environment's values in it, which variable set what, and what was wrong with them."""

    tree: dict[str, Any]
    origins: dict[Path, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


class _Misnamed(Exception):
    pass


def overlay(tree: dict[str, Any], root: Shape, environ: Mapping[str, str]) -> Overlay:
    """Put every ``NEXUS_GATEWAY__`` variable into ``tree``, outer paths before inner ones; nothing is raised."""
    result = Overlay(tree)
    found = [(name, name[len(PREFIX) :].split("__")) for name in environ if name.upper().startswith(PREFIX)]
    for name, parts in sorted(found, key=lambda item: (len(item[1]), [_number(part) for part in item[1]])):
        try:
            path = _put(result.tree, root, parts, environ[name])
        except _Misnamed as error:
            result.faults.append(f"environment: {name}: {error}")
            continue
        if result.origins.get(path, name) != name:
            result.faults.append(f"environment: {name}: sets the same key as {result.origins[path]}; unset one")
        result.origins[path] = name
    return result


def _number(part: str) -> tuple[int, str]:
    return (int(part), "") if part.isdecimal() and part.isascii() else (-1, part.upper())


def _put(tree: dict[str, Any], root: Shape, parts: list[str], text: str) -> Path:
    """Set the value at ``parts``; returns the path in the file's own spelling."""
    steps = list(_steps(tree, root, parts))
    *inner, (last, shape) = steps
    node: Node = tree
    for key, below in inner:
        node = _descend(node, key, below)
    _assign(node, last, _read(text, shape))
    return tuple(key for key, _ in steps)


def _steps(tree: dict[str, Any], root: Shape, parts: list[str]) -> Iterator[tuple[str | int, Shape]]:
    """Each part as a key of the file with the shape of what is there; the tree is only looked at."""
    node: Node = tree
    shape = root
    spelled: list[str] = []
    for part in parts:
        key, shape = _step(node, shape, part, spelled)
        spelled.append(str(key))
        node = _present(node, key)
        yield key, shape


def _present(node: Node, key: str | int) -> Node:
    if isinstance(node, list):
        return node[key] if isinstance(key, int) and key < len(node) else None
    return node.get(key) if isinstance(node, dict) else None


def _step(node: Node, shape: Shape, part: str, spelled: list[str]) -> tuple[str | int, Shape]:
    match shape:
        case Section(fields):
            key = part.lower()
            if key not in fields:
                guess = nearest(key, tuple(fields))
                raise _Misnamed(f"unknown key; the nearest valid one is {variable((*spelled, str(guess)))}")
            return key, fields[key]
        case Table(element):
            return _named(node, part), element
        case Listed(element):
            count = len(node) if isinstance(node, list) else 0
            if not part.isdecimal() or not part.isascii() or int(part) > count:
                raise _Misnamed(f"{part or 'an empty name'} is no item of the list; the next free one is {count}")
            return int(part), element
        case Scalar():
            raise _Misnamed(f"unknown key; the nearest valid one is {variable(spelled)}")


def _named(node: Node, part: str) -> str:
    """The key of the file that a variable means, or the new key that it makes."""
    if not part:
        raise _Misnamed("a name is missing between the underscores")
    known = [key for key in node or () if isinstance(key, str) and _folded(key) == _folded(part)]
    if len(known) > 1:
        raise _Misnamed(f"could mean {' or '.join(sorted(known))}; set the whole section instead")
    return known[0] if known else part.lower()


def _folded(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", name.upper())


def variable(path: tuple[str, ...] | list[str]) -> str:
    """The environment variable that sets the key at ``path``."""
    return PREFIX + "__".join(_folded(part) for part in path)


def _descend(node: Node, key: str | int, below: Shape) -> Node:
    present = _present(node, key)
    wanted = list if isinstance(below, Listed) else dict
    if isinstance(present, wanted):
        return present
    if present is not None:
        raise _Misnamed("goes into a key that the file sets to a single value")
    _assign(node, key, wanted())
    return node[key]


def _assign(node: Node, key: str | int, value: Node) -> None:
    if isinstance(node, list) and key == len(node):
        node.append(value)
    else:
        node[key] = value


def _read(text: str, shape: Shape) -> Node:
    match shape:
        case Scalar(text=True, nullable=nullable):
            return None if nullable and text in ("", "null") else text
        case Scalar():
            return _yaml(text, otherwise=text)
        case _:
            # Not YAML: leave it as text, and the model says what it should have been.
            return _yaml(text, otherwise=text)


def _yaml(text: str, otherwise: str) -> Node:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return otherwise
