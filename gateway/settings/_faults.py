"""Faults of a configuration: where they are and what to do about them, one line each."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.settings._shapes import Listed, Section, Shape, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pydantic_core import ErrorDetails

Path = tuple[str | int, ...]

_MESSAGES = {
    "missing": "is required",
    "extra_forbidden": "unknown key",
    "string_type": "must be text; put it in quotes",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "tuple_type": "must be a list",
    "frozen_set_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be a mapping of names to settings",
    "model_type": "must be a mapping of keys to values",
    "path_type": "must be a path",
    "invalid_key": "keys must be text; put it in quotes",
}
_EMPTY = "must not be empty"
CLAIMS_TAG, GLOBS_TAG = "[claims]", "[globs]"
"""What pydantic's paths hold beside keys where a claim may have globs or claims."""
_NO_KEYS = frozenset({"[key]", CLAIMS_TAG, GLOBS_TAG})
_PATTERNS = {
    "secret_env": "must be the name of an environment variable, not the secret itself",
    "seed_env": "must be the name of an environment variable, not the seed itself",
    "api_key_env": "must be the name of an environment variable, not the key itself",
    "id": "must be 1 to 32 letters, digits, _ or -",
    "plugins": "must be package.module:attribute",
    "endpoints": "is no endpoint name: only letters, digits and . _ ~ - can stand in a URL as they are",
}


class SettingsError(Exception):
    """The configuration cannot be used; ``faults`` holds one printable line each."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults: tuple[str, ...] = tuple(faults)
        super().__init__("\n".join(self.faults))


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong at one place of the configuration."""

    path: Path
    message: str


def nearest(key: str, valid: Sequence[str]) -> str | None:
    """The valid key that looks most like ``key``; what a typing error most likely meant."""
    close = difflib.get_close_matches(key.lower(), valid, n=1, cutoff=0.0)
    return close[0] if close else None


def from_pydantic(error: ErrorDetails, root: Shape) -> Fault:
    """Turn one of pydantic's errors into a fault in our own words; the value itself is never repeated."""
    kind = error["type"]
    path: Path = tuple(part for part in error["loc"] if part not in _NO_KEYS)
    context = error.get("ctx", {})
    match kind:
        case "extra_forbidden":
            return Fault(path, _unknown(path, root))
        case "value_error":
            return Fault(path, str(context.get("error", error["msg"])))
        case "enum" | "literal_error":
            return Fault(path, f"must be one of {str(context['expected']).replace(chr(39), '')}")
        case "too_short":
            return Fault(path, _EMPTY)
        case "string_pattern_mismatch":
            named = [part for part in reversed(path) if isinstance(part, str) and part in _PATTERNS]
            return Fault(path, _PATTERNS[named[0]] if named else "is not spelled as it must be")
        case _:
            return Fault(path, _MESSAGES.get(kind, error["msg"]))


def _unknown(path: Path, root: Shape) -> str:
    parent = root
    for part in path[:-1]:
        match parent:
            case Section(fields):
                parent = fields[str(part)]
            case Table(element) | Listed(element):
                parent = element
    valid = tuple(parent.fields) if isinstance(parent, Section) else ()
    guess = nearest(str(path[-1]), valid)
    return f"unknown key; the nearest valid one is {guess}" if guess else "unknown key"


def without_echoes(faults: Sequence[Fault]) -> list[Fault]:
    """Leave out what pydantic says of a list only because something in it is wrong, such as that nothing is left."""
    return [
        fault
        for fault in faults
        if fault.message != _EMPTY
        or not any(len(other.path) > len(fault.path) == _shared(fault.path, other.path) for other in faults)
    ]


def _shared(one: Path, other: Path) -> int:
    return next(
        (index for index, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def render(faults: Iterable[Fault], file: str, origins: Mapping[Path, str]) -> tuple[str, ...]:
    """Lines that name the file and key of each fault, or the environment variable that brought the value in."""
    return tuple(dict.fromkeys(_line(fault, file, origins) for fault in faults))


def _line(fault: Fault, file: str, origins: Mapping[Path, str]) -> str:
    for length in range(len(fault.path), 0, -1):
        variable = origins.get(fault.path[:length])
        if variable is not None:
            rest = ".".join(_printable(part) for part in fault.path[length:])
            return f"environment: {variable}: {f'{rest}: ' if rest else ''}{fault.message}"
    key = ".".join(_printable(part) for part in fault.path)
    return f"{file}: {key}: {fault.message}" if key else f"{file}: {fault.message}"


def _printable(part: str | int) -> str:
    # One line per fault, whatever a key holds.
    return str(part).encode("unicode_escape").decode("ascii")[:200] if not str(part).isprintable() else str(part)[:200]
