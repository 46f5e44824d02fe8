"""The keys of engines, and of endpoints and their rules."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from gateway.model import VERBS_ACROSS_TENANTS, Reach
from gateway.settings._selectors import Section, Selectors
from gateway.settings._values import Address, ConfigPath, Name, VariableName


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
