"""The configuration file, key by key.

These models say what each key may hold by itself; what two keys must agree on is checked in ``_checks``, so that one
wrong key never hides another. The descriptions are what ``nexus-gateway config schema`` shows in an editor.
"""

from datetime import timedelta
from typing import Literal, Self

from pydantic import (
    Field,
    field_validator,
    model_validator,
)

from gateway.model import VERBS_ACROSS_TENANTS, Reach, TraceContext
from gateway.settings._selectors import Globs, Section, Selectors
from gateway.settings._values import (
    Address,
    ByteSize,
    CallbackPattern,
    ConfigPath,
    Count,
    Duration,
    IpNetwork,
    KeyId,
    KeyUrl,
    Name,
    PluginName,
    Port,
    PositiveDuration,
    PublicUrl,
    SegmentName,
    VariableName,
)

Algorithm = Literal["ES256", "RS256", "EdDSA", "Ed25519"]
_FAMILIES = {"ES256": "EC", "RS256": "RSA", "EdDSA": "OKP", "Ed25519": "OKP"}

_LONGEST_ATTEMPT = timedelta(seconds=5)
_LARGEST_CHUNK = 1000


class ListenerTlsSettings(Section):
    """TLS of the public listener. The files are read again when they change."""

    cert_file: ConfigPath = Field(description="PEM file of the certificate, followed by those of its issuers.")
    key_file: ConfigPath = Field(description="PEM file of the certificate's key.")
    client_ca_file: ConfigPath | None = Field(
        default=None, description="PEM file of the certificate authorities of client certificates."
    )
    client_cert: Literal["none", "optional", "required"] = Field(
        default="none",
        description="Whether clients are asked for a certificate, and whether they must have one. A token that is "
        "bound to a certificate (cnf, x5t#S256) counts only over a connection with that certificate.",
    )


class ServerSettings(Section):
    """Where the gateway listens, and how the engine reaches it."""

    host: Name = Field(default="127.0.0.1", description="Address to listen on.", examples=["127.0.0.1", "0.0.0.0"])  # noqa: S104 - an example of what a container needs
    port: Port = Field(default=8080, description="Port of the Nexus interface; 0 takes a free one.")
    admin_port: Port | None = Field(
        default=8081, description="Port of health, readiness and metrics; null turns that listener off."
    )
    public_url: PublicUrl | None = Field(
        default=None,
        description="Where the engine reaches this gateway with completions, also behind a proxy. "
        "By default http:// with the listener's own host and port.",
        examples=["https://nexus.example.com"],
    )

    anonymous_discovery: bool = Field(
        default=True,
        description="Whether /openapi.json and /docs show every mounted operation to anybody. If not, only a caller "
        "with a token is shown operations there: those that it may use.",
    )
    trusted_proxies: tuple[IpNetwork, ...] = Field(
        default=(),
        description="Networks of the proxies in front of the gateway. The caller's address, for a request that one of "
        "them sends, is the last one in X-Forwarded-For that is not a proxy's. Their connections are not counted.",
        examples=[["10.0.0.0/24"]],
    )
    tls: ListenerTlsSettings | None = Field(
        default=None, description="Serve https; leave out where something in front of the gateway does."
    )

    @field_validator("public_url")
    @classmethod
    def _without_trailing_slash(cls, value: str | None) -> str | None:
        return value.rstrip("/") if value else value


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


class TlsSettings(Section):
    """TLS to the engine. An empty mapping means TLS with the system's certificate authorities."""

    ca_file: ConfigPath | None = Field(default=None, description="PEM file of the certificate authorities to trust.")
    cert_file: ConfigPath | None = Field(default=None, description="PEM file of the client certificate.")
    key_file: ConfigPath | None = Field(default=None, description="PEM file of the client certificate's key.")
    server_name: Name | None = Field(default=None, description="Name to expect in the server's certificate.")


class EngineSettings(Section):
    """A server that runs the operations."""

    type: Literal["temporal"] = Field(default="temporal", description="The kind of engine.")
    address: Address = Field(description="HOST:PORT of the engine.")
    api_key_env: VariableName | None = Field(
        default=None, description="Name of the environment variable that holds the API key; never the key itself."
    )
    tls: TlsSettings | None = Field(default=None, description="Connect with TLS; leave out for a plain connection.")


class RuleSettings(Selectors):
    """One allow or deny rule. Every selector that is given must match; one that is left out matches everything."""

    shadow: bool = Field(
        default=False, description="Decide nothing by this rule; log what it would have done to a request."
    )


class AllowRuleSettings(RuleSettings):
    """One allow rule. Every selector that is given must match; one that is left out matches everything."""

    tenants: Reach = Field(
        default=Reach.OWN,
        description="Whose operations the rule is about. With all, the rule's verbs among describe, list, cancel, "
        "terminate, signal and retry hold for the operations of every tenant, below /api/v1. To start an operation and "
        "to have its result is for its own tenant, and so is everything below /nexus.",
    )

    @model_validator(mode="after")
    def _has_a_verb_for_others(self) -> Self:
        if self.tenants is Reach.ALL and self.verbs is not None and not self.verbs & VERBS_ACROSS_TENANTS:
            raise ValueError(
                "tenants: all needs a verb that reaches other tenants: describe, list, cancel, terminate, signal, retry"
            )
        return self


class EndpointSettings(Section):
    """A mounted endpoint: where its handlers run, which services it exposes, who may call them."""

    engine: Name = Field(description="Name of one of the engines.")
    namespace: Name = Field(description="The engine's namespace that the workflows run in.")
    task_queue: Name = Field(description="The task queue of the workers.")
    services: tuple[Name, ...] = Field(
        min_length=1,
        description="Services to mount. Installed is not exposed: only what is listed here can be called.",
        examples=[["orders.v1"]],
    )
    allow: tuple[AllowRuleSettings, ...] = Field(
        default=(),
        description="Who may call; the first rule that matches lets the request in, and without one nobody may.",
    )
    deny: tuple[RuleSettings, ...] = Field(
        default=(), description="Who may not, whatever the allow rules say: a deny rule wins."
    )

    links: bool = Field(
        default=True,
        description="Whether callers get the engine's links to what runs for them, in Nexus-Link and in the operations "
        "API. They name the target namespace, the workflow and its run.",
    )

    @field_validator("services")
    @classmethod
    def _listed_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError("must not list a service twice")
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


class CallbackRuleSettings(Section):
    """Further destinations: for some callers, or in networks that are not public. All selectors given must match."""

    allow: tuple[CallbackPattern, ...] = Field(
        min_length=1, description="URL patterns.", examples=[["https://*.corp.example/*"]]
    )
    networks: tuple[IpNetwork, ...] = Field(
        default=(),
        description="Networks that these URLs may lead into, beside public addresses. "
        "A pattern with a literal address opens that address by itself.",
        examples=[["10.20.0.0/16"]],
    )
    issuers: Globs | None = Field(default=None, description="Globs of the caller's issuer.")
    namespaces: Globs | None = Field(default=None, description="Globs of the caller's own namespace.")
    endpoints: Globs | None = Field(default=None, description="Globs of the endpoint's name.")


class SigningKeySettings(Section):
    """A key that signs callbacks."""

    id: KeyId = Field(description="The kid of the public key; letters, digits, _ and -.", examples=["s1"])
    seed_env: VariableName = Field(
        description="Name of the environment variable that holds the ed25519 seed: 32 random bytes in base64url.",
        examples=["NEXUS_GATEWAY_SIGNING_KEY"],
    )


class DeliverySettings(Section):
    """Where callbacks wait that cannot be delivered at once, and how long they are tried."""

    engine: Name | None = Field(
        default=None, description="Engine that keeps them; by default the first, or the operation's own."
    )
    namespace: Name | None = Field(
        default=None, description="Namespace that keeps them; by default that of the operation's endpoint."
    )
    task_queue: Name = Field(default="nexus-gateway-callbacks", description="Task queue of the workers that deliver.")
    max_age: PositiveDuration = Field(
        default=timedelta(hours=24), description="A callback that could not be delivered in this time is dead."
    )
    max_interval: PositiveDuration = Field(
        default=timedelta(minutes=10), description="Longest time between two attempts; they begin a second apart."
    )
    worker: bool = Field(default=True, description="Whether serve and worker run what delivers them.")


class CallbackSettings(Section):
    """Destinations of completions."""

    allow: tuple[CallbackPattern, ...] = Field(
        default=(),
        description="URL patterns that callers may name as callback; none by default.",
        examples=[["https://*.example.com/*"]],
    )
    rules: tuple[CallbackRuleSettings, ...] = Field(
        default=(), description="Patterns for some endpoints and callers only, or for networks that are not public."
    )
    attempt_timeout: PositiveDuration = Field(
        default=timedelta(seconds=5),
        description="Time for one attempt: name look-up, connecting, sending and the answer. At most 5s.",
    )
    concurrency: Count = Field(default=32, description="Attempts of one process under way to one destination.")
    seal_lifetime: PositiveDuration = Field(
        default=timedelta(days=400), description="A completion that comes later than this after its start is refused."
    )
    signing_keys: tuple[SigningKeySettings, ...] = Field(
        default=(),
        description="The first signs; all are published. By default they are derived from the token keys.",
    )
    delivery: DeliverySettings = Field(default=DeliverySettings(), description="Callbacks that have to wait.")

    @field_validator("attempt_timeout")
    @classmethod
    def _within_the_engines_patience(cls, value: timedelta) -> timedelta:
        if value > _LONGEST_ATTEMPT:
            raise ValueError("must be at most 5s: the engine waits ten for the whole")
        return value


class BulkSettings(Section):
    """How bulk jobs are worked through: retries, and whatever the engine's own batch operations cannot take now."""

    chunk: Count = Field(
        default=500,
        description=f"Operations between two pauses. At most {_LARGEST_CHUNK}.",
        json_schema_extra={"maximum": _LARGEST_CHUNK},
    )
    pause: PositiveDuration = Field(default=timedelta(seconds=3), description="Pause after each chunk.")
    jobs: Count = Field(default=4, description="Jobs of a namespace that one process works on at a time.")
    task_queue: Name = Field(default="nexus-gateway-bulk", description="Task queue of the workers that do it.")
    worker: bool = Field(default=True, description="Whether serve and worker run what does it.")

    @field_validator("chunk")
    @classmethod
    def _within_a_page(cls, value: int) -> int:
        if value > _LARGEST_CHUNK:
            raise ValueError(f"must be at most {_LARGEST_CHUNK}: the engine finds no more at a time")
        return value


class TelemetrySettings(Section):
    """How the gateway names itself to the collector; the exporter is set by the standard OTEL_ variables."""

    service_name: Name = Field(default="nexus-gateway", description="The resource attribute service.name.")


class AccessSettings(Section):
    """Files that take callers' access away while the gateway runs; they are read again when they change."""

    revocations_file: ConfigPath | None = Field(
        default=None, description="A YAML file with the list `revocations` of tokens that count no longer."
    )
    stops_file: ConfigPath | None = Field(
        default=None, description="A YAML file with the list `stops` of callers and operations that are stopped."
    )


class AuditSettings(Section):
    """The audit log: one JSON line for each decision. Without file and stdout there is none."""

    file: ConfigPath | None = Field(default=None, description="File to append to; it is reopened when it is rotated.")
    stdout: bool = Field(default=False, description="Write to standard output; the gateway's own log is elsewhere.")


class LimitSettings(Section):
    """What one request, one caller or one process may use."""

    body: ByteSize = Field(
        default=2 << 20, description="Largest request body of a caller, and largest synchronous result."
    )
    header_bytes: ByteSize = Field(
        default=16 << 10, description="Largest request head: request line and headers together."
    )
    header_timeout: PositiveDuration = Field(
        default=timedelta(seconds=10), description="Time in which a request head must be complete."
    )
    body_timeout: PositiveDuration = Field(
        default=timedelta(seconds=30), description="Time in which a request body must be complete."
    )
    write_timeout: PositiveDuration = Field(
        default=timedelta(seconds=30), description="Time in which a client must take what it is sent."
    )
    idle_timeout: PositiveDuration = Field(
        default=timedelta(minutes=2), description="Time that a connection may rest between two requests."
    )
    connections_per_address: Count = Field(
        default=12_000, description="Connections of one process that one client address may have at a time."
    )
    name_bytes: ByteSize = Field(default=1000, description="Longest service or operation name.")
    request_timeout: PositiveDuration = Field(
        default=timedelta(seconds=10), description="Time for a request whose caller sends no Request-Timeout."
    )
    max_request_timeout: PositiveDuration = Field(
        default=timedelta(seconds=60), description="A caller's Request-Timeout is cut to this."
    )
    result_wait: PositiveDuration = Field(
        default=timedelta(seconds=60), description="Longest wait of one request for a result."
    )
    callback_bytes: ByteSize = Field(default=4096, description="Callback URL and callback headers, together.")
    long_polls: Count = Field(
        default=10_000, description="Requests of one process that may wait for a result at a time."
    )
    drain: PositiveDuration = Field(
        default=timedelta(seconds=30), description="Time to finish what is under way after SIGTERM."
    )


class Settings(Section):
    """The whole configuration of a Nexus gateway."""

    server: ServerSettings = Field(default=ServerSettings(), description="The listener.")
    issuers: tuple[IssuerSettings, ...] = Field(min_length=1, description="Whose tokens are accepted.")
    engines: dict[Name, EngineSettings] = Field(min_length=1, description="Servers that run operations, by name.")
    endpoints: dict[SegmentName, EndpointSettings] = Field(
        description="Mounted endpoints by name; the name is a segment of the URL."
    )
    tokens: TokenSettings = Field(description="Sealing of operation tokens.")
    callbacks: CallbackSettings = Field(default=CallbackSettings(), description="Where completions may be delivered.")
    access: AccessSettings = Field(default=AccessSettings(), description="Revoked tokens, and what is stopped.")
    audit: AuditSettings = Field(default=AuditSettings(), description="Every decision on record.")
    bulk: BulkSettings = Field(default=BulkSettings(), description="Bulk jobs of the operations API.")
    telemetry: TelemetrySettings = Field(default=TelemetrySettings(), description="Traces, metrics and logs.")
    plugins: tuple[PluginName, ...] = Field(
        default=(),
        description="Handler plugins beside those that installed packages announce.",
        examples=[["my_package.plugin:plugin"]],
    )
    limits: LimitSettings = Field(default=LimitSettings(), description="Limits, all with sane defaults.")

    def listening_on(self, *, host: str | None = None, port: int | None = None) -> Self:
        """A copy whose listener has another host or port, as command-line options ask for."""
        changes = {"host": host, "port": port}
        server = self.server.model_copy(update={key: value for key, value in changes.items() if value is not None})
        return self.model_copy(update={"server": server})
