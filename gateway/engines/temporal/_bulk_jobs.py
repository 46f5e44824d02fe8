"""Bulk jobs of the gateway's own: started, looked at and stopped as the workflows that they are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from gateway.engines._base import OperationNotFound
from gateway.engines._batches import BatchProgress
from gateway.engines.temporal._attributes import tenant_keyword
from gateway.engines.temporal._bulk_quota import BulkQuota
from gateway.engines.temporal._bulk_workflow import PROGRESS, WORKFLOW, Done, Job, Reached
from gateway.engines.temporal._describe import describe_run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
    from temporalio.client import Client

    from gateway.engines._batches import BatchOrder, Chosen
    from gateway.engines._operations import OperationFilter
    from gateway.model import Tenant

_PREFIX: Final = "nexus-gateway/bulk"
_TIMEOUT: Final = timedelta(seconds=5)
# Where a caller may do this was worked out when the job began; that should not hold for ever.
_LONGEST: Final = timedelta(days=1)
_S = WorkflowExecutionStatus
_STATES: Final[Mapping[int, str]] = {
    _S.WORKFLOW_EXECUTION_STATUS_COMPLETED: "completed",
    _S.WORKFLOW_EXECUTION_STATUS_FAILED: "failed",
    _S.WORKFLOW_EXECUTION_STATUS_TIMED_OUT: "failed",
    _S.WORKFLOW_EXECUTION_STATUS_CANCELED: "canceled",
    _S.WORKFLOW_EXECUTION_STATUS_TERMINATED: "canceled",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkTerms:
    """How bulk jobs are worked through: so many operations, then a pause in seconds, on which task queue."""

    task_queue: str = "nexus-gateway-bulk"
    chunk: int = 500
    pause: float = 3.0


class BulkJobs:
    """The bulk jobs of one namespace."""

    def __init__(self, client: Client, terms: BulkTerms) -> None:
        self._client = client
        self._terms = terms
        self._quota = BulkQuota(client)

    async def start(
        self, order: BatchOrder, total: int, *, wanted: OperationFilter | None = None, chosen: Sequence[Chosen] = ()
    ) -> bool:
        """Begin with what a filter finds, or with the chosen ones; False where it had begun before.

        Raises:
            TooManyBatches: the tenant has enough of them under way.
        """
        tenant = order.requester.tenant
        job = Job(
            id=_id_of(tenant, order.id),
            order=order,
            wanted=wanted,
            chosen=tuple(chosen),
            chunk=self._terms.chunk,
            pause=self._terms.pause,
        )
        async with self._quota.room(_prefix_of(tenant), job.id):
            return await self._begin(job, Reached(total=total))

    async def progress(self, tenant: Tenant, batch_id: str) -> BatchProgress:
        """How far it is, by what it has noted and what is under way.

        Raises:
            OperationNotFound: there is no such job.
        """
        job_id = _id_of(tenant, batch_id)
        described = await describe_run(self._client, job_id, "")
        info = described.workflow_execution_info
        if info.type.name != WORKFLOW:
            raise OperationNotFound
        converter = self._client.data_converter.payload_converter
        reached: Reached = converter.from_payload(info.memo.fields[PROGRESS], Reached)
        now = await self._under_way(described)
        return BatchProgress(
            state=_STATES.get(info.status, "running"),
            total=reached.total,
            completed=reached.completed + now.completed,
            failed=reached.failed + now.failed,
        )

    async def stop(self, tenant: Tenant, batch_id: str) -> None:
        """Go no further; what is under way is finished. Nothing where it has ended.

        Raises:
            OperationNotFound: there is no such job.
        """
        if (await self.progress(tenant, batch_id)).state == "running":
            await self._client.get_workflow_handle(_id_of(tenant, batch_id)).cancel(rpc_timeout=_TIMEOUT)

    async def _begin(self, job: Job, reached: Reached) -> bool:
        try:
            await self._client.start_workflow(
                WORKFLOW,
                args=[job, reached],
                id=job.id,
                # A job that is over is still the one that this request had.
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                task_queue=self._terms.task_queue,
                execution_timeout=_LONGEST,
                memo={PROGRESS: reached},
                static_summary=f"bulk {job.order.kind}",
                rpc_timeout=_TIMEOUT,
            )
        except WorkflowAlreadyStartedError:
            return False
        return True

    async def _under_way(self, described: DescribeWorkflowExecutionResponse) -> Done:
        for pending in described.pending_activities:
            if pending.heartbeat_details.payloads:
                [done] = await self._client.data_converter.decode(pending.heartbeat_details.payloads, [Done])
                return _done(done)
        return Done()


def _id_of(tenant: Tenant, batch_id: str) -> str:
    return f"{_prefix_of(tenant)}{batch_id}"


def _prefix_of(tenant: Tenant) -> str:
    return f"{_PREFIX}/{tenant_keyword(tenant)}/"


def _done(value: Any) -> Done:  # noqa: ANN401 - what the converter made of it
    return value if isinstance(value, Done) else Done()
