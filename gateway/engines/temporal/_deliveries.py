"""Deliveries that have to wait, as workflows: no store of the gateway's own, and every one of them can be looked at."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, cast

from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowFailureError,
)
from temporalio.common import RawValue, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from gateway.engines._base import EngineUnavailable
from gateway.engines._deliveries import DeliveryState, KeptDelivery, ParcelTooLarge
from gateway.engines.temporal import _failures
from gateway.engines.temporal._delivery_workflow import WORKFLOW, Delivered, Order

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from temporalio.api.common.v1 import Payload
    from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse

    from gateway.engines._deliveries import Parcel
    from gateway.model import Endpoint

_logger = logging.getLogger("gateway.engines.temporal")

_TAKE: Final = timedelta(seconds=4)
_LOOK: Final = timedelta(seconds=10)
# A Temporal server takes 2 MiB of input for a workflow, unless it is told otherwise; the rest is for the order.
_ENVELOPE_BYTES: Final = (2 << 20) - (64 << 10)
_STATUSES: Final[Mapping[DeliveryState, tuple[str, ...]]] = {
    DeliveryState.PENDING: ("Running",),
    DeliveryState.DELIVERED: ("Completed",),
    DeliveryState.DEAD: ("Failed", "Terminated", "Canceled", "TimedOut"),
}
_STATES: Final = {status.upper(): state for state, statuses in _STATUSES.items() for status in statuses}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryTerms:
    """How long and how often deliveries are tried, and on which task queue."""

    task_queue: str
    max_age: timedelta
    max_interval: timedelta
    attempt_timeout: timedelta


class TemporalDeliveries:
    """``gateway.engines.DeliveryQueue`` over Temporal.

    ``clients`` are by engine and namespace. Parcels go to ``place``, or without one to the engine and namespace of
    their operation.
    """

    def __init__(
        self, clients: Mapping[tuple[str, str], Client], place: tuple[str, str] | None, terms: DeliveryTerms
    ) -> None:
        self._clients = clients
        self._place = place
        self._terms = terms

    async def take(self, endpoint: Endpoint, parcel: Parcel) -> None:
        """Start the parcel's workflow; its id is the parcel's, so that a repeated hand-over is the same workflow.

        What has taken up that id and is no delivery has not taken the parcel in: it is as if the engine were away.
        """
        if len(parcel.envelope) > _ENVELOPE_BYTES:
            raise ParcelTooLarge
        client = self._clients[self._place or (endpoint.engine, endpoint.namespace)]
        order = Order(
            id=parcel.id,
            about=parcel.about,
            traceparent=parcel.traceparent,
            refused=parcel.refused,
            tries=parcel.tries,
            max_age=self._terms.max_age.total_seconds(),
            max_interval=self._terms.max_interval.total_seconds(),
            # A worker that dies in the middle is noticed by this.
            attempt_timeout=self._terms.attempt_timeout.total_seconds() + 5,
        )
        try:
            there = await self._started(client, order, parcel)
        except RPCError as error:
            # A server that was told to take less names no other status for it.
            too_large = error.status is RPCStatusCode.INVALID_ARGUMENT
            raise (ParcelTooLarge if too_large else EngineUnavailable) from error
        except RuntimeError as error:
            if _failures.is_connection_error(error):
                raise EngineUnavailable from error
            raise
        if there != WORKFLOW:
            _logger.error("a workflow of another type has the id of a delivery, which cannot be kept: %s", parcel.id)
            raise EngineUnavailable

    async def _started(self, client: Client, order: Order, parcel: Parcel) -> str:
        """The type of the workflow that there is under the parcel's id now: just started, or there before."""
        try:
            await client.start_workflow(
                WORKFLOW,
                args=[order, parcel.envelope],
                id=parcel.id,
                task_queue=self._terms.task_queue,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                memo=dict(parcel.about),
                start_delay=parcel.delay or None,
                static_summary=f"{parcel.about.get('service', '')}/{parcel.about.get('operation', '')}",
                rpc_timeout=_TAKE,
            )
        except WorkflowAlreadyStartedError:
            # As a rule it was handed over before: the engine repeats itself.
            return (await client.get_workflow_handle(parcel.id).describe(rpc_timeout=_TAKE)).workflow_type
        return WORKFLOW


class TemporalDeliveryBook:
    """``gateway.engines.DeliveryBook`` of one namespace, by list filters that need no search attribute of our own."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def list(
        self, states: Sequence[DeliveryState], since: timedelta | None, limit: int
    ) -> Sequence[KeptDelivery]:
        """The newest first."""
        statuses = ", ".join(f"'{status}'" for state in states for status in _STATUSES[state])
        query = f"WorkflowType = '{WORKFLOW}' AND ExecutionStatus IN ({statuses})"
        if since is not None:
            query += f" AND StartTime >= '{(datetime.now(UTC) - since).isoformat()}'"
        found = self._client.list_workflows(query, limit=limit, rpc_timeout=_LOOK)
        return [await _kept(execution) async for execution in found]

    async def show(self, parcel_id: str) -> KeptDelivery | None:
        """One delivery, with how often it was tried and what came of the last time."""
        described = await self._described(parcel_id)
        if described is None:
            return None
        kept = await _kept(described)
        match kept.state:
            case DeliveryState.PENDING:
                return await self._with_attempt(kept, described.raw_description)
            case DeliveryState.DELIVERED:
                handle = self._client.get_workflow_handle(parcel_id, run_id=described.run_id, result_type=Delivered)
                delivered = await handle.result(rpc_timeout=_LOOK)
                return replace(kept, tries=delivered.tries, reason=delivered.reason)
            case DeliveryState.DEAD:
                reason, tries = await self._cause(parcel_id, described.run_id)
                return replace(kept, reason=reason, tries=tries)

    async def redeliver(self, parcel_id: str) -> bool:
        """Start the workflow again with what it was given, less the verdict."""
        described = await self._described(parcel_id)
        if described is None or _state(described) is not DeliveryState.DEAD:
            return False
        order, envelope = await self._given(parcel_id, described.run_id)
        try:
            await self._client.start_workflow(
                WORKFLOW,
                args=[replace(order, refused=None, tries=max(1, order.tries)), RawValue(envelope)],
                id=parcel_id,
                task_queue=described.task_queue,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                memo=dict(await described.memo()),
                rpc_timeout=_LOOK,
            )
        except WorkflowAlreadyStartedError:
            return False
        return True

    async def _with_attempt(self, kept: KeptDelivery, raw: DescribeWorkflowExecutionResponse) -> KeptDelivery:
        for pending in raw.pending_activities:
            waiting = pending.HasField("next_attempt_schedule_time")
            # Temporal's own count includes those that sent nothing.
            details = pending.heartbeat_details.payloads
            counted = await self._client.data_converter.decode(details, [int]) if details else []
            return replace(
                kept,
                tries=counted[0] if counted else kept.tries,
                reason=pending.last_failure.message or kept.reason,
                next_try=pending.next_attempt_schedule_time.ToDatetime(UTC) if waiting else None,
            )
        return kept

    async def _described(self, parcel_id: str) -> WorkflowExecutionDescription | None:
        try:
            described = await self._client.get_workflow_handle(parcel_id).describe(rpc_timeout=_LOOK)
        except RPCError as error:
            if error.status in {RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT}:
                return None
            raise
        return described if described.workflow_type == WORKFLOW else None

    async def _given(self, parcel_id: str, run_id: str) -> tuple[Order, Payload]:
        handle = self._client.get_workflow_handle(parcel_id, run_id=run_id)
        first = await anext(handle.fetch_history_events(page_size=1, rpc_timeout=_LOOK))
        order, envelope = first.workflow_execution_started_event_attributes.input.payloads
        [decoded] = await self._client.data_converter.decode([order], [Order])
        return cast("Order", decoded), envelope

    async def _cause(self, parcel_id: str, run_id: str) -> tuple[str, int | None]:
        try:
            await self._client.get_workflow_handle(parcel_id, run_id=run_id).result(rpc_timeout=_LOOK)
        except WorkflowFailureError as error:
            cause = error.cause
            if isinstance(cause, ApplicationError):
                return cause.message, int(cause.details[0]) if cause.details else None
            return type(cause).__name__, None
        return "unknown", None


def _state(execution: WorkflowExecution) -> DeliveryState:
    status = execution.status or WorkflowExecutionStatus.RUNNING
    return _STATES[status.name.replace("_", "")]


async def _kept(execution: WorkflowExecution) -> KeptDelivery:
    about = {key: str(value) for key, value in (await execution.memo()).items()}
    return KeptDelivery(
        id=execution.id,
        state=_state(execution),
        reason=about.pop("reason", None),
        about=about,
        since=execution.start_time,
        ended=execution.close_time,
    )
