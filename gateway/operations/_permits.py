"""Whether a bulk job may go on: who asked for it is asked about again, before each operation.

A job may be worked through by another process than the one that took the request, so who asked goes along: sealed, so
that nobody can write down a job of somebody else's, and bound to the job that it was sealed for.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from gateway.engines import BatchKind
from gateway.model import Principal, Verb
from gateway.operations._errors import invalid
from gateway.tokens import InvalidToken, TokenTooLong

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gateway.auth import Authenticator, Authorizer
    from gateway.engines import BatchOrder, Chosen
    from gateway.model import Endpoint
    from gateway.tokens import TokenSealer

_PURPOSE: Final = "bulk asker"

VERBS: Final[Mapping[BatchKind, Verb]] = {
    BatchKind.CANCEL: Verb.CANCEL,
    BatchKind.TERMINATE: Verb.TERMINATE,
    BatchKind.RETRY: Verb.RETRY,
}
"""What a caller has to be allowed for each kind of batch."""


class Permits:
    """``gateway.engines.Permit`` by the rules, stops and revocations that are in force when it is asked."""

    def __init__(
        self, sealer: TokenSealer, authenticator: Authenticator, authorizer: Authorizer, mounted: Iterable[Endpoint]
    ) -> None:
        self._sealer = sealer
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._mounted = {endpoint.name: endpoint for endpoint in mounted}

    def holds(self, order: BatchOrder, chosen: Chosen) -> bool:
        """Whether whoever gave the order may still have it done to this operation; its token may have expired."""
        principal = self._asker(order)
        endpoint = self._mounted.get(chosen.address.endpoint)
        if principal is None or endpoint is None or not self._authenticator.trusts_still(principal):
            return False
        anothers = chosen.owner != principal.tenant
        verb = VERBS[order.kind]
        return self._authorizer.authorize(principal, endpoint, chosen.address, verb, anothers=anothers).allowed

    def _asker(self, order: BatchOrder) -> Principal | None:
        try:
            [text] = self._sealer.open(_PURPOSE, order.asker, _bound_to(order.id))
        except InvalidToken:
            return None
        asker: dict[str, Any] = json.loads(text)
        return Principal(**{**asker, "permissions": frozenset(asker["permissions"])})


def sealed_asker(sealer: TokenSealer, principal: Principal, batch_id: str) -> str:
    """Who asks, as an order of this id carries it.

    Raises:
        ApiError: 400, the caller's token says more than can go along.
    """
    asker = {
        "issuer": principal.issuer,
        "subject": principal.subject,
        "namespace": principal.namespace,
        "permissions": sorted(principal.permissions),
        "claims": dict(principal.claims),
        "token_id": principal.token_id,
    }
    try:
        return sealer.seal(_PURPOSE, [json.dumps(asker, separators=(",", ":"))], context=_bound_to(batch_id))
    except TokenTooLong:
        raise invalid("Authorization", "says more than a bulk job can carry; use a token with fewer claims") from None


def _bound_to(batch_id: str) -> Sequence[bytes]:
    return [batch_id.encode()]
