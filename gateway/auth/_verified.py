"""Tokens that were verified a moment ago.

Invariants: only verified tokens are in it; a token is found by the hash of its exact text; none is found at or after
its ``exp``; each issuer has its own room, so no issuer's callers can push out another's.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.model import Principal


class VerifiedTokens:
    """A bounded memory of verified tokens, least recently used out first."""

    def __init__(self, *, per_issuer: int, clock: Callable[[], float]) -> None:
        self._per_issuer = per_issuer
        self._clock = clock
        self._rooms: dict[str, OrderedDict[bytes, Principal]] = {}
        self._room_of: dict[bytes, OrderedDict[bytes, Principal]] = {}

    def __len__(self) -> int:
        return len(self._room_of)

    def find(self, token: str) -> Principal | None:
        """The caller that sent this very token before, as long as it has not expired."""
        digest = _digest(token)
        room = self._room_of.get(digest)
        if room is None:
            return None
        principal = room[digest]
        if principal.expires_at <= self._clock():
            del room[digest], self._room_of[digest]
            return None
        room.move_to_end(digest)
        return principal

    def remember(self, token: str, principal: Principal) -> None:
        """Keep a token that has just been verified."""
        if principal.expires_at <= self._clock():
            return
        room = self._rooms.setdefault(principal.issuer, OrderedDict())
        digest = _digest(token)
        room[digest] = principal
        self._room_of[digest] = room
        if len(room) > self._per_issuer:
            oldest, _ = room.popitem(last=False)
            del self._room_of[oldest]

    def forget(self, issuer: str) -> None:
        """Forget every token of an issuer, because its keys are others now."""
        for digest in self._rooms.pop(issuer, ()):
            del self._room_of[digest]


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
