"""What a start tells the engine to call when the operation has ended.

The engine never learns the caller's callback. It gets the gateway's own address and one header: a sealed note of where
the completion goes, with which headers, and whose operation it is. The gateway keeps nothing.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from nexusrpc import HandlerError, HandlerErrorType

from gateway.completions._callback_headers import MAX_CALLBACK_HEADERS, header_fault
from gateway.completions._destinations import DestinationRefused
from gateway.model import OperationAddress, Tenant
from gateway.tokens import InvalidToken, TokenTooLong

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta

    from gateway.completions._destinations import DestinationPolicy
    from gateway.protocol import StartOperation
    from gateway.telemetry import Telemetry
    from gateway.tokens import TokenSealer

CALLBACK_PATH: Final = "/nexus/callback"
"""Below ``public_url``: where the engine posts completions."""

SEAL_HEADER: Final = "nexus-gateway-callback"
_PURPOSE: Final = "callback"
_ID: Final = "delivery"


@dataclass(frozen=True, slots=True)
class Callback:
    """The URL and headers to register with the engine."""

    url: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Where a completion goes, with which headers, and whose operation it is.

    ``id`` is the same for every completion of one start. ``registered`` is what the engine was given, and ``key_id``
    sealed it.
    """

    id: str
    tenant: Tenant
    address: OperationAddress
    url: str
    headers: Mapping[str, str] = field(repr=False)
    traceparent: str
    key_id: str
    registered: Mapping[str, str] = field(repr=False)


class Callbacks:
    """Checks and seals the callbacks of starts, and opens the seals of completions.

    A seal holds for ``lifetime``, which is longer than any operation; ``clock`` tells seconds since the epoch.
    """

    def __init__(
        self,
        sealer: TokenSealer,
        policy: DestinationPolicy,
        public_url: str,
        telemetry: Telemetry,
        *,
        lifetime: timedelta,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sealer = sealer
        self._policy = policy
        self._url = public_url.rstrip("/") + CALLBACK_PATH
        self._telemetry = telemetry
        self._lifetime = lifetime.total_seconds()
        self._clock = clock

    def register(
        self, tenant: Tenant, address: OperationAddress, request: StartOperation, request_id: str
    ) -> Callback | None:
        """What to register for this start; None when its caller wants no callback.

        ``request_id`` is the one that the engine sees, which is this start's alone.

        Raises:
            HandlerError: BAD_REQUEST, the destination or one of the headers is not allowed; it says which.
        """
        _check_headers(request.callback_headers)
        if request.callback_url is None:
            return None
        try:
            self._policy.admit(request.callback_url, tenant, address)
            traceparent = self._telemetry.current_traceparent()
            seal = self._seal(tenant, address, request, request_id, traceparent or "")
        except DestinationRefused as refused:
            raise _bad_request(f"callback: {refused}") from None
        except TokenTooLong:
            raise _bad_request("callback: URL, headers and names are too long together; shorten them") from None
        # The engine sends its callback headers and no trace context of its own: this keeps the completion in the trace.
        return Callback(self._url, {SEAL_HEADER: seal, **({"traceparent": traceparent} if traceparent else {})})

    def _seal(
        self, tenant: Tenant, address: OperationAddress, request: StartOperation, request_id: str, traceparent: str
    ) -> str:
        headers = json.dumps(dict(request.callback_headers), separators=(",", ":"), ensure_ascii=False)
        expires = str(int(self._clock() + self._lifetime))
        url = request.callback_url or ""
        return self._sealer.seal(_PURPOSE, (*_owner(tenant, address), request_id, expires, url, headers, traceparent))

    def open(self, seal: str) -> Delivery:
        """What was sealed at start.

        Raises:
            InvalidToken: the gateway has not sealed this, or too long ago.
        """
        fields = self._sealer.open(_PURPOSE, seal)
        issuer, namespace, endpoint, service, operation, request_id, expires, url, headers, traceparent = fields
        if int(expires) < self._clock():
            raise InvalidToken
        # Keyed, for a delivery that waits goes by it among the workflows of every tenant: who could work it out could
        # have its own workflow there first. With the key of the seal, so that it stays the same after a rotation.
        key_id = self._sealer.key_id_of(seal)
        parts = (issuer, namespace, endpoint, service, operation, request_id, url)
        return Delivery(
            id=f"ngd_{self._sealer.keyed_digest(_ID, parts, key_id=key_id)}",
            tenant=Tenant(issuer, namespace),
            address=OperationAddress(endpoint, service, operation),
            url=url,
            headers=json.loads(headers),
            traceparent=traceparent,
            key_id=key_id,
            registered={SEAL_HEADER: seal},
        )


def _check_headers(headers: Mapping[str, str]) -> None:
    if len(headers) > MAX_CALLBACK_HEADERS:
        raise _bad_request(f"Nexus-Callback-*: {len(headers)} headers; at most {MAX_CALLBACK_HEADERS}")
    for name in headers:
        if kind := header_fault(name):
            raise _bad_request(
                f"{f'nexus-callback-{name}'.title()}: {kind}, which is not for a caller to set; remove it"
            )


def _bad_request(message: str) -> HandlerError:
    return HandlerError(message, type=HandlerErrorType.BAD_REQUEST)


def _owner(tenant: Tenant, address: OperationAddress) -> tuple[str, ...]:
    return (tenant.issuer, tenant.namespace, address.endpoint, address.service, address.operation)
