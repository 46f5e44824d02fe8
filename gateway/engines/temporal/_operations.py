"""``gateway.engines.OperationsEngine`` over one Temporal server: each question goes to the module that knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.engines.temporal._activities import Activities
from gateway.engines.temporal._batches import Batches
from gateway.engines.temporal._filters import checked_filter
from gateway.engines.temporal._hosting import OperationToken, OperationTokenType
from gateway.engines.temporal._tokens import decode_engine_token
from gateway.engines.temporal._updates import Updates
from gateway.engines.temporal._visibility import Visibility
from gateway.engines.temporal._workflows import Workflows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from nexusrpc import Content
    from temporalio.client import Client

    from gateway.engines._base import Completed
    from gateway.engines._batches import BatchOrder, BatchProgress, Chosen
    from gateway.engines._operations import (
        OperationDetails,
        OperationEvent,
        OperationFilter,
        OperationPage,
    )
    from gateway.engines.temporal._attributes import KnownAttributes
    from gateway.engines.temporal._bulk_jobs import BulkTerms
    from gateway.engines.temporal._kinds import Kind
    from gateway.model import Endpoint, OperationStatus, Origin, Tenant

_KINDS: Final[Mapping[OperationTokenType, type[Kind]]] = {
    OperationTokenType.WORKFLOW: Workflows,
    OperationTokenType.UPDATE_WORKFLOW: Updates,
    OperationTokenType.ACTIVITY: Activities,
}


class TemporalOperations:
    """What can be known of operations, and done to them, beside starting them."""

    def __init__(self, clients: Mapping[str, Client], known: Mapping[str, KnownAttributes], bulk: BulkTerms) -> None:
        self._clients = clients
        self._known = known
        self._visibility = {name: Visibility(client, known[name]) for name, client in clients.items()}
        self._kinds = {
            (name, kind): of_kind(client) for name, client in clients.items() for kind, of_kind in _KINDS.items()
        }
        self._batches = {name: Batches(client, self._visibility[name], bulk) for name, client in clients.items()}

    def check_expression(self, text: str, tenant: Tenant) -> None:
        """Raise InvalidFilter for a list filter that a caller of this tenant could not use anywhere."""
        checked_filter(text, tenant)

    async def page(self, namespace: str, wanted: OperationFilter, size: int, after: bytes | None) -> OperationPage:
        """A page of the namespace's operations, the latest first."""
        return await self._visibility[namespace].page(wanted, size, after)

    async def count(self, namespace: str, wanted: OperationFilter) -> Mapping[OperationStatus, int]:
        """How many operations the namespace has, by status."""
        return await self._visibility[namespace].count(wanted)

    async def describe(self, endpoint: Endpoint, engine_token: str) -> OperationDetails:
        """One operation from near."""
        kind, token = self._of(endpoint, engine_token)
        return await kind.details(token)

    async def cancel(self, endpoint: Endpoint, engine_token: str) -> OperationStatus:
        """Ask it to end."""
        kind, token = self._of(endpoint, engine_token)
        return await kind.cancel(token)

    async def terminate(self, endpoint: Endpoint, engine_token: str, reason: str) -> OperationStatus:
        """End it."""
        kind, token = self._of(endpoint, engine_token)
        return await kind.terminate(token, reason)

    async def signal(
        self, endpoint: Endpoint, engine_token: str, name: str, content: Content | None, request_id: str
    ) -> None:
        """Send it a signal."""
        kind, token = self._of(endpoint, engine_token)
        await kind.signal(token, name, content, request_id)

    async def update(
        self, endpoint: Endpoint, engine_token: str, name: str, content: Content | None, request_id: str
    ) -> Completed:
        """Have it take an update."""
        kind, token = self._of(endpoint, engine_token)
        return await kind.update(token, name, content, request_id)

    async def query(self, endpoint: Endpoint, engine_token: str, name: str, content: Content | None) -> Content:
        """Ask it something."""
        kind, token = self._of(endpoint, engine_token)
        return await kind.query(token, name, content)

    async def retry(self, endpoint: Endpoint, engine_token: str, origin: Origin) -> str:
        """Start it once more."""
        kind, token = self._of(endpoint, engine_token)
        known = await self._known[endpoint.namespace].known()
        return await kind.retry(token, origin, known)

    async def clone(self, endpoint: Endpoint, engine_token: str, origin: Origin) -> str:
        """Start another one like it."""
        kind, token = self._of(endpoint, engine_token)
        known = await self._known[endpoint.namespace].known()
        return await kind.clone(token, origin, known)

    def events(self, endpoint: Endpoint, engine_token: str, after: str | None) -> AsyncIterator[OperationEvent]:
        """What happens to it."""
        kind, token = self._of(endpoint, engine_token)
        return kind.events(token, after)

    async def start_batch(self, namespace: str, order: BatchOrder, wanted: OperationFilter, total: int) -> bool:
        """Have it done to all that the filter finds."""
        return await self._batches[namespace].start(order, wanted, total)

    async def start_batch_of(self, namespace: str, order: BatchOrder, chosen: Sequence[Chosen]) -> bool:
        """Have it done to these."""
        return await self._batches[namespace].start_of(order, chosen)

    async def batch(self, namespace: str, tenant: Tenant, batch_id: str) -> BatchProgress:
        """How far a batch is."""
        return await self._batches[namespace].progress(tenant, batch_id)

    async def stop_batch(self, namespace: str, tenant: Tenant, batch_id: str) -> None:
        """Go no further with a batch."""
        await self._batches[namespace].stop(tenant, batch_id)

    async def missing(self, namespaces: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """The search attributes that each namespace lacks."""
        return {name: await self._known[name].missing() for name in namespaces}

    def _of(self, endpoint: Endpoint, engine_token: str) -> tuple[Kind, OperationToken]:
        token = decode_engine_token(engine_token, endpoint.namespace)
        return self._kinds[endpoint.namespace, token.type], token
