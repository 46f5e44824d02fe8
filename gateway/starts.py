"""Starts that are under way: each goes on without its caller.

A start that was cut off between beginning an operation and returning its token would leave one that nobody can name.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

_logger = logging.getLogger("gateway.starts")

_T = TypeVar("_T")


class Starts:
    """The starts of a process, whichever interface they came in by, each in a task of its own."""

    def __init__(self) -> None:
        self._under_way: set[asyncio.Task[Any]] = set()

    async def finish(self, start: Coroutine[Any, Any, _T], deadline: float | None) -> _T:
        """What a start comes to, for as long as its caller waits; without the caller it goes on up to ``deadline``.

        The deadline is in the time of the loop; None is for a start that has none.
        """
        task = asyncio.create_task(start)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            _abandon(task, deadline)
            raise

    async def drain(self, seconds: float) -> None:
        """Wait for the starts that are under way, and cancel those that have not ended in time."""
        if not self._under_way:
            return
        _, late = await asyncio.wait(self._under_way, timeout=seconds)
        for start in late:
            start.cancel()
        if late:
            _logger.warning("%d starts had not ended when it was time to stop", len(late))
            await asyncio.wait(late, timeout=seconds)


def _abandon(start: asyncio.Task[Any], deadline: float | None) -> None:
    if deadline is not None:
        timer = asyncio.get_running_loop().call_at(deadline, start.cancel)
        start.add_done_callback(lambda _: timer.cancel())
    start.add_done_callback(_report)


def _report(start: asyncio.Task[Any]) -> None:
    error = None if start.cancelled() else start.exception()
    if error is not None:
        _logger.warning("a start failed after its caller had gone: %s", type(error).__name__)
