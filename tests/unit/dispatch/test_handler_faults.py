"""What a handler does wrong is answered as a fault of the handler, and what it says is what its caller reads."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from nexusrpc import HandlerError, HandlerErrorType
from nexusrpc.handler import (
    CancelOperationContext,
    OperationHandler,
    StartOperationContext,
    StartOperationResultAsync,
    StartOperationResultSync,
    operation_handler,
    service_handler,
)
from temporalio.client import Client

from gateway.completions import Callbacks, DestinationPolicy
from gateway.dispatch import Handlers, Incoming, Outcomes
from gateway.dispatch._call import Call
from gateway.engines import SharedPolls
from gateway.engines.temporal import TemporalEngine
from gateway.model import Endpoint, OperationAddress, Principal
from gateway.protocol import CancelOperation, Headers, OperationStarted, StartOperation
from gateway.registry import Registry
from gateway.starts import Starts
from gateway.telemetry import OTHER, Telemetry
from gateway.tokens import TokenKey, TokenSealer
from tests.unit.test_registry import loaded

Behaviour = Callable[[], Awaitable[None]]

_ADDRESS = OperationAddress("jobs", "jobs.v1", "run")
_ENDPOINT = Endpoint(name="jobs", engine="main", namespace="jobs", task_queue="jobs", services=("jobs.v1",))
_CALLER = Principal(issuer="https://issuer.test", subject="s", namespace="n")


Started = StartOperationResultAsync | StartOperationResultSync[bytes] | StartOperationResultSync[float]

_JOB: Started = StartOperationResultAsync("job-1")


class Run(OperationHandler[None, Any]):
    """An operation with a token of its own, which does as it is told."""

    def __init__(self, on_start: Behaviour, on_cancel: Behaviour, answer: Started) -> None:
        self._on_start = on_start
        self._on_cancel = on_cancel
        self._answer = answer

    async def start(self, _ctx: StartOperationContext, _input: None) -> Started:
        await self._on_start()
        return self._answer

    async def cancel(self, _ctx: CancelOperationContext, _token: str) -> None:
        await self._on_cancel()


async def _well() -> None:
    """What a handler does that has no trouble."""


async def _something_canceled() -> None:
    waited_for = asyncio.create_task(asyncio.sleep(1))
    waited_for.cancel()
    await waited_for


async def _something_slow() -> None:
    async with asyncio.timeout(0):
        await asyncio.sleep(1)


def _says(kind: HandlerErrorType) -> Behaviour:
    async def say() -> None:
        raise HandlerError("there is no such job", type=kind)

    return say


class _NoBody:
    async def read(self) -> bytes:
        return b""


class Jobs:
    """The service, mounted, with a caller."""

    def __init__(
        self, client: Client, *, on_start: Behaviour = _well, on_cancel: Behaviour = _well, answer: Started = _JOB
    ) -> None:
        @service_handler(name="jobs.v1")
        class Service:
            @operation_handler
            def run(self) -> OperationHandler[None, Any]:
                return Run(on_start, on_cancel, answer)

        mounted = Registry.build([loaded(Service())], [_ENDPOINT]).resolve("jobs")
        assert mounted is not None
        self._mounted = mounted
        self._engine = TemporalEngine("main", {"jobs": client})
        self._telemetry = Telemetry.from_environment("test", {})
        sealer = TokenSealer([TokenKey(id="k", secret=bytes(32))])
        outcomes = Outcomes(sealer=sealer, polls=SharedPolls(1), telemetry=self._telemetry, draining=asyncio.Event())
        self._starts = Starts()
        self._handlers = Handlers(
            sealer=sealer,
            callbacks=Callbacks(
                sealer, DestinationPolicy([]), "https://g.test", self._telemetry, lifetime=timedelta(hours=1)
            ),
            outcomes=outcomes,
            starts=self._starts,
            telemetry=self._telemetry,
            result_wait=timedelta(seconds=1),
            result_bytes=1000,
            public_url="https://g.test",
        )

    async def start(self) -> OperationStarted:
        request = StartOperation(service=_ADDRESS.service, operation=_ADDRESS.operation)
        started = await self._handlers.start(self._call(request), request)
        assert isinstance(started, OperationStarted)
        return started

    async def drain(self, seconds: float) -> None:
        await self._starts.drain(seconds)

    async def cancel(self, token: str) -> None:
        request = CancelOperation(service=_ADDRESS.service, operation=_ADDRESS.operation, token=token)
        await self._handlers.cancel(self._call(request), request)

    def _call(self, request: StartOperation | CancelOperation) -> Call:
        span = self._telemetry.request_span(OTHER, Headers([]))
        return Call(
            incoming=Incoming(
                endpoint="jobs", request=request, request_id="r", authorization=(), body=_NoBody(), span=span
            ),
            principal=_CALLER,
            mounted=self._mounted,
            address=_ADDRESS,
            engine=self._engine,
            time_limit=5,
            deadline=asyncio.get_running_loop().time() + 5,
        )


@pytest.fixture
async def nowhere() -> Client:
    """A client that is never used: these handlers need no server."""
    return await Client.connect("127.0.0.1:1", lazy=True)


@pytest.mark.parametrize("trouble", [_something_canceled, _something_slow])
async def test_a_handler_that_was_canceled_or_too_slow_inside_is_at_fault_itself(
    nowhere: Client, trouble: Behaviour
) -> None:
    """Its request is neither, so that its caller is to be answered, and not with the request's time limit."""
    with pytest.raises(RuntimeError):
        await Jobs(nowhere, on_start=trouble).start()
    jobs = Jobs(nowhere, on_cancel=trouble)
    with pytest.raises(RuntimeError):
        await jobs.cancel((await jobs.start()).token)


@pytest.mark.parametrize("kind", [HandlerErrorType.NOT_FOUND, HandlerErrorType.CONFLICT])
async def test_what_a_handler_says_to_a_cancel_stands_where_only_it_knows_the_operation(
    nowhere: Client, kind: HandlerErrorType
) -> None:
    """The engine cannot look such an operation up; that it cannot is not the answer."""
    jobs = Jobs(nowhere, on_cancel=_says(kind))
    with pytest.raises(HandlerError, match="there is no such job") as raised:
        await jobs.cancel((await jobs.start()).token)
    assert kind is raised.value.type


@pytest.mark.parametrize(
    "answer",
    [StartOperationResultAsync("x" * 4000), StartOperationResultSync(b"x" * 1001), StartOperationResultSync(math.nan)],
)
async def test_what_cannot_be_sent_is_not_asked_for_again(
    nowhere: Client, answer: Started, caplog: pytest.LogCaptureFixture
) -> None:
    """The handler has done its work, and would do it anew at each repetition, to no avail."""
    with pytest.raises(HandlerError, match="cannot be sent") as raised:
        await Jobs(nowhere, answer=answer).start()
    assert HandlerErrorType.INTERNAL is raised.value.type
    assert not raised.value.retryable
    assert "cannot be sent" in caplog.text


async def test_a_cancel_whose_caller_goes_away_is_canceled(nowhere: Client) -> None:
    """That cancellation is the request's, and is passed on."""
    begun = asyncio.Event()

    async def forever() -> None:
        begun.set()
        await asyncio.Event().wait()

    jobs = Jobs(nowhere, on_cancel=forever)
    request = asyncio.create_task(jobs.cancel((await jobs.start()).token))
    await begun.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request


async def test_a_start_that_does_not_end_does_not_keep_the_gateway_from_stopping(nowhere: Client) -> None:
    """It may have a minute by its own deadline; whoever stops the gateway waits for half of that."""
    begun = asyncio.Event()

    async def forever() -> None:
        begun.set()
        await asyncio.Event().wait()

    jobs = Jobs(nowhere, on_start=forever)
    request = asyncio.create_task(jobs.start())
    await begun.wait()
    async with asyncio.timeout(2):
        await jobs.drain(0.05)
    with pytest.raises(asyncio.CancelledError):
        await request
