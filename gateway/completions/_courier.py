"""Makes attempts: each checked, kept to its destination's lane, signed, traced and told of afterwards."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from gateway.completions._destinations import DestinationRefused
from gateway.completions._sender import Attempt, Report
from gateway.engines import Tried
from gateway.tokens import InvalidToken

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.completions._destinations import Destination, DestinationPolicy
    from gateway.completions._lanes import Lanes
    from gateway.completions._sender import Sender
    from gateway.completions._shipments import Envelopes, Shipment
    from gateway.completions._signing import Signer
    from gateway.telemetry import Telemetry

_logger = logging.getLogger("gateway.completions")

HOPS_HEADER: Final = "nexus-gateway-hops"
"""How many gateways a completion has come through, the sender included."""


class Courier:
    """Delivers shipments; a ``gateway.engines.Deliverer`` for those that had to wait."""

    def __init__(
        self,
        *,
        policy: DestinationPolicy,
        lanes: Lanes,
        sender: Sender,
        signer: Signer,
        envelopes: Envelopes,
        telemetry: Telemetry,
    ) -> None:
        self._policy = policy
        self._lanes = lanes
        self._sender = sender
        self._signer = signer
        self._envelopes = envelopes
        self._telemetry = telemetry

    async def attempt(self, shipment: Shipment, tries: int) -> Report:
        """Try once, after ``tries`` times before; DEFERRED when the destination's lane is full or closed."""
        try:
            # Once more, because the configuration may have changed since the start.
            destination = self._policy.admit(shipment.url, shipment.tenant, shipment.address)
        except DestinationRefused:
            return Report(attempt=Attempt.REFUSED, reason="not allowed by the configuration")
        waiting = self._lanes.enter(destination.origin)
        if waiting is not None:
            return Report(attempt=Attempt.DEFERRED, reason="the destination is busy or away", retry_after=waiting)
        failed = True
        try:
            report = await self._send(shipment, destination, tries)
            failed = report.attempt is Attempt.FAILED
        finally:
            self._lanes.leave(destination.origin, failed=failed)
        return report

    async def deliver(self, parcel_id: str, envelope: bytes, tries: int) -> Tried:
        """Try a delivery that had to wait; ValueError for an envelope that cannot be opened here."""
        try:
            shipment = self._envelopes.open(parcel_id, envelope)
        except InvalidToken:
            raise ValueError("the delivery was sealed with a key that this process has not") from None
        report = await self.attempt(shipment, tries)
        if report.attempt is Attempt.DELIVERED:
            self._telemetry.callback_delivery("delivered_late")
        return Tried(
            reason=report.reason,
            delivered=report.attempt is Attempt.DELIVERED,
            refused=report.attempt is Attempt.REFUSED,
            made=report.attempt is not Attempt.DEFERRED,
            retry_after=report.retry_after,
        )

    def bury(self, parcel_id: str, about: Mapping[str, str], reason: str, tries: int) -> None:
        """Tell of a completion that is not delivered any more: a log line, a count and an event of the span."""
        self._telemetry.callback_delivery("dead")
        self._telemetry.event("nexus.callback.dead", {"nexus.callback.id": parcel_id, "reason": reason})
        _logger.error(
            "a completion callback is dead",
            extra={**about, "callback_id": parcel_id, "reason": reason, "tries": tries},
        )

    async def _send(self, shipment: Shipment, destination: Destination, tries: int) -> Report:
        name = f"nexus.callback {shipment.address.service}/{shipment.address.operation}"
        attributes: dict[str, str | bool | int | float] = {
            "http.request.method": "POST",
            "server.address": destination.host,
            "server.port": destination.port,
            "nexus.endpoint": shipment.address.endpoint,
            "nexus.service": shipment.address.service,
            "nexus.operation": shipment.address.operation,
            "nexus.callback.id": shipment.id,
        }
        if tries:
            attributes["http.request.resend_count"] = tries
        # A child of the start, also where the relay or a worker makes the attempt in a trace of its own, much later.
        start = {"traceparent": shipment.traceparent}
        links = (shipment.traceparent, self._telemetry.current_traceparent() or "")
        with self._telemetry.remote_context(start), self._telemetry.client_span(name, attributes, links=links) as span:
            trace: dict[str, str] = {}
            self._telemetry.inject(trace)
            signature = self._signer.headers(shipment.id, int(time.time()), shipment.body)
            own = ((HOPS_HEADER, str(shipment.hops + 1)), *signature, *trace.items())
            report = await self._sender.send(destination, (*shipment.headers, *own), shipment.body)
            if report.status is not None:
                span.attribute("http.response.status_code", report.status)
            if report.attempt is not Attempt.DELIVERED:
                span.fail(str(report.status or report.reason))
        _logger.info(
            "callback of %s/%s: %s",
            shipment.address.service,
            shipment.address.operation,
            report.reason,
            extra={"callback_id": shipment.id, "destination": destination.origin, "tries": tries + 1},
        )
        return report
