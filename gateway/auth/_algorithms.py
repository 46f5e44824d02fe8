"""The signature algorithms, and the keys each works with (RFC 7518, RFC 8037, RFC 9864)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Family(StrEnum):
    """Algorithms that share their keys; an issuer uses one family only, so no key serves two algorithms."""

    ES256 = "ES256"
    RS256 = "RS256"
    EDDSA = "EdDSA"


FAMILIES = MappingProxyType(
    {
        "ES256": Family.ES256,
        "RS256": Family.RS256,
        "EdDSA": Family.EDDSA,
        # RFC 9864 names the curve; it is the same algorithm.
        "Ed25519": Family.EDDSA,
    }
)
"""The family of each ``alg`` value; what is not here is not accepted, ``none`` first of all."""


@dataclass(frozen=True, slots=True)
class KeyForm:
    """What a JSON Web Key of a family looks like, and which of its members are secret."""

    kty: str
    crv: str | None
    secret_members: frozenset[str]


KEY_FORMS = MappingProxyType(
    {
        Family.ES256: KeyForm("EC", "P-256", frozenset({"d"})),
        Family.RS256: KeyForm("RSA", None, frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})),
        Family.EDDSA: KeyForm("OKP", "Ed25519", frozenset({"d"})),
    }
)
"""The keys of each family."""
