"""Lists and counts of operations, by Temporal's visibility store.

The scope is written first and the caller's own filter stands in parentheses after it. What comes back is looked at once
more, by the memo, before it is anybody's: a visibility store is a search index, and an index is no border.
"""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.workflowservice.v1 import CountWorkflowExecutionsRequest, ListWorkflowExecutionsRequest
from temporalio.service import RPCError, RPCStatusCode

from gateway.engines._base import EngineUnavailable
from gateway.engines._operations import (
    InvalidFilter,
    InvalidPageToken,
    ListingUnavailable,
    OperationPage,
    OperationRecord,
)
from gateway.engines.temporal import _attributes as attributes
from gateway.engines.temporal._chains import Chains
from gateway.engines.temporal._failures import is_connection_error, is_unavailable
from gateway.engines.temporal._filters import checked_filter
from gateway.engines.temporal._memos import origin_of
from gateway.engines.temporal._tokens import workflow_token
from gateway.model import OperationStatus

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Mapping

    from google.protobuf.timestamp_pb2 import Timestamp
    from temporalio.api.workflow.v1 import WorkflowExecutionInfo
    from temporalio.api.workflowservice.v1 import ListWorkflowExecutionsResponse
    from temporalio.client import Client

    from gateway.engines._operations import OperationFilter, ServiceScope
    from gateway.model import Origin

T = TypeVar("T")

_TIMEOUT = timedelta(seconds=5)
_S = WorkflowExecutionStatus
STATUS_NAMES: Final[Mapping[OperationStatus, tuple[str, ...]]] = {
    OperationStatus.RUNNING: ("Running", "Paused"),
    OperationStatus.SUCCEEDED: ("Completed",),
    OperationStatus.FAILED: ("Failed",),
    OperationStatus.CANCELED: ("Canceled",),
    OperationStatus.TERMINATED: ("Terminated",),
    OperationStatus.TIMED_OUT: ("TimedOut",),
}
"""How a filter spells each status. A run that was continued as new is no operation, only the start of one."""

_STATUS_OF_NAME = {name: status for status, names in STATUS_NAMES.items() for name in names}
_STATUS: Final = {
    _S.WORKFLOW_EXECUTION_STATUS_COMPLETED: OperationStatus.SUCCEEDED,
    _S.WORKFLOW_EXECUTION_STATUS_FAILED: OperationStatus.FAILED,
    _S.WORKFLOW_EXECUTION_STATUS_CANCELED: OperationStatus.CANCELED,
    _S.WORKFLOW_EXECUTION_STATUS_TERMINATED: OperationStatus.TERMINATED,
    _S.WORKFLOW_EXECUTION_STATUS_TIMED_OUT: OperationStatus.TIMED_OUT,
}
_NEEDED = (attributes.CALLER_TENANT, attributes.ENDPOINT, attributes.SERVICE, attributes.OPERATION)


class Visibility:
    """Finds the operations of one namespace."""

    def __init__(self, client: Client, known: attributes.KnownAttributes) -> None:
        self._client = client
        self._known = known
        self._chains = Chains(client, known)

    async def query(self, wanted: OperationFilter) -> str:
        """The filter in Temporal's language.

        Raises:
            InvalidFilter: the caller's own part of it cannot be used.
            ListingUnavailable: the namespace lacks the attributes to find anything by.
        """
        await self._check_set_up(wanted)
        return filter_query(wanted)

    async def page(self, wanted: OperationFilter, size: int, after: bytes | None) -> OperationPage:
        """Operations by the time of their start, the latest first.

        Raises:
            InvalidFilter: the caller's own filter cannot be used.
            InvalidPageToken: there is no such page.
            ListingUnavailable: the namespace lacks the attributes to find anything by.
            EngineUnavailable: the server cannot be reached.
        """
        request = ListWorkflowExecutionsRequest(
            namespace=self._client.namespace,
            query=await self.query(wanted),
            page_size=size,
            next_page_token=after or b"",
        )
        # Hardly any tenant has chains, and whether this one has is known before the list is there.
        listed, chained = await asyncio.gather(self._listed(request), self._chains.are_among(_whose(wanted)))
        found = [(info, origin_of(info.memo, self._client)) for info in listed.executions]
        mine = [(info, origin) for info, origin in found if origin is not None and wanted.admits(origin)]
        first_runs = await self._chains.first_runs(mine) if chained else {}
        records = tuple(
            record_of(info, self._client, origin, first_runs.get(info.execution.run_id)) for info, origin in mine
        )
        return OperationPage(records, listed.next_page_token or None)

    async def count(self, wanted: OperationFilter) -> Mapping[OperationStatus, int]:
        """How many there are by status. Raises as ``page`` does."""
        query = f"{await self.query(wanted)} GROUP BY ExecutionStatus"
        request = CountWorkflowExecutionsRequest(namespace=self._client.namespace, query=query)
        service = self._client.workflow_service
        counted = await _asked(service.count_workflow_executions(request, timeout=_TIMEOUT), paged=False)
        totals = dict.fromkeys(OperationStatus, 0)
        for group in counted.groups:
            status = _STATUS_OF_NAME.get(json.loads(group.group_values[0].data))
            if status is not None:
                totals[status] += group.count
        return totals

    async def _listed(self, request: ListWorkflowExecutionsRequest) -> ListWorkflowExecutionsResponse:
        call = self._client.workflow_service.list_workflow_executions(request, timeout=_TIMEOUT)
        return await _asked(call, paged=bool(request.next_page_token))

    async def _check_set_up(self, wanted: OperationFilter) -> None:
        needed = [*_NEEDED]
        if wanted.subject is not None:
            needed.append(attributes.CALLER_SUBJECT)
        if wanted.metadata:
            needed.append(attributes.METADATA)
        missing = await self._known.lacking(needed)
        if missing:
            raise ListingUnavailable(
                "operations cannot be listed here yet: the search attributes "
                f"{', '.join(missing)} are not registered; an operator adds them with nexus-gateway setup"
            )


def filter_query(wanted: OperationFilter) -> str:
    """A filter in Temporal's language: whose and where first, then what the caller asked for.

    Raises:
        InvalidFilter: the caller's own part of it cannot be used.
    """
    parts = [_whose(wanted), _statuses(wanted.statuses)]
    if wanted.since is not None:
        parts.append(f"StartTime >= '{_time(wanted.since)}'")
    if wanted.until is not None:
        parts.append(f"StartTime < '{_time(wanted.until)}'")
    if wanted.subject is not None:
        parts.append(f"{attributes.CALLER_SUBJECT} = '{attributes.keyword(wanted.subject)}'")
    for key, value in wanted.metadata.items():
        parts.append(f"{attributes.METADATA} = '{attributes.metadata_keyword(key, value)}'")
    if wanted.expression.strip():
        parts.append(f"({checked_filter(wanted.expression, None if wanted.names_tenants else wanted.tenant)})")
    return " AND ".join(parts)


def status_of(info: WorkflowExecutionInfo) -> OperationStatus:
    """The status of an operation by that of its last run; what has no end is running."""
    return _STATUS.get(info.status, OperationStatus.RUNNING)


def record_of(
    info: WorkflowExecutionInfo, client: Client, origin: Origin | None, first_run: str | None
) -> OperationRecord:
    """One operation, by its last run."""
    run_id = first_run or info.first_run_id or info.execution.run_id
    return OperationRecord(
        engine_token=workflow_token(client.namespace, info.execution.workflow_id, run_id),
        status=status_of(info),
        start_time=time_of(info.start_time),
        close_time=time_of(info.close_time) if info.HasField("close_time") else None,
        origin=origin,
    )


def time_of(timestamp: Timestamp) -> datetime:
    """The moment, in UTC."""
    return timestamp.ToDatetime(tzinfo=UTC)


def _whose(wanted: OperationFilter) -> str:
    """The tenant's own in its own part of the scope, or anybody's in the part that reaches every tenant."""
    own = [_scope(scope) for scope in wanted.scope if not scope.every_tenant]
    alternatives = [_scope(scope) for scope in wanted.scope if scope.every_tenant]
    if own:
        tenant = f"{attributes.CALLER_TENANT} = '{attributes.tenant_keyword(wanted.tenant)}'"
        alternatives.insert(0, f"({tenant} AND ({' OR '.join(own)}))")
    return f"({' OR '.join(alternatives)})"


def _scope(scope: ServiceScope) -> str:
    both = (
        f"{attributes.ENDPOINT} = '{attributes.keyword(scope.endpoint)}'"
        f" AND {attributes.SERVICE} = '{attributes.keyword(scope.service)}'"
    )
    if scope.operations is None:
        return f"({both})"
    names = ", ".join(f"'{attributes.keyword(name)}'" for name in scope.operations)
    return f"({both} AND {attributes.OPERATION} IN ({names}))"


def _statuses(statuses: Iterable[OperationStatus]) -> str:
    names = [name for status in sorted(statuses) for name in STATUS_NAMES[status]]
    if not names:
        return "ExecutionStatus != 'ContinuedAsNew'"
    quoted = ", ".join(f"'{name}'" for name in names)
    return f"ExecutionStatus IN ({quoted})"


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


async def _asked(call: Awaitable[T], *, paged: bool) -> T:
    try:
        return await call
    except RPCError as error:
        if is_unavailable(error):
            raise EngineUnavailable from error
        if error.status is RPCStatusCode.INVALID_ARGUMENT:
            if paged:
                raise InvalidPageToken from error
            # Whatever is wrong is in the part that the caller wrote: a name or a type that the server does not know.
            raise InvalidFilter("the engine does not understand it; check names and types of values") from error
        raise
    except RuntimeError as error:
        if is_connection_error(error):
            raise EngineUnavailable from error
        raise
