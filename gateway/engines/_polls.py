"""Waiters for one operation share one poll of the engine.

The poll runs in a task of its own: it outlives each single waiter, and is canceled when the last of them has gone.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

T = TypeVar("T")


class TooManyPolls(Exception):
    """The process holds as many waiters as it may."""


@dataclass(slots=True)
class _Poll(Generic[T]):
    task: asyncio.Task[T]
    waiters: int = 0


class SharedPolls(Generic[T]):
    """Waits for values by key; ``limit`` caps the waiters of the process."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiters = 0
        self._polls: dict[Hashable, _Poll[T]] = {}

    @property
    def waiters(self) -> int:
        """How many callers wait at the moment."""
        return self._waiters

    @property
    def polls(self) -> int:
        """How many polls of the engine are open at the moment."""
        return len(self._polls)

    async def wait(
        self, key: Hashable, poll: Callable[[], Awaitable[T]], seconds: float, stop: asyncio.Event
    ) -> T | None:
        """The value for ``key``, or None when ``seconds`` are over or ``stop`` is set before it is known.

        Raises:
            TooManyPolls: the limit is reached.
            Exception: whatever ``poll`` raised, for each of its waiters.
        """
        if self._waiters >= self._limit:
            raise TooManyPolls
        shared = self._polls.get(key)
        if shared is None:
            shared = self._polls[key] = _Poll(asyncio.ensure_future(_as_coroutine(poll)))
        shared.waiters += 1
        self._waiters += 1
        stopped = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({shared.task, stopped}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            return shared.task.result() if shared.task.done() else None
        finally:
            stopped.cancel()
            self._waiters -= 1
            shared.waiters -= 1
            if shared.waiters == 0 or shared.task.done():
                self._forget(key, shared)

    def _forget(self, key: Hashable, shared: _Poll[T]) -> None:
        # A later poll may already stand under the same key.
        if self._polls.get(key) is shared:
            del self._polls[key]
        if shared.waiters == 0 and not shared.task.cancel() and not shared.task.cancelled():
            # It ended in the very moment in which its last waiter left: nobody else will ask for its error.
            shared.task.exception()


async def _as_coroutine(poll: Callable[[], Awaitable[T]]) -> T:
    return await poll()
