"""The exact form of a token, before anything in it is believed (RFC 7515 section 7.1, RFC 8725).

Three parts of canonical base64url; header and claims are JSON objects without repeated members; the header holds
nothing but ``alg``, ``kid`` and ``typ``. What passes has one spelling only, so a hash of the text stands for the
token.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from gateway.auth._reasons import AuthenticationFailed, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_TOKEN_CHARACTERS = 8192
"""Longest token that is looked at; larger than any provider's access token that still fits in a request's headers."""

_MAX_DEPTH = 32
_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([^ ]+)")
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_HEADER_MEMBERS = frozenset({"alg", "kid", "typ"})
_KEY_ID = re.compile(r"[\x21-\x7e]{1,256}")
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class _RepeatedMember(ValueError):
    pass


@dataclass(frozen=True, slots=True)
class CompactToken:
    """A token taken apart; nothing in it is verified."""

    algorithm: str
    key_id: str | None
    type: str | None
    claims: Mapping[str, Any]
    signing_input: bytes
    signature: bytes


def bearer_token(authorization: Sequence[str]) -> str:
    """The token of the one Authorization header (RFC 6750 section 2.1).

    Raises:
        AuthenticationFailed: when there is none or more than one, or when the scheme is not Bearer.
    """
    match authorization:
        case []:
            raise AuthenticationFailed(Reason.MISSING)
        case [value]:
            found = _BEARER.fullmatch(value)
        case _:
            raise AuthenticationFailed(Reason.SEVERAL)
    if found is None:
        raise AuthenticationFailed(Reason.SCHEME)
    return found[1]


def parse_compact(token: str) -> CompactToken:
    """Take a token apart.

    Raises:
        AuthenticationFailed: when it is not exactly of the form above.
    """
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise AuthenticationFailed(Reason.TOO_LARGE)
    if not _COMPACT.fullmatch(token):
        raise AuthenticationFailed(Reason.FORM)
    signing_input, _, signature = token.rpartition(".")
    header_part, _, claims_part = signing_input.partition(".")
    header = _json_object(_decoded(header_part))
    if not header.keys() <= _HEADER_MEMBERS:
        # jku, x5u, x5c and jwk would name a key, crit and b64 would change the rules, zip and cty would hide content.
        raise AuthenticationFailed(Reason.HEADER)
    return CompactToken(
        algorithm=_text(header.get("alg"), Reason.ALGORITHM),
        key_id=_key_id(header),
        type=_text(header["typ"], Reason.TYPE) if "typ" in header else None,
        claims=_json_object(_decoded(claims_part)),
        signing_input=signing_input.encode("ascii"),
        signature=_decoded(signature),
    )


def _key_id(header: Mapping[str, Any]) -> str | None:
    if "kid" not in header:
        return None
    key_id = _text(header["kid"], Reason.HEADER)
    if not _KEY_ID.fullmatch(key_id):
        raise AuthenticationFailed(Reason.HEADER)
    return key_id


def _text(value: object, otherwise: Reason) -> str:
    if not isinstance(value, str):
        raise AuthenticationFailed(otherwise)
    return value


def _decoded(part: str) -> bytes:
    try:
        content = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise AuthenticationFailed(Reason.FORM) from None
    # The last character may carry bits that decoding drops: only one of its spellings is canonical.
    if base64.urlsafe_b64encode(content).rstrip(b"=") != part.encode("ascii"):
        raise AuthenticationFailed(Reason.FORM)
    return content


def _json_object(content: bytes) -> dict[str, Any]:
    try:
        text = content.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_unrepeated, parse_constant=_no_constant, parse_float=_finite)
        if _ESCAPED_SURROGATE.search(text):
            # Half a pair is text that nothing can encode again.
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except _RepeatedMember:
        raise AuthenticationFailed(Reason.DUPLICATE_MEMBER) from None
    except (ValueError, RecursionError):
        raise AuthenticationFailed(Reason.FORM) from None
    if not isinstance(value, dict) or (text.count("[") + text.count("{") > _MAX_DEPTH and _is_deep(value)):
        raise AuthenticationFailed(Reason.FORM)
    return value


def _is_deep(value: dict[str, Any]) -> bool:
    """Whether objects and lists are nested so deep that whoever walks through the claims later could fail."""
    level: list[Any] = [value]
    for _ in range(_MAX_DEPTH):
        nested = [item for item in level if isinstance(item, dict | list)]
        level = [inner for item in nested for inner in (item.values() if isinstance(item, dict) else item)]
    return any(isinstance(item, dict | list) for item in level)


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise _RepeatedMember
    return members


def _no_constant(_: str) -> NoReturn:
    # NaN and Infinity are no JSON.
    raise ValueError


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError
    return value
