"""Many operations at once, by Temporal's own batch operations: durable, and at a pace that the server chooses."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from temporalio.api.batch.v1 import BatchOperationCancellation, BatchOperationTermination
from temporalio.api.enums.v1 import BatchOperationState
from temporalio.api.workflowservice.v1 import (
    DescribeBatchOperationRequest,
    StartBatchOperationRequest,
    StopBatchOperationRequest,
)
from temporalio.service import RPCError, RPCStatusCode

from gateway.engines._base import EngineUnavailable
from gateway.engines._batches import BatchKind, BatchProgress
from gateway.engines.temporal._results import call

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from temporalio.api.common.v1 import WorkflowExecution
    from temporalio.client import Client

_TIMEOUT: Final = timedelta(seconds=5)
_S = BatchOperationState
_STATES: Final[Mapping[int, str]] = {
    _S.BATCH_OPERATION_STATE_RUNNING: "running",
    _S.BATCH_OPERATION_STATE_COMPLETED: "completed",
    _S.BATCH_OPERATION_STATE_FAILED: "failed",
}


class Batches:
    """Batch operations of one namespace."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def start(self, kind: BatchKind, what: str | Sequence[WorkflowExecution], reason: str) -> str:
        """Begin, with what a query finds or with these executions; the batch's id."""
        job_id = str(uuid.uuid4())
        request = StartBatchOperationRequest(
            namespace=self._client.namespace,
            job_id=job_id,
            # The server takes no batch without one.
            reason=reason or f"{kind} by the caller",
        )
        if isinstance(what, str):
            request.visibility_query = what
        else:
            request.executions.extend(what)
        match kind:
            case BatchKind.CANCEL:
                request.cancellation_operation.CopyFrom(BatchOperationCancellation(identity=self._client.identity))
            case BatchKind.TERMINATE:
                request.termination_operation.CopyFrom(BatchOperationTermination(identity=self._client.identity))
        service = self._client.workflow_service
        if await call(lambda: service.start_batch_operation(request, timeout=_TIMEOUT)) is None:
            raise EngineUnavailable
        return job_id

    async def progress(self, job_id: str) -> BatchProgress:
        """How far it is.

        Raises:
            OperationNotFound: there is no such batch.
        """
        request = DescribeBatchOperationRequest(namespace=self._client.namespace, job_id=job_id)
        service = self._client.workflow_service
        described = await call(lambda: service.describe_batch_operation(request, timeout=_TIMEOUT))
        if described is None:
            raise EngineUnavailable
        return BatchProgress(
            state=_STATES.get(described.state, "running"),
            total=described.total_operation_count,
            completed=described.complete_operation_count,
            failed=described.failure_operation_count,
        )

    async def stop(self, job_id: str) -> None:
        """Go no further; nothing where it has ended.

        Raises:
            OperationNotFound: there is no such batch.
        """
        await self.progress(job_id)
        request = StopBatchOperationRequest(
            namespace=self._client.namespace,
            job_id=job_id,
            reason="canceled by the caller",
            identity=self._client.identity,
        )
        try:
            await self._client.workflow_service.stop_batch_operation(request, timeout=_TIMEOUT)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
