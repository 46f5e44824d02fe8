"""Why a token is refused: a word for the log and a sentence for the client.

The sentence says what the client can fix. It never says how verification works: a token with an unknown key and one
with a wrong signature get the same one.
"""

from __future__ import annotations

from enum import StrEnum

from nexusrpc import HandlerError, HandlerErrorType


class Reason(StrEnum):
    """Machine-readable reasons; stable, for logs and metrics."""

    MISSING = "missing"
    SEVERAL = "several"
    SCHEME = "scheme"
    TOO_LARGE = "too_large"
    FORM = "form"
    DUPLICATE_MEMBER = "duplicate_member"
    HEADER = "header"
    TYPE = "type"
    ALGORITHM = "algorithm"
    ISSUER = "issuer"
    UNKNOWN_KEY = "unknown_key"
    SIGNATURE = "signature"
    DATES = "dates"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    LIFETIME = "lifetime"
    AUDIENCE = "audience"
    SUBJECT = "subject"
    NAMESPACE = "namespace"
    PERMISSIONS = "permissions"
    TOKEN_ID = "token_id"  # noqa: S105 - the name of a reason
    REVOKED = "revoked"
    BINDING = "binding"


_NOT_A_JWT = "the token is not a signed JWT in compact form"
_SIGNATURE = "signature verification failed"
_SENTENCES = {
    Reason.MISSING: "no token was sent; send it as Authorization: Bearer TOKEN",
    Reason.SEVERAL: "exactly one Authorization header must be sent",
    Reason.SCHEME: "the Authorization header must be Bearer TOKEN",
    Reason.TOO_LARGE: "the token is too large",
    Reason.FORM: _NOT_A_JWT,
    Reason.DUPLICATE_MEMBER: _NOT_A_JWT,
    Reason.HEADER: "the token's header is not accepted",
    Reason.TYPE: "this type of token is not accepted",
    Reason.ALGORITHM: "the token's algorithm is not accepted",
    Reason.ISSUER: "the token's issuer is not accepted",
    Reason.UNKNOWN_KEY: _SIGNATURE,
    Reason.SIGNATURE: _SIGNATURE,
    Reason.DATES: "the token must say, in seconds since 1970, when it expires",
    Reason.EXPIRED: "the token has expired",
    Reason.NOT_YET_VALID: "the token is not valid yet",
    Reason.LIFETIME: "the token's lifetime is too long",
    Reason.AUDIENCE: "the token's audience is not accepted",
    Reason.SUBJECT: "the token names no usable subject",
    Reason.NAMESPACE: "the token names no usable namespace",
    Reason.PERMISSIONS: "the token's permissions are not a list of texts",
    Reason.TOKEN_ID: "the token's id is not a text",
    Reason.REVOKED: "the token has been revoked",
    Reason.BINDING: "the token is bound to a client certificate that was not presented",
}


class AuthenticationFailed(HandlerError):
    """UNAUTHENTICATED: the caller must come back with another token.

    ``reason`` and ``decision_id`` are for the log, and so are ``issuer`` and ``key_id``, which the token claims: short
    printable text, a hyphen for none.
    """

    decision_id = ""
    issuer = "-"
    key_id = "-"

    def __init__(self, reason: Reason) -> None:
        super().__init__(_SENTENCES[reason], type=HandlerErrorType.UNAUTHENTICATED)
        self.reason = reason


class KeysUnavailable(HandlerError):
    """UNAVAILABLE: nobody can say whether the token is good while its issuer's keys cannot be had; worth a retry.

    What it has for the log is that of ``AuthenticationFailed``.
    """

    decision_id = ""
    issuer = "-"
    key_id = "-"

    def __init__(self) -> None:
        super().__init__(
            "the keys of the token's issuer are not available at the moment", type=HandlerErrorType.UNAVAILABLE
        )
        self.reason = "keys_unavailable"
