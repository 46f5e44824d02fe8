"""Whose turn it is to have a token verified.

A token seen for the first time costs far more than one that is remembered, and a bad one costs it every time. So that
a flood of bad tokens does not take the loop from everybody else, each refusal is charged: until others have used the
loop for a multiple of what it cost, no further new token is looked at. While nobody else has anything to do the charge
lapses, so whoever is alone waits for nothing. Addresses take turns, each with one token at a time, so that a newcomer
waits for as many others as there are addresses and not for all that one of them has sent. Remembered tokens never come
here.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from gateway.auth._reasons import AuthenticationFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CHARGE: Final = 40.0
"""How many times its cost a refusal leaves to others: the request around the token costs as much again, and more."""

_AT_LEAST: Final = 0.0001
_AT_MOST: Final = 0.5
_QUIET: Final = 0.0001
"""A turn of the loop that is over this soon (in seconds) had nothing else in it."""


class _Waiting:
    """Those of one address who wait: first come, first served."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.count = 0


class Turns:
    """The queue of tokens that were not seen before."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._queue = asyncio.Lock()
        self._waiting: dict[str, _Waiting] = {}
        self._owed = 0.0

    @property
    def owed(self) -> float:
        """Seconds that others may use the loop before the next new token is looked at."""
        return self._owed

    async def take(self, peer: str) -> None:
        """Wait until others had their share, and those before us at the same address theirs."""
        if self._owed <= 0 and not self._queue.locked():
            return
        mine = self._waiting.setdefault(peer, _Waiting())
        mine.count += 1
        try:
            async with mine.lock, self._queue:
                await self._pay()
        finally:
            mine.count -= 1
            if not mine.count:
                del self._waiting[peer]

    async def _pay(self) -> None:
        while self._owed > 0:
            before = self._clock()
            await asyncio.sleep(0)
            passed = self._clock() - before
            self._owed = self._owed / 2 - _QUIET if passed < _QUIET else self._owed - passed

    @contextmanager
    def spending(self) -> Iterator[None]:
        """Charge what the block cost, if it refuses the token."""
        before = self._clock()
        try:
            yield
        except AuthenticationFailed:
            cost = max(self._clock() - before, _AT_LEAST)
            self._owed = min(max(self._owed, 0.0) + cost * _CHARGE, _AT_MOST)
            raise
