"""When a process is to stop."""

from __future__ import annotations

import asyncio
import signal
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Stopping(Exception):
    """What was under way was cut off, because the process is to stop."""


@contextmanager
def stop_signals() -> Iterator[asyncio.Event]:
    """An event that SIGTERM and SIGINT set."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in _STOP_SIGNALS:
            loop.remove_signal_handler(number)


@asynccontextmanager
async def cut_off_by(stop: asyncio.Event) -> AsyncIterator[None]:
    """Cancel the block as soon as ``stop`` is set.

    Raises:
        Stopping: that was before its end.
    """

    def cut_off(told: asyncio.Task[bool]) -> None:
        if not told.cancelled():
            limit.reschedule(0)

    limit = asyncio.timeout(None)
    try:
        async with limit:
            waiting = asyncio.create_task(stop.wait())
            waiting.add_done_callback(cut_off)
            try:
                yield
            finally:
                waiting.remove_done_callback(cut_off)
                waiting.cancel()
    except TimeoutError:
        if not limit.expired():
            raise
        raise Stopping from None
