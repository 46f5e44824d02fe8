"""What bulk jobs do: find the next operations, and do to each of them what was asked, several at a time.

A query has found what it found; each operation is looked at once more by its own notes before anything is done to it,
and each time it is asked whether whoever ordered it still may. Where not, the job is over: it is canceled.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, assert_never

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from gateway.engines._base import EngineUnavailable
from gateway.engines._batches import BatchKind, Chosen
from gateway.engines._operations import InvalidFilter, InvalidPageToken, ListingUnavailable
from gateway.engines.temporal._bulk_workflow import ACT, FIND, MOST_BYTES, Done, Found, Job, Reached
from gateway.engines.temporal._failures import is_connection_error, is_unavailable
from gateway.model import Endpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.engines._batches import Permit
    from gateway.engines._operations import OperationFilter, OperationsEngine

_logger = logging.getLogger("gateway.bulk")

_AT_A_TIME: Final = 8
_BEAT: Final = 1.0
# About four minutes, as the pauses between attempts are: what hinders one operation for longer is its own trouble.
_PATIENCE: Final = 12
_IN_VAIN: Final = (InvalidFilter, InvalidPageToken, ListingUnavailable)
_BUSY: Final = frozenset({RPCStatusCode.RESOURCE_EXHAUSTED, RPCStatusCode.DEADLINE_EXCEEDED})


class BulkActivities:
    """The activities, for the jobs of one namespace."""

    def __init__(self, operations: OperationsEngine, permit: Permit, namespace: str) -> None:
        self._operations = operations
        self._permit = permit
        self._namespace = namespace

    @activity.defn(name=FIND)
    async def find(self, job: Job, reached: Reached) -> Found:
        """The next chunk of a job that has a filter."""
        if job.wanted is None:
            raise ApplicationError("the job has no filter", non_retryable=True)
        moments = [moment for moment in (job.wanted.until, reached.before) if moment is not None]
        wanted = replace(job.wanted, until=min(moments, default=None))
        after = base64.b64decode(reached.page) if reached.page is not None else None
        size = job.chunk
        while True:
            found = await self._found(wanted, size, after)
            # A page cannot be cut: where to go on is known for its end only.
            if size == 1 or activity.payload_converter().to_payload(found).ByteSize() <= MOST_BYTES:
                return found
            size //= 2

    async def _found(self, wanted: OperationFilter, size: int, after: bytes | None) -> Found:
        try:
            page = await self._operations.page(self._namespace, wanted, size, after)
        except _IN_VAIN as error:
            raise ApplicationError(str(error), type=type(error).__name__, non_retryable=True) from error
        operations = tuple(
            Chosen(record.origin.address, record.engine_token, record.origin.tenant)
            for record in page.records
            if record.origin is not None and wanted.admits(record.origin)
        )
        following = base64.b64encode(page.next_page).decode() if page.next_page is not None else None
        return Found(operations=operations, next_page=following)

    @activity.defn(name=ACT)
    async def act(self, job: Job) -> Done:
        """Do it to each; those that it cannot be done to count as failed. Stopped, it says how many it came to."""
        chunk = _Chunk(left=deque(job.chosen))
        async with _beating(chunk):
            hands = [asyncio.create_task(self._work(job, chunk)) for _ in range(_AT_A_TIME)]
            try:
                await asyncio.wait(hands)
            except asyncio.CancelledError:
                # What is under way is finished, so that it is known what was done.
                chunk.left.clear()
                await asyncio.wait(hands)
                details = activity.cancellation_details()
                if details is None or not details.cancel_requested:
                    raise
        if chunk.hindered is not None:
            raise ApplicationError("the engine is not to be had now", type="Hindered") from chunk.hindered
        if chunk.refused:
            order = job.order
            _logger.warning("bulk %s is canceled: who asked for it may not do that any more", order.kind)
            await self._operations.stop_batch(self._namespace, order.requester.tenant, order.id)
        return chunk.done()

    async def _work(self, job: Job, chunk: _Chunk) -> None:
        while chunk.left:
            one = chunk.left.popleft()
            if not self._permit.holds(job.order, one):
                chunk.refused = True
                chunk.left.clear()
                return
            try:
                await self._one(job, one)
                chunk.completed += 1
            except Exception as error:  # noqa: BLE001 - one that it cannot be done to keeps no other from it
                if _passes(error) and activity.info().attempt < _PATIENCE:
                    chunk.hindered = error
                    chunk.left.clear()
                    return
                _logger.info("bulk %s failed for one operation: %s", job.order.kind, type(error).__name__)
                chunk.failed += 1

    async def _one(self, job: Job, one: Chosen) -> None:
        # Where it runs is all that counts now: who may do what has been seen to.
        endpoint = Endpoint(name=one.address.endpoint, engine="", namespace=self._namespace, task_queue="", services=())
        match job.order.kind:
            case BatchKind.CANCEL:
                await self._operations.cancel(endpoint, one.engine_token)
            case BatchKind.TERMINATE:
                await self._operations.terminate(endpoint, one.engine_token, job.order.reason)
            case BatchKind.RETRY:
                before = (await self._operations.describe(endpoint, one.engine_token)).record.origin
                origin = job.order.requester.repetition(before, one, retry=True, batch_id=job.id)
                await self._operations.retry(endpoint, one.engine_token, origin)
            case _:
                assert_never(job.order.kind)


@dataclass(slots=True, kw_only=True)
class _Chunk:
    left: deque[Chosen]
    completed: int = 0
    failed: int = 0
    hindered: Exception | None = None
    refused: bool = False

    def done(self) -> Done:
        return Done(completed=self.completed, failed=self.failed)


@asynccontextmanager
async def _beating(chunk: _Chunk) -> AsyncIterator[None]:
    """Tell the server again and again how far it is; its answers tell whether to go on."""

    async def beat() -> None:
        while True:
            activity.heartbeat(chunk.done())
            await asyncio.sleep(_BEAT)

    beats = asyncio.create_task(beat())
    try:
        yield
    finally:
        beats.cancel()


def _passes(error: Exception) -> bool:
    """Whether it is the engine that is away or busy, and not the operation that is to blame."""
    if isinstance(error, RPCError):
        return error.status in _BUSY or is_unavailable(error)
    return isinstance(error, EngineUnavailable) or is_connection_error(error)
