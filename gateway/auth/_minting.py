"""Tokens for development: signed with a key file that lies beside the configuration."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt import PyJWK
from jwt.algorithms import get_default_algorithms
from jwt.exceptions import PyJWTError
from jwt.utils import base64url_encode

from gateway.auth._algorithms import Family
from gateway.auth._keyset import BadKeySet, parse_key_set
from gateway.auth._policy import IssuerPolicy, KeyFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

_PRIVATE_KEYS: Mapping[Family, type[PrivateKey]] = MappingProxyType(
    {
        Family.ES256: ec.EllipticCurvePrivateKey,
        Family.RS256: rsa.RSAPrivateKey,
        Family.EDDSA: ed25519.Ed25519PrivateKey,
    }
)
_ONE_HOUR = timedelta(hours=1)
_THUMBPRINT_MEMBERS = ("crv", "e", "kty", "n", "x", "y")


class MintingError(Exception):
    """No token can be made; the message says which file to put right, and holds nothing of its content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DevIssuerFiles:
    """The two files of a development issuer: the key set that the gateway reads, the key that ``token`` signs with."""

    jwks_file: Path
    signing_key_file: Path


class TokenMinter:
    """Makes tokens that a gateway with this policy accepts."""

    def __init__(self, policy: IssuerPolicy, key_file: Path, *, clock: Callable[[], float] = time.time) -> None:
        """Read the signing key.

        Raises:
            MintingError: when the file holds no private key of the policy's algorithm, or none of the key set's keys.
        """
        self._policy = policy
        self._clock = clock
        self._family = policy.family
        self._key, key_id = _read_key(key_file, self._family)
        self._key_id = key_id or _key_id_in_set(self._key, self._family, policy, key_file)

    def mint(self, *, subject: str, namespace: str, permissions: Iterable[str] = (), ttl: timedelta = _ONE_HOUR) -> str:
        """A token of ``subject`` in ``namespace``, valid from now on for ``ttl``.

        Raises:
            MintingError: when the issuer's policy allows no token of that lifetime.
        """
        longest = self._policy.max_lifetime
        if ttl <= timedelta(0) or (longest is not None and ttl.total_seconds() > longest):
            bound = "" if longest is None else f" and at most {longest:g} seconds"
            raise MintingError(f"the lifetime must be longer than zero{bound}")
        now = int(self._clock())
        claims: dict[str, Any] = {
            "iss": self._policy.issuer,
            "sub": subject,
            "aud": self._policy.audiences[0],
            "iat": now,
            "exp": now + int(ttl.total_seconds()),
            "jti": uuid.uuid4().hex,
            self._policy.subject_claim: subject,
            self._policy.namespace_claim: namespace,
            self._policy.permissions_claim: list(permissions),
        }
        header = {"kid": self._key_id, "typ": self._policy.type or "JWT"}
        return jwt.encode(claims, self._key, algorithm=self._family, headers=header)


def generate_dev_issuer(directory: Path) -> DevIssuerFiles:
    """Make an ES256 key and write ``jwks.json`` and, for the owner's eyes only, ``dev-signing-key.json``.

    The directory is made if need be; files of these names in it are replaced.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    public = _jwk(key.public_key(), Family.ES256)
    names = {"kid": _thumbprint(public), "alg": Family.ES256.value, "use": "sig"}
    files = DevIssuerFiles(jwks_file=directory / "jwks.json", signing_key_file=directory / "dev-signing-key.json")
    directory.mkdir(parents=True, exist_ok=True)
    files.signing_key_file.unlink(missing_ok=True)
    files.signing_key_file.touch(mode=0o600, exist_ok=False)
    files.signing_key_file.write_text(json.dumps({**_jwk(key, Family.ES256), **names}, indent=2) + "\n")
    files.jwks_file.write_text(json.dumps({"keys": [{**public, **names}]}, indent=2) + "\n")
    return files


def _read_key(key_file: Path, family: Family) -> tuple[PrivateKey, str | None]:
    """The private key, and its id where the file (a JWK) has one."""
    try:
        content = key_file.read_bytes()
    except OSError as error:
        raise MintingError(f"{key_file}: cannot be read: {error.strerror}") from None
    key: object
    key_id: object = None
    try:
        if content.lstrip().startswith(b"-----BEGIN"):
            key = load_pem_private_key(content, password=None)
        else:
            jwk = json.loads(content)
            key, key_id = PyJWK(jwk, algorithm=family).key, jwk.get("kid")
    except (PyJWTError, UnsupportedAlgorithm, ValueError, TypeError, AttributeError):
        # The exception's text may hold the key.
        raise MintingError(f"{key_file}: is no private key in PEM or JWK form for {family}") from None
    if not isinstance(key, _PRIVATE_KEYS[family]):
        raise MintingError(f"{key_file}: holds no private key for {family}")
    return key, key_id if isinstance(key_id, str) else None


def _key_id_in_set(key: PrivateKey, family: Family, policy: IssuerPolicy, key_file: Path) -> str:
    """The id under which the issuer's key set lists this key; a PEM file has none of its own."""
    if not isinstance(policy.keys, KeyFile):
        raise MintingError(f"{key_file}: must be a JWK with a kid, because the issuer's key set is no file")
    jwks_file = policy.keys.path
    try:
        keys = parse_key_set(jwks_file.read_bytes(), family, policy.issuer).keys
    except OSError as error:
        raise MintingError(f"{jwks_file}: cannot be read: {error.strerror}") from None
    except BadKeySet as error:
        raise MintingError(f"{jwks_file}: {error}") from None
    ours = _thumbprint(_jwk(key.public_key(), family))
    for listed in keys:
        if listed.key_id is not None and _thumbprint(json.loads(listed.members)) == ours:
            return listed.key_id
    raise MintingError(f"{key_file}: its public key is not in {jwks_file}")


def _jwk(key: object, family: Family) -> dict[str, Any]:
    members = get_default_algorithms()[family].to_jwk(key, as_dict=True)
    return {name: value for name, value in members.items() if name != "key_ops"}


def _thumbprint(jwk: dict[str, Any]) -> str:
    """The key's name that follows from the key itself (RFC 7638)."""
    members = {name: jwk[name] for name in _THUMBPRINT_MEMBERS if name in jwk}
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":"))
    return base64url_encode(sha256(canonical.encode()).digest()).decode("ascii")
