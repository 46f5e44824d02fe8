"""Signatures of deliveries, by the specification of Standard Webhooks and by keys that anybody may fetch."""

import base64
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jwt import PyJWKSet

from gateway.completions import Signer, SigningKey, derived_signing_keys
from gateway.tokens import TokenKey

OLD, NEW = SigningKey(id="old", seed=bytes(32)), SigningKey(id="new", seed=bytes(range(32)))
BODY = b'{"message":"hello"}'


def verify(signer: Signer, headers: dict[str, str], body: bytes) -> str:
    """The id of the published key that signed this; what docs/callbacks.md tells receivers to do."""
    signed = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
    for signature in headers["webhook-signature"].split():
        version, _, encoded = signature.partition(",")
        for key in PyJWKSet.from_dict(signer.key_set()).keys if version == "v1a" else ():
            assert isinstance(key.key, Ed25519PublicKey)
            try:
                key.key.verify(base64.b64decode(encoded), signed)
            except InvalidSignature:
                continue
            return str(key.key_id)
    raise InvalidSignature


def test_what_is_signed_is_verified_by_the_published_key() -> None:
    signer = Signer([NEW, OLD])
    headers = dict(signer.headers("ngd_1", 1_700_000_000, BODY))
    assert ("ngd_1", "1700000000") == (headers["webhook-id"], headers["webhook-timestamp"])
    assert "new" == verify(signer, headers, BODY)


@pytest.mark.parametrize(
    ("name", "value"), [("webhook-id", "ngd_2"), ("webhook-timestamp", "1700000001"), ("webhook-signature", "v1a,AAAA")]
)
def test_another_id_time_or_signature_is_not_verified(name: str, value: str) -> None:
    signer = Signer([NEW])
    headers = dict(signer.headers("ngd_1", 1_700_000_000, BODY))
    with pytest.raises(InvalidSignature):
        verify(signer, {**headers, name: value}, BODY)


def test_another_body_is_not_verified() -> None:
    signer = Signer([NEW])
    with pytest.raises(InvalidSignature):
        verify(signer, dict(signer.headers("ngd_1", 1_700_000_000, BODY)), BODY + b" ")


def test_what_an_old_key_signed_is_verified_until_it_is_dropped() -> None:
    headers = dict(Signer([OLD]).headers("ngd_1", 1, BODY))
    assert "old" == verify(Signer([NEW, OLD]), headers, BODY)
    with pytest.raises(InvalidSignature):
        verify(Signer([NEW]), headers, BODY)


def test_the_signature_is_that_of_rfc_8032() -> None:
    """The first test vector's key; its public half is known."""
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    [key] = Signer([SigningKey(id="a", seed=seed)]).key_set()["keys"]
    public = base64.urlsafe_b64decode(key["x"] + "=")
    assert "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a" == public.hex()
    assert {"kty": "OKP", "crv": "Ed25519", "kid": "a", "use": "sig", "alg": "EdDSA"} == {
        name: value for name, value in key.items() if name != "x"
    }
    assert "d" not in key


def test_every_replica_derives_the_same_keys_and_none_of_them_is_the_token_key() -> None:
    keys = [TokenKey(id="k2", secret=bytes(range(32))), TokenKey(id="k1", secret=bytes(32))]
    first, second = derived_signing_keys(keys), derived_signing_keys(keys)
    assert first == second
    assert ["token-k2", "token-k1"] == [key.id for key in first]
    assert not {key.secret for key in keys} & {key.seed for key in first}
    assert "seed" not in repr(first[0])


def test_the_verifier_of_the_documentation_verifies() -> None:
    """The very lines that receivers are told to copy."""
    text = (Path(__file__).parents[3] / "docs" / "callbacks.md").read_text()
    code = text.split("```python\n")[1].split("```")[0]
    names: dict[str, Any] = {
        "base64": base64,
        "time": time,
        "suppress": suppress,
        "InvalidSignature": InvalidSignature,
        "Mapping": Mapping,
        "PyJWKSet": PyJWKSet,
    }
    exec(code, names)
    signer = Signer([NEW, OLD])
    keys, now = PyJWKSet.from_dict(signer.key_set()), int(time.time())
    names["verify"](keys, dict(signer.headers("ngd_1", now, BODY)), BODY)
    for headers, body in (
        (signer.headers("ngd_1", now, BODY), b"other"),
        (signer.headers("ngd_1", now - 400, BODY), BODY),
        (Signer([SigningKey(id="x", seed=b"x" * 32)]).headers("ngd_1", now, BODY), BODY),
    ):
        with pytest.raises(InvalidSignature):
            names["verify"](keys, dict(headers), body)
