"""What the rooms of the gateway say to each other: frozen values that know nothing of HTTP, JWT or an engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Verb(StrEnum):
    """What a caller wants done with an operation; the last part of a permission."""

    START = "start"
    CANCEL = "cancel"
    RESULT = "result"
    DESCRIBE = "describe"
    LIST = "list"
    TERMINATE = "terminate"
    SIGNAL = "signal"
    RETRY = "retry"


VERBS_ACROSS_TENANTS: Final = frozenset(
    {Verb.DESCRIBE, Verb.LIST, Verb.CANCEL, Verb.TERMINATE, Verb.SIGNAL, Verb.RETRY}
)
"""What may be done with operations of other tenants; to start one, or to have its result, is for its own tenant."""


class Reach(StrEnum):
    """Whose operations a rule is about: those of the caller's own tenant, or those of every tenant."""

    OWN = "own"
    ALL = "all"


class TraceContext(StrEnum):
    """What becomes of the trace context that a request comes with; the later ones believe less of it."""

    CONTINUE = "continue"
    LINK = "link"
    RESTART = "restart"


class OperationState(StrEnum):
    """State of an operation, as the Nexus specification's OperationInfo spells it."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


class OperationStatus(StrEnum):
    """State of an operation as the operations resource spells it: finer than the Nexus specification's."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    TERMINATED = "terminated"
    TIMED_OUT = "timed_out"


@dataclass(frozen=True, slots=True)
class Tenant:
    """Who owns an operation: callers of one issuer and one namespace share theirs, nobody else sees them."""

    issuer: str
    namespace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A verified caller.

    ``namespace`` is the caller's own (from the issuer's ``namespace_claim``), not the one its operations run in;
    ``expires_at`` is in seconds since the epoch.
    """

    issuer: str
    subject: str
    namespace: str
    permissions: frozenset[str] = frozenset()
    claims: Mapping[str, Any] = field(default_factory=lambda: _NOTHING, compare=False, repr=False)
    token_id: str | None = None
    expires_at: float = 0.0

    @property
    def tenant(self) -> Tenant:
        """The tenant whose operations this caller may touch."""
        return Tenant(self.issuer, self.namespace)


@dataclass(frozen=True, slots=True)
class OperationAddress:
    """Endpoint, service and operation: where a request is going."""

    endpoint: str
    service: str
    operation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialAddress:
    """As much of an address as a request names; None leaves it open."""

    endpoint: str | None = None
    service: str | None = None
    operation: str | None = None

    def admits(self, endpoint: str, service: str) -> bool:
        """Whether this service of this endpoint is meant."""
        return self.endpoint in (None, endpoint) and self.service in (None, service)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who started an operation, where and how; it is kept with what the start made.

    ``request_id`` is the caller's own, ``scoped_request_id`` the one that the engine deduplicates by, ``digest`` stands
    for the body, ``start_id`` for this one attempt to start it. ``retry_of`` is the engine token of the operation that
    this one was made from.
    """

    address: OperationAddress
    tenant: Tenant
    subject: str
    scoped_request_id: str
    start_id: str
    request_id: str | None = None
    digest: str = ""
    trace_id: str = ""
    metadata: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    retry_of: str | None = None


ClaimPath = tuple[str, ...]
"""The name of a claim, after the names of the claims that it is in, from the outside in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One ``allow`` (or ``deny``) rule of an endpoint.

    Every selector that is given has to match; a selector left ``None`` matches everything. All but ``verbs`` are globs;
    those of ``operations`` are matched against ``service/operation``, those of ``claims`` against the claim at that
    path, or against each item of it. A ``shadow`` rule decides nothing: what it would have done is noted. An ``allow``
    rule that reaches all ``tenants`` holds for the operations of others, too, as far as ``VERBS_ACROSS_TENANTS`` go.
    """

    issuers: tuple[str, ...] | None = None
    namespaces: tuple[str, ...] | None = None
    subjects: tuple[str, ...] | None = None
    claims: Mapping[ClaimPath, tuple[str, ...]] | None = field(default=None, hash=False)
    operations: tuple[str, ...] | None = None
    verbs: frozenset[Verb] | None = None
    tenants: Reach = Reach.OWN
    shadow: bool = False

    @property
    def verbs_across_tenants(self) -> frozenset[Verb]:
        """What it lets a caller do with operations of other tenants."""
        if self.tenants is Reach.OWN:
            return frozenset()
        return VERBS_ACROSS_TENANTS if self.verbs is None else VERBS_ACROSS_TENANTS & self.verbs


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A kill switch: what ``rule`` covers is stopped, at all endpoints or at those that the globs name.

    ``retryable`` asks callers to come again instead of refusing them.
    """

    rule: Rule
    endpoints: tuple[str, ...] | None = None
    retryable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A mounted endpoint: where its handlers run and who may call them.

    ``links`` says whether callers get the engine's links, which name the namespace, the workflow and its run.
    """

    name: str
    engine: str
    namespace: str
    task_queue: str
    services: tuple[str, ...]
    allow: tuple[Rule, ...] = ()
    deny: tuple[Rule, ...] = ()
    links: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """What authorization said.

    ``visible`` tells whether the caller may do anything at all with the service: where it is false the answer must not
    differ from that for a service that does not exist. ``reason``, ``rule`` (the one that decided, such as ``deny.0``)
    and ``shadow`` (what a shadow rule would have done) are for the log and the audit line, never for the caller.
    ``paused`` is said of what is stopped for a while: worth another try.
    """

    allowed: bool
    visible: bool
    reason: str
    rule: str | None = None
    shadow: str | None = None
    paused: bool = False


class Body(Protocol):
    """The body of a request, which is not read before its caller is known."""

    async def read(self) -> bytes:
        """All of it. Raises RemoteProtocolError when it is longer than allowed, HandlerError when it does not come."""
