"""What an engine tells about operations, and what it is asked for: values without a word of any engine's own."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - an engine may write a filter down, and looks the annotations up
from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003 - likewise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from gateway.model import OperationStatus, Tenant  # noqa: TC001 - likewise

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from nexusrpc import Content, Link, OperationError

    from gateway.engines._base import Completed
    from gateway.engines._batches import BatchOrder, BatchProgress, Chosen
    from gateway.model import Endpoint, OperationAddress, Origin

_NOTHING: Mapping[str, str] = MappingProxyType({})


class ActionNotSupported(Exception):
    """The engine has no such thing to do to an operation of this kind; the message says so, and is for the caller."""


class InvalidFilter(Exception):
    """The caller's own filter expression is not one that it may ask with; the message says why, and is for it."""


class InvalidPageToken(Exception):
    """The engine does not know this page token, or does not know it any more."""


class ListingUnavailable(Exception):
    """Operations cannot be listed, because the engine has not been set up for it; the message is for an operator."""


class OperationEnded(Exception):
    """What was asked for needs a running operation, and this one has ended."""


class OperationRunningStill(Exception):
    """What was asked for needs an operation that has ended, and this one runs."""


class RequestIdReused(Exception):
    """The caller's request id was used for another input before."""


@dataclass(frozen=True, slots=True)
class ServiceScope:
    """Operations of one service of one endpoint; all of them where ``operations`` is None.

    With ``every_tenant`` those of every tenant are meant, else those of the tenant who asks.
    """

    endpoint: str
    service: str
    operations: tuple[str, ...] | None = None
    every_tenant: bool = False

    def covers(self, address: OperationAddress) -> bool:
        """Whether the operations at this address are meant."""
        return (self.endpoint, self.service) == (address.endpoint, address.service) and (
            self.operations is None or address.operation in self.operations
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationFilter:
    """Which operations are meant: those within ``scope``, as ``tenant`` may see them, and of these what else is said.

    ``since`` is included, ``until`` is not; both are about the start. ``expression`` is the caller's own, in the
    engine's filter language; with ``names_tenants`` it may name other namespaces of callers than its own. No
    ``statuses`` are all of them.
    """

    tenant: Tenant
    scope: tuple[ServiceScope, ...]
    statuses: frozenset[OperationStatus] = frozenset()
    since: datetime | None = None
    until: datetime | None = None
    subject: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    expression: str = ""
    names_tenants: bool = False

    def admits(self, origin: Origin) -> bool:
        """Whether what began so is within the scope: what an index finds is looked at once more by its own notes."""
        mine = origin.tenant == self.tenant
        return any((mine or scope.every_tenant) and scope.covers(origin.address) for scope in self.scope)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRecord:
    """One operation. ``origin`` is None where the gateway did not start it, or started it before it took notes."""

    engine_token: str = field(repr=False)
    status: OperationStatus
    start_time: datetime
    close_time: datetime | None
    origin: Origin | None


@dataclass(frozen=True, slots=True)
class OperationPage:
    """A part of a list, and what to ask for the next with; None after the last."""

    records: tuple[OperationRecord, ...]
    next_page: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingActivity:
    """A step of an operation that has not ended; ``attempt`` counts from 1."""

    type: str
    attempt: int
    last_failure: str | None


@dataclass(frozen=True, slots=True)
class CallbackState:
    """How far the delivery of a completion is: standby, scheduled, backing_off, succeeded or failed."""

    state: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationDetails:
    """One operation from near. ``awaiting`` names the updates it waits for; ``progress`` is what it published last."""

    record: OperationRecord
    pending_activities: tuple[PendingActivity, ...] = ()
    awaiting: tuple[str, ...] = ()
    progress: Any = None
    callbacks: tuple[CallbackState, ...] = ()
    links: tuple[Link, ...] = ()
    failure: OperationError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationEvent:
    """Something that happened to an operation. ``id`` grows along its history; None for what history does not keep."""

    id: str | None
    type: str
    time: datetime
    data: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    last: bool = False


@dataclass(slots=True)
class StartNotes:
    """What came to light while a hosted handler started something.

    ``replayed``: it had been started before. ``reused``: its request id had, with another body.
    """

    replayed: bool = False
    reused: bool = False


class OperationsEngine(Protocol):
    """What an engine knows of operations, and does to them, beside starting them.

    What is about one operation raises OperationNotFound where there is none, ResultNotSupported where the handler made
    its token itself, ActionNotSupported where an operation of its kind cannot do it, and EngineUnavailable; what finds
    operations raises InvalidFilter and ListingUnavailable.
    """

    def check_expression(self, text: str, tenant: Tenant) -> None:
        """Raise InvalidFilter for a filter in the engine's own language that could not be used anywhere."""
        ...

    async def page(self, namespace: str, wanted: OperationFilter, size: int, after: bytes | None) -> OperationPage:
        """A page of the namespace's operations, the latest first. Raises InvalidPageToken."""
        ...

    async def count(self, namespace: str, wanted: OperationFilter) -> Mapping[OperationStatus, int]:
        """How many operations the namespace has, by status, each status present."""
        ...

    async def describe(self, endpoint: Endpoint, engine_token: str) -> OperationDetails:
        """One operation from near."""
        ...

    async def cancel(self, endpoint: Endpoint, engine_token: str) -> OperationStatus:
        """Ask it to end; its status then. What has ended stays as it is."""
        ...

    async def terminate(self, endpoint: Endpoint, engine_token: str, reason: str) -> OperationStatus:
        """End it without its knowledge; its status then. What has ended stays as it is."""
        ...

    async def signal(
        self, endpoint: Endpoint, engine_token: str, name: str, content: Content | None, request_id: str
    ) -> None:
        """Send it a signal, once for each request id. Raises OperationEnded."""
        ...

    async def update(
        self, endpoint: Endpoint, engine_token: str, name: str, content: Content | None, request_id: str
    ) -> Completed:
        """Have it take an update, once for each request id, and say what it answers. Raises OperationEnded."""
        ...

    async def query(self, endpoint: Endpoint, engine_token: str, name: str, content: Content | None) -> Content:
        """Ask it something, also after its end. Raises HandlerError BAD_REQUEST where it does not answer."""
        ...

    async def retry(self, endpoint: Endpoint, engine_token: str, origin: Origin) -> str:
        """Start it once more with the input it had; the new one's token.

        Raises:
            OperationRunningStill: it runs or succeeded, or another one has taken its place.
        """
        ...

    async def clone(self, endpoint: Endpoint, engine_token: str, origin: Origin) -> str:
        """Start another one with its input, once for each request id; the new one's token."""
        ...

    def events(self, endpoint: Endpoint, engine_token: str, after: str | None) -> AsyncIterator[OperationEvent]:
        """What happened to it since the event of this id, and what happens, up to its end."""
        ...

    async def start_batch(self, namespace: str, order: BatchOrder, wanted: OperationFilter, total: int) -> bool:
        """Have it done to all that the filter finds, which is about ``total`` operations; False where it had begun.

        Raises:
            TooManyBatches: the tenant has enough of them under way.
        """
        ...

    async def start_batch_of(self, namespace: str, order: BatchOrder, chosen: Sequence[Chosen]) -> bool:
        """Have it done to these operations; False where it had begun before.

        Raises:
            BatchTooLarge: they take too much to name.
            TooManyBatches: the tenant has enough of them under way.
        """
        ...

    async def batch(self, namespace: str, tenant: Tenant, batch_id: str) -> BatchProgress:
        """How far a batch of this tenant is. Raises OperationNotFound."""
        ...

    async def stop_batch(self, namespace: str, tenant: Tenant, batch_id: str) -> None:
        """Go no further with a batch, once what is under way is done; nothing where it has ended. Raises likewise."""
        ...

    async def missing(self, namespaces: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """What each namespace lacks for its operations to be found, by name; nothing where it is set up."""
        ...
