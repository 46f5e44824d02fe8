"""One connection to a Temporal server, and a client on it for each namespace."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from temporalio.client import (
    ActivityHandle,
    CancelWorkflowInput,
    Client,
    Interceptor,
    OutboundInterceptor,
    StartActivityInput,
    StartWorkflowInput,
    StartWorkflowUpdateInput,
    StartWorkflowUpdateWithStartInput,
    WorkflowHandle,
    WorkflowUpdateHandle,
)
from temporalio.contrib.opentelemetry import TracingInterceptor
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RetryConfig, RPCError, TLSConfig

from gateway.engines.temporal._starting import starting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from opentelemetry.trace import Tracer

# The SDK repeats a call that found the server away. A request has about ten seconds in all, and its caller is to learn
# of the outage within them.
_RETRIES = RetryConfig(initial_interval_millis=50, max_interval_millis=500, max_elapsed_time_millis=1500, max_retries=4)

# The SDK's threads hand answers to the interpreter. One that does so while the interpreter goes down aborts the process
# (seen with temporalio 1.35: in half of the exits right after a call) or never lets it go, and there is nothing to wait
# for but time. A call that was canceled is no exception.
_SETTLE_SECONDS = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporalOptions:
    """Where a Temporal server is and how to reach it; ``tls`` is True for the system's own trust."""

    address: str
    api_key: str | None = field(default=None, repr=False)
    tls: TLSConfig | bool = False


@asynccontextmanager
async def connected(
    options: TemporalOptions, namespaces: Iterable[str], tracer: Tracer, *, lazy: bool = True
) -> AsyncIterator[Mapping[str, Client]]:
    """A client for each namespace, over one connection; a lazy one is made at the first call.

    Raises:
        ValueError: the options do not fit together, such as a certificate without its key.
        RuntimeError: not lazy, and the server cannot be reached.
    """
    try:
        first = await Client.connect(
            options.address,
            api_key=options.api_key,
            tls=options.tls,
            data_converter=pydantic_data_converter,
            interceptors=[TracingInterceptor(tracer), _RunPinning()],
            retry_config=_RETRIES,
            lazy=lazy,
        )
        clients = {}
        for name in namespaces:
            config = first.config()
            config["namespace"] = name
            clients[name] = Client(**config)
        yield clients
    finally:
        await asyncio.sleep(_SETTLE_SECONDS)


started_runs: ContextVar[dict[str, str] | None] = ContextVar("started_runs", default=None)
"""First run by workflow id, of what the hosted handler has started."""

pinned_run: ContextVar[tuple[str, str] | None] = ContextVar("pinned_run", default=None)
"""Workflow id and first run of the operation that the hosted handler is to cancel."""


class _RunPinning(Interceptor):
    """Notes which run a handler started, and holds a handler's cancel to the run that its operation has."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 - the SDK's name
        return _RunPinningOutbound(next)


class _RunPinningOutbound(OutboundInterceptor):
    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:  # noqa: A002
        start = starting.get()
        if start is None:
            return _noted(await super().start_workflow(input))
        given = input.search_attributes
        await start.prepare_workflow(input)
        try:
            handle = _noted(await super().start_workflow(input))
        except WorkflowAlreadyStartedError:
            continued = await start.continued_workflow(input)
            if continued is None:
                raise
            return _noted(continued)
        except RPCError as error:
            if not start.refused(error):
                raise
            input.search_attributes = given
            handle = _noted(await super().start_workflow(input))
        await start.examine_workflow(handle)
        return handle

    async def start_activity(self, input: StartActivityInput) -> ActivityHandle[Any]:  # noqa: A002
        start = starting.get()
        if start is None:
            return await super().start_activity(input)
        given = input.search_attributes
        await start.prepare_activity(input)
        try:
            handle = await super().start_activity(input)
        except RPCError as error:
            if not start.refused(error):
                raise
            input.search_attributes = given
            handle = await super().start_activity(input)
        await start.examine_activity(handle)
        return handle

    async def start_workflow_update(self, input: StartWorkflowUpdateInput) -> WorkflowUpdateHandle[Any]:  # noqa: A002
        start = starting.get()
        if start is None:
            return await super().start_workflow_update(input)
        start.prepare_update(input)
        handle = await super().start_workflow_update(input)
        await start.examine_update(handle)
        return handle

    async def start_update_with_start_workflow(
        self,
        input: StartWorkflowUpdateWithStartInput,  # noqa: A002
    ) -> WorkflowUpdateHandle[Any]:
        start = starting.get()
        if start is not None:
            await start.prepare_workflow(input.start_workflow_input)
        return await super().start_update_with_start_workflow(input)

    async def cancel_workflow(self, input: CancelWorkflowInput) -> None:  # noqa: A002
        pinned = pinned_run.get()
        if pinned is not None and pinned[0] == input.id and input.run_id is None:
            input.first_execution_run_id = pinned[1]
        await super().cancel_workflow(input)


def _noted(handle: WorkflowHandle[Any, Any]) -> WorkflowHandle[Any, Any]:
    runs = started_runs.get()
    if runs is not None and handle.first_execution_run_id:
        runs[handle.id] = handle.first_execution_run_id
    return handle
