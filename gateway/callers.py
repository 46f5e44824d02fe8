"""Who asks: the first step of a request, whichever interface it came in by, and what goes on record of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gateway.auth import AuthenticationFailed, KeysUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.auth import Auditor, Authenticator
    from gateway.model import OperationAddress, PartialAddress, Principal
    from gateway.telemetry import RequestSpan, Telemetry


class Shown(Protocol):
    """What a request shows of who sent it, and what it is known by in traces and logs.

    ``authorization`` are the values of that header, ``certificate`` is the thumbprint of the client's certificate
    (RFC 8705 section 3.1), ``peer`` the address that the request comes from.
    """

    @property
    def authorization(self) -> Sequence[str]: ...  # noqa: D102 - as above, and so are the others

    @property
    def certificate(self) -> str | None: ...  # noqa: D102

    @property
    def peer(self) -> str: ...  # noqa: D102

    @property
    def request_id(self) -> str: ...  # noqa: D102

    @property
    def span(self) -> RequestSpan: ...  # noqa: D102


class Callers:
    """Finds out who asks."""

    def __init__(self, authenticator: Authenticator, auditor: Auditor, telemetry: Telemetry) -> None:
        self._authenticator = authenticator
        self._auditor = auditor
        self._telemetry = telemetry

    async def verified(self, shown: Shown, asked: OperationAddress | PartialAddress, verb: str) -> Principal:
        """The caller that a request proves; its span then knows whose it is.

        Args:
            shown: what the request came with.
            asked: what it is about, as far as it says.
            verb: what is to be done with that.

        Raises:
            AuthenticationFailed: there is no token, or it is no good.
            KeysUnavailable: an issuer's keys cannot be had.
        """
        try:
            principal = await self._authenticator.authenticate(shown.authorization, shown.certificate, peer=shown.peer)
        except (AuthenticationFailed, KeysUnavailable) as error:
            if isinstance(error, AuthenticationFailed):
                self._telemetry.authentication_failure(error.reason)
            self._auditor.unauthenticated(
                error,
                asked,
                verb,
                trace_id=shown.span.trace_id,
                request_id=shown.request_id,
                peer=shown.peer,
            )
            raise
        shown.span.caller(principal.issuer)
        return principal

    def counts_still(self, principal: Principal) -> bool:
        """Whether the token of a caller that was verified before would be good now, but for its issuer's keys."""
        return self._authenticator.counts_still(principal)
