"""Tokens, quoted strings and parameters, as Link, Prefer and Content-Type share them (RFC 9110, section 5.6)."""

from __future__ import annotations

import re
from typing import Final

WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
# Unquoted values may also hold what media types and links put there in practice.
_VALUE = r"[!#$%&'*+./:@^_`|~0-9A-Za-z-]+"
_QUOTED = r'"((?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\t\x20-\x7e])*)"'
# Blanks around "=" are bad but common.
_PAIR = re.compile(rf"({WORD})(?:[ \t]*=[ \t]*(?:({_VALUE})|{_QUOTED}))?")
_ESCAPE = re.compile(r"\\(.)")

Parameter = tuple[str, str]


def parse_pair(text: str, position: int) -> tuple[Parameter, int] | None:
    """The ``name=value`` that begins here and where it ends, or None.

    The name is in lower case; a name without a value has the empty one.
    """
    match = _PAIR.match(text, position)
    if match is None:
        return None
    name, plain, quoted = match.groups()
    value = plain or ""
    if quoted is not None:
        value = _ESCAPE.sub(r"\1", quoted) if "\\" in quoted else quoted
    return (name.lower(), value), match.end()


def parse_parameters(text: str, position: int) -> tuple[list[Parameter], int]:
    """The ``; name=value`` pairs from here on, and where they and the blanks behind them end.

    Stops at what it cannot read, so that the caller sees it. A semicolon with nothing behind it counts for nothing.
    """
    found: list[Parameter] = []
    position = skip_blanks(text, position)
    while text.startswith(";", position):
        position = skip_blanks(text, position + 1)
        pair = parse_pair(text, position)
        if pair is not None:
            found.append(pair[0])
            position = skip_blanks(text, pair[1])
    return found, position


def skip_blanks(text: str, position: int) -> int:
    """Where the optional white space that begins here ends."""
    return _skip(text, position, " \t")


def skip_gap(text: str, position: int) -> int:
    """Where the blanks and commas before a member of a list end; empty members count for nothing."""
    return _skip(text, position, " \t,")


def _skip(text: str, position: int, characters: str) -> int:
    while position < len(text) and text[position] in characters:
        position += 1
    return position
