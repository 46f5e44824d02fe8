"""The composition root: the only file that knows every other.

``run`` and ``run_worker`` are what the commands call; ``serving`` is the gateway as an async context manager.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

from gateway.api import Api, SetUpNotices
from gateway.auth import AuditLog, Auditor, Authenticator, Authorizer
from gateway.certificates import ServerCertificate
from gateway.completions import Callbacks, Relay
from gateway.connections import clients_at
from gateway.deliveries import deliver_alone, delivering, delivery_places, delivery_queue, outbound
from gateway.dispatch import Admission, Dispatcher, DispatchLimits, Handlers, Outcomes
from gateway.engines import Completed, Engine, SharedPolls
from gateway.engines.temporal import TemporalEngine, WorkerPlan, run_workers
from gateway.live import Live
from gateway.plugins import LoadedPlugin, PluginContext, discover_plugins
from gateway.protocol import Limits
from gateway.registry import Registry
from gateway.settings import LimitSettings, Settings, SettingsError, endpoints, issuer_policies, token_keys
from gateway.telemetry import Telemetry, configure_logging
from gateway.tokens import TokenSealer
from gateway.watching import Watch, Watched
from gateway.web import ConnectionLimits, Edge, admin_app, listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
    from socket import socket

    from temporalio.client import Client

    from gateway.connections import Place
    from gateway.live import ConfigSource
    from gateway.model import Endpoint

_logger = logging.getLogger("gateway")

# Of the time to drain. The HTTP server takes its share twice: to wait, and to wait again for what it has cut off. What
# is left is for closing connections, and for telemetry to be sent.
_REQUESTS_SHARE = 0.35
_STARTS_SHARE = 0.05

VERSION = version("nexus-gateway")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sockets:
    """Bound sockets of a process: the public listener and, where it has one, the admin listener."""

    public: socket
    admin: socket | None


def load_plugins(settings: Settings, environ: Mapping[str, str]) -> tuple[LoadedPlugin, ...]:
    """The plugins that are installed and those that the configuration names.

    Raises:
        PluginError: with a line for each that does not load.
    """
    context = PluginContext(
        service_name=settings.telemetry.service_name, endpoints=tuple(settings.endpoints), environ=environ
    )
    return discover_plugins(settings.plugins, context)


async def serve(
    settings: Settings, environ: Mapping[str, str], sockets: Sockets, source: ConfigSource | None = None
) -> None:
    """Serve until SIGTERM or SIGINT, then drain: within ``limits.drain`` everything under way has ended.

    With a ``source`` the configuration is taken over again when it changes.

    Raises:
        SettingsError: the configuration asks for what cannot be had.
        PluginError: a plugin does not load.
        RegistryError: an endpoint lists a service that no plugin offers.
    """
    stop = asyncio.Event()
    with _signals(stop):
        gateway = partial(_gateway, settings, environ, sockets, source=source, draining=stop)
        async with _telemetry(settings, environ) as telemetry, gateway(telemetry=telemetry):
            host, port = sockets.public.getsockname()[:2]
            _logger.info("listening on %s port %s", host, port)
            await stop.wait()
            _logger.info("stopping: no new requests are taken, those under way are finished")


async def work(settings: Settings, environ: Mapping[str, str]) -> None:
    """Run the workflows and activities of the plugins, on the task queues of the endpoints that mount their services.

    Raises:
        SettingsError: an engine cannot be reached or its options do not fit.
        PluginError: a plugin does not load.
    """
    stop = asyncio.Event()
    with _signals(stop):
        async with _telemetry(settings, environ) as telemetry, AsyncExitStack() as stack:
            plugins = load_plugins(settings, environ)
            mounted = endpoints(settings)
            runs = [partial(deliver_alone, settings, environ, telemetry, stop)]
            for name in settings.engines:
                plans = worker_plans([endpoint for endpoint in mounted if endpoint.engine == name], plugins)
                places = [(name, plan.namespace) for plan in plans]
                connecting = clients_at(places, settings, environ, telemetry, lazy=False)
                found = await stack.enter_async_context(connecting)
                clients = {namespace: client for (_, namespace), client in found.items()}
                runs.append(partial(run_workers, clients, plans, stop))
            await asyncio.gather(*(run() for run in runs))


def worker_plans(mounted: Sequence[Endpoint], plugins: Sequence[LoadedPlugin]) -> tuple[WorkerPlan, ...]:
    """One worker for each task queue, with everything that the plugins mounted there bring along."""
    plans: list[WorkerPlan] = []
    for namespace, task_queue in dict.fromkeys((endpoint.namespace, endpoint.task_queue) for endpoint in mounted):
        services = {
            service
            for endpoint in mounted
            if (endpoint.namespace, endpoint.task_queue) == (namespace, task_queue)
            for service in endpoint.services
        }
        here = [loaded.plugin for loaded in plugins if services & loaded.services.keys()]
        workflows = [workflow for plugin in here for workflow in plugin.workflows]
        activities = [activity for plugin in here for activity in plugin.activities]
        if workflows or activities:
            plans.append(
                WorkerPlan(namespace=namespace, task_queue=task_queue, workflows=workflows, activities=activities)
            )
    return tuple(plans)


@asynccontextmanager
async def _telemetry(settings: Settings, environ: Mapping[str, str]) -> AsyncIterator[Telemetry]:
    async with Telemetry.from_environment(settings.telemetry.service_name, environ, version=VERSION) as telemetry:
        configure_logging(environ.get("NEXUS_GATEWAY_LOG_LEVEL", "INFO"), also=telemetry.log_handler)
        yield telemetry


@asynccontextmanager
async def _gateway(
    settings: Settings,
    environ: Mapping[str, str],
    sockets: Sockets,
    *,
    source: ConfigSource | None,
    telemetry: Telemetry,
    draining: asyncio.Event,
) -> AsyncIterator[None]:
    mounted = endpoints(settings)
    registry = Registry.build(load_plugins(settings, environ), mounted)
    own_url = _url_of(sockets.public, "http" if settings.server.tls is None else "https")
    public_url = settings.server.public_url or own_url
    sealer = TokenSealer(token_keys(settings, environ))
    limits = settings.limits
    async with AsyncExitStack() as stack:
        authenticator = await stack.enter_async_context(Authenticator(issuer_policies(settings)))
        telemetry.watch_key_ages(authenticator.key_ages)
        places = {(endpoint.engine, endpoint.namespace) for endpoint in mounted} | set(delivery_places(settings))
        clients = await stack.enter_async_context(clients_at(places, settings, environ, telemetry))
        engines = _engines(mounted, clients)
        sending = outbound(
            settings,
            environ,
            telemetry,
            own_urls=(public_url, own_url),
            own_addresses=[one.getsockname()[:2] for one in (sockets.public, sockets.admin) if one is not None],
        )
        outgoing = await stack.enter_async_context(sending)
        callbacks = Callbacks(sealer, outgoing.policy, public_url, telemetry, lifetime=settings.callbacks.seal_lifetime)
        authorizer = Authorizer(mounted, _permission_issuers(settings))
        auditor = Auditor(await _audit_log(settings, telemetry, stack))
        admission = Admission(
            authenticator=authenticator,
            authorizer=authorizer,
            registry=registry,
            engines=engines,
            telemetry=telemetry,
            limits=_dispatch_limits(limits, limits),
            auditor=auditor,
        )
        polls = SharedPolls[Completed](limits.long_polls)
        outcomes = Outcomes(sealer=sealer, polls=polls, telemetry=telemetry, draining=draining)
        handlers = Handlers(
            sealer=sealer,
            callbacks=callbacks,
            outcomes=outcomes,
            telemetry=telemetry,
            result_wait=limits.result_wait,
            result_bytes=limits.body,
            public_url=public_url,
        )
        relay = Relay(
            callbacks=callbacks,
            sealer=sealer,
            registry=registry,
            engines=engines,
            courier=outgoing.courier,
            envelopes=outgoing.envelopes,
            queue=delivery_queue(settings, clients),
            telemetry=telemetry,
        )
        edge = Edge(
            dispatcher=Dispatcher(admission, handlers, outcomes),
            relay=relay,
            callback_keys=outgoing.signer.key_set(),
            telemetry=telemetry,
            limits=_protocol_limits(limits),
            header_bytes=limits.header_bytes,
            body_bytes=limits.body,
        )

        def put_in_force(changed: LimitSettings) -> None:
            admission.limits = _dispatch_limits(changed, limits)
            edge.put_in_force(_protocol_limits(changed), body_bytes=changed.body)

        live = Live(
            settings,
            source=source,
            authenticator=authenticator,
            authorizer=authorizer,
            put_limits_in_force=put_in_force,
        )
        live.load()
        certificate = None if settings.server.tls is None else ServerCertificate(settings.server.tls)
        certificates = [] if certificate is None else [certificate.watched()]
        watch = await stack.enter_async_context(_watching([*live.watched(), *certificates], telemetry))
        api = Api(
            authenticator=authenticator,
            authorizer=authorizer,
            auditor=auditor,
            registry=registry,
            engines=engines,
            sealer=sealer,
            telemetry=telemetry,
            limits=limits,
            version=VERSION,
            public_url=public_url,
            draining=draining,
        )
        drain = limits.drain.total_seconds()
        serve_on = partial(listening, limits=_connection_limits(limits), drain=drain * _REQUESTS_SHARE)
        if sockets.admin is not None:
            set_up = SetUpNotices(engines, mounted)
            ready = set_up.beside(partial(_readiness, authenticator, registry, engines, mounted, draining))
            admin = admin_app(
                readiness=ready,
                metrics=telemetry.prometheus,
                notices=lambda: {**watch.trouble(), **live.notices(), **set_up.last()},
            )
            await stack.enter_async_context(serve_on(admin, sockets.admin))
        await stack.enter_async_context(delivering(settings, environ, telemetry, outgoing.courier, draining))
        # Last in, first out: the public listener closes while everything behind it still works.
        stack.push_async_callback(handlers.drain, drain * _STARTS_SHARE)
        tls = None if certificate is None else certificate.context
        await stack.enter_async_context(serve_on(edge.application(api.add_routes), sockets.public, tls=tls))
        yield


async def _readiness(
    authenticator: Authenticator,
    registry: Registry,
    engines: Mapping[str, Engine],
    mounted: Sequence[Endpoint],
    draining: asyncio.Event,
) -> Mapping[str, str | None]:
    if draining.is_set():
        # A load balancer is to send its requests elsewhere; what else is well or not is of no interest any more.
        return {"gateway": "is stopping"}
    checks: dict[str, str | None] = {f"keys {name}": reason for name, reason in authenticator.status().items()}
    checks["plugins"] = None if registry.endpoints() else "no endpoint is mounted"
    reports = await asyncio.gather(
        *(
            engine.check([endpoint for endpoint in mounted if endpoint.engine == name])
            for name, engine in engines.items()
        )
    )
    for report in reports:
        checks.update(report)
    return checks


def _engines(mounted: Sequence[Endpoint], clients: Mapping[Place, Client]) -> Mapping[str, Engine]:
    return {
        name: TemporalEngine(
            name, {namespace: client for (engine, namespace), client in clients.items() if engine == name}
        )
        for name in dict.fromkeys(endpoint.engine for endpoint in mounted)
    }


async def _audit_log(settings: Settings, telemetry: Telemetry, stack: AsyncExitStack) -> AuditLog | None:
    file = settings.audit.file
    if file is None and not settings.audit.stdout:
        return None
    try:
        log = await stack.enter_async_context(AuditLog(file))
    except OSError as error:
        raise SettingsError([f"audit.file: {file}: {error.strerror}"]) from None
    telemetry.watch_counter("nexus_audit_dropped", "Audit lines not written", lambda: {(): log.dropped})
    return log


@asynccontextmanager
async def _watching(watched: Sequence[Watched], telemetry: Telemetry) -> AsyncIterator[Watch]:
    loop = asyncio.get_running_loop()
    async with Watch(watched) as watch:
        telemetry.watch_counter("nexus_reloads", "Changed files taken over, or refused", lambda: _reloads(watch))
        telemetry.watch_gauge("nexus_reload_trouble", "Files that are not in force", lambda: _trouble(watched, watch))
        loop.add_signal_handler(signal.SIGHUP, watch.look_now)
        try:
            yield watch
        finally:
            loop.remove_signal_handler(signal.SIGHUP)


def _reloads(watch: Watch) -> Mapping[tuple[tuple[str, str], ...], float]:
    taken = watch.taken().items()
    return {(("file", name), ("outcome", "taken" if good else "refused")): count for (name, good), count in taken}


def _trouble(watched: Sequence[Watched], watch: Watch) -> Mapping[tuple[tuple[str, str], ...], float]:
    trouble = watch.trouble()
    return {(("file", each.name),): float(each.name in trouble) for each in watched}


def _dispatch_limits(limits: LimitSettings, at_start: LimitSettings) -> DispatchLimits:
    return DispatchLimits(
        request_timeout=limits.request_timeout,
        max_request_timeout=limits.max_request_timeout,
        # Handlers and polls have theirs for good.
        result_wait=at_start.result_wait,
    )


def _protocol_limits(limits: LimitSettings) -> Limits:
    return Limits(name_bytes=limits.name_bytes, callback_bytes=limits.callback_bytes)


def _permission_issuers(settings: Settings) -> frozenset[str]:
    return frozenset(issuer.issuer for issuer in settings.issuers if issuer.require_permissions)


def _connection_limits(limits: LimitSettings) -> ConnectionLimits:
    return ConnectionLimits(
        header_bytes=limits.header_bytes,
        header_timeout=limits.header_timeout.total_seconds(),
        body_timeout=limits.body_timeout.total_seconds(),
        write_timeout=limits.write_timeout.total_seconds(),
        idle_timeout=limits.idle_timeout.total_seconds(),
        per_address=limits.connections_per_address,
    )


def _url_of(sock: socket, scheme: str) -> str:
    host, port = sock.getsockname()[:2]
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


@contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
