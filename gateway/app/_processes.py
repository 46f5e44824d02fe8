"""Processes and their sockets: one gateway, or several that share a listening socket."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any

from gateway.app._core import Sockets
from gateway.app._gateway import serve
from gateway.app._stopping import LeftBehind
from gateway.app._worker import work
from gateway.settings import Settings, SettingsError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Mapping
    from types import FrameType

    from gateway.app._live import ConfigSource

_BACKLOG = 1024
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def run(
    settings: Settings, environ: Mapping[str, str], *, processes: int = 1, source: ConfigSource | None = None
) -> int:
    """Serve until a signal says to stop; the exit code.

    With several processes each has an admin listener of its own, on consecutive ports: their metrics are their own.
    Each returns from here, or raises, as a single one would; the process that began waits for all of them.

    Raises:
        SettingsError: an address cannot be listened on, or the configuration asks for what cannot be had.
        PluginError, RegistryError: as ``serve``.
    """
    public = _bind("server.port", settings.server.host, settings.server.port)
    admins = [_admin_socket(settings, index) for index in range(processes)]
    own_addresses = [one.getsockname()[:2] for one in (public, *admins) if one is not None]
    mine = 0
    if processes > 1:
        children, mine = _fork(processes)
        # Whoever holds a listening socket has the kernel take connections for it.
        if children:
            _close([public, *admins])
            return _supervise(children)
        _close(admins[:mine] + admins[mine + 1 :])
    sockets = Sockets(public=public, admin=admins[mine], own_addresses=own_addresses)
    return _run(serve(settings, environ, sockets, source))


def run_worker(settings: Settings, environ: Mapping[str, str], *, source: ConfigSource | None = None) -> int:
    """Run the workers until a signal says to stop; the exit code.

    Raises:
        SettingsError, PluginError: as ``work``.
    """
    return _run(work(settings, environ, source))


def _run(main: Coroutine[Any, Any, None]) -> int:
    try:
        asyncio.run(main)
    except LeftBehind:
        # Everything of ours is closed. The interpreter's own end would wait for the SDK's threads, which wait for a
        # server that may never answer.
        logging.shutdown()
        os._exit(0)
    return 0


def _fork(processes: int) -> tuple[frozenset[int], int]:
    """The children's process ids; in a child none, and its index. Nothing has started a thread yet."""
    watched, held = os.pipe()
    # Until each process has its handlers, a signal waits.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    children: set[int] = set()
    for index in range(processes):
        child = os.fork()
        if child == 0:
            os.close(held)
            threading.Thread(target=_end_with_parent, args=(watched,), daemon=True).start()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            return frozenset(), index
        children.add(child)
    return frozenset(children), -1


def _end_with_parent(watched: int) -> None:
    # The other end of the pipe is open for as long as the parent lives, however that ends.
    os.read(watched, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def _supervise(children: frozenset[int]) -> int:
    """Pass signals on until all children have ended; 0 when all of them did so well."""
    running = set(children)
    stopping = False

    def tell(number: int, frame: FrameType | None = None) -> None:
        nonlocal stopping
        del frame
        stopping = stopping or number != signal.SIGHUP
        for child in running:
            os.kill(child, signal.SIGTERM if number == signal.SIGINT else number)

    for number in _SIGNALS:
        signal.signal(number, tell)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    failed = False
    while running:
        child, status = os.wait()
        running.discard(child)
        code = os.waitstatus_to_exitcode(status)
        failed = failed or code != 0
        if code < 0:
            # It could not say so itself.
            print(f"nexus-gateway: process {child} was ended by signal {-code}", file=sys.stderr, flush=True)  # noqa: T201 - as all errors of commands are told
        # One that ended takes the others along: a service manager starts all of them afresh. Those that were told
        # already are left to finish, for a second signal may find them without a handler.
        if not stopping:
            tell(signal.SIGTERM)
    return int(failed)


def _close(sockets: Iterable[socket.socket | None]) -> None:
    for one in sockets:
        if one is not None:
            one.close()


def _admin_socket(settings: Settings, index: int) -> socket.socket | None:
    port = settings.server.admin_port
    # Port 0 takes a free one for each.
    return None if port is None else _bind("server.admin_port", settings.server.host, port + index if port else 0)


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
