"""What the server says of an activity that stands alone, and what can be told from that.

The server keeps no history of one, only its state: what happened is worked out from each state as it comes. So every
event has one place of its own, whoever looks and when.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from nexusrpc import OperationError
from temporalio.api.enums.v1 import ActivityExecutionStatus, PendingActivityState
from temporalio.api.workflowservice.v1 import DescribeActivityExecutionRequest

from gateway.engines._base import EngineUnavailable
from gateway.engines._operations import OperationEvent, PendingActivity
from gateway.engines.temporal._events import event_id
from gateway.engines.temporal._results import call, ended_with
from gateway.engines.temporal._visibility import time_of
from gateway.model import OperationStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from temporalio.api.activity.v1 import ActivityExecutionInfo
    from temporalio.api.workflowservice.v1 import DescribeActivityExecutionResponse
    from temporalio.client import Client

Place = tuple[int, ...]
"""Where an event stands among those of its operation."""

_TIMEOUT: Final = timedelta(seconds=5)
_S = ActivityExecutionStatus
_STATUS: Final = {
    _S.ACTIVITY_EXECUTION_STATUS_COMPLETED: OperationStatus.SUCCEEDED,
    _S.ACTIVITY_EXECUTION_STATUS_FAILED: OperationStatus.FAILED,
    _S.ACTIVITY_EXECUTION_STATUS_CANCELED: OperationStatus.CANCELED,
    _S.ACTIVITY_EXECUTION_STATUS_TERMINATED: OperationStatus.TERMINATED,
    _S.ACTIVITY_EXECUTION_STATUS_TIMED_OUT: OperationStatus.TIMED_OUT,
}
_CANCEL_REQUESTED: Final = PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED
# A failed attempt has its number behind its place.
_STARTED, _RETRYING, _CANCELING, _ENDED = (1, 1), (1, 2), (1, 3), (1, 4)


async def describe_activity(
    client: Client, activity_id: str, run_id: str, *, with_input: bool = False
) -> DescribeActivityExecutionResponse:
    """What the server says of one run of an activity.

    Raises:
        OperationNotFound: there is no such run.
        EngineUnavailable: the server cannot be reached, or did not answer in time.
    """
    request = DescribeActivityExecutionRequest(
        namespace=client.namespace,
        activity_id=activity_id,
        run_id=run_id,
        include_input=with_input,
        include_outcome=True,
        include_last_failure=True,
    )
    service = client.workflow_service
    described = await call(lambda: service.describe_activity_execution(request, timeout=_TIMEOUT))
    if described is None:
        raise EngineUnavailable
    return described


def status_of(info: ActivityExecutionInfo) -> OperationStatus:
    """The status of an operation by that of its activity; what has no end is running."""
    return _STATUS.get(info.status, OperationStatus.RUNNING)


def attempt_of(info: ActivityExecutionInfo) -> PendingActivity:
    """The attempt that is under way, or waits for its time."""
    failure = info.last_failure.message if info.HasField("last_failure") else None
    return PendingActivity(type=info.activity_type.name, attempt=info.attempt, last_failure=failure)


def failure_of(described: DescribeActivityExecutionResponse) -> OperationError | None:
    """Why it did not succeed; None where it did, and while it runs."""
    if not described.HasField("outcome"):
        return None
    outcome = ended_with(described.outcome).outcome
    return outcome if isinstance(outcome, OperationError) else None


def told(described: DescribeActivityExecutionResponse) -> Iterator[tuple[Place, OperationEvent]]:
    """All that a state tells of, in order, each with its place."""
    info, status = described.info, status_of(described.info)
    running = status is OperationStatus.RUNNING
    # When somebody asked for the cancellation is not kept.
    latest = datetime.now(UTC) if running else time_of(info.close_time)
    yield _event(_STARTED, "started", time_of(info.schedule_time))
    if running and info.attempt > 1 and info.HasField("last_failure"):
        failed = info.attempt - 1
        data = {"activity": info.activity_type.name, "attempt": failed, "message": info.last_failure.message}
        yield _event((*_RETRYING, failed), "activity_retrying", time_of(info.last_attempt_complete_time), data)
    if status is OperationStatus.CANCELED or info.run_state == _CANCEL_REQUESTED:
        yield _event(_CANCELING, "cancel_requested", latest)
    if not running:
        failure = failure_of(described) if status is OperationStatus.FAILED else None
        yield _event(_ENDED, status.value, latest, {} if failure is None else {"message": failure.message}, last=True)


def _event(
    place: Place, kind: str, time: datetime, data: Mapping[str, Any] = MappingProxyType({}), *, last: bool = False
) -> tuple[Place, OperationEvent]:
    return place, OperationEvent(id=event_id(place), type=kind, time=time, data=data, last=last)
