"""What has been started under a caller's request id before, as far as the index tells.

Temporal deduplicates within one workflow or activity id. Where a request id comes again with another body, and the
handler makes another id of that, only the index knows. It answers few questions a second, lists of operations among
them, and so it is asked only where the answer matters, and left alone for a while once it has had enough.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from temporalio.api.workflowservice.v1 import ListActivityExecutionsRequest, ListWorkflowExecutionsRequest
from temporalio.service import RPCError, RPCStatusCode

from gateway.engines._base import OperationNotFound
from gateway.engines.temporal._activity_states import describe_activity
from gateway.engines.temporal._attributes import REQUEST_ID
from gateway.engines.temporal._memos import origin_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from temporalio.client import Client

    from gateway.engines.temporal._attributes import KnownAttributes
    from gateway.model import OperationAddress, Origin

_logger = logging.getLogger("gateway.engines.temporal")

_TIMEOUT: Final = timedelta(seconds=2)
_REST_SECONDS: Final = 1.0
_VARIED: Final = ""


class RequestIds:
    """Looks request ids up in one namespace; remembers how each operation's handler makes ids of them."""

    def __init__(self, client: Client, attributes: KnownAttributes) -> None:
        self._client = client
        self._attributes = attributes
        self._rests_until = float("-inf")
        self._forms: dict[OperationAddress, str] = {}

    async def workflows(self, origin: Origin, workflow_id: str) -> Sequence[Origin | None]:
        """The origins of other workflows with this request id, where there may be any beside this one."""
        return await self._found(origin, workflow_id, self._workflows)

    async def activities(self, origin: Origin, activity_id: str) -> Sequence[Origin | None]:
        """The origins of other activities with it, likewise."""
        return await self._found(origin, activity_id, self._activities)

    async def _found(
        self, origin: Origin, started: str, listed: Callable[[str], Awaitable[Sequence[Origin | None]]]
    ) -> Sequence[Origin | None]:
        if self._leads_here_only(origin, started) or REQUEST_ID not in await self._attributes.known():
            return ()
        now = asyncio.get_running_loop().time()
        if now < self._rests_until:
            return ()
        try:
            return await listed(f"{REQUEST_ID} = '{origin.scoped_request_id}'")
        except RPCError as error:
            # No reason not to start.
            if error.status is RPCStatusCode.INVALID_ARGUMENT:
                self._attributes.forget()
            elif error.status is RPCStatusCode.RESOURCE_EXHAUSTED:
                self._rests_until = now + _REST_SECONDS
                _logger.warning("the index is asked too often; request ids are only compared within one workflow id")
            return ()

    def _leads_here_only(self, origin: Origin, started: str) -> bool:
        """Whether ids of this operation are known to be made of the request id and nothing else that varies."""
        form = started.replace(origin.scoped_request_id, "\0")
        before = self._forms.get(origin.address)
        if before != form:
            self._forms[origin.address] = form if before is None and form != started else _VARIED
        return before == form

    async def _workflows(self, query: str) -> Sequence[Origin | None]:
        request = ListWorkflowExecutionsRequest(namespace=self._client.namespace, query=query, page_size=2)
        listed = await self._client.workflow_service.list_workflow_executions(request, timeout=_TIMEOUT)
        return [origin_of(info.memo, self._client) for info in listed.executions]

    async def _activities(self, query: str) -> Sequence[Origin | None]:
        request = ListActivityExecutionsRequest(namespace=self._client.namespace, query=query, page_size=2)
        listed = await self._client.workflow_service.list_activity_executions(request, timeout=_TIMEOUT)
        return [await self._activity(one.activity_id, one.run_id) for one in listed.executions]

    async def _activity(self, activity_id: str, run_id: str) -> Origin | None:
        # A list of activities leaves their headers out.
        try:
            described = await describe_activity(self._client, activity_id, run_id)
        except OperationNotFound:
            return None
        return origin_of(described.info.header, self._client)
