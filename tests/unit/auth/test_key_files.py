"""Keys in a file, and which keys of a set count at all."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from gateway.auth import AuthenticationFailed, Authenticator
from gateway.auth._algorithms import Family
from gateway.auth._keyset import BadKeySet, parse_key_set
from tests.unit.auth.signing import DELETE, ISSUER, Signer, key_set, policy

if TYPE_CHECKING:
    from pathlib import Path

FIRST = Signer.create("first")
SECOND = Signer.create("second")
RSA = Signer.create("rsa", "RS256")
OKP = Signer.create("okp", "EdDSA")


async def test_a_changed_file_counts_within_moments(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_text(key_set(FIRST.jwk()))
    async with Authenticator([policy(file)]) as authenticator:
        await authenticator.authenticate([f"Bearer {FIRST.token()}"])
        file.write_text(key_set(SECOND.jwk()))
        await authenticator.authenticate([f"Bearer {SECOND.token()}"])
        with pytest.raises(AuthenticationFailed):
            await authenticator.authenticate([f"Bearer {FIRST.token(jti='2')}"])


async def test_a_removed_key_is_noticed_without_any_request_for_it(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_text(key_set(FIRST.jwk(), SECOND.jwk()))
    header = [f"Bearer {FIRST.token()}"]
    async with Authenticator([policy(file)]) as authenticator:
        await authenticator.authenticate(header)
        file.write_text(key_set(SECOND.jwk()))

        async def comes_again_and_again() -> None:
            while True:
                await authenticator.authenticate(header)
                await asyncio.sleep(0.05)

        with pytest.raises(AuthenticationFailed):
            await asyncio.wait_for(comes_again_and_again(), 5)


@pytest.mark.parametrize("content", [None, "", "{", '{"keys": []}', " " * 300_000])
async def test_a_bad_file_leaves_the_last_good_keys_in_force(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: str | None
) -> None:
    file = tmp_path / "jwks.json"
    file.write_text(key_set(FIRST.jwk()))
    async with Authenticator([policy(file)]) as authenticator:
        if content is None:
            file.unlink()
        else:
            file.write_text(content)
        with pytest.raises(AuthenticationFailed):
            await authenticator.authenticate([f"Bearer {SECOND.token()}"])
        await authenticator.authenticate([f"Bearer {FIRST.token()}"])
        assert authenticator.status() == {ISSUER: None}
    assert "the last good ones serve" in caplog.text


async def test_a_file_that_comes_later_is_found(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    async with Authenticator([policy(file)]) as authenticator:
        assert authenticator.status() == {ISSUER: "jwks.json cannot be read: No such file or directory"}
        file.write_text(key_set(FIRST.jwk()))
        await asyncio.sleep(0.3)
        await authenticator.authenticate([f"Bearer {FIRST.token()}"])


def _ec(curve: ec.EllipticCurve) -> dict[str, Any]:
    public = ec.generate_private_key(curve).public_key()
    return {**ECAlgorithm.to_jwk(public, as_dict=True), "kid": "x"}


def _rsa(bits: int) -> dict[str, Any]:
    public = rsa.generate_private_key(public_exponent=65537, key_size=bits).public_key()
    return {**RSAAlgorithm.to_jwk(public, as_dict=True), "kid": "x"}


@pytest.mark.parametrize(
    ("jwk", "family", "why"),
    [
        (SECOND.jwk(use="enc"), Family.ES256, "its use is not sig"),
        (SECOND.jwk(use=["sig"]), Family.ES256, "its use is not sig"),
        (SECOND.jwk(key_ops=["sign"]), Family.ES256, "its key_ops do not have verify"),
        (SECOND.jwk(key_ops="verify"), Family.ES256, "its key_ops do not have verify"),
        (SECOND.jwk(alg="ES384"), Family.ES256, "its alg is not ES256"),
        (SECOND.jwk(alg="RS256"), Family.ES256, "its alg is not ES256"),
        (SECOND.jwk(alg=1), Family.ES256, "its alg is not ES256"),
        (SECOND.jwk(kty="RSA"), Family.ES256, "its kty and crv are not those of ES256"),
        (SECOND.jwk(crv="P-384"), Family.ES256, "its kty and crv are not those of ES256"),
        (SECOND.jwk(crv=DELETE), Family.ES256, "its kty and crv are not those of ES256"),
        (_ec(ec.SECP384R1()), Family.ES256, "its kty and crv are not those of ES256"),
        (_ec(ec.SECP256K1()), Family.ES256, "its kty and crv are not those of ES256"),
        ({"kty": "oct", "k": "c2VjcmV0", "kid": "x"}, Family.ES256, "its kty and crv are not those of ES256"),
        (RSA.jwk(), Family.ES256, "its kty and crv are not those of ES256"),
        (OKP.jwk(crv="Ed448"), Family.EDDSA, "its kty and crv are not those of EdDSA"),
        (OKP.jwk(crv="X25519"), Family.EDDSA, "its kty and crv are not those of EdDSA"),
        (_rsa(1024), Family.RS256, "an RSA key must have 2048 to 8192 bits"),
        (RSA.jwk(alg="PS256"), Family.RS256, "its alg is not RS256"),
        (RSA.jwk(e="AQ"), Family.RS256, "it cannot be read"),
        (SECOND.private_jwk() | {"key_ops": ["verify"]}, Family.ES256, "it is a private key"),
        (RSA.jwk(d="AQAB"), Family.RS256, "it is a private key"),
        (OKP.jwk(d="AQAB"), Family.EDDSA, "it is a private key"),
        (SECOND.jwk(x="AAAA"), Family.ES256, "it cannot be read"),
        (SECOND.jwk(x=DELETE), Family.ES256, "it cannot be read"),
        (SECOND.jwk(y=1), Family.ES256, "it cannot be read"),
        (SECOND.jwk(x=FIRST.jwk()["x"]), Family.ES256, "it cannot be read"),
        (SECOND.jwk(kid=1), Family.ES256, "its kid is not a text"),
        (SECOND.jwk(kid=["second"]), Family.ES256, "its kid is not a text"),
    ],
)
def test_a_key_that_must_not_verify_is_passed_over_with_a_line_in_the_log(
    caplog: pytest.LogCaptureFixture, jwk: dict[str, Any], family: Family, why: str
) -> None:
    good = {Family.ES256: FIRST, Family.RS256: RSA, Family.EDDSA: OKP}[family].jwk(kid="good")
    found = parse_key_set(json.dumps({"keys": [jwk, good]}).encode(), family, ISSUER)
    assert ["good"] == [key.key_id for key in found.keys]
    [line] = caplog.messages
    assert why in line
    assert str(jwk.get("x", jwk.get("n"))) not in line


def test_of_two_keys_with_one_id_the_first_counts(caplog: pytest.LogCaptureFixture) -> None:
    found = parse_key_set(key_set(FIRST.jwk(), SECOND.jwk(kid="first")).encode(), Family.ES256, ISSUER)
    assert 1 == len(found.keys)
    assert json.loads(found.keys[0].members)["x"] == FIRST.jwk()["x"]
    assert "an earlier key has the same kid" in caplog.text


def test_a_set_without_a_usable_key_is_no_set() -> None:
    with pytest.raises(BadKeySet, match="no usable key"):
        parse_key_set(key_set(RSA.jwk()).encode(), Family.ES256, ISSUER)


def test_a_set_is_equal_to_the_same_set_written_otherwise() -> None:
    """Only a real change makes the gateway forget what it has verified."""
    one = parse_key_set(json.dumps({"keys": [FIRST.jwk()]}).encode(), Family.ES256, ISSUER)
    same = parse_key_set(json.dumps({"keys": [FIRST.jwk()]}, indent=4).encode(), Family.ES256, ISSUER)
    other = parse_key_set(json.dumps({"keys": [SECOND.jwk(kid="first")]}).encode(), Family.ES256, ISSUER)
    assert one == same
    assert one != other
