"""Globs of allow rules: ``*`` is any run of characters, ``?`` is one; everything else is itself.

No brackets: names of services and operations may hold any character, and a rule has to be able to name them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Texts:
    """A set of texts: some named, some described by globs; or all of them."""

    named: frozenset[str] = frozenset()
    described: re.Pattern[str] | None = None
    everything: bool = False

    def __contains__(self, text: object) -> bool:
        if self.everything or text in self.named:
            return True
        return self.described is not None and isinstance(text, str) and self.described.fullmatch(text) is not None

    def includes(self, other: Texts) -> bool:
        """Whether every text of ``other`` is certainly in this set, too; false where only the globs could tell."""
        if self.everything or self == other:
            return True
        return not other.everything and other.described is None and all(text in self for text in other.named)

    @property
    def empty(self) -> bool:
        """Whether no text at all is in it."""
        return not (self.everything or self.named or self.described)


EVERYTHING = Texts(everything=True)


def texts(globs: Iterable[str] | None) -> Texts:
    """The texts that any of the globs matches; all, where there is no selector."""
    if globs is None:
        return EVERYTHING
    given = frozenset(globs)
    if any(glob.strip("*") == "" and glob for glob in given):
        return EVERYTHING
    patterned = sorted(glob for glob in given if "*" in glob or "?" in glob)
    described = re.compile("|".join(_expression(glob) for glob in patterned), re.DOTALL) if patterned else None
    return Texts(given.difference(patterned), described)


def _expression(glob: str) -> str:
    """A regular expression that looks at each character once a star: what one star has taken is never given back."""
    first, *rest = re.sub(r"\*+", "*", glob).split("*")
    if not rest:
        return _literal(first)
    *middle, last = rest
    between = "".join(f"(?>.*?{_literal(part)})" for part in middle)
    return f"{_literal(first)}{between}.*{_literal(last)}"


def _literal(part: str) -> str:
    return ".".join(re.escape(text) for text in part.split("?"))


def operations_of(glob: str, service: str) -> frozenset[str]:
    """What is left of a ``service/operation`` glob for the operations of one service, as globs again.

    The slash between service and operation is a slash that the glob spells, where it spells one: ``a/*`` means the
    operations of the service ``a``, and not those of another service whose name is ``a/b``. A glob without a slash
    means service and operation as one text.
    """
    spelled = "/" in glob
    # Positions in the glob after reading the service, as a set: the classic walk through a pattern with stars.
    positions = {0}
    for character in service:
        positions = _advance(glob, positions, character)
    left = _advance(glob, positions, "/", literal=spelled)
    return frozenset(glob[position:] for position in left if glob[position:])


def _advance(glob: str, positions: set[int], character: str, *, literal: bool = False) -> set[int]:
    """Positions after one more character; ``literal`` when it must be written in the glob and not stand for a star."""
    after: set[int] = set()
    for start in positions:
        position = start
        while position < len(glob) and glob[position] == "*":
            if not literal:
                after.add(position)
            position += 1
        if position < len(glob) and (glob[position] == character or (glob[position] == "?" and not literal)):
            after.add(position + 1)
    return after
