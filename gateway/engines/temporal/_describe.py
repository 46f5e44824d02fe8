"""One operation from near: the last run of its chain, what that waits for, and how it ended."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from nexusrpc import OperationError
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import CallbackState as TemporalCallbackState
from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    DescribeWorkflowExecutionResponse,
    GetWorkflowExecutionHistoryRequest,
)

from gateway.engines._base import EngineUnavailable, OperationNotFound, ResultNotSupported
from gateway.engines._operations import CallbackState, OperationDetails, PendingActivity
from gateway.engines.temporal._hosting import OperationToken, OperationTokenType, link_to_event, nexus_links_of
from gateway.engines.temporal._memos import AWAITING_MEMO, PROGRESS_MEMO, memo_value, origin_of
from gateway.engines.temporal._results import call, close_event, closed, next_run
from gateway.engines.temporal._visibility import record_of
from gateway.model import OperationStatus

if TYPE_CHECKING:
    from nexusrpc import Link
    from temporalio.api.callback.v1 import CallbackInfo as ActivityCallbackInfo
    from temporalio.api.history.v1 import HistoryEvent
    from temporalio.api.workflow.v1 import CallbackInfo, PendingActivityInfo
    from temporalio.client import Client

_TIMEOUT: Final = timedelta(seconds=5)
_CONTINUED: Final = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW
_C = TemporalCallbackState
_CALLBACK_STATES: Final = {
    _C.CALLBACK_STATE_STANDBY: "standby",
    _C.CALLBACK_STATE_SCHEDULED: "scheduled",
    _C.CALLBACK_STATE_BACKING_OFF: "backing_off",
    _C.CALLBACK_STATE_BLOCKED: "blocked",
    _C.CALLBACK_STATE_FAILED: "failed",
    _C.CALLBACK_STATE_SUCCEEDED: "succeeded",
}


async def describe_run(client: Client, workflow_id: str, run_id: str) -> DescribeWorkflowExecutionResponse:
    """What the server says of one run; of the latest where ``run_id`` is empty.

    Raises:
        OperationNotFound: there is no such run.
        EngineUnavailable: the server cannot be reached, or did not answer in time.
    """
    execution = WorkflowExecution(workflow_id=workflow_id, run_id=run_id)
    request = DescribeWorkflowExecutionRequest(namespace=client.namespace, execution=execution)
    service = client.workflow_service
    described = await call(lambda: service.describe_workflow_execution(request, timeout=_TIMEOUT))
    if described is None:
        raise EngineUnavailable
    return described


async def last_run(client: Client, token: OperationToken) -> DescribeWorkflowExecutionResponse:
    """The last run of the chain that an operation is; a later operation under the same workflow id is not its.

    Raises:
        OperationNotFound: there is no such operation.
        ResultNotSupported: the operation is no workflow.
        EngineUnavailable: the server cannot be reached.
    """
    if token.type is not OperationTokenType.WORKFLOW or not token.workflow_id:
        raise ResultNotSupported
    latest = await describe_run(client, token.workflow_id, "")
    info = latest.workflow_execution_info
    if token.run_id in (None, info.first_run_id, info.execution.run_id):
        return latest
    described = await describe_run(client, token.workflow_id, token.run_id)
    while described.workflow_execution_info.status == _CONTINUED:
        run_id = described.workflow_execution_info.execution.run_id
        event = await close_event(client, token.workflow_id, run_id)
        following = next_run(event) if event is not None else ""
        if not following:
            raise OperationNotFound
        described = await describe_run(client, token.workflow_id, following)
    return described


async def details_of(client: Client, token: OperationToken) -> OperationDetails:
    """One operation with all that can be told of it. Raises as ``last_run`` does."""
    described = await last_run(client, token)
    info = described.workflow_execution_info
    record = record_of(info, client, origin_of(info.memo, client), token.run_id)
    awaiting = memo_value(info.memo, AWAITING_MEMO, client) if record.status is OperationStatus.RUNNING else None
    return OperationDetails(
        record=record,
        pending_activities=tuple(map(_pending, described.pending_activities)),
        awaiting=names_in(awaiting),
        progress=memo_value(info.memo, PROGRESS_MEMO, client),
        callbacks=tuple(map(callback_state, described.callbacks)),
        links=await _links(client, token.workflow_id or "", token.run_id or info.execution.run_id),
        failure=await _failure(client, info.execution, record.status),
    )


async def first_event(client: Client, workflow_id: str, run_id: str) -> HistoryEvent:
    """The event that a run began with: its input, timeouts, memo and links.

    Raises:
        OperationNotFound: there is no such run.
        EngineUnavailable: the server cannot be reached.
    """
    request = GetWorkflowExecutionHistoryRequest(
        namespace=client.namespace,
        execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
        maximum_page_size=1,
        skip_archival=True,
    )
    service = client.workflow_service
    response = await call(lambda: service.get_workflow_execution_history(request, timeout=_TIMEOUT))
    if response is None:
        raise EngineUnavailable
    if not response.history.events:
        raise OperationNotFound
    return response.history.events[0]


def names_in(value: object) -> tuple[str, ...]:
    """The names in a list that a workflow published; none where it is anything else."""
    return tuple(name for name in value if isinstance(name, str)) if isinstance(value, list | tuple) else ()


async def _links(client: Client, workflow_id: str, run_id: str) -> tuple[Link, ...]:
    event = await first_event(client, workflow_id, run_id)
    return nexus_links_of([link_to_event(client.namespace, workflow_id, run_id, event), *event.links])


async def _failure(client: Client, execution: WorkflowExecution, status: OperationStatus) -> OperationError | None:
    if status in (OperationStatus.RUNNING, OperationStatus.SUCCEEDED):
        return None
    event = await close_event(client, execution.workflow_id, execution.run_id)
    completed = closed(event) if event is not None else None
    return completed.outcome if completed is not None and isinstance(completed.outcome, OperationError) else None


def _pending(activity: PendingActivityInfo) -> PendingActivity:
    failure = activity.last_failure.message if activity.HasField("last_failure") else None
    return PendingActivity(type=activity.activity_type.name, attempt=activity.attempt, last_failure=failure)


def callback_state(callback: CallbackInfo | ActivityCallbackInfo) -> CallbackState:
    """How far a completion is. The last failure stays inside: it names addresses."""
    return CallbackState(_CALLBACK_STATES.get(callback.state, "unknown"), callback.attempt)
