"""The keys of completion callbacks and of bulk jobs, which both wait as workflows."""

from datetime import timedelta

from pydantic import Field, field_validator

from gateway.settings._selectors import Globs, Section
from gateway.settings._values import CallbackPattern, Count, IpNetwork, KeyId, Name, PositiveDuration, VariableName

_LONGEST_ATTEMPT = timedelta(seconds=5)
_LARGEST_CHUNK = 1000


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
