"""Running until somebody says stop, and then leaving in order."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Coroutine

_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_until_stopped(main: Coroutine[Any, Any, int]) -> int | None:
    """The result of ``main``; ``None`` when a signal ended it before.

    A signal cancels ``main``: what it has entered, such as child processes, it leaves on its way out.
    """
    with suppress(asyncio.CancelledError):
        return asyncio.run(_cancelled_by_signals(main))
    return None


async def _cancelled_by_signals(main: Coroutine[Any, Any, int]) -> int:
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(main)
    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    finally:
        for number in _STOP_SIGNALS:
            loop.remove_signal_handler(number)
