"""The keys of the listeners, and of what requests may take."""

from datetime import timedelta
from typing import Literal

from pydantic import Field, field_validator

from gateway.settings._selectors import Section
from gateway.settings._values import (
    ByteSize,
    ConfigPath,
    Count,
    IpNetwork,
    Name,
    Port,
    PositiveDuration,
    PublicUrl,
)


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
        "By default the listener's own host and port, by https where it has server.tls.",
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
