"""What the Nexus interface and the operations API both stand on: who calls, what they may, and where it runs."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.app._bulk import bulk_terms
from gateway.app._connections import clients_at
from gateway.app._deliveries import delivery_places, outbound
from gateway.app._observing import audited
from gateway.app._plugins import load_plugins
from gateway.auth import Auditor, Authenticator, Authorizer
from gateway.callers import Callers
from gateway.engines.temporal import TemporalEngine
from gateway.registry import Registry
from gateway.settings import endpoints, issuer_policies, permission_issuers, token_keys, trace_policies
from gateway.starts import Starts
from gateway.tokens import TokenSealer
from gateway.web import TrustedProxies

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Mapping, Sequence
    from socket import socket

    from temporalio.client import Client

    from gateway.app._connections import Place
    from gateway.app._deliveries import Outbound
    from gateway.engines import Engine
    from gateway.engines.temporal import BulkTerms
    from gateway.model import Endpoint
    from gateway.settings import Settings
    from gateway.telemetry import Telemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class Sockets:
    """Bound sockets of a process: the public listener and, where it has one, the admin listener.

    ``own_addresses`` are those of all processes of this gateway: none is a destination for callbacks.
    """

    public: socket
    admin: socket | None
    own_addresses: Sequence[tuple[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """The shared parts of a running gateway; ``draining`` is set once it is to stop."""

    settings: Settings
    telemetry: Telemetry
    draining: asyncio.Event
    public_url: str
    proxies: TrustedProxies
    mounted: Sequence[Endpoint]
    registry: Registry
    authenticator: Authenticator
    callers: Callers
    authorizer: Authorizer
    auditor: Auditor
    sealer: TokenSealer
    clients: Mapping[Place, Client]
    engines: Mapping[str, Engine]
    outbound: Outbound
    starts: Starts


@asynccontextmanager
async def core(
    settings: Settings, environ: Mapping[str, str], sockets: Sockets, telemetry: Telemetry, draining: asyncio.Event
) -> AsyncIterator[Core]:
    """The parts, by the settings.

    Raises:
        SettingsError: the configuration asks for what cannot be had.
        PluginError: a plugin does not load.
        RegistryError: an endpoint lists a service that no plugin offers.
    """
    mounted = endpoints(settings)
    registry = Registry.build(load_plugins(settings, environ), mounted)
    sealer = TokenSealer(token_keys(settings, environ))
    own_url = _url_of(sockets.public, "http" if settings.server.tls is None else "https")
    public_url = settings.server.public_url or own_url
    async with AsyncExitStack() as stack:
        authenticator = await stack.enter_async_context(Authenticator(issuer_policies(settings)))
        telemetry.watch_key_ages(authenticator.key_ages)
        telemetry.believe(trace_policies(settings))
        places = {(endpoint.engine, endpoint.namespace) for endpoint in mounted} | set(delivery_places(settings))
        clients = await stack.enter_async_context(clients_at(places, settings, environ, telemetry))
        sending = outbound(
            settings,
            environ,
            telemetry,
            own_urls=(public_url, own_url),
            own_addresses=sockets.own_addresses,
        )
        auditor = Auditor(await stack.enter_async_context(audited(settings, telemetry)))
        yield Core(
            settings=settings,
            telemetry=telemetry,
            draining=draining,
            public_url=public_url,
            proxies=TrustedProxies(settings.server.trusted_proxies),
            mounted=mounted,
            registry=registry,
            authenticator=authenticator,
            callers=Callers(authenticator, auditor, telemetry),
            authorizer=Authorizer(mounted, permission_issuers(settings)),
            auditor=auditor,
            sealer=sealer,
            clients=clients,
            engines=_engines(mounted, clients, bulk_terms(settings)),
            outbound=await stack.enter_async_context(sending),
            starts=Starts(),
        )


def _engines(mounted: Sequence[Endpoint], clients: Mapping[Place, Client], bulk: BulkTerms) -> Mapping[str, Engine]:
    return {
        name: TemporalEngine(
            name, {namespace: client for (engine, namespace), client in clients.items() if engine == name}, bulk
        )
        for name in dict.fromkeys(endpoint.engine for endpoint in mounted)
    }


def _url_of(sock: socket, scheme: str) -> str:
    host, port = sock.getsockname()[:2]
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
