"""What the engine adds to every workflow that a hosted handler starts, whatever the handler does.

Search attributes and a memo say whose operation it is. The memo also tells a start that was asked for twice from one
whose request id was used for something else: Temporal deduplicates by the id alone, and within one workflow id only.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest, ListWorkflowExecutionsRequest
from temporalio.service import RPCError, RPCStatusCode

from gateway.engines._operations import RequestIdReused, StartNotes
from gateway.engines.temporal._attributes import (
    MEMO,
    REQUEST_ID,
    KnownAttributes,
    dump_origin,
    load_origin,
    with_attributes,
)
from gateway.engines.temporal._hosting import is_backing_start

if TYPE_CHECKING:
    from collections.abc import Iterable

    from temporalio.api.common.v1 import Memo
    from temporalio.client import Client, StartWorkflowInput, UpdateWithStartStartWorkflowInput

    from gateway.model import Origin

_LOOK_TIMEOUT = timedelta(seconds=5)
_INDEX_TIMEOUT = timedelta(seconds=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Starting:
    """The start that a handler is being called for."""

    origin: Origin
    client: Client
    attributes: KnownAttributes
    notes: StartNotes = field(default_factory=StartNotes)

    async def prepare(self, request: StartWorkflowInput | UpdateWithStartStartWorkflowInput) -> None:
        """Put attributes and memo on what is to be started.

        Raises:
            RequestIdReused: the request id has started something else before.
        """
        known = await self.attributes.known()
        if self._deduplicates() and REQUEST_ID in known:
            await self._look_for_another_body()
        request.search_attributes = with_attributes(request.search_attributes, self.origin, known)
        request.memo = {**(request.memo or {}), MEMO: dump_origin(self.origin)}

    async def examine(self, workflow_id: str, run_id: str | None) -> None:
        """Whether what has been started is new, or was started before under the same request id.

        Raises:
            RequestIdReused: it was, with another body.
        """
        if not self._deduplicates():
            return
        request = DescribeWorkflowExecutionRequest(
            namespace=self.client.namespace,
            execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id or ""),
        )
        described = await self.client.workflow_service.describe_workflow_execution(request, timeout=_LOOK_TIMEOUT)
        self._compare([origin_of(described.workflow_execution_info.memo, self.client)])

    def refused(self, error: RPCError) -> bool:
        """Whether a start was refused because an attribute has gone since it was looked up."""
        gone = error.status is RPCStatusCode.INVALID_ARGUMENT and "search attribute" in error.message
        if gone:
            self.attributes.forget()
        return gone

    def _deduplicates(self) -> bool:
        return self.origin.request_id is not None and is_backing_start()

    async def _look_for_another_body(self) -> None:
        request = ListWorkflowExecutionsRequest(
            namespace=self.client.namespace,
            query=f"{REQUEST_ID} = '{self.origin.scoped_request_id}'",
            page_size=2,
        )
        try:
            listed = await self.client.workflow_service.list_workflow_executions(request, timeout=_INDEX_TIMEOUT)
        except RPCError:
            # The attribute has gone, or the index is away: no reason not to start. Within one workflow id Temporal
            # deduplicates by itself.
            self.attributes.forget()
            return
        self._compare([origin_of(info.memo, self.client) for info in listed.executions])

    def _compare(self, found: Iterable[Origin | None]) -> None:
        for origin in found:
            if origin is None or origin.scoped_request_id != self.origin.scoped_request_id:
                continue
            if origin.digest != self.origin.digest:
                self.notes.reused = True
                raise RequestIdReused
            if origin.start_id != self.origin.start_id:
                self.notes.replayed = True


def origin_of(memo: Memo, client: Client) -> Origin | None:
    """The origin in a workflow's memo; None where there is none that this gateway can read."""
    value = memo_value(memo, MEMO, client)
    try:
        return load_origin(value)
    except (KeyError, TypeError):
        return None


def memo_value(memo: Memo, key: str, client: Client) -> Any:  # noqa: ANN401 - JSON
    """A value of a workflow's memo; None where there is none, or none that can be read."""
    if key not in memo.fields:
        return None
    try:
        return client.data_converter.payload_converter.from_payload(memo.fields[key])
    except Exception:  # noqa: BLE001 - a converter raises what it likes, and somebody else may have written this
        return None


starting: ContextVar[Starting | None] = ContextVar("starting", default=None)
"""The start that the hosted handler is called for."""
