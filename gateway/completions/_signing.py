"""Signatures by which a receiver knows that a completion comes from this gateway (Standard Webhooks, ``v1a``).

A symmetric secret would have to be shared with every receiver, and each could then sign for the gateway. The signature
is ed25519 instead, and the public keys are served as a JWK set (RFC 8037), so that a receiver needs no secret at all.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.tokens import TokenKey

SEED_BYTES: Final = 32
"""Length of a signing key's seed."""

CALLBACK_KEYS_PATH: Final = "/.well-known/nexus-gateway/callback-keys.json"
"""Below ``public_url``: where the public keys are."""

_DERIVATION: Final = b"nexus-gateway callback signature 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A named ed25519 key; ``seed`` is 32 secret bytes."""

    id: str
    seed: bytes = field(repr=False)


def derived_signing_keys(keys: Sequence[TokenKey]) -> tuple[SigningKey, ...]:
    """A signing key for each token key: every replica has the same ones, with nothing more to configure."""
    return tuple(
        SigningKey(
            id=f"token-{key.id}",
            seed=HKDF(algorithm=SHA512(), length=SEED_BYTES, salt=None, info=_DERIVATION).derive(key.secret),
        )
        for key in keys
    )


class Signer:
    """Signs with the first key, publishes all of them.

    To rotate, add the new key at the end, put it first once receivers have fetched it, and drop the old one when the
    last delivery that it signed has been verified.
    """

    def __init__(self, keys: Sequence[SigningKey]) -> None:
        if not keys:
            raise ValueError("signing needs at least one key")
        self._keys = [(key.id, Ed25519PrivateKey.from_private_bytes(key.seed)) for key in keys]

    def headers(self, delivery_id: str, timestamp: int, body: bytes) -> tuple[tuple[str, str], ...]:
        """The three headers of Standard Webhooks; ``timestamp`` is in seconds since the epoch."""
        signed = b".".join((delivery_id.encode(), str(timestamp).encode(), body))
        signature = base64.b64encode(self._keys[0][1].sign(signed)).decode()
        return (
            ("webhook-id", delivery_id),
            ("webhook-timestamp", str(timestamp)),
            ("webhook-signature", f"v1a,{signature}"),
        )

    def key_set(self) -> dict[str, Any]:
        """The public keys as a JWK set, the one that signs first."""
        return {
            "keys": [
                {
                    "kty": "OKP",
                    "crv": "Ed25519",
                    "x": _base64url(key.public_key().public_bytes_raw()),
                    "kid": key_id,
                    "use": "sig",
                    "alg": "EdDSA",
                }
                for key_id, key in self._keys
            ]
        }


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
