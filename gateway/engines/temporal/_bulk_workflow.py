"""The workflow of a bulk job: a chunk of operations, a pause, and the next one, until none is left or it is stopped.

What is to be done next is always in its history, and what was done in its memo: any process can go on with it, and any
can tell how far it is. A chunk that was begun by a process which has gone is done over; what it is made of can be done
twice without anything happening twice.

It is deterministic by having nothing in it but that, so it runs outside the SDK's sandbox, which would otherwise load
the whole gateway anew for it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

from gateway.engines._batches import BatchOrder, Chosen  # noqa: TC001 - the data converter looks annotations up
from gateway.engines._operations import OperationFilter  # noqa: TC001 - likewise

WORKFLOW: Final = "RunBulkJob"
"""The workflow's type."""

PROGRESS: Final = "progress"
"""The memo's key for how far it is."""

FIND: Final = "find_operations"
"""The activity that finds the next chunk."""

ACT: Final = "act_on_operations"
"""The activity that does it to a chunk."""

MOST_BYTES: Final = 1024 * 1024
"""What names the operations of a chunk, at most: half of what Temporal takes as one value."""

_FIND_TIME: Final = timedelta(seconds=30)
_ACT_TIME: Final = timedelta(minutes=10)
# Within it another process notices that the one with the chunk has gone.
_SIGN_OF_LIFE: Final = timedelta(seconds=10)
_AGAIN: Final = RetryPolicy(maximum_interval=timedelta(seconds=30))
# About half an hour: an index that is away so long, or that never finds this, is not waited for.
_FIND_AGAIN: Final = RetryPolicy(maximum_interval=timedelta(seconds=30), maximum_attempts=60)


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be done, to all that ``wanted`` finds or to those ``chosen``. ``pause`` is in seconds."""

    id: str
    order: BatchOrder
    wanted: OperationFilter | None = None
    chosen: tuple[Chosen, ...] = ()
    chunk: int
    pause: float


@dataclass(frozen=True, kw_only=True)
class Reached:
    """How far a job is.

    ``total`` is what was found at first, and in the end what it came to. ``before`` is when the job began: what was
    started since is none of its business. ``page`` is where to find more, and None at the beginning.
    """

    total: int
    completed: int = 0
    failed: int = 0
    before: datetime | None = None
    page: str | None = None

    def plus(self, done: Done, next_page: str | None, *, ended: bool) -> Reached:
        """The same after one more chunk."""
        completed, failed = self.completed + done.completed, self.failed + done.failed
        total = completed + failed if ended else self.total
        return replace(self, total=total, completed=completed, failed=failed, page=next_page)


@dataclass(frozen=True, kw_only=True)
class Found:
    """A chunk, and where the next one is; None after the last."""

    operations: tuple[Chosen, ...]
    next_page: str | None


@dataclass(frozen=True, kw_only=True)
class Done:
    """What came of a chunk, or of as much of it as was done before the job was stopped."""

    completed: int = 0
    failed: int = 0


@workflow.defn(name=WORKFLOW, sandboxed=False)
class RunBulkJob:
    """Works through a bulk job."""

    @workflow.run
    async def run(self, job: Job, reached: Reached) -> None:
        """Up to the end, or for as long as one history should be."""
        if reached.before is None:
            # By the server's clock, which is the one that operations' starts are noted by.
            reached = replace(reached, before=workflow.info().start_time)
        while True:
            found = await self._find(job, reached)
            done = await self._act(job, found.operations)
            stopped = workflow.cancellation_reason() is not None
            ended = found.next_page is None and not stopped
            reached = reached.plus(done, found.next_page, ended=ended)
            workflow.upsert_memo({PROGRESS: reached})
            if stopped:
                # The chunk's activity took it as a request to come to an end, and so it is for the job.
                raise asyncio.CancelledError
            if ended:
                return
            await workflow.sleep(job.pause)
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(args=[job, reached])

    async def _find(self, job: Job, reached: Reached) -> Found:
        if job.wanted is None:
            first = int(reached.page or 0)
            following = first + job.chunk
            more = following < len(job.chosen)
            return Found(operations=job.chosen[first:following], next_page=str(following) if more else None)
        found: Found = await workflow.execute_activity(
            FIND, args=[job, reached], result_type=Found, start_to_close_timeout=_FIND_TIME, retry_policy=_FIND_AGAIN
        )
        return found

    async def _act(self, job: Job, operations: tuple[Chosen, ...]) -> Done:
        if not operations:
            return Done()
        try:
            done: Done = await workflow.execute_activity(
                ACT,
                args=[replace(job, wanted=None, chosen=operations)],
                result_type=Done,
                start_to_close_timeout=_ACT_TIME,
                heartbeat_timeout=_SIGN_OF_LIFE,
                retry_policy=_AGAIN,
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            )
        except ActivityError:
            if workflow.cancellation_reason() is None:
                raise
            # It was stopped before it had begun, or in a process that has gone.
            return Done()
        return done
