"""The Temporal engine: hosts handlers, and looks up what became of the operations they started."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from nexusrpc.handler import StartOperationContext
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.service import RPCError

from gateway.engines._base import Completed, EngineUnavailable
from gateway.engines._operations import StartNotes
from gateway.engines.temporal import _failures, _origins, _results, _tokens
from gateway.engines.temporal._attributes import KnownAttributes
from gateway.engines.temporal._bulk_jobs import BulkTerms
from gateway.engines.temporal._client import pinned_run, started_runs
from gateway.engines.temporal._content import PayloadSerializer
from gateway.engines.temporal._hosting import Host, OperationTokenType, is_link_of_temporal, run_id_of_link
from gateway.engines.temporal._operations import TemporalOperations
from gateway.engines.temporal._request_ids import RequestIds
from gateway.engines.temporal._starting import Starting, starting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nexusrpc import HandlerError, Link, OperationError, Serializer
    from nexusrpc.handler import CancelOperationContext
    from temporalio.client import Client

    from gateway.model import Endpoint, Origin

_CHECK_TIMEOUT = timedelta(seconds=2)


class TemporalEngine:
    """``gateway.engines.Engine`` over one Temporal server; ``clients`` holds one client for each target namespace."""

    def __init__(self, name: str, clients: Mapping[str, Client], bulk: BulkTerms | None = None) -> None:
        self._name = name
        self._clients = clients
        self._serializers = {
            namespace: PayloadSerializer(client.data_converter.payload_converter)
            for namespace, client in clients.items()
        }
        self._host = Host()
        self._known = {namespace: KnownAttributes(client) for namespace, client in clients.items()}
        self._request_ids = {name: RequestIds(client, self._known[name]) for name, client in clients.items()}
        self._operations = TemporalOperations(clients, self._known, bulk or BulkTerms())

    @property
    def operations(self) -> TemporalOperations:
        """By Temporal's visibility store, its histories and its batch operations."""
        return self._operations

    def serializer(self, endpoint: Endpoint) -> Serializer:
        """The pydantic payload converter of the endpoint's client, over Nexus content types."""
        return self._serializers[endpoint.namespace]

    def host(
        self,
        endpoint: Endpoint,
        context: StartOperationContext | CancelOperationContext,
        engine_token: str | None = None,
        origin: Origin | None = None,
    ) -> StartNotes:
        """Set what a Temporal worker sets around a handler call."""
        notes = StartNotes()
        client = self._clients[endpoint.namespace]
        started_runs.set({})
        if origin is not None and isinstance(context, StartOperationContext):
            start = Starting(
                origin=origin,
                client=client,
                links=context.outbound_links,
                attributes=self._known[endpoint.namespace],
                request_ids=self._request_ids[endpoint.namespace],
                notes=notes,
            )
            starting.set(start)
        if engine_token is not None:
            token = _tokens.decode_handler_token(_tokens.handler_token(engine_token))
            if token is not None and token.type is OperationTokenType.WORKFLOW and token.run_id:
                pinned_run.set((token.workflow_id or "", token.run_id))
        self._host.enter(endpoint, context, client)
        return notes

    def engine_token(self, endpoint: Endpoint, handler_token: str) -> str:
        """The SDK's token with the first run of what was started in it."""
        return _tokens.encode_engine_token(handler_token, endpoint.namespace, started_runs.get() or {})

    def handler_token(self, engine_token: str) -> str:
        """The SDK's token, or the handler's own."""
        return _tokens.handler_token(engine_token)

    def finds(self, engine_token: str) -> bool:
        """Those that the SDK's tokens name."""
        return not _tokens.is_handmade(engine_token)

    def usable_links(self, links: Sequence[Link]) -> list[Link]:
        """Those that the SDK can attach to what it starts; it fails the start on one that it cannot read."""
        return [link for link in links if is_link_of_temporal(link)]

    async def completed_token(
        self, endpoint: Endpoint, handler_token: str, links: Sequence[Link], registered: Mapping[str, str]
    ) -> str | None:
        """The token that start sealed: a completion names the last run of a chain, and that knows its first."""
        token = _tokens.decode_handler_token(handler_token)
        if token is None or token.namespace != endpoint.namespace:
            return None
        run_id = token.run_id or next((run for run in map(run_id_of_link, links) if run), None)
        return await _origins.verified_token(self._clients[endpoint.namespace], token, run_id, registered)

    async def result(self, endpoint: Endpoint, engine_token: str) -> Completed:
        """Long polls of the server, one after another, until the operation has ended."""
        token = _tokens.decode_engine_token(engine_token, endpoint.namespace)
        completed = await _results.outcome(self._clients[endpoint.namespace], token, wait=True)
        if completed is None:  # pragma: no cover - ``wait`` rules it out
            raise EngineUnavailable
        return completed

    async def peek(self, endpoint: Endpoint, engine_token: str) -> Completed | None:
        """One look at the server."""
        token = _tokens.decode_engine_token(engine_token, endpoint.namespace)
        return await _results.outcome(self._clients[endpoint.namespace], token, wait=False)

    def translate(self, error: BaseException) -> HandlerError | OperationError | None:
        """Temporal's exceptions and RPC statuses by one table."""
        return _failures.translate(error, next(iter(self._clients.values())).data_converter)

    async def check(self, endpoints: Sequence[Endpoint]) -> Mapping[str, str | None]:
        """Whether each target namespace answers, under ``engine {name} namespace {namespace}``."""
        namespaces = sorted({endpoint.namespace for endpoint in endpoints})
        reasons = await asyncio.gather(*map(self._reason, namespaces))
        return {
            f"engine {self._name} namespace {namespace}": reason
            for namespace, reason in zip(namespaces, reasons, strict=True)
        }

    async def _reason(self, namespace: str) -> str | None:
        request = DescribeNamespaceRequest(namespace=namespace)
        try:
            service = self._clients[namespace].workflow_service
            await service.describe_namespace(request, timeout=_CHECK_TIMEOUT)
        except RPCError as error:
            return f"{error.status.name}: {error.message}"
        except RuntimeError as error:
            return str(error)
        return None
