"""The keys of issuers and their key sets, and of the tokens that the gateway makes itself."""

from datetime import timedelta
from typing import Literal

from pydantic import Field, field_validator

from gateway.model import TraceContext
from gateway.settings._selectors import Section
from gateway.settings._values import ConfigPath, Duration, KeyId, KeyUrl, Name, PositiveDuration, VariableName

Algorithm = Literal["ES256", "RS256", "EdDSA", "Ed25519"]
_FAMILIES = {"ES256": "EC", "RS256": "RSA", "EdDSA": "OKP", "Ed25519": "OKP"}


class KeyRefreshSettings(Section):
    """How an issuer's keys are kept fresh; the provider's Cache-Control decides within these bounds."""

    min_interval: PositiveDuration = Field(
        default=timedelta(minutes=1), description="Keys are not fetched more often than this by the clock."
    )
    max_interval: PositiveDuration = Field(
        default=timedelta(minutes=30),
        description="Keys are fetched at least this often: a withdrawn key lives no longer.",
    )
    cooldown: PositiveDuration = Field(
        default=timedelta(seconds=10), description="Shortest time between two fetches caused by unknown key ids."
    )
    stale_for: PositiveDuration = Field(
        default=timedelta(hours=12),
        description="How long the last good keys serve while the provider cannot be reached.",
    )
    timeout: PositiveDuration = Field(default=timedelta(seconds=5), description="Time limit of one fetch, all in all.")


class IssuerSettings(Section):
    """An issuer of accepted tokens. Exactly one of jwks_file, jwks_uri and discovery tells where its keys are."""

    issuer: Name = Field(description="The exact text of the iss claim.", examples=["https://issuer.example.com"])
    audiences: tuple[Name, ...] = Field(
        min_length=1, description="A token must name one of these in its aud claim.", examples=[["nexus-gateway"]]
    )
    algorithms: tuple[Algorithm, ...] = Field(
        default=("ES256",),
        min_length=1,
        description="Signature algorithms accepted from this issuer; all of one family (RFC 8725 section 3.1). "
        "EdDSA and Ed25519 are two names of one algorithm (RFC 9864).",
    )
    jwks_file: ConfigPath | None = Field(
        default=None, description="A file with the issuer's JSON Web Key Set; it is read again when it changes."
    )
    jwks_uri: KeyUrl | None = Field(
        default=None, description="URL of the issuer's JSON Web Key Set; https, or http on loopback."
    )
    discovery: bool = Field(
        default=False, description="Find the keys by OpenID Connect Discovery, below the issuer's own URL."
    )
    namespace_claim: Name = Field(default="namespace", description="The claim that holds the caller's namespace.")
    permissions_claim: Name = Field(
        default="permissions", description="The claim that holds permissions: a list, or one text separated by spaces."
    )
    subject_claim: Name = Field(default="sub", description="The claim that names the caller.")
    require_permissions: bool = Field(
        default=False, description="Whether a permission in the token must cover the request, beside an allow rule."
    )
    typ: Name | None = Field(
        default=None,
        description="The exact typ header to require, such as at+jwt. By default none, JWT and at+jwt are accepted.",
        examples=["at+jwt"],
    )
    leeway: Duration = Field(
        default=timedelta(seconds=5), description="How far the issuer's clock and this one may differ."
    )
    max_lifetime: PositiveDuration | None = Field(
        default=None, description="Refuse tokens that were issued for longer than this; they must then carry iat."
    )
    key_refresh: KeyRefreshSettings = Field(
        default=KeyRefreshSettings(), description="How keys from jwks_uri or discovery are kept fresh."
    )
    trace_context: TraceContext = Field(
        default=TraceContext.CONTINUE,
        description="What becomes of the trace that a request comes with: continue makes the gateway's span a part of "
        "it, link begins a new trace with a link to the caller's, restart keeps nothing of the caller's. Who is not "
        "authenticated gets the strictest of all issuers.",
    )
    dev_signing_key_file: ConfigPath | None = Field(
        default=None,
        description="A private key (PEM or JWK) that `nexus-gateway token` signs with. For development only.",
    )

    @field_validator("algorithms")
    @classmethod
    def _of_one_family(cls, value: tuple[Algorithm, ...]) -> tuple[Algorithm, ...]:
        if len({_FAMILIES[name] for name in value}) > 1:
            raise ValueError("must all be of one family: either ES256, or RS256, or EdDSA and Ed25519 (RFC 8725)")
        return value


class TokenKeySettings(Section):
    """A key that seals operation tokens."""

    id: KeyId = Field(description="Stands in every token; letters, digits, _ and -.", examples=["k1"])
    secret_env: VariableName = Field(
        description="Name of the environment variable that holds the key: 32 random bytes in base64url.",
        examples=["NEXUS_GATEWAY_TOKEN_KEY"],
    )


class TokenSettings(Section):
    """How operation tokens are sealed."""

    keys: tuple[TokenKeySettings, ...] = Field(
        min_length=1, description="The first seals; all open, so a new key goes first and an old one stays last."
    )
