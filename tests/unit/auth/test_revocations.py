"""Revoked tokens: which they are, and that having been verified before does not help them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from gateway.auth import AuthenticationFailed, Authenticator, Reason, Revocation, Revocations
from tests.unit.auth.signing import DELETE, ISSUER, Signer

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = int(time.time())


async def is_refused(authenticator: Authenticator, token: str) -> bool:
    try:
        await authenticator.authenticate([f"Bearer {token}"])
    except AuthenticationFailed as error:
        return error.reason is Reason.REVOKED
    return False


@pytest.mark.parametrize(
    ("revocation", "claims", "refused"),
    [
        (Revocation(token_id="t1"), {"jti": "t1"}, True),
        (Revocation(token_id="t1"), {"jti": "t2"}, False),
        (Revocation(token_id="t1"), {}, False),
        (Revocation(token_id="t1", issuer="https://other.test"), {"jti": "t1"}, False),
        (Revocation(token_id="t1", issuer=ISSUER), {"jti": "t1"}, True),
        (Revocation(subject="svc-checkout"), {}, True),
        (Revocation(subject="svc-checkout", namespace="billing"), {}, False),
        (Revocation(subject="svc"), {}, False),
        (Revocation(subject="svc-checkout", issued_before=NOW + 10), {"iat": NOW}, True),
        (Revocation(subject="svc-checkout", issued_before=NOW - 10), {"iat": NOW}, False),
        (Revocation(subject="svc-checkout", issued_before=NOW - 10), {"iat": DELETE}, True),
        (Revocation(issuer=ISSUER, issued_before=NOW), {"iat": NOW - 1}, True),
        (Revocation(issuer=ISSUER, issued_before=NOW), {"iat": NOW}, False),
        (Revocation(namespace="checkout"), {}, True),
    ],
)
async def test_a_token_is_revoked_by_everything_that_is_given_together(
    authenticator: Authenticator, signer: Signer, revocation: Revocation, claims: Mapping[str, object], refused: bool
) -> None:
    authenticator.revocations = Revocations([revocation])
    assert refused is await is_refused(authenticator, signer.token(**claims))


async def test_a_token_that_was_verified_before_is_refused_from_the_moment_it_is_revoked(
    authenticator: Authenticator, signer: Signer
) -> None:
    token = signer.token(jti="t1")
    verified = await authenticator.authenticate([f"Bearer {token}"])
    assert authenticator.counts_still(verified)
    authenticator.revocations = Revocations([Revocation(token_id="t1")])
    assert await is_refused(authenticator, token)
    assert not authenticator.counts_still(verified)
    authenticator.revocations = Revocations()
    assert verified is await authenticator.authenticate([f"Bearer {token}"])


async def test_a_long_list_costs_what_a_short_one_costs(authenticator: Authenticator, signer: Signer) -> None:
    principal = await authenticator.authenticate([f"Bearer {signer.token(jti='good')}"])

    def cost(count: int) -> float:
        revocations = Revocations(Revocation(token_id=f"t{index}") for index in range(count))
        assert count == len(revocations)
        return min(_timed(revocations, principal) for _ in range(20))

    def _timed(revocations: Revocations, caller: object) -> float:
        started = time.perf_counter()
        for _ in range(200):
            assert not revocations.covers(principal)
        return time.perf_counter() - started

    assert cost(50_000) < 3 * cost(1)
