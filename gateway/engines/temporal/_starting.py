"""What the engine adds to everything that a hosted handler starts, whatever the handler does.

Search attributes and what is written beside them say whose operation it is, and tell a start that was asked for twice
from one whose request id was used for something else. The server answers both alike, by the id alone: it calls either
one started, and so what it gives has to be looked at.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from gateway.engines._base import OperationNotFound
from gateway.engines._operations import RequestIdReused, StartNotes
from gateway.engines.temporal._activity_states import describe_activity
from gateway.engines.temporal._attributes import KnownAttributes, with_attributes, with_typed_attributes
from gateway.engines.temporal._describe import describe_run
from gateway.engines.temporal._hosting import is_backing_start, link_to_event, nexus_links_of
from gateway.engines.temporal._memos import MEMO, dump_origin, origin_of, origin_payload
from gateway.engines.temporal._tokens import SOME_RUN, activity_token, check_length, update_token, workflow_token
from gateway.engines.temporal._updates import recorded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nexusrpc import Link
    from temporalio.client import (
        ActivityHandle,
        Client,
        StartActivityInput,
        StartWorkflowInput,
        StartWorkflowUpdateInput,
        UpdateWithStartStartWorkflowInput,
        WorkflowUpdateHandle,
    )

    from gateway.engines.temporal._request_ids import RequestIds
    from gateway.model import Origin


# "search attribute X is not defined", or "no mapping defined for search attribute X"; others are too large.
_UNKNOWN_ATTRIBUTE: Final = re.compile(r"search attribute.* is not defined|no mapping defined for search attribute")
_STARTED: Final = HistoryEvent(event_id=1, event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Starting:
    """The start that a handler is being called for; ``links`` go out with its answer."""

    origin: Origin
    client: Client
    links: list[Link]
    attributes: KnownAttributes
    request_ids: RequestIds
    notes: StartNotes = field(default_factory=StartNotes)

    async def prepare_workflow(self, request: StartWorkflowInput | UpdateWithStartStartWorkflowInput) -> None:
        """Put attributes and memo on a workflow that is to be started.

        Raises:
            RequestIdReused: the request id has started another one before, with another body.
            HandlerError: BAD_REQUEST, its id is too long for an operation's token.
        """
        check_length(workflow_token(self.client.namespace, request.id, SOME_RUN))
        if self._deduplicates():
            self._compare(await self.request_ids.workflows(self.origin, request.id))
        known = await self.attributes.known()
        request.search_attributes = with_attributes(request.search_attributes, self.origin, known)
        request.memo = {**(request.memo or {}), MEMO: dump_origin(self.origin)}

    async def prepare_activity(self, request: StartActivityInput) -> None:
        """Put attributes and header on an activity that is to be started. Raises as above."""
        check_length(activity_token(self.client.namespace, request.id, SOME_RUN))
        if self._deduplicates():
            self._compare(await self.request_ids.activities(self.origin, request.id))
        known = await self.attributes.known()
        request.search_attributes = with_typed_attributes(request.search_attributes, self.origin, known)
        request.headers = {**request.headers, MEMO: origin_payload(self.origin, self.client)}

    def prepare_update(self, request: StartWorkflowUpdateInput) -> None:
        """Put the header on an update that is to be asked for.

        Raises:
            HandlerError: BAD_REQUEST, the ids are too long for an operation's token.
        """
        # Without an id of its own it gets one like a run's.
        check_length(update_token(self.client.namespace, request.id, request.update_id or SOME_RUN, SOME_RUN))
        request.headers = {**request.headers, MEMO: origin_payload(self.origin, self.client)}

    async def examine_workflow(self, handle: WorkflowHandle[Any, Any]) -> None:
        """Whether a workflow that was there before was started under the same request id.

        Raises:
            RequestIdReused: it was, with another body.
        """
        if self._deduplicates():
            described = await describe_run(self.client, handle.id, handle.first_execution_run_id or "")
            self._recognize(origin_of(described.workflow_execution_info.memo, self.client))

    async def continued_workflow(self, request: StartWorkflowInput) -> WorkflowHandle[Any, Any] | None:
        """What this very start has started before, where another is refused because of it; None if that is another's.

        The server knows a request id by the run that it began. The run that has continued as new has another one, and
        takes the memo along.

        Raises:
            RequestIdReused: it was started with another body.
        """
        if not self._deduplicates():
            return None
        try:
            info = (await describe_run(self.client, request.id, "")).workflow_execution_info
        except OperationNotFound:
            return None
        origin = origin_of(info.memo, self.client)
        if not self._is_mine(origin):
            return None
        self._recognize(origin)
        first = info.first_run_id or info.execution.run_id
        self.links.extend(nexus_links_of([link_to_event(self.client.namespace, request.id, first, _STARTED)]))
        return WorkflowHandle(
            self.client,
            request.id,
            result_run_id=first,
            first_execution_run_id=first,
            result_type=request.ret_type,
        )

    async def examine_activity(self, handle: ActivityHandle[Any]) -> None:
        """Whether an activity was there before, likewise. Raises as above."""
        if self._deduplicates():
            described = await describe_activity(self.client, handle.id, handle.run_id or "")
            self._recognize(origin_of(described.info.header, self.client))

    async def examine_update(self, handle: WorkflowUpdateHandle[Any]) -> None:
        """Whether an update was there before, likewise. Raises as above."""
        if self._deduplicates():
            try:
                found = await recorded(self.client, handle.workflow_id, handle.workflow_run_id or "", handle.id)
            except OperationNotFound:
                # The workflow has refused it, of which its history tells nothing.
                return
            self._recognize(origin_of(found.request.input.header, self.client))

    def refused(self, error: RPCError) -> bool:
        """Whether a start was refused because an attribute has gone since it was looked up."""
        gone = error.status is RPCStatusCode.INVALID_ARGUMENT and _UNKNOWN_ATTRIBUTE.search(error.message) is not None
        if gone:
            self.attributes.forget()
        return gone

    def _deduplicates(self) -> bool:
        return self.origin.request_id is not None and is_backing_start()

    def _recognize(self, origin: Origin | None) -> None:
        """Whether what the engine gave was begun by an earlier start with this request id. Raises as ``_compare``."""
        self._compare([origin])
        if self._is_mine(origin) and origin.start_id != self.origin.start_id:
            self.notes.replayed = True

    def _compare(self, found: Sequence[Origin | None]) -> None:
        if any(self._is_mine(origin) and origin.digest != self.origin.digest for origin in found):
            self.notes.reused = True
            raise RequestIdReused

    def _is_mine(self, origin: Origin | None) -> TypeGuard[Origin]:
        return origin is not None and origin.scoped_request_id == self.origin.scoped_request_id


starting: ContextVar[Starting | None] = ContextVar("starting", default=None)
"""The start that the hosted handler is called for."""
