"""Temporal workers for the workflows and activities that plugins bring along."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from temporalio import activity, workflow
from temporalio.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from temporalio.client import Client

_logger = logging.getLogger("gateway.worker")

_GRACE = timedelta(seconds=10)
_ACTIVITY_THREADS = 32
_HEARTBEATS = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPlan:
    """What one worker polls for: one task queue of one namespace.

    Where ``activities_at_a_time`` is None there are as many as the SDK finds right. ``heartbeats`` is how long those of
    an activity may be held back, and with them the word that it is to end.
    """

    namespace: str
    task_queue: str
    workflows: Sequence[type]
    activities: Sequence[Callable[..., Any]]
    activities_at_a_time: int | None = None
    heartbeats: timedelta = _HEARTBEATS


def unfit_for_workers(workflows: Sequence[type], activities: Sequence[Callable[..., Any]]) -> Iterator[str]:
    """What a worker would not take of these, a sentence for each, and how it is repaired."""
    for cls in workflows:
        if workflow._Definition.from_class(cls) is None:  # noqa: SLF001 - the SDK has no public name for it
            yield f"its workflow {cls.__qualname__} is none; decorate the class itself with @temporalio.workflow.defn"
    for function in activities:
        if activity._Definition.from_callable(function) is None:  # noqa: SLF001 - as above
            name = getattr(function, "__qualname__", type(function).__qualname__)
            yield f"its activity {name} is none; decorate it with @temporalio.activity.defn"


async def run_workers(clients: Mapping[str, Client], plans: Sequence[WorkerPlan], stop: asyncio.Event) -> None:
    """Run a worker for each plan until ``stop`` is set or one of them fails.

    Raises:
        RuntimeError: a worker cannot go on, such as when its namespace does not exist.
    """
    async with AsyncExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(_ACTIVITY_THREADS, thread_name_prefix="activity"))
        workers = [
            Worker(
                clients[plan.namespace],
                task_queue=plan.task_queue,
                workflows=plan.workflows,
                activities=plan.activities,
                activity_executor=threads,
                max_concurrent_activities=plan.activities_at_a_time,
                max_heartbeat_throttle_interval=plan.heartbeats,
                graceful_shutdown_timeout=_GRACE,
            )
            for plan in plans
        ]
        running = [asyncio.create_task(worker.run()) for worker in workers]
        stopped = asyncio.create_task(stop.wait())
        for plan in plans:
            _logger.info("worker polls namespace %s, task queue %s", plan.namespace, plan.task_queue)
        try:
            done, _ = await asyncio.wait({stopped, *running}, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopped}:
                task.result()
        finally:
            stopped.cancel()
            for worker, run in zip(workers, running, strict=True):
                # One that is still starting would never hear of a shutdown; it has nothing to finish either.
                if not worker.is_running:
                    run.cancel()
            await asyncio.gather(*(worker.shutdown() for worker in workers if worker.is_running))
            await asyncio.gather(*running, return_exceptions=True)
