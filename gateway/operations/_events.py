"""Server-sent events of one operation: its history as it happens, in the form of the HTML standard (section 9.2)."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

from gateway.model import Verb
from gateway.operations._errors import ApiError, invalid
from gateway.operations._rendering import json_text
from gateway.protocol import encode_timestamp

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from gateway.engines import OperationEvent
    from gateway.model import Tenant
    from gateway.operations._access import Access
    from gateway.operations._actions import Request
    from gateway.operations._asking import Target

_HEARTBEAT: Final = b": heartbeat\n\n"
_LONGEST_ID: Final = 40
# Temporal answers so many long polls of a namespace at a time, 1,200 by default, and all tenants share them.
_MOST_OF_A_TENANT: Final = 200


class Events:
    """Follows operations. ``limit`` caps the streams of the process, ``heartbeat`` is in seconds."""

    def __init__(self, access: Access, draining: asyncio.Event, *, limit: int, heartbeat: float = 15.0) -> None:
        self._access = access
        self._draining = draining
        self._limit = limit
        self._heartbeat = heartbeat
        self._open: Counter[Tenant] = Counter()

    def follow(self, request: Request, last_event_id: str | None) -> AsyncGenerator[bytes, None]:
        """The stream, from after that event on; it ends with the operation, the caller's right to it or the process.

        Raises:
            ApiError: 404, 403, 400 for an id that is none, 429 where too many streams are open.
        """
        target = self._access.only_target(request.asker, request.principal, request.token, Verb.DESCRIBE)
        if last_event_id is not None and not _is_id(last_event_id):
            raise invalid("Last-Event-ID", "is not the id of an event of this stream")
        if self._open.total() >= self._limit or self._open[request.principal.tenant] >= _MOST_OF_A_TENANT:
            raise ApiError("RESOURCE_EXHAUSTED", "too many event streams are open; try again later")
        source = target.engine.operations.events(target.mounted.endpoint, target.engine_token, last_event_id)
        return self._stream(target, source)

    async def _stream(self, target: Target, source: AsyncIterator[OperationEvent]) -> AsyncGenerator[bytes, None]:
        tenant = target.principal.tenant
        self._open[tenant] += 1
        stopped = asyncio.ensure_future(self._draining.wait())
        try:
            async with aclosing(_generator(source)) as events:
                coming: asyncio.Future[OperationEvent | None] = asyncio.ensure_future(anext(events, None))
                try:
                    while True:
                        waiting: set[asyncio.Future[Any]] = {coming, stopped}
                        await asyncio.wait(waiting, timeout=self._heartbeat, return_when=asyncio.FIRST_COMPLETED)
                        # A stream is open for long: what let it begin may not be true any more.
                        if stopped.done() or not self._access.holds_still(target, Verb.DESCRIBE):
                            return
                        if not coming.done():
                            yield _HEARTBEAT
                            continue
                        event = coming.result()
                        if event is None:
                            return
                        coming = asyncio.ensure_future(anext(events, None))
                        yield encode_event(event)
                finally:
                    # As long as somebody waits for its next event, a generator cannot be closed.
                    coming.cancel()
                    await asyncio.gather(coming, return_exceptions=True)
        finally:
            self._open[tenant] -= 1
            if not self._open[tenant]:
                del self._open[tenant]
            stopped.cancel()


def encode_event(event: OperationEvent) -> bytes:
    """One event on the wire; its data are one line of JSON."""
    data = json_text({"time": encode_timestamp(event.time), **event.data})
    head = f"id: {event.id}\n" if event.id is not None else ""
    return f"{head}event: {event.type}\ndata: {data}\n\n".encode("utf-8", "replace")


async def _generator(source: AsyncIterator[OperationEvent]) -> AsyncGenerator[OperationEvent, None]:
    async for event in source:
        yield event


def _is_id(text: str) -> bool:
    parts = text.split(".")
    return (
        len(text) <= _LONGEST_ID
        and len(parts) in (2, 3)
        and all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts)  # noqa: PLR2004 - as histories go
    )
