"""Verified tokens are remembered for a while, and nothing else is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.auth import AuthenticationFailed, Authenticator
from gateway.auth._verified import VerifiedTokens
from gateway.model import Principal
from tests.unit.auth.signing import Signer, policy

if TYPE_CHECKING:
    from pathlib import Path


class Clock:
    """A clock that is set by hand."""

    def __init__(self, now: float = 1_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def principal(subject: str = "s", issuer: str = "https://issuer.test", expires: float = 2_000.0) -> Principal:
    return Principal(issuer=issuer, subject=subject, namespace="n", expires_at=expires)


def test_a_remembered_token_is_found_by_its_exact_text_until_it_expires() -> None:
    clock = Clock()
    verified = VerifiedTokens(per_issuer=10, clock=clock)
    verified.remember("token", principal())
    assert principal() == verified.find("token")
    assert verified.find("Token") is None
    assert verified.find("token ") is None
    clock.now = 1_999.9
    assert verified.find("token") is not None
    clock.now = 2_000.0
    assert verified.find("token") is None
    assert len(verified) == 0


def test_a_token_within_its_leeway_is_not_remembered() -> None:
    verified = VerifiedTokens(per_issuer=10, clock=Clock(2_000.0))
    verified.remember("token", principal(expires=1_999.0))
    assert len(verified) == 0


def test_the_least_recently_used_goes_first() -> None:
    verified = VerifiedTokens(per_issuer=2, clock=Clock())
    verified.remember("a", principal("a"))
    verified.remember("b", principal("b"))
    verified.find("a")
    verified.remember("c", principal("c"))
    assert verified.find("a") is not None
    assert verified.find("b") is None
    assert 2 == len(verified)


def test_one_issuers_tokens_never_push_out_anothers() -> None:
    verified = VerifiedTokens(per_issuer=2, clock=Clock())
    verified.remember("mine", principal())
    for index in range(100):
        verified.remember(f"theirs-{index}", principal(issuer="https://other.test"))
    assert verified.find("mine") is not None
    assert 3 == len(verified)


def test_an_issuers_tokens_are_forgotten_together() -> None:
    verified = VerifiedTokens(per_issuer=10, clock=Clock())
    verified.remember("mine", principal())
    verified.remember("theirs", principal(issuer="https://other.test"))
    verified.forget("https://other.test")
    assert verified.find("theirs") is None
    assert verified.find("mine") is not None
    verified.remember("theirs", principal(issuer="https://other.test"))
    assert verified.find("theirs") is not None


async def test_only_verified_tokens_are_remembered(keys_file: Path, signer: Signer) -> None:
    """A flood of bad tokens leaves no trace in memory, not even where there is room for one token."""
    good, bad = [f"Bearer {signer.token()}"], [f"Bearer {Signer.create().token()}"]
    async with Authenticator([policy(keys_file)], remembered=1) as authenticator:
        verified = await authenticator.authenticate(good)
        for _ in range(3):
            with pytest.raises(AuthenticationFailed):
                await authenticator.authenticate(bad)
        assert verified is await authenticator.authenticate(good)


async def test_a_remembered_token_ends_with_its_leeway(keys_file: Path, signer: Signer) -> None:
    clock = Clock(1_000.0)
    header = [f"Bearer {signer.token(iat=900, exp=1_100)}"]
    async with Authenticator([policy(keys_file, leeway=5.0)], clock=clock) as authenticator:
        verified = await authenticator.authenticate(header)
        assert verified is await authenticator.authenticate(header)
        clock.now = 1_104.9
        assert verified is not await authenticator.authenticate(header)
        assert authenticator.counts_still(verified)
        clock.now = 1_105.0
        assert not authenticator.counts_still(verified)
        with pytest.raises(AuthenticationFailed, match="the token has expired"):
            await authenticator.authenticate(header)
