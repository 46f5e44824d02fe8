"""Everything together: Temporal, a collector with its sink, the gateway and a worker, wired to each other."""

from __future__ import annotations

import asyncio
import os
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Never

from temporalio.client import Client

from gateway.devstack._collector import Collector
from gateway.devstack._config import (
    CALLER_NAMESPACE,
    HANDLER_NAMESPACE,
    child_environ,
    development_config,
    write_config,
)
from gateway.devstack._gateway import GatewayServer, GatewayWorker
from gateway.devstack._ports import Port
from gateway.devstack._process import DevstackError, Echo, Progress, no_progress
from gateway.devstack._sink import TraceSink
from gateway.devstack._temporal import TemporalServer
from gateway.engines.temporal import SetUpFailed, register_attributes
from gateway.plugins import LoadedPlugin, PluginContext, discover_plugins
from gateway.settings import Settings, load_settings, token_minter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class StackOptions:
    """How a stack differs from the usual one.

    ``directory`` holds its configuration and keys; what is there already is used again. ``port`` is the gateway's, 0
    for any. ``plugins`` are mounted beside those that are installed. With ``temporal_address`` that server is used, and
    its namespace ``default``, instead of an embedded one, whose data are in ``database`` or else nowhere. ``edit`` may
    change the configuration before it is written, and ``echo`` is called with what the gateway and the worker log.
    """

    directory: Path
    port: int = 0
    processes: int = 1
    plugins: Sequence[str] = ()
    temporal_address: str | None = None
    database: Path | None = None
    edit: Callable[[dict[str, Any]], None] | None = field(default=None, repr=False)
    echo: Echo | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A stack that runs. ``temporal`` is ``None`` where the server is somebody else's."""

    temporal_address: str
    temporal: TemporalServer | None
    sink: TraceSink
    collector: Collector
    gateway: GatewayServer
    worker: GatewayWorker
    config: Path
    settings: Settings

    async def run(self) -> Never:
        """Watch over the parts until one of them ends by itself.

        Raises:
            DevstackError: A part has ended; the message says which, and what it said last.
        """
        processes = [part.process for part in (self.temporal, self.collector, self.gateway, self.worker) if part]
        watching = [asyncio.create_task(process.watch()) for process in processes]
        try:
            ended, _ = await asyncio.wait(watching, return_when=asyncio.FIRST_COMPLETED)
            await ended.pop()
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)

    def token(
        self,
        *,
        subject: str = "dev",
        namespace: str = CALLER_NAMESPACE,
        permissions: Iterable[str] = (),
        ttl: timedelta = timedelta(hours=1),
        issuer: str | None = None,
    ) -> str:
        """A token of ``issuer``, or of the stack's own one; valid for ``ttl``."""
        return token_minter(self.settings, issuer).mint(
            subject=subject, namespace=namespace, permissions=permissions, ttl=ttl
        )


@asynccontextmanager
async def running_stack(options: StackOptions, progress: Progress = no_progress) -> AsyncIterator[Stack]:
    """Run a stack for the length of the block.

    Raises:
        DevstackError: A part is missing or did not start, or ``port`` is taken.
        SettingsError, PluginError: What ``edit`` made of the configuration cannot be used.
    """
    async with AsyncExitStack() as parts:
        port, admin_port = parts.enter_context(_port(options.port)), parts.enter_context(Port())
        sink = await parts.enter_async_context(TraceSink())
        collector = Collector(exporter_url=sink.url, progress=progress)
        temporal = _temporal(options, progress)
        await _together(parts, [collector] if temporal is None else [collector, temporal])
        address = temporal.address if temporal else options.temporal_address or ""
        config, settings = _configure(options, port, admin_port, address)
        await _register_attributes(address, {endpoint.namespace for endpoint in settings.endpoints.values()})
        gateway = GatewayServer(
            config=config,
            environ=child_environ(options.directory, collector_url=collector.url, service_name="nexus-gateway"),
            port=port,
            admin_port=admin_port,
            processes=options.processes,
            progress=progress,
            echo=options.echo,
        )
        worker = GatewayWorker(
            config=config,
            environ=child_environ(options.directory, collector_url=collector.url, service_name="worker"),
            temporal_address=address,
            task_queues=_task_queues(settings),
            progress=progress,
            echo=options.echo,
        )
        await _together(parts, [gateway, worker])
        yield Stack(
            temporal_address=address,
            temporal=temporal,
            sink=sink,
            collector=collector,
            gateway=gateway,
            worker=worker,
            config=config,
            settings=settings,
        )


def _port(number: int) -> Port:
    try:
        return Port(number)
    except OSError as error:
        raise DevstackError(f"cannot listen on port {number}: {error.strerror}; choose another with --port") from None


def _temporal(options: StackOptions, progress: Progress) -> TemporalServer | None:
    if options.temporal_address is not None:
        return None
    return TemporalServer(
        namespaces=(HANDLER_NAMESPACE, CALLER_NAMESPACE), database=options.database, progress=progress
    )


async def _together(parts: AsyncExitStack, starting: Sequence[AbstractAsyncContextManager[object]]) -> None:
    """Start several parts at once. Should one fail, those that did start are stopped like all others."""
    outcomes = await asyncio.gather(*(parts.enter_async_context(part) for part in starting), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


def _configure(options: StackOptions, port: Port, admin_port: Port, temporal_address: str) -> tuple[Path, Settings]:
    # On a server that is not ours we make no namespaces, and this one is there.
    namespace = HANDLER_NAMESPACE if options.temporal_address is None else "default"
    config = development_config(
        port=port,
        admin_port=admin_port,
        temporal_address=temporal_address,
        namespace=namespace,
        services=[name for plugin in _plugins(options.plugins) for name in plugin.services],
        plugins=options.plugins,
    )
    if options.edit is not None:
        options.edit(config)
    path = write_config(options.directory, config)
    return path, load_settings(path, {})


async def _register_attributes(address: str, namespaces: Iterable[str]) -> None:
    for namespace in namespaces:
        # A server that is not ours may not let us; everything but lists works without.
        with suppress(SetUpFailed, RuntimeError):
            await register_attributes(await Client.connect(address, namespace=namespace))


def _task_queues(settings: Settings) -> Sequence[tuple[str, str]]:
    """Where the worker has something to do."""
    plugins = _plugins(settings.plugins, settings.installed_plugins)
    working = {
        name for found in plugins if found.plugin.workflows or found.plugin.activities for name in found.services
    }
    mounted = settings.endpoints.values()
    return sorted({(one.namespace, one.task_queue) for one in mounted if working.intersection(one.services)})


def _plugins(named: Sequence[str], installed: Sequence[str] = ("*",)) -> Sequence[LoadedPlugin]:
    """The installed plugins, and those that a configuration names."""
    return discover_plugins(named, PluginContext(environ=os.environ), installed=installed)
