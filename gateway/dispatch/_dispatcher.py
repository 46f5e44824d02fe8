"""The one way a request takes through the gateway.

1. authenticate: the token becomes a Principal, or 401;
2. resolve: the endpoint and service are mounted, or 404;
3. authorize: a rule (and a permission) lets this caller do this, or 403, or the very 404 of step 2;
4. open the operation token, or 404; it opens only for the tenant and address that it was sealed for;
5. set the deadline;
6. read the body (start only) and call the handler or the engine;
7. turn what came of it, exceptions included, into a response.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol, assert_never

from nexusrpc import Content, HandlerError, HandlerErrorType, LazyValue
from nexusrpc.handler import (
    CancelOperationContext,
    StartOperationContext,
    StartOperationResultAsync,
    StartOperationResultSync,
)

from gateway.auth import AuthenticationFailed
from gateway.dispatch._cancellation import RequestCancellation
from gateway.dispatch._errors import NOT_MOUNTED, failed, internal, not_found
from gateway.dispatch._request_id import scoped_request_id
from gateway.engines import Completed, Engine, OperationNotFound, SharedPolls
from gateway.model import OperationAddress, OperationState, Principal, Verb
from gateway.plugins import calling
from gateway.protocol import (
    CancelAccepted,
    CancelOperation,
    FetchInfo,
    FetchResult,
    HandlerFailed,
    NexusRequest,
    NexusResponse,
    OperationFailed,
    OperationInfo,
    OperationRunning,
    OperationStarted,
    OperationSucceeded,
    StartOperation,
    check_body,
    result_location,
)
from gateway.tokens import InvalidToken, TokenSealer

if TYPE_CHECKING:
    from gateway.auth import Authenticator, Authorizer
    from gateway.completions import Callbacks
    from gateway.registry import MountedEndpoint, Registry
    from gateway.telemetry import RequestSpan, Telemetry


_logger = logging.getLogger("gateway.dispatch")


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchLimits:
    """How long requests may take: without a ``Request-Timeout``, with one, and waiting for a result."""

    request_timeout: timedelta
    max_request_timeout: timedelta
    result_wait: timedelta


class Body(Protocol):
    """The body of a request, which is not read before its caller is known."""

    async def read(self) -> bytes:
        """All of it. Raises HandlerError BAD_REQUEST when it is longer than allowed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """One request as the edge hands it over."""

    endpoint: str
    request: NexusRequest
    request_id: str
    authorization: Sequence[str]
    body: Body
    span: RequestSpan


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """A request that has passed authorization."""

    incoming: Incoming
    principal: Principal
    mounted: MountedEndpoint
    address: OperationAddress
    engine: Engine
    deadline: float


_VERBS: Mapping[type, Verb] = {
    StartOperation: Verb.START,
    CancelOperation: Verb.CANCEL,
    FetchResult: Verb.RESULT,
    FetchInfo: Verb.DESCRIBE,
}


class Dispatcher:
    """Answers requests. ``draining`` is set when the process is to stop: from then on nobody waits for a result."""

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        authorizer: Authorizer,
        registry: Registry,
        engines: Mapping[str, Engine],
        sealer: TokenSealer,
        callbacks: Callbacks,
        telemetry: Telemetry,
        polls: SharedPolls[Completed],
        limits: DispatchLimits,
        public_url: str,
        draining: asyncio.Event,
    ) -> None:
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._registry = registry
        self._engines = engines
        self._sealer = sealer
        self._callbacks = callbacks
        self._telemetry = telemetry
        self._polls = polls
        self._limits = limits
        self._public_url = public_url
        self._draining = draining
        self._starts: set[asyncio.Task[NexusResponse]] = set()

    async def dispatch(self, incoming: Incoming) -> NexusResponse:
        """The answer to a request; never raises but for the cancellation of its own task."""
        engine: Engine | None = None
        try:
            call = await self._admit(incoming)
            engine = call.engine
            return await self._perform(call)
        except Exception as error:  # noqa: BLE001 - the one place where every exception becomes an answer
            return failed(error, engine, _correlation(incoming))

    async def drain(self) -> None:
        """Wait for the starts that are under way; each ends by its own deadline."""
        if self._starts:
            await asyncio.wait(self._starts)

    async def _admit(self, incoming: Incoming) -> _Call:
        """Steps 1 to 3."""
        request = incoming.request
        principal = await self._authenticate(incoming)
        mounted = self._registry.resolve(incoming.endpoint)
        address = OperationAddress(incoming.endpoint, request.service, request.operation)
        if mounted is None or request.service not in mounted.services:
            raise not_found(NOT_MOUNTED)
        decision = self._authorizer.authorize(principal, mounted.endpoint, address, _VERBS[type(request)])
        if not decision.visible:
            raise not_found(NOT_MOUNTED)
        if mounted.operation(request.service, request.operation) is None:
            raise not_found("the service has no such operation")
        incoming.span.name(address.endpoint, address.service, address.operation)
        if not decision.allowed:
            raise HandlerError("the caller may not do this", type=HandlerErrorType.UNAUTHORIZED)
        return _Call(
            incoming=incoming,
            principal=principal,
            mounted=mounted,
            address=address,
            engine=self._engines[mounted.endpoint.engine],
            deadline=asyncio.get_running_loop().time() + self._time_limit(request).total_seconds(),
        )

    async def _authenticate(self, incoming: Incoming) -> Principal:
        try:
            return await self._authenticator.authenticate(incoming.authorization)
        except AuthenticationFailed as error:
            self._telemetry.authentication_failure(error.reason)
            raise

    def _time_limit(self, request: NexusRequest) -> timedelta:
        if request.request_timeout is not None:
            return min(request.request_timeout, self._limits.max_request_timeout)
        if isinstance(request, FetchResult):
            return self._limits.result_wait
        return self._limits.request_timeout

    async def _perform(self, call: _Call) -> NexusResponse:
        """Steps 4 to 6."""
        match call.incoming.request:
            case StartOperation() as request:
                return await self._start(call, request)
            case CancelOperation() as request:
                return await self._cancel(call, request)
            case FetchResult() as request:
                return await self._result(call, request)
            case FetchInfo() as request:
                return await self._info(call, request)
            case _ as never:
                assert_never(never)

    async def _start(self, call: _Call, request: StartOperation) -> NexusResponse:
        request_id = scoped_request_id(call.principal.tenant, call.address, request.request_id)
        callback = self._callbacks.register(call.principal.tenant, call.address, request, request_id)
        context = StartOperationContext(
            service=request.service,
            operation=request.operation,
            headers=self._handler_headers(request.headers),
            task_cancellation=RequestCancellation(call.deadline),
            request_deadline=_wall_clock(call.deadline),
            request_id=request_id,
            inbound_links=call.engine.usable_links(request.links),
            callback_url=callback.url if callback else None,
            callback_headers=callback.headers if callback else {},
        )
        async with asyncio.timeout_at(call.deadline):
            content = Content(headers=request.content_headers, data=await call.incoming.body.read())
        check_body(content.headers, content.data)
        # From here on the start goes on without its caller: a handler that was cut off between starting a workflow and
        # returning its token would leave an operation that nobody can name.
        task = asyncio.create_task(self._started(call, context, content))
        self._starts.add(task)
        task.add_done_callback(self._starts.discard)
        try:
            response = await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_report_abandoned)
            raise
        if isinstance(response, OperationStarted) and request.prefer_wait is not None:
            return await self._awaited(call, request.prefer_wait, response)
        return response

    async def _started(self, call: _Call, context: StartOperationContext, content: Content) -> NexusResponse:
        serializer = call.engine.serializer(call.mounted.endpoint)
        value = LazyValue(serializer, content.headers, _once(content.data))
        call.engine.host(call.mounted.endpoint, context)
        with calling(call.principal):
            async with asyncio.timeout_at(call.deadline):
                result = await call.mounted.handler.start_operation(context, value)
            links = tuple(context.outbound_links)
            match result:
                case StartOperationResultSync():
                    serialized = serializer.serialize(result.value)
                    body = await serialized if isinstance(serialized, Awaitable) else serialized
                    return OperationSucceeded(body, links)
                case StartOperationResultAsync():
                    engine_token = call.engine.engine_token(call.mounted.endpoint, result.token)
                    token = self._sealer.seal_operation(call.principal.tenant, call.address, engine_token)
                    return OperationStarted(token, links, result_location(self._public_url, call.address, token))
                case _:
                    raise TypeError(f"a handler's start returned {type(result).__name__}")

    async def _awaited(self, call: _Call, wait: timedelta, started: OperationStarted) -> NexusResponse:
        """``Prefer: wait``: the end of the operation, if it comes in time; else what start returned."""
        limit = min(wait, self._limits.result_wait).total_seconds()
        if call.incoming.request.request_timeout is not None:
            limit = min(limit, call.deadline - asyncio.get_running_loop().time())
        engine_token = self._open(call, started.token)
        try:
            completed = await self._wait(call, engine_token, limit)
        except Exception:  # noqa: BLE001 - the operation is started, whatever may hinder the look at its result
            return started
        return started if completed is None else _ended(completed)

    async def _cancel(self, call: _Call, request: CancelOperation) -> NexusResponse:
        engine_token = self._open(call, request.token)
        context = CancelOperationContext(
            service=request.service,
            operation=request.operation,
            headers=self._handler_headers(request.headers),
            task_cancellation=RequestCancellation(call.deadline),
            request_deadline=_wall_clock(call.deadline),
        )
        # A task of its own, because an engine's context is set in it for good.
        await asyncio.create_task(self._canceled(call, context, engine_token))
        return CancelAccepted()

    async def _canceled(self, call: _Call, context: CancelOperationContext, engine_token: str) -> None:
        call.engine.host(call.mounted.endpoint, context, engine_token)
        with calling(call.principal):
            async with asyncio.timeout_at(call.deadline):
                try:
                    await call.mounted.handler.cancel_operation(context, call.engine.handler_token(engine_token))
                except Exception as error:
                    # To cancel what has ended is no error to a Nexus caller, but may be one to the engine.
                    if not _may_have_ended(call.engine, error) or await self._peek(call, engine_token) is None:
                        raise

    async def _result(self, call: _Call, request: FetchResult) -> NexusResponse:
        engine_token = self._open(call, request.token)
        wait = request.wait or timedelta()
        remaining = call.deadline - asyncio.get_running_loop().time()
        if wait.total_seconds() <= 0:
            async with asyncio.timeout_at(call.deadline):
                completed = await self._peek(call, engine_token)
        else:
            completed = await self._wait(call, engine_token, min(wait.total_seconds(), remaining))
        if completed is not None:
            return _ended(completed)
        if wait.total_seconds() > remaining and not self._draining.is_set():
            raise TimeoutError
        return OperationRunning()

    async def _info(self, call: _Call, request: FetchInfo) -> NexusResponse:
        engine_token = self._open(call, request.token)
        async with asyncio.timeout_at(call.deadline):
            completed = await self._peek(call, engine_token)
        return OperationInfo(request.token, _state(completed))

    async def _wait(self, call: _Call, engine_token: str, seconds: float) -> Completed | None:
        endpoint = call.mounted.endpoint
        key = (endpoint.engine, endpoint.namespace, engine_token)
        try:
            with self._telemetry.long_poll():
                return await self._polls.wait(
                    key, lambda: call.engine.result(endpoint, engine_token), seconds, self._draining
                )
        except OperationNotFound:
            raise InvalidToken from None

    async def _peek(self, call: _Call, engine_token: str) -> Completed | None:
        try:
            return await call.engine.peek(call.mounted.endpoint, engine_token)
        except OperationNotFound:
            raise InvalidToken from None

    def _handler_headers(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        # What the handler starts is a child of the gateway's span, not of the caller's.
        current = dict(headers)
        self._telemetry.inject(current)
        return current

    def _open(self, call: _Call, token: str) -> str:
        return self._sealer.open_operation(token, call.principal.tenant, call.address)


def internal_error(incoming: Incoming) -> HandlerFailed:
    """The answer to a request that went wrong in a way nobody foresaw: the ids to find its log line by."""
    return internal(_correlation(incoming))


def _correlation(incoming: Incoming) -> Mapping[str, str]:
    return {"requestId": incoming.request_id, "traceId": incoming.span.trace_id}


def _report_abandoned(start: asyncio.Task[NexusResponse]) -> None:
    error = None if start.cancelled() else start.exception()
    if error is not None:
        _logger.warning("a start failed after its caller had gone: %s", type(error).__name__)


def _ended(completed: Completed) -> NexusResponse:
    if isinstance(completed.outcome, Content):
        return OperationSucceeded(completed.outcome)
    return OperationFailed(completed.outcome)


def _state(completed: Completed | None) -> OperationState:
    if completed is None:
        return OperationState.RUNNING
    if isinstance(completed.outcome, Content):
        return OperationState.SUCCEEDED
    return OperationState(completed.outcome.state.value)


def _may_have_ended(engine: Engine, error: Exception) -> bool:
    known = error if isinstance(error, HandlerError) else engine.translate(error)
    return isinstance(known, HandlerError) and known.type in {HandlerErrorType.NOT_FOUND, HandlerErrorType.CONFLICT}


def _wall_clock(deadline: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=max(0.0, deadline - asyncio.get_running_loop().time()))


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
