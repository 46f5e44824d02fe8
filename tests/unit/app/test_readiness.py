"""What readiness says of the gateway itself and of its issuers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.app._readiness import key_notices, readiness
from gateway.auth import Authenticator
from gateway.registry import Registry
from tests.unit.auth.provider import running
from tests.unit.auth.signing import Signer, key_set, policy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_OTHER = "https://other.test"


async def _checks(authenticator: Authenticator, draining: asyncio.Event | None = None) -> Mapping[str, str | None]:
    return await readiness(authenticator, Registry([]), {}, [], draining or asyncio.Event())


async def test_a_gateway_that_stops_is_not_ready_and_says_so() -> None:
    """It takes no connections any more: whoever asks has to send requests elsewhere."""
    stopping = asyncio.Event()
    authenticator = Authenticator([])
    assert "gateway" not in await _checks(authenticator, stopping)
    stopping.set()
    assert {"gateway": "is stopping"} == await _checks(authenticator, stopping)


async def test_without_any_keys_a_gateway_is_not_ready() -> None:
    async with running(Signer.create()) as provider:
        provider.mode = "500"
        async with Authenticator([provider.policy()]) as authenticator:
            assert (await _checks(authenticator))["keys https://issuer.test"]
            assert {} == key_notices(authenticator)


async def test_one_issuer_without_keys_is_a_notice_while_another_has_its_keys(tmp_path: Path) -> None:
    """A provider that is away must not take the callers of the others along."""
    signer = Signer.create()
    (tmp_path / "jwks.json").write_text(key_set(signer.jwk()))
    async with running(Signer.create()) as provider:
        provider.mode = "500"
        issuers = [policy(tmp_path / "jwks.json"), provider.policy(_OTHER)]
        async with Authenticator(issuers) as authenticator:
            checks = await _checks(authenticator)
            assert {"keys https://issuer.test": None} == {name: checks[name] for name in checks if "keys" in name}
            (name, notice), *more = key_notices(authenticator).items()
            assert (f"keys {_OTHER}", []) == (name, more)
            assert "refused" in notice
