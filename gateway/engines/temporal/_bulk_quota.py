"""How many bulk jobs one tenant has under way in a namespace, and room for one more.

The index tells late of what has just begun, so what this process began is asked for beside it, and a tenant's starts
take turns. Several processes may together let in a few more in the moment before the index knows: what the limit keeps
away is a queue that nobody gets past, and for that it need not be exact.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.workflowservice.v1 import ListWorkflowExecutionsRequest

from gateway.engines._base import EngineUnavailable, OperationNotFound
from gateway.engines._batches import TooManyBatches
from gateway.engines.temporal._bulk_workflow import WORKFLOW
from gateway.engines.temporal._describe import describe_run
from gateway.engines.temporal._results import call

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from temporalio.client import Client

_TIMEOUT: Final = timedelta(seconds=5)
# Those of one tenant take turns with those of the others, and must not make a queue that nobody gets past.
_MOST_OF_A_TENANT: Final = 20
# Longer than any index takes to hear of a start.
_FRESH_SECONDS: Final = 30.0
_RUNNING: Final = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING


class BulkQuota:
    """What each tenant may still begin in one namespace."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._begun: dict[str, dict[str, float]] = {}

    @asynccontextmanager
    async def room(self, prefix: str, job_id: str) -> AsyncIterator[None]:
        """Begin this job within the block; ``prefix`` is what the ids of all jobs of its tenant begin with.

        Raises:
            TooManyBatches: the tenant has enough of them under way.
            EngineUnavailable: that cannot be told now.
        """
        turn = self._turns.setdefault(prefix, asyncio.Lock())
        async with turn:
            listed = await self._listed(prefix)
            if len(listed) + await self._unlisted(prefix, listed) >= _MOST_OF_A_TENANT:
                raise TooManyBatches
            yield
            self._begun.setdefault(prefix, {})[job_id] = _now()

    async def _listed(self, prefix: str) -> frozenset[str]:
        # By its type, too: what a handler starts can have any id, and must not use up what is a tenant's.
        query = f"WorkflowType = '{WORKFLOW}' AND WorkflowId STARTS_WITH '{prefix}' AND ExecutionStatus = 'Running'"
        request = ListWorkflowExecutionsRequest(
            namespace=self._client.namespace, page_size=_MOST_OF_A_TENANT, query=query
        )
        service = self._client.workflow_service
        listed = await call(lambda: service.list_workflow_executions(request, timeout=_TIMEOUT))
        if listed is None:
            raise EngineUnavailable
        return frozenset(info.execution.workflow_id for info in listed.executions)

    async def _unlisted(self, prefix: str, listed: frozenset[str]) -> int:
        """How many run that were begun here and that the index does not name."""
        self._forget()
        mine = [job_id for job_id in self._begun.get(prefix, {}) if job_id not in listed]
        if len(mine) + len(listed) < _MOST_OF_A_TENANT:
            return len(mine)
        running = await asyncio.gather(*map(self._runs, mine))
        for job_id, runs in zip(mine, running, strict=True):
            if not runs:
                self._begun.get(prefix, {}).pop(job_id, None)
        return sum(running)

    async def _runs(self, job_id: str) -> bool:
        try:
            described = await describe_run(self._client, job_id, "")
        except OperationNotFound:
            return False
        return described.workflow_execution_info.status == _RUNNING

    def _forget(self) -> None:
        """Leave out what the index has heard of since, or what is over."""
        oldest = _now() - _FRESH_SECONDS
        for prefix, begun in [*self._begun.items()]:
            self._begun[prefix] = {job_id: moment for job_id, moment in begun.items() if moment > oldest}
            if not self._begun[prefix]:
                del self._begun[prefix]


def _now() -> float:
    return asyncio.get_running_loop().time()
