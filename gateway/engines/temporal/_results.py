"""How an operation ended: the close event of a workflow, or the outcome of an update or activity.

Results are read from the service itself and not through a handle, because a handle decodes them: here the payload's
bytes pass through. Each look-up comes in two forms, one that waits at the server and one that does not.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from nexusrpc import OperationError, OperationErrorState
from temporalio.api.common.v1 import Payloads, WorkflowExecution
from temporalio.api.enums.v1 import (
    HistoryEventFilterType,
    UpdateWorkflowExecutionLifecycleStage,
    WorkflowExecutionStatus,
)
from temporalio.api.failure.v1 import CanceledFailureInfo, Failure, TerminatedFailureInfo, TimeoutFailureInfo
from temporalio.api.update.v1 import Outcome, UpdateRef, WaitPolicy
from temporalio.api.workflowservice.v1 import (
    DescribeActivityExecutionRequest,
    DescribeWorkflowExecutionRequest,
    GetWorkflowExecutionHistoryRequest,
    PollActivityExecutionRequest,
    PollWorkflowExecutionUpdateRequest,
)
from temporalio.service import RPCError, RPCStatusCode

from gateway.engines._base import Completed, EngineUnavailable, OperationNotFound
from gateway.engines.temporal._content import content_of
from gateway.engines.temporal._failures import (
    is_connection_error,
    is_expired,
    is_unavailable,
    operation_error,
    state_of,
)
from gateway.engines.temporal._hosting import OperationToken, OperationTokenType

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from temporalio.api.activity.v1 import ActivityExecutionOutcome
    from temporalio.api.history.v1 import HistoryEvent
    from temporalio.api.workflow.v1 import WorkflowExecutionInfo
    from temporalio.client import Client

T = TypeVar("T")

_LOOK_TIMEOUT = timedelta(seconds=5)
# The server ends a long poll by itself after 20 s; this only guards against one that never answers.
_POLL_TIMEOUT = timedelta(seconds=30)

_STAGE = UpdateWorkflowExecutionLifecycleStage
_CANCELED = OperationErrorState.CANCELED
_FAILED = OperationErrorState.FAILED


async def outcome(client: Client, token: OperationToken, *, wait: bool) -> Completed | None:
    """How the operation ended; None while it runs, which with ``wait`` is never.

    Raises:
        OperationNotFound: there is no such operation.
        EngineUnavailable: the server cannot be reached.
        RPCError: the server said something else.
    """
    look = _LOOK[token.type]
    while True:
        completed = await look(client, token, wait)
        if completed is not None or not wait:
            return completed


async def _workflow(client: Client, token: OperationToken, wait: bool) -> Completed | None:
    workflow_id, run_id = token.workflow_id or "", token.run_id or ""
    if not wait:
        # A look at the history's close event would not do: the server holds it back until the call times out.
        latest = await describe(client, workflow_id, "")
        if run_id in ("", latest.first_run_id, latest.execution.run_id):
            run_id = latest.execution.run_id
            if latest.status == WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING:
                return None
    return await close_of(client, workflow_id, run_id)


async def describe(client: Client, workflow_id: str, run_id: str) -> WorkflowExecutionInfo:
    execution = WorkflowExecution(workflow_id=workflow_id, run_id=run_id)
    request = DescribeWorkflowExecutionRequest(namespace=client.namespace, execution=execution)
    service = client.workflow_service
    described = await call(lambda: service.describe_workflow_execution(request, timeout=_LOOK_TIMEOUT))
    if described is None:
        raise EngineUnavailable
    return described.workflow_execution_info


async def close_of(client: Client, workflow_id: str, run_id: str) -> Completed | None:
    """The end of a chain of runs, from this run on; None when a long poll ended before it."""
    request = GetWorkflowExecutionHistoryRequest(
        namespace=client.namespace,
        execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
        wait_new_event=True,
        history_event_filter_type=HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT,
        skip_archival=True,
    )
    service = client.workflow_service
    while True:
        response = await call(lambda: service.get_workflow_execution_history(request, timeout=_POLL_TIMEOUT))
        if response is None:
            return None
        request.next_page_token = response.next_page_token
        if response.history.events:
            event = response.history.events[-1]
            following = next_run(event)
            if not following:
                return closed(event)
            request.execution.run_id, request.next_page_token = following, b""


async def close_event(client: Client, workflow_id: str, run_id: str) -> HistoryEvent | None:
    """The event that this one run, which has ended, ended with; None where the server did not say in time."""
    request = GetWorkflowExecutionHistoryRequest(
        namespace=client.namespace,
        execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
        history_event_filter_type=HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT,
        skip_archival=True,
    )
    service = client.workflow_service
    response = await call(lambda: service.get_workflow_execution_history(request, timeout=_LOOK_TIMEOUT))
    return response.history.events[-1] if response is not None and response.history.events else None


async def _update(client: Client, token: OperationToken, wait: bool) -> Completed | None:
    stage = (
        _STAGE.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED
        if wait
        else _STAGE.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_UNSPECIFIED
    )
    request = PollWorkflowExecutionUpdateRequest(
        namespace=client.namespace,
        update_ref=UpdateRef(
            workflow_execution=WorkflowExecution(workflow_id=token.workflow_id or "", run_id=token.run_id or ""),
            update_id=token.update_id or "",
        ),
        identity=client.identity,
        wait_policy=WaitPolicy(lifecycle_stage=stage),
    )
    service = client.workflow_service
    timeout = _POLL_TIMEOUT if wait else _LOOK_TIMEOUT
    response = await call(lambda: service.poll_workflow_execution_update(request, timeout=timeout))
    return ended_with(response.outcome) if response is not None and response.HasField("outcome") else None


async def _activity(client: Client, token: OperationToken, wait: bool) -> Completed | None:
    activity, run = token.activity_id or "", token.run_id or ""
    service = client.workflow_service
    if wait:
        poll = PollActivityExecutionRequest(namespace=client.namespace, activity_id=activity, run_id=run)
        polled = await call(lambda: service.poll_activity_execution(poll, timeout=_POLL_TIMEOUT))
        return ended_with(polled.outcome) if polled is not None and polled.HasField("outcome") else None
    request = DescribeActivityExecutionRequest(
        namespace=client.namespace, activity_id=activity, run_id=run, include_outcome=True
    )
    described = await call(lambda: service.describe_activity_execution(request, timeout=_LOOK_TIMEOUT))
    return ended_with(described.outcome) if described is not None and described.HasField("outcome") else None


_LOOK: dict[OperationTokenType, Callable[[Client, OperationToken, bool], Awaitable[Completed | None]]] = {
    OperationTokenType.WORKFLOW: _workflow,
    OperationTokenType.UPDATE_WORKFLOW: _update,
    OperationTokenType.ACTIVITY: _activity,
}


async def call(rpc: Callable[[], Awaitable[T]]) -> T | None:
    """The answer, or None where a long poll ended without one."""
    try:
        return await rpc()
    except RPCError as error:
        if error.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT):
            # INVALID_ARGUMENT: the namespace or id is of a form that this server has never stored.
            raise OperationNotFound from error
        if error.status is RPCStatusCode.DEADLINE_EXCEEDED:
            return None
        if is_unavailable(error):
            raise EngineUnavailable from error
        raise
    except RuntimeError as error:
        if is_connection_error(error):
            raise EngineUnavailable from error
        raise


async def poll(rpc: Callable[[], Awaitable[T]]) -> T | None:
    """As ``call``, for what is asked again and again: None also where the server is late with saying nothing."""
    try:
        return await call(rpc)
    except EngineUnavailable as error:
        if is_expired(error.__cause__):
            return None
        raise


def next_run(event: HistoryEvent) -> str:
    """The run that follows the one this event closes; empty where none does."""
    match event.WhichOneof("attributes"):
        case "workflow_execution_continued_as_new_event_attributes":
            return event.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
        case "workflow_execution_completed_event_attributes":
            return event.workflow_execution_completed_event_attributes.new_execution_run_id
        case "workflow_execution_failed_event_attributes":
            return event.workflow_execution_failed_event_attributes.new_execution_run_id
        case "workflow_execution_timed_out_event_attributes":
            return event.workflow_execution_timed_out_event_attributes.new_execution_run_id
        case _:
            return ""


def closed(event: HistoryEvent) -> Completed | None:
    """The end that a close event tells of, in the words of Temporal's own completion callbacks; None for any other."""
    match event.WhichOneof("attributes"):
        case "workflow_execution_completed_event_attributes":
            return _succeeded(event.workflow_execution_completed_event_attributes.result)
        case "workflow_execution_failed_event_attributes":
            return _failed(event.workflow_execution_failed_event_attributes.failure)
        case "workflow_execution_canceled_event_attributes":
            details = event.workflow_execution_canceled_event_attributes.details
            failure = Failure(message="operation canceled", canceled_failure_info=CanceledFailureInfo(details=details))
            return Completed(operation_error(failure, _CANCELED))
        case "workflow_execution_terminated_event_attributes":
            failure = Failure(message="operation terminated", terminated_failure_info=TerminatedFailureInfo())
            return Completed(operation_error(failure, _FAILED))
        case "workflow_execution_timed_out_event_attributes":
            failure = Failure(message="operation exceeded internal timeout", timeout_failure_info=TimeoutFailureInfo())
            return Completed(operation_error(failure, _FAILED))
        case _:
            return None


def ended_with(ended: Outcome | ActivityExecutionOutcome) -> Completed:
    """The end that an update or an activity tells of."""
    if ended.HasField("failure"):
        return _failed(ended.failure)
    return _succeeded(ended.success if isinstance(ended, Outcome) else ended.result)


def _succeeded(payloads: Payloads) -> Completed:
    return Completed(content_of(payloads.payloads[0] if payloads.payloads else None))


def _failed(failure: Failure) -> Completed:
    state = state_of(failure)
    error: OperationError = operation_error(failure, state)
    return Completed(error)
