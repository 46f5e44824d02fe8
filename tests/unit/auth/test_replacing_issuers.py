"""Other issuers put in force while the gateway runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from gateway.auth import AuthenticationFailed, Authenticator, KeyFile, KeysNotLoaded, Reason
from tests.unit.auth.signing import ISSUER, Signer, key_set, policy

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.auth import IssuerPolicy

OTHER = "https://other.test"


@pytest.fixture
def other(tmp_path: Path) -> tuple[Signer, IssuerPolicy]:
    signer = Signer.create("other", issuer=OTHER)
    file = tmp_path / "other.json"
    file.write_text(key_set(signer.jwk()))
    return signer, policy(file, issuer=OTHER)


async def replace(authenticator: Authenticator, *policies: IssuerPolicy) -> None:
    async with authenticator.replacing(policies) as put_in_force:
        put_in_force()


async def reason_of(authenticator: Authenticator, token: str) -> Reason:
    with pytest.raises(AuthenticationFailed) as refused:
        await authenticator.authenticate([f"Bearer {token}"])
    return refused.value.reason


async def test_an_issuer_is_taken_on_and_another_let_go(
    authenticator: Authenticator, signer: Signer, keys_file: Path, other: tuple[Signer, IssuerPolicy]
) -> None:
    stranger, its_policy = other
    mine, theirs = signer.token(), stranger.token()
    assert "svc-checkout" == (await authenticator.authenticate([f"Bearer {mine}"])).subject
    assert Reason.ISSUER is await reason_of(authenticator, theirs)
    await replace(authenticator, its_policy)
    assert OTHER == (await authenticator.authenticate([f"Bearer {theirs}"])).issuer
    assert Reason.ISSUER is await reason_of(authenticator, mine)
    assert {OTHER: None} == authenticator.status()
    await replace(authenticator, policy(keys_file), its_policy)
    assert ISSUER == (await authenticator.authenticate([f"Bearer {mine}"])).issuer


async def test_keys_are_kept_where_only_the_policy_changes_and_remembered_tokens_are_judged_by_it(
    authenticator: Authenticator, signer: Signer, keys_file: Path
) -> None:
    """The key file is gone: the keys must be the ones that were loaded before."""
    token = signer.token()
    await authenticator.authenticate([f"Bearer {token}"])
    await asyncio.to_thread(keys_file.unlink)
    await replace(authenticator, policy(keys_file, audiences=("another",)))
    assert Reason.AUDIENCE is await reason_of(authenticator, token)
    assert {ISSUER: None} == authenticator.status()
    assert "svc-checkout" == (await authenticator.authenticate([f"Bearer {signer.token(aud='another')}"])).subject


async def test_an_issuer_without_keys_is_not_taken_on_and_the_old_ones_stay(
    authenticator: Authenticator, signer: Signer, tmp_path: Path
) -> None:
    wrong = policy(tmp_path / "nothing.json", keys=KeyFile(tmp_path / "nothing.json"))
    with pytest.raises(
        KeysNotLoaded, match=r"issuer https://issuer\.test cannot be loaded: nothing\.json cannot be read"
    ):
        await replace(authenticator, wrong)
    assert "svc-checkout" == (await authenticator.authenticate([f"Bearer {signer.token()}"])).subject


async def test_nothing_changes_where_the_replacement_is_not_put_in_force(
    authenticator: Authenticator, signer: Signer, other: tuple[Signer, IssuerPolicy]
) -> None:
    async with authenticator.replacing([other[1]]):
        pass
    assert "svc-checkout" == (await authenticator.authenticate([f"Bearer {signer.token()}"])).subject
    assert Reason.ISSUER is await reason_of(authenticator, other[0].token())
