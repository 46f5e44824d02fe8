"""Puts the Nexus interface together: requests to handlers, and completions back to callers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.app._deliveries import delivery_queue
from gateway.app._limits import dispatch_limits, protocol_limits
from gateway.completions import Callbacks, Relay
from gateway.dispatch import Admission, Dispatcher, Handlers, Outcomes
from gateway.engines import Completed, SharedPolls
from gateway.web import Edge

if TYPE_CHECKING:
    from gateway.app._core import Core
    from gateway.settings import LimitSettings


class Nexus:
    """The interface's edge and what is behind it."""

    def __init__(self, core: Core) -> None:
        self._limits = core.settings.limits
        callbacks = Callbacks(
            core.sealer,
            core.outbound.policy,
            core.public_url,
            core.telemetry,
            lifetime=core.settings.callbacks.seal_lifetime,
        )
        outcomes = Outcomes(
            sealer=core.sealer,
            polls=SharedPolls[Completed](self._limits.long_polls),
            telemetry=core.telemetry,
            draining=core.draining,
        )
        self._handlers = self._handlers_for(core, callbacks, outcomes)
        self._admission = Admission(
            callers=core.callers,
            authorizer=core.authorizer,
            registry=core.registry,
            engines=core.engines,
            limits=dispatch_limits(self._limits),
            auditor=core.auditor,
        )
        self.edge = Edge(
            dispatcher=Dispatcher(self._admission, self._handlers, outcomes),
            relay=_relay(core, callbacks),
            callback_keys=core.outbound.signer.key_set(),
            telemetry=core.telemetry,
            limits=protocol_limits(self._limits),
            header_bytes=self._limits.header_bytes,
            body_bytes=self._limits.body,
            proxies=core.proxies,
        )
        """Where requests come in."""

    def put_in_force(self, limits: LimitSettings) -> None:
        """Hold requests from now on to other limits."""
        self._admission.limits = dispatch_limits(limits)
        self._handlers.result_bytes = limits.body
        self.edge.put_in_force(protocol_limits(limits), body_bytes=limits.body)

    def _handlers_for(self, core: Core, callbacks: Callbacks, outcomes: Outcomes) -> Handlers:
        return Handlers(
            sealer=core.sealer,
            callbacks=callbacks,
            outcomes=outcomes,
            starts=core.starts,
            telemetry=core.telemetry,
            result_wait=self._limits.result_wait,
            result_bytes=self._limits.body,
            public_url=core.public_url,
        )


def _relay(core: Core, callbacks: Callbacks) -> Relay:
    return Relay(
        callbacks=callbacks,
        sealer=core.sealer,
        registry=core.registry,
        engines=core.engines,
        courier=core.outbound.courier,
        envelopes=core.outbound.envelopes,
        queue=delivery_queue(core.settings, core.clients),
        telemetry=core.telemetry,
    )
