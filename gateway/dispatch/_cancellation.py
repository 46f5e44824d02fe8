"""How a handler learns that nobody waits for its start any more."""

from __future__ import annotations

import asyncio
import threading

from nexusrpc.handler import OperationTaskCancellation


class RequestCancellation(OperationTaskCancellation):
    """Set when the deadline of a request has passed. The synchronous wait is for code that left the event loop."""

    def __init__(self) -> None:
        self._reason: str | None = None
        self._thread_event = threading.Event()
        self._event = asyncio.Event()

    def cancel(self, reason: str) -> None:
        """Tell the handler, with a reason for its log."""
        self._reason = reason
        self._thread_event.set()
        self._event.set()

    def is_cancelled(self) -> bool:
        """Whether the request is over."""
        return self._thread_event.is_set()

    def cancellation_reason(self) -> str | None:
        """The reason, once it is over."""
        return self._reason

    def wait_until_cancelled_sync(self, timeout: float | None = None) -> bool:
        """Block the calling thread until the request is over, or for ``timeout`` seconds."""
        return self._thread_event.wait(timeout)

    async def wait_until_cancelled(self) -> None:
        """Wait until the request is over."""
        await self._event.wait()
