"""The files that take access away while the gateway runs: revoked tokens, and what is stopped."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from gateway.auth import Revocation
from gateway.model import Rule, Stop
from gateway.settings._loading import load_document
from gateway.settings._selectors import Globs, Section, Selectors
from gateway.settings._values import Name


def _moment(value: object) -> object:
    """A point in time with its zone; YAML reads one that is not in quotes by itself."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        moment = None
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise ValueError("must be a point in time with its zone, in quotes, such as '2026-01-31T12:00:00Z'")
    return moment.astimezone(UTC)


class StopSettings(Selectors):
    """What is stopped: refused, or put off."""

    endpoints: Globs | None = Field(default=None, description="Globs of endpoints; all by default.")
    retryable: bool = Field(
        default=False,
        description=(
            "Answer 503, come again, and not 403. Temporal repeats the request, but after six such answers it calls"
            " nothing at the endpoint for a minute, from the caller's namespace."
        ),
    )
    reason: Name | None = Field(default=None, description="Why, for whoever reads the file.")

    @model_validator(mode="after")
    def _selects_something(self) -> Self:
        if not self.model_fields_set - {"reason", "verbs", "retryable"}:
            raise ValueError("needs a selector; to stop everything write operations: ['*']")
        return self

    def value(self) -> Stop:
        """As the gateway has it."""
        rule = Rule(
            issuers=self.issuers,
            namespaces=self.namespaces,
            subjects=self.subjects,
            claims=None if self.claims is None else self.claims.by_path(),
            operations=self.operations,
            verbs=self.verbs,
        )
        return Stop(rule=rule, endpoints=self.endpoints, retryable=self.retryable)


class RevocationSettings(Section):
    """Tokens that count no longer: those that everything which is given is true of."""

    issuer: Name | None = Field(default=None, description="The token's iss; any by default.")
    namespace: Name | None = Field(default=None, description="The caller's own namespace.")
    subject: Name | None = Field(default=None, description="The caller's subject.")
    token_id: Name | None = Field(default=None, description="The token's jti.")
    issued_before: Annotated[datetime, BeforeValidator(_moment)] | None = Field(
        default=None, description="Tokens issued before this; one that does not say when it was issued counts, too."
    )
    reason: Name | None = Field(default=None, description="Why, for whoever reads the file.")

    @model_validator(mode="after")
    def _selects_something(self) -> Self:
        if not self.model_fields_set - {"reason"}:
            raise ValueError("needs at least one of issuer, namespace, subject, token_id and issued_before")
        return self

    def value(self) -> Revocation:
        """As the gateway has it."""
        return Revocation(
            issuer=self.issuer,
            namespace=self.namespace,
            subject=self.subject,
            token_id=self.token_id,
            issued_before=None if self.issued_before is None else self.issued_before.timestamp(),
        )


class _StopsFile(Section):
    # Required: a file that is being written, and empty for a moment, must not lift every stop.
    stops: tuple[StopSettings, ...]


class _RevocationsFile(Section):
    revocations: tuple[RevocationSettings, ...]


def load_stops(path: Path) -> tuple[Stop, ...]:
    """The stops of a file with the list ``stops``.

    Raises:
        SettingsError: with one line for each fault.
    """
    return tuple(stop.value() for stop in load_document(path, _StopsFile).stops)


def load_revocations(path: Path) -> tuple[Revocation, ...]:
    """The revocations of a file with the list ``revocations``.

    Raises:
        SettingsError: with one line for each fault.
    """
    return tuple(revocation.value() for revocation in load_document(path, _RevocationsFile).revocations)
