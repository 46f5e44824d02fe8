"""Processes and their sockets: one gateway, or several that share a listening socket."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import socket
from typing import TYPE_CHECKING

from gateway.app import Sockets, serve, work
from gateway.settings import Settings, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

    from gateway.live import ConfigSource

_BACKLOG = 1024


def run(
    settings: Settings, environ: Mapping[str, str], *, processes: int = 1, source: ConfigSource | None = None
) -> int:
    """Serve until a signal says to stop; the exit code.

    With several processes each has an admin listener of its own, on consecutive ports: their metrics are their own.

    Raises:
        SettingsError: an address cannot be listened on, or the configuration asks for what cannot be had.
        PluginError, RegistryError: as ``gateway.app.serve``, with one process.
    """
    public = _bind("server.port", settings.server.host, settings.server.port)
    if processes == 1:
        asyncio.run(serve(settings, environ, _sockets(settings, public, 0), source))
        return 0
    return _supervise(settings, environ, public, processes, source)


def run_worker(settings: Settings, environ: Mapping[str, str]) -> int:
    """Run the workers until a signal says to stop; the exit code.

    Raises:
        SettingsError, PluginError: as ``gateway.app.work``.
    """
    asyncio.run(work(settings, environ))
    return 0


def _supervise(
    settings: Settings, environ: Mapping[str, str], public: socket.socket, processes: int, source: ConfigSource | None
) -> int:
    # Fork, so that the children inherit the listening socket; nothing has started a thread yet.
    context = multiprocessing.get_context("fork")
    children = [
        context.Process(target=_child, args=(settings, environ, public, index, source), name=f"gateway-{index}")
        for index in range(processes)
    ]
    for child in children:
        child.start()

    def tell(number: int) -> None:
        for child in children:
            if child.pid is not None and child.is_alive():
                os.kill(child.pid, number)

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        tell(signal.SIGTERM)

    signal.signal(signal.SIGHUP, lambda number, _: tell(number))
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    multiprocessing.connection.wait([child.sentinel for child in children])
    # One that ended takes the others along: a service manager starts all of them afresh.
    stop(signal.SIGTERM, None)
    for child in children:
        child.join()
    return 0 if all(child.exitcode == 0 for child in children) else 1


def _child(
    settings: Settings, environ: Mapping[str, str], public: socket.socket, index: int, source: ConfigSource | None
) -> None:
    asyncio.run(serve(settings, environ, _sockets(settings, public, index), source))


def _sockets(settings: Settings, public: socket.socket, index: int) -> Sockets:
    port = settings.server.admin_port
    if port is None:
        return Sockets(public=public, admin=None)
    # Port 0 takes a free one for each.
    return Sockets(public=public, admin=_bind("server.admin_port", settings.server.host, port + index if port else 0))


def _bind(key: str, host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, protocol)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(_BACKLOG)
    except (OSError, UnicodeError) as error:
        # UnicodeError: a name that cannot be one of a host.
        reason = error.strerror if isinstance(error, OSError) else None
        raise SettingsError([f"{key}: cannot listen on {host} port {port}: {reason or error}"]) from None
    sock.setblocking(False)
    return sock
