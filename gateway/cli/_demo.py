"""``nexus-gateway demo``: the main job, both ways, on a real Temporal server that is gone afterwards."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from aiohttp import ClientSession, ClientTimeout
from temporalio.worker import Worker

from gateway.cli import _demo_steps as steps
from gateway.cli._checkout import CheckoutWorkflow
from gateway.cli._display import Display
from gateway.cli._http_caller import HttpCaller, UnexpectedAnswerError
from gateway.cli._signals import run_until_stopped
from gateway.cli._trace_tree import is_whole, trace_tree
from gateway.devstack import CALLER_NAMESPACE, Stack, StackOptions, running_stack
from gateway.engines.temporal import TemporalOptions, connected
from gateway.telemetry import Telemetry

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import AsyncIterator, Sequence

    from temporalio.client import Client

    from gateway.devstack import Span

_INTERRUPTED: Final = 130
_NEXUS_ENDPOINT: Final = "orders-by-gateway"
_ORDERS: Final = 2
_MOMENT: Final = 0.5


def configure(parser: ArgumentParser) -> None:
    """Describe the command's options."""
    parser.description = (
        "Run a Temporal server, a worker, an OpenTelemetry collector and the gateway on free ports; call operations\n"
        "by HTTP and from a workflow in another namespace; print each step, and the trace that ties them together."
    )
    parser.epilog = "example:\n  nexus-gateway demo"
    parser.set_defaults(run=run)


def run(_arguments: Namespace) -> int:
    """Run the demo; the exit code."""
    with TemporaryDirectory(prefix="nexus-gateway-") as directory:
        exit_code = run_until_stopped(_demo(Path(directory)))
    return _INTERRUPTED if exit_code is None else exit_code


async def _demo(directory: Path) -> int:
    with Display() as display:
        async with running_stack(StackOptions(directory=directory), display.part) as stack:
            display.settled()
            async with _telemetry(stack) as telemetry:
                trace_id = await _call(stack, telemetry, display)
            await _show_trace(stack, trace_id, display)
    return 0


def _telemetry(stack: Stack) -> Telemetry:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": stack.collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    return Telemetry.from_environment("caller", environ)


async def _call(stack: Stack, telemetry: Telemetry, display: Display) -> str | None:
    """Take all steps; the id of the trace that the last ones share."""
    service_url = f"{stack.gateway.endpoint_url('orders')}/orders.v1"
    async with (
        ClientSession(timeout=ClientTimeout(total=60)) as session,
        _calling_worker(stack, telemetry) as client,
    ):
        caller = HttpCaller(session, service_url, stack.token(subject="alice"), telemetry)
        await steps.quote(caller, display)
        await steps.cancel_with_refund(caller, display)
        await steps.approve(caller, display)
        await steps.declined_card(caller, display)
        with telemetry.client_span("demo"):
            await steps.order_by_http(caller, display)
            await steps.order_by_workflow(client, _NEXUS_ENDPOINT, stack.token(subject="checkout"), display)
            return telemetry.current_trace_id()


@asynccontextmanager
async def _calling_worker(stack: Stack, telemetry: Telemetry) -> AsyncIterator[Client]:
    """A worker for the calling workflow, in its own namespace, and the Nexus endpoint that it calls."""
    if stack.temporal is not None:
        await stack.temporal.create_nexus_endpoint(_NEXUS_ENDPOINT, target_url=stack.gateway.endpoint_url("orders"))
    options = TemporalOptions(address=stack.temporal_address)
    async with connected(options, [CALLER_NAMESPACE], telemetry.tracer, lazy=False) as clients:
        client = clients[CALLER_NAMESPACE]
        async with Worker(client, task_queue=client.namespace, workflows=[CheckoutWorkflow]):
            yield client


async def _show_trace(stack: Stack, trace_id: str | None, display: Display) -> None:
    with display.step("the collector has one trace of both orders") as says:
        await stack.sink.spans(trace_id or "", until=_has_both_orders)
        # A trace does not say which span is its last: those that are still on their way get a moment.
        await asyncio.sleep(_MOMENT)
        spans = await stack.sink.spans(trace_id or "")
        if not _has_both_orders(spans):
            raise UnexpectedAnswerError(f"it is not whole: {len(spans)} spans have arrived")
        says(f"{len(spans)} spans")
    display.line()
    display.show(trace_tree(spans))


def _has_both_orders(spans: Sequence[Span]) -> bool:
    shipped = sum(span.name == "RunActivity:ship_order" for span in spans)
    return shipped == _ORDERS and is_whole(spans)
