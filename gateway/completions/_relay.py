"""The engine's completion comes in, the caller's completion goes out.

Anyone can post here, so nothing is believed but the seal: it says whose operation ended and where that is to be told.
The answer decides whether the engine tries again: 200 and a 4xx end the delivery, 503 repeats it.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from nexusrpc import Content, HandlerError, HandlerErrorType

from gateway.completions._callbacks import SEAL_HEADER, Callbacks, Delivery
from gateway.completions._sender import Attempt, Sender
from gateway.engines import Engine, EngineUnavailable
from gateway.model import OperationState
from gateway.protocol import (
    Completion,
    Headers,
    RemoteProtocolError,
    decode_completion,
    encode_completion,
    without_stack_traces,
)
from gateway.tokens import InvalidToken, TokenSealer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.registry import Registry
    from gateway.telemetry import RequestSpan, Telemetry

_logger = logging.getLogger("gateway.completions")


class Relay:
    """Passes completions on."""

    def __init__(
        self,
        *,
        callbacks: Callbacks,
        sealer: TokenSealer,
        registry: Registry,
        engines: Mapping[str, Engine],
        sender: Sender,
        telemetry: Telemetry,
    ) -> None:
        self._callbacks = callbacks
        self._sealer = sealer
        self._registry = registry
        self._engines = engines
        self._sender = sender
        self._telemetry = telemetry

    async def relay(self, headers: Headers, body: bytes, span: RequestSpan) -> HandlerError | None:
        """Pass one completion on; the error to answer with, or None when it was delivered."""
        try:
            delivery = self._open(headers.get_all(SEAL_HEADER))
            span.name(delivery.address.endpoint, delivery.address.service, delivery.address.operation)
            completion = await self._translated(delivery, decode_completion(headers, body))
        except InvalidToken:
            return HandlerError("no callback is registered under this seal", type=HandlerErrorType.NOT_FOUND)
        except RemoteProtocolError as error:
            return error.to_handler_error()
        except EngineUnavailable:
            return HandlerError("the engine is unavailable; try again later", type=HandlerErrorType.UNAVAILABLE)
        return await self._deliver(delivery, completion)

    def _open(self, seals: Sequence[str]) -> Delivery:
        if len(seals) != 1:
            raise InvalidToken
        return self._callbacks.open(seals[0])

    async def _translated(self, delivery: Delivery, completion: Completion) -> Completion:
        """The completion as the caller is to see it: with its token, its callback headers and no stack trace."""
        content = completion.content
        if completion.state is not OperationState.SUCCEEDED:
            content = Content(headers=content.headers, data=without_stack_traces(content.data))
        token = await self._token(delivery, completion)
        return replace(completion, content=content, token=token, headers=delivery.headers)

    async def _token(self, delivery: Delivery, completion: Completion) -> str | None:
        if completion.token is None:
            return None
        mounted = self._registry.resolve(delivery.address.endpoint)
        if mounted is None:
            # Taken out of the configuration since, perhaps by mistake: the engine keeps the completion meanwhile.
            raise EngineUnavailable
        engine = self._engines[mounted.endpoint.engine]
        engine_token = await engine.completed_token(mounted.endpoint, completion.token, completion.links)
        # With the key of the start, so that the token is the one that start returned.
        return self._sealer.seal_operation(delivery.tenant, delivery.address, engine_token, key_id=delivery.key_id)

    async def _deliver(self, delivery: Delivery, completion: Completion) -> HandlerError | None:
        encoded = encode_completion(completion)
        name = f"nexus.callback {delivery.address.service}/{delivery.address.operation}"
        with self._telemetry.client_span(name, links=(delivery.traceparent,)) as span:
            headers = dict(encoded.headers)
            self._telemetry.inject(headers)
            attempt, what = await self._sender.send(delivery.url, headers, encoded.body)
            if attempt is not Attempt.DELIVERED:
                span.fail(what)
        self._telemetry.callback_delivery(attempt.value)
        _logger.info("callback of %s/%s: %s", delivery.address.service, delivery.address.operation, what)
        match attempt:
            case Attempt.DELIVERED:
                return None
            case Attempt.REFUSED:
                return HandlerError("the destination refused the completion", type=HandlerErrorType.BAD_REQUEST)
            case Attempt.FAILED:
                return HandlerError("the destination did not take the completion", type=HandlerErrorType.UNAVAILABLE)
