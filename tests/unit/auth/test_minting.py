"""Development tokens are what the gateway accepts; nothing else comes out."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.auth import Authenticator, KeyUrl, MintingError, TokenMinter, generate_dev_issuer
from tests.unit.auth.signing import Signer, key_set, policy

if TYPE_CHECKING:
    from pathlib import Path


def pem(key: Any) -> bytes:
    return bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


async def accepted_subject(minter: TokenMinter, jwks_file: Path, **changes: Any) -> str:
    token = minter.mint(subject="me", namespace="checkout", permissions=["orders:read"], ttl=timedelta(minutes=5))
    async with Authenticator([policy(jwks_file, **changes)]) as authenticator:
        principal = await authenticator.authenticate([f"Bearer {token}"])
    assert ("checkout", {"orders:read"}) == (principal.namespace, set(principal.permissions))
    return principal.subject


async def test_a_generated_issuer_mints_tokens_that_its_key_set_verifies(tmp_path: Path) -> None:
    files = generate_dev_issuer(tmp_path / "new" / "directory")
    minter = TokenMinter(policy(files.jwks_file), files.signing_key_file)
    assert await accepted_subject(minter, files.jwks_file) == "me"


def test_only_the_owner_can_read_a_generated_signing_key(tmp_path: Path) -> None:
    first = generate_dev_issuer(tmp_path)
    first_key = first.signing_key_file.read_text()
    first.signing_key_file.chmod(0o644)
    again = generate_dev_issuer(tmp_path)
    assert again.signing_key_file.stat().st_mode & 0o777 == 0o600
    assert again.signing_key_file.read_text() != first_key
    assert "d" not in json.loads(again.jwks_file.read_text())["keys"][0]


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "EdDSA", "Ed25519"])
@pytest.mark.parametrize("form", ["pem", "jwk", "jwk without kid"])
async def test_a_key_file_is_pem_or_jwk_of_any_algorithm(tmp_path: Path, algorithm: str, form: str) -> None:
    """Where the file has no kid, the key is looked up in the key set."""
    signer = Signer.create(algorithm=algorithm)
    jwk = signer.private_jwk()
    contents = {
        "pem": pem(signer.key),
        "jwk": json.dumps(jwk).encode(),
        "jwk without kid": json.dumps({key: value for key, value in jwk.items() if key != "kid"}).encode(),
    }
    key_file, jwks_file = tmp_path / "key", tmp_path / "jwks.json"
    key_file.write_bytes(contents[form])
    jwks_file.write_text(key_set(Signer.create("other", algorithm).jwk(), signer.jwk()))
    algorithms = frozenset({algorithm})
    minter = TokenMinter(policy(jwks_file, algorithms=algorithms), key_file)
    assert await accepted_subject(minter, jwks_file, algorithms=algorithms) == "me"


async def test_a_minted_token_meets_its_issuers_policy(tmp_path: Path) -> None:
    files = generate_dev_issuer(tmp_path)
    demands: dict[str, Any] = {
        "type": "at+jwt",
        "max_lifetime": 600.0,
        "subject_claim": "client_id",
        "namespace_claim": "https://x.test/ns",
        "permissions_claim": "scope",
        "audiences": ("first", "second"),
    }
    minter = TokenMinter(policy(files.jwks_file, **demands), files.signing_key_file)
    assert await accepted_subject(minter, files.jwks_file, **demands) == "me"


@pytest.mark.parametrize("ttl", [timedelta(0), timedelta(seconds=-1), timedelta(minutes=11)])
def test_a_lifetime_that_the_policy_forbids_is_refused(tmp_path: Path, ttl: timedelta) -> None:
    files = generate_dev_issuer(tmp_path)
    minter = TokenMinter(policy(files.jwks_file, max_lifetime=600.0), files.signing_key_file)
    with pytest.raises(MintingError, match="the lifetime must be longer than zero and at most 600 seconds"):
        minter.mint(subject="me", namespace="n", ttl=ttl)


SIGNER = Signer.create()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no private key in PEM or JWK form for ES256"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "is no private key in PEM or JWK form"),
        (b"[]", "is no private key in PEM or JWK form"),
        (b'{"kty":"EC"}', "is no private key in PEM or JWK form"),
        (json.dumps(SIGNER.jwk()).encode(), "holds no private key for ES256"),
        (pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)), "holds no private key for ES256"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "its public key is not in"),
    ],
)
def test_a_file_without_a_fitting_key_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    key_file, jwks_file = tmp_path / "key.pem", tmp_path / "jwks.json"
    key_file.write_bytes(content)
    jwks_file.write_text(key_set(SIGNER.jwk()))
    with pytest.raises(MintingError) as raised:
        TokenMinter(policy(jwks_file), key_file)
    assert str(raised.value).startswith(f"{key_file}: {message}")


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(MintingError, match=r"key\.pem: cannot be read: No such file"):
        TokenMinter(policy(tmp_path / "jwks.json"), tmp_path / "key.pem")
    (tmp_path / "key.pem").write_bytes(pem(SIGNER.key))
    with pytest.raises(MintingError, match=r"jwks\.json: cannot be read: No such file"):
        TokenMinter(policy(tmp_path / "jwks.json"), tmp_path / "key.pem")


def test_a_pem_file_needs_a_key_set_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(pem(SIGNER.key))
    with pytest.raises(MintingError, match="must be a JWK with a kid"):
        TokenMinter(policy(tmp_path, keys=KeyUrl("https://keys.test")), tmp_path / "key.pem")
