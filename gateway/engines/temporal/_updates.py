"""Operations that are updates of a workflow: what the workflow's history tells of them.

The server has no way to cancel, end or repeat an update that a workflow has accepted; only the workflow itself has.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from nexusrpc import OperationError, OperationErrorState
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest

from gateway.engines._base import EngineUnavailable, OperationNotFound
from gateway.engines._operations import OperationDetails, OperationEvent, OperationRecord
from gateway.engines.temporal._describe import callback_state, describe_run
from gateway.engines.temporal._events import CLOSING, event_id, parse_event_id
from gateway.engines.temporal._hosting import link_to_event, nexus_links_of
from gateway.engines.temporal._kinds import Kind
from gateway.engines.temporal._memos import origin_of
from gateway.engines.temporal._results import call, outcome
from gateway.engines.temporal._tokens import with_run
from gateway.engines.temporal._visibility import time_of
from gateway.model import OperationStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from temporalio.api.history.v1 import HistoryEvent
    from temporalio.api.update.v1 import Request
    from temporalio.client import Client

    from gateway.engines._base import Completed
    from gateway.engines.temporal._hosting import OperationToken

_TIMEOUT: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What the history of the run that took an update says of it: when it was accepted, and by what it ended."""

    accepted: HistoryEvent
    ended: HistoryEvent | None

    @property
    def request(self) -> Request:
        """The update as it was asked for."""
        return self.accepted.workflow_execution_update_accepted_event_attributes.accepted_request


async def recorded(client: Client, workflow_id: str, run_id: str, update_id: str) -> Recorded:
    """Find an update in the history of its run, from the end on: a young one is near it.

    Raises:
        OperationNotFound: the run, or the update in it, does not exist.
        EngineUnavailable: the server cannot be reached, or did not answer in time.
    """
    ended: HistoryEvent | None = None
    async for event in _history(client, workflow_id, run_id):
        kind = event.WhichOneof("attributes")
        # A workflow that ends takes its open updates with it.
        if kind in CLOSING:
            ended = event
        elif kind == "workflow_execution_update_completed_event_attributes":
            if event.workflow_execution_update_completed_event_attributes.meta.update_id == update_id:
                ended = event
        elif kind == "workflow_execution_update_accepted_event_attributes":
            accepted = Recorded(accepted=event, ended=ended)
            if accepted.request.meta.update_id == update_id:
                return accepted
    raise OperationNotFound


async def _history(client: Client, workflow_id: str, run_id: str) -> AsyncIterator[HistoryEvent]:
    request = GetWorkflowExecutionHistoryReverseRequest(
        namespace=client.namespace,
        execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
    )
    service = client.workflow_service
    while True:
        response = await call(lambda: service.get_workflow_execution_history_reverse(request, timeout=_TIMEOUT))
        if response is None:
            raise EngineUnavailable
        for event in response.history.events:
            yield event
        if not response.next_page_token:
            return
        request.next_page_token = response.next_page_token


class Updates(Kind):
    """Operations that are updates; the token of each names the run that took it."""

    noun = "an update of a workflow"

    async def details(self, token: OperationToken) -> OperationDetails:
        """Since when the workflow has it, and what it answered; with a link to where that stands in its history."""
        found = await self._recorded(token)
        completed = await outcome(self._client, token, wait=False) if found.ended is not None else None
        run_id = token.run_id or ""
        described = await describe_run(self._client, token.workflow_id or "", run_id)
        link = link_to_event(self._client.namespace, token.workflow_id or "", run_id, found.accepted)
        record = OperationRecord(
            engine_token=with_run(token, run_id),
            status=_status(completed),
            start_time=time_of(found.accepted.event_time),
            close_time=time_of(found.ended.event_time) if found.ended is not None else None,
            origin=origin_of(found.request.input.header, self._client),
        )
        return OperationDetails(
            record=record,
            callbacks=tuple(
                callback_state(one)
                for one in described.callbacks
                if one.trigger.update_workflow_execution_completed.update_id == token.update_id
            ),
            links=nexus_links_of([link, *found.accepted.links, *found.request.links]),
            failure=_failure(completed),
        )

    async def events(self, token: OperationToken, after: str | None) -> AsyncIterator[OperationEvent]:
        """That the workflow took it, and what came of it."""
        place = parse_event_id(after)
        found = await self._recorded(token)
        for event in self._told("started", found.accepted, None, place):
            yield event
        while found.ended is None:
            await outcome(self._client, token, wait=True)
            found = await self._recorded(token)
        completed = await outcome(self._client, token, wait=False)
        for event in self._told(_status(completed).value, found.ended, _failure(completed), place):
            yield event

    def _told(
        self, kind: str, event: HistoryEvent, failure: OperationError | None, after: tuple[int, ...]
    ) -> list[OperationEvent]:
        place = (1, event.event_id)
        data = {} if failure is None else {"message": failure.message}
        told = OperationEvent(
            id=event_id(place), type=kind, time=time_of(event.event_time), data=data, last=kind != "started"
        )
        return [told] if place > after else []

    async def _recorded(self, token: OperationToken) -> Recorded:
        return await recorded(self._client, token.workflow_id or "", token.run_id or "", token.update_id or "")


def _status(completed: Completed | None) -> OperationStatus:
    if completed is None:
        return OperationStatus.RUNNING
    failure = _failure(completed)
    if failure is None:
        return OperationStatus.SUCCEEDED
    return OperationStatus.CANCELED if failure.state is OperationErrorState.CANCELED else OperationStatus.FAILED


def _failure(completed: Completed | None) -> OperationError | None:
    return completed.outcome if completed is not None and isinstance(completed.outcome, OperationError) else None
