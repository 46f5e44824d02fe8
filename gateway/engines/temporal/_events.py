"""What happens to an operation, from its history: each event once, in order, under an id that one can go on from.

An id is the place in the history: the number of the run in its chain, the event's own number in it, and a third number
where one event of the history says several things.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryRequest

from gateway.engines._operations import OperationEvent
from gateway.engines.temporal._describe import describe_run, last_run, names_in
from gateway.engines.temporal._memos import AWAITING_MEMO, PROGRESS_MEMO, memo_value
from gateway.engines.temporal._results import next_run, poll
from gateway.engines.temporal._visibility import time_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

    from temporalio.api.history.v1 import HistoryEvent
    from temporalio.client import Client

    from gateway.engines.temporal._hosting import OperationToken

_POLL: Final = timedelta(seconds=30)
# The history tells of an attempt that failed only once the activity has ended; until then it is asked for every two
# seconds: the server ends a long poll a second before its time is up.
_POLL_WITH_ACTIVITIES: Final = timedelta(seconds=3)

_Told = tuple[str, "Mapping[str, Any]"]
_NOTHING: Final[Mapping[str, Any]] = {}


def parse_event_id(text: str | None) -> tuple[int, ...]:
    """The place that an event id names; the one before all others for none, and for what is no event id."""
    parts = (text or "").split(".")
    if not 2 <= len(parts) <= 3 or not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):  # noqa: PLR2004 - as above
        return ()
    return tuple(map(int, parts))


def event_id(place: Sequence[int]) -> str:
    """The id of the event at a place."""
    return ".".join(map(str, place))


async def events(client: Client, token: OperationToken, after: str | None) -> AsyncIterator[OperationEvent]:
    """What happened, from the start or from after an event id, and then what happens, up to the end.

    Raises:
        OperationNotFound: there is no such operation.
        EngineUnavailable: the server cannot be reached.
    """
    described = await last_run(client, token)
    run_id = token.run_id or described.workflow_execution_info.execution.run_id
    reader = _Reader(client, token.workflow_id or "", parse_event_id(after))
    async for event in reader.chain(run_id):
        yield event


class _Reader:
    def __init__(self, client: Client, workflow_id: str, after: tuple[int, ...]) -> None:
        self._client = client
        self._workflow_id = workflow_id
        self._after = after
        self._activities: dict[int, str] = {}
        self._attempts: dict[int, int] = {}
        self._failing: dict[str, int] = {}

    async def chain(self, run_id: str) -> AsyncIterator[OperationEvent]:
        """The events of a chain of runs, beginning with this one."""
        number = 0
        while run_id:
            number += 1
            following = ""
            # Each run counts its activities anew.
            for known in (self._activities, self._attempts, self._failing):
                known.clear()
            async for event in self._run(run_id):
                if event is None:
                    async for failing in self._failing_attempts(run_id):
                        yield failing
                    continue
                following = next_run(event)
                for told in self._translated(number, event, last=_is_last(event) and not following):
                    yield told
            run_id = following

    async def _run(self, run_id: str) -> AsyncIterator[HistoryEvent | None]:
        """The events of one run; None from time to time while nothing happens."""
        request = GetWorkflowExecutionHistoryRequest(
            namespace=self._client.namespace,
            execution=WorkflowExecution(workflow_id=self._workflow_id, run_id=run_id),
            wait_new_event=True,
            skip_archival=True,
        )
        service = self._client.workflow_service
        while True:
            timeout = _POLL_WITH_ACTIVITIES if self._activities else _POLL
            response = await poll(lambda: service.get_workflow_execution_history(request, timeout=timeout))  # noqa: B023 - awaited before the next turn
            # The server ends a long poll by an answer without events; where it is late for that, the call is cut off.
            if response is None:
                yield None
                continue
            if not response.history.events:
                yield None
            for event in response.history.events:
                yield event
            if not response.next_page_token:
                return
            request.next_page_token = response.next_page_token

    def _translated(self, run: int, event: HistoryEvent, *, last: bool) -> Iterator[OperationEvent]:
        attributes = event.WhichOneof("attributes") or ""
        tell = _TELL.get(attributes)
        if tell is None:
            return
        for number, (kind, data) in enumerate(tell(self, getattr(event, attributes), event)):
            place = (run, event.event_id, number)[: 3 if number else 2]
            if place > self._after:
                yield OperationEvent(
                    id=event_id(place), type=kind, time=time_of(event.event_time), data=data, last=last
                )

    async def _failing_attempts(self, run_id: str) -> AsyncIterator[OperationEvent]:
        if not self._activities:
            return
        described = await describe_run(self._client, self._workflow_id, run_id)
        for activity in described.pending_activities:
            if activity.HasField("last_failure") and activity.attempt > self._failing.get(activity.activity_id, 1):
                self._failing[activity.activity_id] = activity.attempt
                data = {
                    "activity": activity.activity_type.name,
                    "attempt": activity.attempt - 1,
                    "message": activity.last_failure.message,
                }
                yield OperationEvent(id=None, type="activity_retrying", time=datetime.now(UTC), data=data)

    def _started(self, attributes: Any, _: HistoryEvent) -> Iterator[_Told]:  # noqa: ANN401 - one of many messages
        # A run that goes on from another one is no news to a caller.
        if not attributes.continued_execution_run_id:
            yield "started", _NOTHING

    def _activity_scheduled(self, attributes: Any, event: HistoryEvent) -> Iterator[_Told]:  # noqa: ANN401
        self._activities[event.event_id] = attributes.activity_type.name
        yield "activity_scheduled", {"activity": attributes.activity_type.name}

    def _activity_started(self, attributes: Any, _: HistoryEvent) -> Iterator[_Told]:  # noqa: ANN401
        self._attempts[attributes.scheduled_event_id] = attributes.attempt
        yield from ()

    def _activity_ended(self, kind: str, attributes: Any) -> Iterator[_Told]:  # noqa: ANN401
        scheduled = attributes.scheduled_event_id
        data: dict[str, Any] = {
            "activity": self._activities.pop(scheduled, ""),
            "attempt": self._attempts.pop(scheduled, 1),
        }
        if kind in ("activity_failed", "activity_timed_out"):
            data["message"] = _innermost(attributes.failure)
        yield kind, data

    def _memo(self, attributes: Any, _: HistoryEvent) -> Iterator[_Told]:  # noqa: ANN401
        memo = attributes.upserted_memo
        if AWAITING_MEMO in memo.fields:
            yield "awaiting", {"updates": list(names_in(memo_value(memo, AWAITING_MEMO, self._client)))}
        progress = memo_value(memo, PROGRESS_MEMO, self._client)
        if progress is not None:
            yield "progress", {"progress": progress}


def _innermost(failure: Any) -> str:  # noqa: ANN401
    message: str = failure.message
    while failure.HasField("cause"):
        failure = failure.cause
        message = failure.message or message
    return message


def _ending(kind: str) -> Callable[[_Reader, Any, HistoryEvent], Iterator[_Told]]:
    def tell(_: _Reader, attributes: Any, event: HistoryEvent) -> Iterator[_Told]:  # noqa: ANN401
        if next_run(event):
            return
        yield kind, {"message": attributes.failure.message} if kind == "failed" else _NOTHING

    return tell


def _activity(kind: str) -> Callable[[_Reader, Any, HistoryEvent], Iterator[_Told]]:
    return lambda reader, attributes, _: reader._activity_ended(kind, attributes)  # noqa: SLF001 - its own module's


def _plain(kind: str, **fields: Callable[[Any], str]) -> Callable[[_Reader, Any, HistoryEvent], Iterator[_Told]]:
    def tell(_: _Reader, attributes: Any, __: HistoryEvent) -> Iterator[_Told]:  # noqa: ANN401
        yield kind, {name: read(attributes) for name, read in fields.items()}

    return tell


_ENDINGS: Final[Mapping[str, str]] = {
    "workflow_execution_completed_event_attributes": "succeeded",
    "workflow_execution_failed_event_attributes": "failed",
    "workflow_execution_canceled_event_attributes": "canceled",
    "workflow_execution_terminated_event_attributes": "terminated",
    "workflow_execution_timed_out_event_attributes": "timed_out",
}
CLOSING: Final = frozenset(_ENDINGS) | {"workflow_execution_continued_as_new_event_attributes"}
"""What the attributes of an event are called that a run ends with."""

_TELL: Final[Mapping[str, Callable[[_Reader, Any, HistoryEvent], Iterator[_Told]]]] = {
    "workflow_execution_started_event_attributes": _Reader._started,  # noqa: SLF001 - its own module's
    "activity_task_scheduled_event_attributes": _Reader._activity_scheduled,  # noqa: SLF001
    "activity_task_started_event_attributes": _Reader._activity_started,  # noqa: SLF001
    "activity_task_completed_event_attributes": _activity("activity_completed"),
    "activity_task_failed_event_attributes": _activity("activity_failed"),
    "activity_task_timed_out_event_attributes": _activity("activity_timed_out"),
    "activity_task_canceled_event_attributes": _activity("activity_canceled"),
    "workflow_properties_modified_event_attributes": _Reader._memo,  # noqa: SLF001
    "workflow_execution_update_accepted_event_attributes": _plain(
        "update_accepted", update=lambda attributes: attributes.accepted_request.input.name
    ),
    "workflow_execution_signaled_event_attributes": _plain(
        "signaled", signal=lambda attributes: attributes.signal_name
    ),
    "workflow_execution_cancel_requested_event_attributes": _plain("cancel_requested"),
    **{attributes: _ending(kind) for attributes, kind in _ENDINGS.items()},
}


def _is_last(event: HistoryEvent) -> bool:
    return event.WhichOneof("attributes") in _ENDINGS
