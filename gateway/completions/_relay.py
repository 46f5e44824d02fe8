"""The engine's completion comes in, the caller's completion goes out.

Anyone can post here, so nothing is believed but the seal: it says whose operation ended and where that is to be told.
The engine groups its callbacks by the host they go to, which is this one for all of them: a destination that is away
must not make it hold back the others. So a completion is tried once, and what fails is handed to the delivery queue.
The answer is 200 for all that is delivered or durable, a 4xx for what can never be, which is told of in the log, or is
none of ours, and 503 for the rest, which the engine then repeats.
"""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from nexusrpc import Content, HandlerError, HandlerErrorType

from gateway.completions._callbacks import SEAL_HEADER, Callbacks, Delivery
from gateway.completions._courier import HOPS_HEADER, Courier
from gateway.completions._notices import without_outcome
from gateway.completions._sender import Attempt, Report
from gateway.completions._shipments import Envelopes, Shipment
from gateway.engines import DeliveryQueue, Engine, EngineUnavailable, OperationNotFound, Parcel, ParcelTooLarge
from gateway.model import OperationState
from gateway.protocol import (
    Completion,
    Headers,
    LocalProtocolError,
    RemoteProtocolError,
    decode_completion,
    encode_completion,
    without_stack_traces,
)
from gateway.tokens import InvalidToken, TokenSealer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.model import Body
    from gateway.registry import MountedEndpoint, Registry
    from gateway.telemetry import RequestSpan, Telemetry

_logger = logging.getLogger("gateway.completions")

COMPLETION_BYTES: Final = 8 << 20
"""The longest completion that is read. What callers may send is another matter: this is about what the engine can.

A Temporal server takes no message of more than 4 MiB, so it has no larger result or failure. In the JSON of a failure
payloads are in base64, a third longer; the rest is for the JSON around them.
"""

_MAX_HOPS: Final = 3
# Temporal waits ten seconds for the answer. What is patient with a slow engine here is what keeps all callbacks going:
# a few 503 in a row make Temporal hold them all back for a minute.
_DEADLINE_SECONDS: Final = 9.5
_FIRST_DELAY_SECONDS: Final = 1.0
_LONGEST_FIRST_DELAY_SECONDS: Final = 60.0


class Relay:
    """Passes completions on."""

    def __init__(
        self,
        *,
        callbacks: Callbacks,
        sealer: TokenSealer,
        registry: Registry,
        engines: Mapping[str, Engine],
        courier: Courier,
        envelopes: Envelopes,
        queue: DeliveryQueue,
        telemetry: Telemetry,
    ) -> None:
        self._callbacks = callbacks
        self._sealer = sealer
        self._registry = registry
        self._engines = engines
        self._courier = courier
        self._envelopes = envelopes
        self._queue = queue
        self._telemetry = telemetry

    async def relay(self, headers: Headers, body: Body, span: RequestSpan) -> HandlerError | None:
        """Pass one completion on; the error to answer with, or None when it is delivered or sure to be dealt with.

        The body is not read before the seal has been opened.
        """
        try:
            delivery = self._open(headers.get_all(SEAL_HEADER))
        except InvalidToken:
            return _nothing_here()
        span.engine()
        span.name(delivery.address.endpoint, delivery.address.service, delivery.address.operation)
        try:
            async with asyncio.timeout(_DEADLINE_SECONDS):
                mounted = self._mounted(delivery)
                completion = await self._translated(mounted, delivery, decode_completion(headers, await body.read()))
                await self._dispatch(mounted, delivery, completion, _hops(headers))
        except (EngineUnavailable, TimeoutError):
            self._telemetry.callback_delivery("unavailable")
            return HandlerError("the engine is unavailable; try again later", type=HandlerErrorType.UNAVAILABLE)
        except HandlerError as error:
            # The body broke off or is late: whoever sent it knows, and sends it again.
            return error
        except (InvalidToken, OperationNotFound, LocalProtocolError, RemoteProtocolError) as error:
            return self._refused(delivery, error)
        return None

    def _refused(self, delivery: Delivery, error: Exception) -> HandlerError:
        """Tell of a completion that the engine will not bring again, and that nobody else is going to hear of."""
        match error:
            case RemoteProtocolError():
                answer, reason = error.to_handler_error(), error.message
            case LocalProtocolError():
                answer = HandlerError("no callback can carry this completion", type=HandlerErrorType.BAD_REQUEST)
                reason = f"it cannot be sent: {error.message}"
            case _:
                answer, reason = _nothing_here(), "the engine has no such operation, or not with this callback"
        self._courier.bury(delivery.id, _about(delivery), reason, 0)
        return answer

    def _open(self, seals: Sequence[str]) -> Delivery:
        if len(seals) != 1:
            raise InvalidToken
        return self._callbacks.open(seals[0])

    def _mounted(self, delivery: Delivery) -> MountedEndpoint:
        mounted = self._registry.resolve(delivery.address.endpoint)
        if mounted is None:
            # Taken out of the configuration since, perhaps by mistake: the engine keeps the completion meanwhile.
            raise EngineUnavailable
        return mounted

    async def _translated(self, mounted: MountedEndpoint, delivery: Delivery, completion: Completion) -> Completion:
        """The completion as the caller is to see it: with its token and its callback headers, without stack traces."""
        content = completion.content
        if completion.state is not OperationState.SUCCEEDED:
            content = Content(headers=content.headers, data=without_stack_traces(content.data))
        token = await self._token(mounted, delivery, completion)
        links = completion.links if mounted.endpoint.links else ()
        return replace(completion, content=content, token=token, links=links, headers=delivery.headers)

    async def _token(self, mounted: MountedEndpoint, delivery: Delivery, completion: Completion) -> str | None:
        if completion.token is None:
            return None
        engine_token = await self._engines[mounted.endpoint.engine].completed_token(
            mounted.endpoint, completion.token, completion.links, delivery.registered
        )
        if engine_token is None:
            return None
        # With the key of the start, so that the token is the one that start returned.
        return self._sealer.seal_operation(delivery.tenant, delivery.address, engine_token, key_id=delivery.key_id)

    async def _dispatch(self, mounted: MountedEndpoint, delivery: Delivery, completion: Completion, hops: int) -> None:
        """Deliver, or see to it that it will be, or that it is known why not."""
        shipment = _shipment(delivery, completion, hops)
        report = await self._courier.attempt(shipment, 0)
        if report.attempt is Attempt.DELIVERED:
            self._telemetry.callback_delivery("delivered")
            return
        refused = report.reason if report.attempt is Attempt.REFUSED else None
        parcel = self._parcel(delivery, shipment, report, refused)
        try:
            await self._queue.take(mounted.endpoint, parcel)
        except ParcelTooLarge:
            # Also after a refusal, for its size may have been the reason: the caller is to hear of the end.
            refused, notice = None, _shipment(delivery, without_outcome(completion), hops)
            await self._queue.take(mounted.endpoint, self._parcel(delivery, notice, report))
            _logger.warning(
                "a completion is too large to wait: its caller is told that, and not the outcome",
                extra={**parcel.about, "callback_id": parcel.id, "bytes": len(shipment.body)},
            )
        if refused is None:
            self._telemetry.callback_delivery("handed_over")
        else:
            self._courier.bury(parcel.id, parcel.about, refused, parcel.tries)

    def _parcel(self, delivery: Delivery, shipment: Shipment, report: Report, refused: str | None = None) -> Parcel:
        return Parcel(
            id=shipment.id,
            envelope=self._envelopes.seal(shipment),
            about={**_about(delivery), "reason": report.reason},
            traceparent=shipment.traceparent,
            refused=refused,
            tries=0 if report.attempt is Attempt.DEFERRED else 1,
            delay=timedelta() if refused else _first_delay(report),
        )


def _nothing_here() -> HandlerError:
    return HandlerError("no callback is registered under this seal", type=HandlerErrorType.NOT_FOUND)


def _about(delivery: Delivery) -> Mapping[str, str]:
    return {
        "endpoint": delivery.address.endpoint,
        "service": delivery.address.service,
        "operation": delivery.address.operation,
        "namespace": delivery.tenant.namespace,
        "destination": _origin(delivery.url),
    }


def _shipment(delivery: Delivery, completion: Completion, hops: int) -> Shipment:
    encoded = encode_completion(completion)
    return Shipment(
        id=delivery.id,
        tenant=delivery.tenant,
        address=delivery.address,
        url=delivery.url,
        traceparent=delivery.traceparent,
        headers=encoded.headers,
        body=encoded.body,
        hops=hops,
    )


def _hops(headers: Headers) -> int:
    text = headers.get(HOPS_HEADER, "0")
    if not (text.isascii() and text.isdigit() and len(text) == 1 and int(text) < _MAX_HOPS):
        raise RemoteProtocolError("the completion goes round in circles between gateways; it ends here")
    return int(text)


def _origin(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0].partition('?')[0]}"


def _first_delay(report: Report) -> timedelta:
    asked = min(report.retry_after or 0.0, _LONGEST_FIRST_DELAY_SECONDS)
    # Those that a closed lane has turned away would otherwise all come at once.
    spread = random.uniform(1, 2) if report.attempt is Attempt.DEFERRED else 1  # noqa: S311 - nobody guesses at it
    return timedelta(seconds=spread * max(_FIRST_DELAY_SECONDS, asked))
