"""A JSON Web Key Set (RFC 7517) turned into the keys that may verify an issuer's tokens."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jwt import PyJWK
from jwt.exceptions import PyJWTError

from gateway.auth._algorithms import FAMILIES, KEY_FORMS, Family
from gateway.auth._policy import KeyFile
from gateway.auth._printable import printable

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from gateway.auth._policy import IssuerPolicy

MAX_KEYS = 100
"""Keys of one set that are looked at."""

_MIN_RSA_BITS = 2048
# Above this one check takes milliseconds, and tokens are free to send.
_MAX_RSA_BITS = 8192
_log = logging.getLogger("gateway.auth")


class BadKeySet(Exception):
    """A document without a single usable key; the text is fit for a log."""


class _Unusable(Exception):
    pass


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key and the one algorithm family it verifies; equal when the key set says the same of both."""

    key_id: str | None
    family: Family
    members: str = field(repr=False)
    jwk: PyJWK = field(compare=False, repr=False)

    def verifies(self, signing_input: bytes, signature: bytes) -> bool:
        """Whether ``signature`` is this key's over ``signing_input``."""
        return self.jwk.Algorithm.verify(signing_input, self.jwk.key, signature)


@dataclass(frozen=True, slots=True)
class KeySet:
    """An issuer's keys. A token without ``kid`` is only verified where there is a single key, so nothing is guessed."""

    keys: tuple[VerificationKey, ...] = ()
    by_id: Mapping[str | None, VerificationKey] = field(default_factory=dict, compare=False)

    def find(self, key_id: str | None) -> VerificationKey | None:
        """The key of that id."""
        if key_id is None:
            return self.keys[0] if len(self.keys) == 1 else None
        return self.by_id.get(key_id)


def parse_key_set(document: bytes, family: Family, issuer: str) -> KeySet:
    """The usable keys of a document; each key that is passed over gets a line in the log.

    Raises:
        BadKeySet: when it is no key set, or none of its keys is usable.
    """
    by_id: dict[str | None, VerificationKey] = {}
    for jwk in _listed(document):
        try:
            key = _key(jwk, family, taken=by_id.keys())
        except _Unusable as error:
            key_id = jwk.get("kid") if isinstance(jwk, dict) else None
            _log.warning("passed over key %s of issuer %s: %s", printable(key_id), printable(issuer), error)
            continue
        by_id[key.key_id] = key
    if not by_id:
        raise BadKeySet("the key set holds no usable key")
    return KeySet(tuple(by_id.values()), by_id)


def check_key_file(policy: IssuerPolicy) -> None:
    """Raise BadKeySet for a key set that is there and of no use; one that is not here may well be there."""
    if isinstance(policy.keys, KeyFile) and policy.keys.path.is_file():
        parse_key_set(policy.keys.path.read_bytes(), policy.family, policy.issuer)


def _listed(document: bytes) -> list[Any]:
    try:
        parsed = json.loads(document)
    except (ValueError, RecursionError):
        raise BadKeySet("the key set is not JSON") from None
    keys = parsed.get("keys") if isinstance(parsed, dict) else None
    if not isinstance(keys, list):
        raise BadKeySet("the key set has no list of keys")
    if len(keys) > MAX_KEYS:
        raise BadKeySet(f"the key set has more than {MAX_KEYS} keys")
    return keys


def _key(jwk: object, family: Family, taken: Container[str | None]) -> VerificationKey:
    if not isinstance(jwk, dict):
        raise _Unusable("it is not an object")
    _check_form(jwk, family)
    if jwk.get("kid") in taken:
        raise _Unusable("an earlier key has the same kid")
    try:
        key = PyJWK(jwk, algorithm=family)
    except (PyJWTError, ValueError, TypeError):
        # The exception's text holds the whole key.
        raise _Unusable("it cannot be read") from None
    if family is Family.RS256 and not _MIN_RSA_BITS <= key.key.key_size <= _MAX_RSA_BITS:
        raise _Unusable(f"an RSA key must have {_MIN_RSA_BITS} to {_MAX_RSA_BITS} bits")
    return VerificationKey(jwk.get("kid"), family, json.dumps(jwk, sort_keys=True), key)


def _check_form(jwk: Mapping[str, Any], family: Family) -> None:
    form = KEY_FORMS[family]
    if jwk.get("kty") != form.kty or (form.crv is not None and jwk.get("crv") != form.crv):
        raise _Unusable(f"its kty and crv are not those of {family}")
    alg = jwk.get("alg")
    if alg is not None and (not isinstance(alg, str) or FAMILIES.get(alg) is not family):
        raise _Unusable(f"its alg is not {family}")
    if jwk.get("use", "sig") != "sig":
        raise _Unusable("its use is not sig")
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise _Unusable("its key_ops do not have verify")
    if not form.secret_members.isdisjoint(jwk):
        raise _Unusable("it is a private key, which a key set must never hold")
    if not isinstance(jwk.get("kid"), str | None):
        raise _Unusable("its kid is not a text")
