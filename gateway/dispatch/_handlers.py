"""Calls of operation handlers: starts, which go on without their caller, and cancels."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nexusrpc import Content, HandlerError, HandlerErrorType, LazyValue
from nexusrpc.handler import (
    CancelOperationContext,
    StartOperationContext,
    StartOperationResultAsync,
    StartOperationResultSync,
)

from gateway.dispatch._cancellation import RequestCancellation
from gateway.dispatch._outcomes import ended
from gateway.dispatch._request_bodies import RequestBodies, body_digest
from gateway.engines import RequestIdReused, ResultNotSupported
from gateway.model import Origin
from gateway.plugins import calling
from gateway.protocol import (
    CancelAccepted,
    CancelOperation,
    NexusResponse,
    OperationStarted,
    OperationSucceeded,
    RemoteProtocolError,
    StartOperation,
    check_body,
    check_json,
    result_location,
)
from gateway.request_ids import scoped_request_id
from gateway.tokens import TokenTooLong

if TYPE_CHECKING:
    from datetime import timedelta

    from gateway.completions import Callbacks
    from gateway.dispatch._call import Call
    from gateway.dispatch._outcomes import Outcomes
    from gateway.engines import Engine
    from gateway.starts import Starts
    from gateway.telemetry import Telemetry
    from gateway.tokens import TokenSealer

_logger = logging.getLogger("gateway.dispatch")


class Handlers:
    """Calls the handlers of mounted operations, each in a task of its own, because an engine's context stays set.

    ``result_wait`` bounds ``Prefer: wait``. ``result_bytes`` bounds a synchronous result: Temporal takes a longer body
    for a passing fault, and would repeat the start for ever.
    """

    def __init__(
        self,
        *,
        sealer: TokenSealer,
        callbacks: Callbacks,
        outcomes: Outcomes,
        starts: Starts,
        telemetry: Telemetry,
        result_wait: timedelta,
        result_bytes: int,
        public_url: str,
    ) -> None:
        self._sealer = sealer
        self._callbacks = callbacks
        self._outcomes = outcomes
        self._starts = starts
        self._telemetry = telemetry
        self._result_wait = result_wait
        self.result_bytes = result_bytes
        """May be replaced at any time."""
        self._public_url = public_url
        self._bodies = RequestBodies()

    async def start(self, call: Call, request: StartOperation) -> NexusResponse:
        """Start an operation; with ``Prefer: wait``, wait for its end a while.

        Raises whatever the handler raises, HandlerError for a body or callback that will not do, TimeoutError.
        """
        request_id = scoped_request_id(call.principal.tenant, call.address, request.request_id)
        callback = self._callbacks.register(call.principal.tenant, call.address, request, request_id)
        context = StartOperationContext(
            service=request.service,
            operation=request.operation,
            headers=call.incoming.span.handed_on(request.headers),
            task_cancellation=RequestCancellation(call.deadline),
            request_deadline=call.wall_clock_deadline,
            request_id=request_id,
            inbound_links=call.engine.usable_links(request.links),
            callback_url=callback.url if callback else None,
            callback_headers=callback.headers if callback else {},
        )
        async with asyncio.timeout_at(call.deadline):
            content = Content(headers=request.content_headers, data=await call.incoming.body.read())
            check_body(content.headers, content.data)
            check_json(content.headers, content.data)
            origin = self._origin(call, request, request_id, content)
            response = await self._starts.finish(self._started(call, context, content, origin), call.deadline)
        if isinstance(response, OperationStarted) and request.prefer_wait is not None:
            return await self._awaited(call, request.prefer_wait, response)
        return response

    def _origin(self, call: Call, request: StartOperation, scoped_request_id: str, content: Content) -> Origin:
        return Origin(
            address=call.address,
            tenant=call.principal.tenant,
            subject=call.principal.subject,
            request_id=request.request_id,
            scoped_request_id=scoped_request_id,
            start_id=str(uuid.uuid4()),
            digest=body_digest(content),
            trace_id=self._telemetry.current_trace_id() or "",
            metadata=request.metadata,
        )

    async def _started(
        self, call: Call, context: StartOperationContext, content: Content, origin: Origin
    ) -> NexusResponse:
        serializer = call.engine.serializer(call.mounted.endpoint)
        value = LazyValue(serializer, content.headers, _once(content.data))
        notes = call.engine.host(call.mounted.endpoint, context, origin=origin)
        with self._bodies.using(origin), calling(call.principal):
            with _its_own_faults():
                result = await call.mounted.handler.start_operation(context, value)
            if notes.reused:
                raise RequestIdReused
            links = tuple(context.outbound_links) if call.mounted.endpoint.links else ()
            match result:
                case StartOperationResultSync():
                    serialized = serializer.serialize(result.value)
                    body = await serialized if isinstance(serialized, Awaitable) else serialized
                    self._check_result(body)
                    return OperationSucceeded(body, links)
                case StartOperationResultAsync():
                    engine_token = call.engine.engine_token(call.mounted.endpoint, result.token)
                    try:
                        token = self._sealer.seal_operation(call.principal.tenant, call.address, engine_token)
                    except TokenTooLong as error:
                        raise _unsendable(str(error)) from None
                    # Where the engine cannot look, there is nothing to wait at.
                    found = call.engine.finds(engine_token)
                    location = result_location(self._public_url, call.address, token) if found else None
                    return OperationStarted(token, links, location, replayed=notes.replayed)
                case _:
                    raise TypeError(f"a handler's start returned {type(result).__name__}")

    def _check_result(self, body: Content) -> None:
        if len(body.data) > self.result_bytes:
            raise _unsendable(f"its result is longer than {self.result_bytes} bytes")
        try:
            check_json(body.headers, body.data)
        except RemoteProtocolError as error:
            raise _unsendable(str(error)) from None

    async def _awaited(self, call: Call, wait: timedelta, started: OperationStarted) -> NexusResponse:
        """``Prefer: wait``: the end of the operation, if it comes in time; else what start returned."""
        limit = min(wait, self._result_wait).total_seconds()
        if call.incoming.request.request_timeout is not None:
            limit = min(limit, call.remaining)
        engine_token = self._outcomes.open(call, started.token)
        try:
            completed = await self._outcomes.wait(call, engine_token, limit)
        except Exception:  # noqa: BLE001 - the operation is started, whatever may hinder the look at its result
            return started
        return started if completed is None else ended(completed, replayed=started.replayed)

    async def cancel(self, call: Call, request: CancelOperation) -> NexusResponse:
        """Ask for the cancellation of an operation; one that has ended is none the worse for it.

        Raises InvalidToken, whatever the handler raises, TimeoutError.
        """
        engine_token = self._outcomes.open(call, request.token)
        context = CancelOperationContext(
            service=request.service,
            operation=request.operation,
            headers=call.incoming.span.handed_on(request.headers),
            task_cancellation=RequestCancellation(call.deadline),
            request_deadline=call.wall_clock_deadline,
        )
        await asyncio.create_task(self._canceled(call, context, engine_token))
        return CancelAccepted()

    async def _canceled(self, call: Call, context: CancelOperationContext, engine_token: str) -> None:
        call.engine.host(call.mounted.endpoint, context, engine_token)
        with calling(call.principal):
            async with asyncio.timeout_at(call.deadline):
                try:
                    with _its_own_faults():
                        await call.mounted.handler.cancel_operation(context, call.engine.handler_token(engine_token))
                except Exception as error:
                    # To cancel what has ended is no error to a Nexus caller, but may be one to the engine.
                    if not (_may_have_ended(call.engine, error) and await self._has_ended(call, engine_token)):
                        raise

    async def _has_ended(self, call: Call, engine_token: str) -> bool:
        try:
            return await self._outcomes.peek(call, engine_token) is not None
        except ResultNotSupported:
            # Of a token that the handler made up, only the handler knows; what it said stands.
            return False


def _unsendable(reason: str) -> HandlerError:
    """The handler did what was asked, and would do it again at each repetition: there must be none."""
    _logger.error("what a handler returned cannot be sent: %s", reason)
    return HandlerError(
        f"the handler's answer cannot be sent: {reason}", type=HandlerErrorType.INTERNAL, retryable_override=False
    )


@contextmanager
def _its_own_faults() -> Iterator[None]:
    """Tell the handler's own cancellations and timeouts from those of its request, which is answered otherwise.

    What a handler waits for may be canceled or too slow without the request being either. To the caller that is a
    failure of the handler like any other, and no reason to go without an answer.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise RuntimeError("a handler was canceled by something else than its request") from error
    except TimeoutError as error:
        raise RuntimeError("a time limit of the handler's own has passed") from error


def _may_have_ended(engine: Engine, error: Exception) -> bool:
    known = error if isinstance(error, HandlerError) else engine.translate(error)
    return isinstance(known, HandlerError) and known.type in {HandlerErrorType.NOT_FOUND, HandlerErrorType.CONFLICT}


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
