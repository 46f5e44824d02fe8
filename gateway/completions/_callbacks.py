"""What a start tells the engine to call when the operation has ended.

The engine never learns the caller's callback. It gets the gateway's own address and one header: a sealed note of where
the completion goes, with which headers, and whose operation it is. The gateway keeps nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nexusrpc import HandlerError, HandlerErrorType

from gateway.model import OperationAddress, Tenant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.completions._destinations import DestinationPolicy
    from gateway.protocol import StartOperation
    from gateway.telemetry import Telemetry
    from gateway.tokens import TokenSealer

CALLBACK_PATH = "/nexus/callback"
"""Below ``public_url``: where the engine posts completions."""

SEAL_HEADER = "nexus-gateway-callback"
_PURPOSE = "callback"


@dataclass(frozen=True, slots=True)
class Callback:
    """The URL and headers to register with the engine."""

    url: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Where a completion goes, with which headers, and whose operation it is; ``key_id`` sealed it."""

    tenant: Tenant
    address: OperationAddress
    url: str
    headers: Mapping[str, str]
    traceparent: str
    key_id: str


class Callbacks:
    """Checks and seals the callbacks of starts, and opens the seals of completions."""

    def __init__(self, sealer: TokenSealer, policy: DestinationPolicy, public_url: str, telemetry: Telemetry) -> None:
        self._sealer = sealer
        self._policy = policy
        self._url = public_url.rstrip("/") + CALLBACK_PATH
        self._telemetry = telemetry

    def register(self, tenant: Tenant, address: OperationAddress, request: StartOperation) -> Callback | None:
        """What to register for this start; None when its caller wants no callback.

        Raises:
            HandlerError: BAD_REQUEST, the destination is not allowed.
        """
        if request.callback_url is None:
            return None
        if not self._policy.allows(request.callback_url):
            raise HandlerError(
                "callback: the URL matches no pattern of the gateway's callbacks.allow",
                type=HandlerErrorType.BAD_REQUEST,
            )
        headers = json.dumps(dict(request.callback_headers), separators=(",", ":"))
        traceparent = self._telemetry.current_traceparent() or ""
        fields = (*_owner(tenant, address), request.callback_url, headers, traceparent)
        return Callback(self._url, {SEAL_HEADER: self._sealer.seal(_PURPOSE, fields)})

    def open(self, seal: str) -> Delivery:
        """What was sealed at start.

        Raises:
            InvalidToken: the gateway has not sealed this.
        """
        issuer, namespace, endpoint, service, operation, url, headers, traceparent = self._sealer.open(_PURPOSE, seal)
        return Delivery(
            tenant=Tenant(issuer, namespace),
            address=OperationAddress(endpoint, service, operation),
            url=url,
            headers=json.loads(headers),
            traceparent=traceparent,
            key_id=self._sealer.key_id_of(seal),
        )


def _owner(tenant: Tenant, address: OperationAddress) -> tuple[str, ...]:
    return (tenant.issuer, tenant.namespace, address.endpoint, address.service, address.operation)
