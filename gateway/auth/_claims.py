"""Claims into a Principal, by the policy of their issuer (RFC 7519 section 4.1, RFC 8725 section 3)."""

from __future__ import annotations

import re
from hmac import compare_digest
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from gateway.auth._reasons import AuthenticationFailed, Reason
from gateway.model import Principal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.auth._policy import IssuerPolicy

_ORDINARY_TYPES = frozenset({"jwt", "at+jwt"})
_MAX_TEXT_BYTES = 1000
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# The end of the year 9999: beyond it a number is a mistake in units or an attack.
_LATEST = 253_402_300_799


def check_type(token_type: str | None, policy: IssuerPolicy) -> None:
    """Refuse tokens that were made for something else, such as id or logout tokens with a ``typ`` of their own.

    Raises:
        AuthenticationFailed: with TYPE.
    """
    # Media types have no case and may leave out application/ (RFC 7515 section 4.1.9).
    given = None if token_type is None else token_type.lower().removeprefix("application/")
    if policy.type is not None:
        accepted = given == policy.type.lower().removeprefix("application/")
    else:
        accepted = given is None or given in _ORDINARY_TYPES
    if not accepted:
        raise AuthenticationFailed(Reason.TYPE)


def check_dates(claims: Mapping[str, Any], policy: IssuerPolicy, now: float) -> float:
    """The moment of expiry, when the token is valid at ``now``; both in seconds since the epoch.

    Raises:
        AuthenticationFailed: with DATES, EXPIRED, NOT_YET_VALID or LIFETIME.
    """
    expires = _date(claims, "exp")
    if expires is None:
        raise AuthenticationFailed(Reason.DATES)
    issued, not_before = _date(claims, "iat"), _date(claims, "nbf")
    if expires + policy.leeway <= now:
        raise AuthenticationFailed(Reason.EXPIRED)
    if any(date is not None and date - policy.leeway > now for date in (issued, not_before)):
        raise AuthenticationFailed(Reason.NOT_YET_VALID)
    if policy.max_lifetime is not None and (issued is None or expires - issued > policy.max_lifetime):
        raise AuthenticationFailed(Reason.LIFETIME)
    return expires


def principal_of(claims: Mapping[str, Any], policy: IssuerPolicy, expires: float) -> Principal:
    """The caller that a token with a good signature speaks of.

    Raises:
        AuthenticationFailed: with AUDIENCE, SUBJECT, NAMESPACE, PERMISSIONS or TOKEN_ID.
    """
    _check_audience(claims.get("aud"), policy)
    token_id = claims.get("jti")
    return Principal(
        issuer=policy.issuer,
        subject=_text(claims.get(policy.subject_claim), Reason.SUBJECT),
        namespace=_text(claims.get(policy.namespace_claim), Reason.NAMESPACE),
        permissions=_permissions(claims.get(policy.permissions_claim)),
        claims=MappingProxyType(dict(claims)),
        token_id=None if token_id is None else _text(token_id, Reason.TOKEN_ID),
        expires_at=expires,
    )


def check_binding(claims: Mapping[str, Any], certificate: str | None) -> None:
    """Refuse a token that is bound to a client certificate other than the connection's (RFC 8705 section 3).

    A confirmation of a kind that cannot be checked here is refused, too: it is a condition, not an ornament.

    Raises:
        AuthenticationFailed: with BINDING.
    """
    if "cnf" not in claims:
        return
    match claims["cnf"]:
        case {"x5t#S256": str() as thumbprint} as confirmation if len(confirmation) == 1 and certificate is not None:
            if compare_digest(thumbprint.encode(), certificate.encode()):
                return
    raise AuthenticationFailed(Reason.BINDING)


def _date(claims: Mapping[str, Any], name: str) -> float | None:
    if name not in claims:
        return None
    value = claims[name]
    # True is a number to Python; infinities and NaN do not get here.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LATEST:
        raise AuthenticationFailed(Reason.DATES)
    return float(value)


def _check_audience(value: object, policy: IssuerPolicy) -> None:
    named = [value] if isinstance(value, str) else value
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise AuthenticationFailed(Reason.AUDIENCE)
    if not any(name in policy.audiences for name in named):
        raise AuthenticationFailed(Reason.AUDIENCE)


def is_claim_text(text: str) -> bool:
    """Whether a caller may be called so, or be of a namespace that is."""
    return 0 < len(text.encode()) <= _MAX_TEXT_BYTES and not _CONTROL.search(text)


def _text(value: object, otherwise: Reason) -> str:
    if not isinstance(value, str) or not is_claim_text(value):
        raise AuthenticationFailed(otherwise)
    return value


def _permissions(value: object) -> frozenset[str]:
    match value:
        case None:
            return frozenset()
        case str():
            # As scope is written (RFC 6749 section 3.3).
            return frozenset(part for part in value.split(" ") if part)
        case list() if all(isinstance(part, str) for part in value):
            return frozenset(value)
        case _:
            raise AuthenticationFailed(Reason.PERMISSIONS)
