"""What was received, in pieces after which it is known where the parser has come to.

aiohttp's parser does not tell how much of its input belongs to a request that is not complete. But every head ends with
a blank line. So, up to the last blank line no head is left half-read, and behind it none can end: what comes there is a
body, or the beginning of a head.
"""

from __future__ import annotations

from typing import Final

_BLANK_LINE: Final = b"\r\n\r\n"
_ITS_BEGINNING: Final = len(_BLANK_LINE) - 1


class Pieces:
    """Takes what comes in and gives it out in pieces, in order; true while there is anything left to give."""

    __slots__ = ("_before", "_waiting")

    def __init__(self) -> None:
        self._waiting = b""
        # A blank line may come in two parts.
        self._before = b""

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, data: bytes) -> None:
        """Take in what was received."""
        self._waiting += data

    def take(self) -> tuple[bytes, bool]:
        """The next piece, and whether it ends with a blank line: if not, there is none in it."""
        found = (self._before + self._waiting).rfind(_BLANK_LINE)
        end = found + len(_BLANK_LINE) - len(self._before) if found >= 0 else len(self._waiting)
        piece, self._waiting = self._waiting[:end], self._waiting[end:]
        self._before = (self._before + piece[-_ITS_BEGINNING:])[-_ITS_BEGINNING:]
        return piece, found >= 0
