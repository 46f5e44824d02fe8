"""Operations that were continued as new: a list tells their last run, a token has to name the first."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest, ListWorkflowExecutionsRequest

from gateway.engines._base import EngineUnavailable, OperationNotFound
from gateway.engines.temporal import _attributes as attributes
from gateway.engines.temporal._memos import origin_of
from gateway.engines.temporal._results import call

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from temporalio.api.common.v1 import WorkflowExecution
    from temporalio.api.workflow.v1 import WorkflowExecutionInfo
    from temporalio.api.workflowservice.v1 import ListWorkflowExecutionsResponse
    from temporalio.client import Client

    from gateway.model import Origin

_TIMEOUT: Final = timedelta(seconds=5)
_LOOKS_AT_A_TIME: Final = 16
_CONTINUED: Final = "ExecutionStatus = 'ContinuedAsNew'"


class Chains:
    """The chains of one namespace; ``at_once`` is how many of their runs are looked at in one list."""

    def __init__(self, client: Client, known: attributes.KnownAttributes, *, at_once: int = 1000) -> None:
        self._client = client
        self._known = known
        self._at_once = at_once

    async def are_among(self, query: str) -> bool:
        """Whether anything that a query finds was continued as new.

        Raises:
            EngineUnavailable: the server cannot be reached.
        """
        return bool((await self._listed(query, 1)).executions)

    async def first_runs(self, found: Sequence[tuple[WorkflowExecutionInfo, Origin]]) -> Mapping[str, str]:
        """First run by last run, of those of ``found`` that were continued as new. Raises as ``are_among`` does."""
        if not found or attributes.REQUEST_ID not in await self._known.known():
            return {}
        ids = ", ".join(f"'{origin.scoped_request_id}'" for _, origin in found)
        listed = await self._listed(f"{attributes.REQUEST_ID} IN ({ids})", self._at_once)
        if listed.next_page_token:
            # One chain may have any number of runs: to ask about each operation has an end that is known.
            slots = asyncio.Semaphore(_LOOKS_AT_A_TIME)
            return dict(await asyncio.gather(*(self._first_run(info.execution, slots) for info, _ in found)))
        first: dict[tuple[str, str], str] = {}
        # The latest comes first, so that the earliest is what stays.
        for info in listed.executions:
            origin = origin_of(info.memo, self._client)
            if origin is not None:
                first[info.execution.workflow_id, origin.scoped_request_id] = info.execution.run_id
        return {
            info.execution.run_id: first[chain]
            for info, origin in found
            if (chain := (info.execution.workflow_id, origin.scoped_request_id)) in first
        }

    async def _first_run(self, execution: WorkflowExecution, slots: asyncio.Semaphore) -> tuple[str, str]:
        request = DescribeWorkflowExecutionRequest(namespace=self._client.namespace, execution=execution)
        service = self._client.workflow_service
        try:
            async with slots:
                described = await call(lambda: service.describe_workflow_execution(request, timeout=_TIMEOUT))
        except OperationNotFound:
            # The index knows of it for longer than the server does.
            return execution.run_id, ""
        if described is None:
            raise EngineUnavailable
        return execution.run_id, described.workflow_execution_info.first_run_id

    async def _listed(self, query: str, size: int) -> ListWorkflowExecutionsResponse:
        request = ListWorkflowExecutionsRequest(
            namespace=self._client.namespace, query=f"{query} AND {_CONTINUED}", page_size=size
        )
        service = self._client.workflow_service
        listed = await call(lambda: service.list_workflow_executions(request, timeout=_TIMEOUT))
        if listed is None:
            raise EngineUnavailable
        return listed
