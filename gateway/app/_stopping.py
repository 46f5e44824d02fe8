"""When a process is to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_SECONDS_TO_UNWIND: Final = 1.0

_logger = logging.getLogger("gateway")


class Stopping(Exception):
    """What was under way was cut off, because the process is to stop."""


class LeftBehind(Exception):
    """Workers have not ended in time; the SDK's threads are still at it."""


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


async def ended(work: asyncio.Future[Any], stop: asyncio.Event, grace: float) -> None:
    """Wait for the end of ``work``, but for no longer than ``grace`` seconds after ``stop`` is set.

    Raises:
        LeftBehind: it has not ended by then; it is canceled, but workers hear of that and go on waiting.
    """
    overdue = asyncio.create_task(_after(stop, grace))
    try:
        await asyncio.wait({work, overdue}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        overdue.cancel()
    if work.done():
        return
    _logger.warning("workers had not ended when it was time to stop")
    work.cancel()
    # What comes of it is of no interest, but has to be looked at.
    await asyncio.wait({asyncio.gather(work, return_exceptions=True)}, timeout=_SECONDS_TO_UNWIND)
    raise LeftBehind


async def _after(stop: asyncio.Event, seconds: float) -> None:
    await stop.wait()
    await asyncio.sleep(seconds)
