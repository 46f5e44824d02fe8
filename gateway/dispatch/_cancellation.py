"""How a handler learns that nobody waits for its start any more."""

from __future__ import annotations

import asyncio
import time

from nexusrpc.handler import OperationTaskCancellation


class RequestCancellation(OperationTaskCancellation):
    """A request is over when its deadline has passed; ``deadline`` is by the event loop's clock, which is monotonic."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline

    def is_cancelled(self) -> bool:
        """Whether the request is over."""
        return self._remaining() <= 0

    def cancellation_reason(self) -> str | None:
        """The reason, once it is over."""
        return "the request's time limit has passed" if self.is_cancelled() else None

    def wait_until_cancelled_sync(self, timeout: float | None = None) -> bool:
        """Block the calling thread until the request is over, or for ``timeout`` seconds."""
        remaining = max(0.0, self._remaining())
        time.sleep(remaining if timeout is None else min(timeout, remaining))
        return self.is_cancelled()

    async def wait_until_cancelled(self) -> None:
        """Wait until the request is over."""
        await asyncio.sleep(self._remaining())

    def _remaining(self) -> float:
        return self._deadline - time.monotonic()
