"""Many operations at once: by Temporal's own batch operations where they can be had, else by jobs of the gateway's own.

Temporal starts no operation again, knows workflows only, and runs few batch operations at a time in a namespace, by
default one: while that is some tenant's, another tenant's request is worked through by a job. Both kinds are durable,
known to every process by their ids, and told of in the same words.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from temporalio.api.batch.v1 import BatchOperationCancellation, BatchOperationTermination
from temporalio.api.enums.v1 import BatchOperationState, WorkflowExecutionStatus
from temporalio.api.workflowservice.v1 import (
    DescribeBatchOperationRequest,
    StartBatchOperationRequest,
    StopBatchOperationRequest,
)
from temporalio.service import RPCError, RPCStatusCode

from gateway.engines._base import EngineUnavailable, OperationNotFound, ResultNotSupported
from gateway.engines._batches import BatchKind, BatchProgress, BatchTooLarge
from gateway.engines.temporal._bulk_jobs import BulkJobs, BulkTerms
from gateway.engines.temporal._bulk_workflow import MOST_BYTES
from gateway.engines.temporal._describe import describe_run, last_run
from gateway.engines.temporal._results import call
from gateway.engines.temporal._tokens import decode_engine_token

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from temporalio.api.common.v1 import WorkflowExecution
    from temporalio.client import Client

    from gateway.engines._batches import BatchOrder, Chosen
    from gateway.engines._operations import OperationFilter
    from gateway.engines.temporal._visibility import Visibility
    from gateway.model import Tenant

_TIMEOUT: Final = timedelta(seconds=5)
_LOOKS_AT_A_TIME: Final = 16
_S = BatchOperationState
_STATES: Final[Mapping[int, str]] = {
    _S.BATCH_OPERATION_STATE_RUNNING: "running",
    _S.BATCH_OPERATION_STATE_COMPLETED: "completed",
    _S.BATCH_OPERATION_STATE_FAILED: "failed",
}
_STOPPED: Final = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TERMINATED


class Batches:
    """Batches of one namespace. Each method raises EngineUnavailable.

    An id is that of a job, or else that of a batch operation of the server's.
    """

    def __init__(self, client: Client, visibility: Visibility, terms: BulkTerms) -> None:
        self._client = client
        self._visibility = visibility
        self._jobs = BulkJobs(client, terms)

    async def start(self, order: BatchOrder, wanted: OperationFilter, total: int) -> bool:
        """Begin with what a filter finds, which is about ``total`` operations; False where it had begun before.

        Raises:
            InvalidFilter: the caller's own filter cannot be used.
            ListingUnavailable: the namespace lacks the attributes to find anything by.
            TooManyBatches: the tenant has enough of them under way.
        """
        query = await self._visibility.query(wanted)
        if await self._known(order):
            return False
        return await self._start(order, query) or await self._jobs.start(order, total, wanted=wanted)

    async def start_of(self, order: BatchOrder, chosen: Sequence[Chosen]) -> bool:
        """Begin with these operations; False where it had begun before.

        Raises:
            BatchTooLarge: they take too much to name.
            OperationNotFound: one of them is not there any more.
            TooManyBatches: the tenant has enough of them under way.
        """
        if self._client.data_converter.payload_converter.to_payload(tuple(chosen)).ByteSize() > MOST_BYTES:
            raise BatchTooLarge
        if await self._known(order):
            return False
        executions = await self._executions(chosen)
        begun = executions is not None and await self._start(order, executions)
        return begun or await self._jobs.start(order, len(chosen), chosen=chosen)

    async def progress(self, tenant: Tenant, batch_id: str) -> BatchProgress:
        """How far it is.

        Raises:
            OperationNotFound: the tenant has no such batch.
        """
        try:
            return await self._jobs.progress(tenant, batch_id)
        except OperationNotFound:
            return await self._servers_progress(batch_id)

    async def stop(self, tenant: Tenant, batch_id: str) -> None:
        """Go no further; nothing where it has ended.

        Raises:
            OperationNotFound: the tenant has no such batch.
        """
        try:
            await self._jobs.stop(tenant, batch_id)
        except OperationNotFound:
            await self._stop_servers(batch_id)

    async def _known(self, order: BatchOrder) -> bool:
        try:
            await self.progress(order.requester.tenant, order.id)
        except OperationNotFound:
            return False
        return True

    async def _servers_progress(self, batch_id: str) -> BatchProgress:
        request = DescribeBatchOperationRequest(namespace=self._client.namespace, job_id=batch_id)
        service = self._client.workflow_service
        described = await call(lambda: service.describe_batch_operation(request, timeout=_TIMEOUT))
        if described is None:
            raise EngineUnavailable
        state = _STATES.get(described.state, "running")
        if state == "failed" and await self._was_stopped(batch_id):
            state = "canceled"
        return BatchProgress(
            state=state,
            total=described.total_operation_count,
            completed=described.complete_operation_count,
            failed=described.failure_operation_count,
        )

    async def _stop_servers(self, batch_id: str) -> None:
        await self._servers_progress(batch_id)
        request = StopBatchOperationRequest(
            namespace=self._client.namespace,
            job_id=batch_id,
            reason="canceled by the caller",
            identity=self._client.identity,
        )
        try:
            await self._client.workflow_service.stop_batch_operation(request, timeout=_TIMEOUT)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise

    async def _start(self, order: BatchOrder, what: str | Sequence[WorkflowExecution]) -> bool:
        """Have the server do it, to what a query finds or to these; False where it cannot, or not now."""
        request = StartBatchOperationRequest(
            namespace=self._client.namespace,
            job_id=order.id,
            # The server takes no batch without one.
            reason=order.reason or f"{order.kind} by the caller",
        )
        match order.kind:
            case BatchKind.CANCEL:
                request.cancellation_operation.CopyFrom(BatchOperationCancellation(identity=self._client.identity))
            case BatchKind.TERMINATE:
                request.termination_operation.CopyFrom(BatchOperationTermination(identity=self._client.identity))
            case BatchKind.RETRY:
                return False
        if isinstance(what, str):
            request.visibility_query = what
        else:
            request.executions.extend(what)
        service = self._client.workflow_service
        try:
            if await call(lambda: service.start_batch_operation(request, timeout=_TIMEOUT)) is None:
                raise EngineUnavailable
        except RPCError as error:
            # The same request has come twice at once: it is under way.
            if error.status is RPCStatusCode.ALREADY_EXISTS:
                return True
            if error.status is not RPCStatusCode.RESOURCE_EXHAUSTED:
                raise
            # It may be this very request, come twice at once, that the server has begun with.
            return await self._known(order)
        return True

    async def _executions(self, chosen: Sequence[Chosen]) -> Sequence[WorkflowExecution] | None:
        """The last run of each; None where one of them is no workflow."""
        slots = asyncio.Semaphore(_LOOKS_AT_A_TIME)

        async def last(engine_token: str) -> WorkflowExecution:
            async with slots:
                token = decode_engine_token(engine_token, self._client.namespace)
                return (await last_run(self._client, token)).workflow_execution_info.execution

        try:
            return await asyncio.gather(*(last(one.engine_token) for one in chosen))
        except ResultNotSupported:
            return None

    async def _was_stopped(self, batch_id: str) -> bool:
        # A batch operation is a workflow of the server's own, and stopping it is terminating that.
        described = await describe_run(self._client, batch_id, "")
        return described.workflow_execution_info.status == _STOPPED
