"""An issuer for tests: real keys, and tokens built part by part so that each part can be wrong."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from gateway.auth import IssuerPolicy, KeyFile

if TYPE_CHECKING:
    from pathlib import Path

ISSUER = "https://issuer.test"
AUDIENCE = "nexus-gateway"
_A_DAY = 86_400
DELETE = object()
"""A member to leave out."""


def encoded(content: bytes | str | dict[str, Any]) -> str:
    """Base64url of bytes, of text, or of an object as JSON."""
    if isinstance(content, dict):
        content = json.dumps(content)
    if isinstance(content, str):
        content = content.encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _private_key(family: str) -> Any:
    match family:
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case "RS256":
            return rsa.generate_private_key(public_exponent=65537, key_size=2048)
        case _:
            return ed25519.Ed25519PrivateKey.generate()


@dataclass(frozen=True)
class Signer:
    """A signing key with its id."""

    kid: str = "k1"
    algorithm: str = "ES256"
    issuer: str = ISSUER
    key: Any = field(default=None, repr=False)

    @classmethod
    def create(cls, kid: str = "k1", algorithm: str = "ES256", issuer: str = ISSUER) -> Signer:
        return cls(kid, algorithm, issuer, _private_key(algorithm))

    @property
    def _pyjwt(self) -> Any:
        return get_default_algorithms()["EdDSA" if self.algorithm == "Ed25519" else self.algorithm]

    def jwk(self, **members: object) -> dict[str, Any]:
        """The public key; a member can be changed, or left out with DELETE."""
        public = self._pyjwt.to_jwk(self.key.public_key(), as_dict=True)
        merged = {**public, "kid": self.kid, "alg": self.algorithm, "use": "sig", **members}
        merged.pop("key_ops", None) if "key_ops" not in members else None
        return {name: value for name, value in merged.items() if value is not DELETE}

    def private_jwk(self) -> dict[str, Any]:
        """The private key."""
        return {**self._pyjwt.to_jwk(self.key, as_dict=True), "kid": self.kid}

    def header(self, **members: object) -> dict[str, Any]:
        """A good header, with changes."""
        merged = {"alg": self.algorithm, "kid": self.kid, "typ": "JWT", **members}
        return {name: value for name, value in merged.items() if value is not DELETE}

    def claims(self, **members: object) -> dict[str, Any]:
        """Good claims, with changes."""
        now = int(time.time())
        merged: dict[str, Any] = {
            "iss": self.issuer,
            "sub": "svc-checkout",
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + _A_DAY,
            "namespace": "checkout",
            "permissions": ["temporal:*"],
            **members,
        }
        return {name: value for name, value in merged.items() if value is not DELETE}

    def sign(self, header: str | dict[str, Any], claims: str | bytes | dict[str, Any]) -> str:
        """A token of any header and claims, with a good signature over them."""
        signing_input = f"{encoded(header)}.{encoded(claims)}"
        return f"{signing_input}.{encoded(self._pyjwt.sign(signing_input.encode(), self.key))}"

    def token(self, **claims: object) -> str:
        """A good token, with changes in its claims."""
        return self.sign(self.header(), self.claims(**claims))


def key_set(*jwks: dict[str, Any]) -> str:
    """A key set document."""
    return json.dumps({"keys": list(jwks)})


def policy(keys_file: Path, **changes: Any) -> IssuerPolicy:
    """The policy of the test issuer, with changes."""
    settings: dict[str, Any] = {
        "issuer": ISSUER,
        "audiences": (AUDIENCE,),
        "algorithms": frozenset({"ES256"}),
        "keys": KeyFile(keys_file),
        **changes,
    }
    return IssuerPolicy(**settings)
