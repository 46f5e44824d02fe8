"""Listening sockets: opened for a block, and closed so that what is under way can end."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from gateway.web._protocol import ConnectionLimits, Connections, GuardedProtocol, routed, without_server_header
from gateway.web._proxies import TrustedProxies

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from socket import socket


@asynccontextmanager
async def listening(
    app: web.Application,
    sock: socket,
    *,
    limits: ConnectionLimits,
    drain: float,
    tls: ssl.SSLContext | None = None,
    proxies: TrustedProxies | None = None,
) -> AsyncIterator[web.BaseSite]:
    """Serve ``app`` on ``sock``; on leaving, requests under way get up to ``drain`` seconds to end.

    A view is canceled when its client goes away. Bodies are not decompressed: a small one would become a large one.
    """
    app.on_response_prepare.append(without_server_header)
    runner = _Runner(app, limits, drain, proxies or TrustedProxies())
    await runner.setup()
    site = _Site(runner, sock, tls, limits.header_timeout)
    await site.start()
    try:
        yield site
    finally:
        await runner.cleanup()


class _Runner(web.AppRunner):
    """An application's runner whose server makes guarded connections."""

    __slots__ = ("_limits", "_proxies")

    def __init__(self, app: web.Application, limits: ConnectionLimits, drain: float, proxies: TrustedProxies) -> None:
        super().__init__(app, access_log=None, handler_cancellation=True, shutdown_timeout=drain)
        self._limits = limits
        self._proxies = proxies

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        return _Server(server, self._limits, self._proxies)


class _Server(web.Server):
    """What ``server`` would serve, over guarded connections."""

    def __init__(self, server: web.Server, limits: ConnectionLimits, proxies: TrustedProxies) -> None:
        super().__init__(
            routed(server.request_handler),
            request_factory=server.request_factory,
            handler_cancellation=server.handler_cancellation,
        )
        self._limits = limits
        self._open = Connections(limits.per_address, asyncio.get_running_loop().time, proxies)

    def __call__(self) -> web.RequestHandler:
        return GuardedProtocol(self, loop=self._loop, limits=self._limits, connections=self._open)


class _Site(web.SockSite):
    """A site whose TLS handshakes take no longer than a request's head may take."""

    __slots__ = ("_handshake_timeout", "_listener", "_tls")

    def __init__(self, runner: web.AppRunner, sock: socket, tls: ssl.SSLContext | None, handshake: float) -> None:
        super().__init__(runner, sock, ssl_context=tls)
        self._listener = sock
        self._tls = tls
        self._handshake_timeout = handshake

    async def start(self) -> None:
        await web.BaseSite.start(self)
        server = self._runner.server
        if server is None:
            raise RuntimeError("the runner is not set up")
        self._server = await asyncio.get_running_loop().create_server(
            server,
            sock=self._listener,
            ssl=self._tls,
            ssl_handshake_timeout=None if self._tls is None else self._handshake_timeout,
            backlog=self._backlog,
        )
