"""A small server behind the gateway's own listener, and clients that speak to it byte by byte."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from gateway.operations import ApiError
from gateway.web import ConnectionLimits, listening
from gateway.web._api import json_response
from gateway.web._bodies import read_object

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

LARGE = 8 << 20
"""Bytes of an answer that a slow reader does not take: more than the kernel's buffers hold."""

DRAIN_SECONDS = 1.0
"""What requests under way get to end when the server stops."""

_MEGABYTE = bytes(1 << 20)


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where it listens."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def exchange(self, sent: bytes, *, within: float = 5.0) -> bytes:
        """Everything that comes back for ``sent`` until the server closes the connection."""
        async with self.connection() as (reader, writer):
            writer.write(sent)
            return await asyncio.wait_for(reader.read(), within)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A connection for a test to be slow on."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.close()


@asynccontextmanager
async def serving(limits: ConnectionLimits, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """Serve ``/`` (the body's length), ``/json``, ``/large`` and others, within ``limits``."""
    app = web.Application()
    app.router.add_post("/", _length)
    app.router.add_get("/", _length)
    app.router.add_post("/json", _json)
    app.router.add_get("/large", _large)
    app.router.add_get("/megabyte", _megabyte)
    app.router.add_get("/endless", _endless)
    app.router.add_get("/fault", _fault)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        async with listening(app, sock, limits=limits, drain=DRAIN_SECONDS, tls=tls):
            yield Server(port=sock.getsockname()[1])


async def _length(request: web.Request) -> web.Response:
    try:
        return web.Response(text=str(len(await request.read())))
    except TimeoutError:
        return web.Response(status=408)


async def _json(request: web.Request) -> web.Response:
    try:
        return json_response(await read_object(request, 1 << 20, "known"))
    except ApiError as error:
        return json_response(error.body(), status=error.status)


async def _large(_request: web.Request) -> web.Response:
    return web.Response(body=bytes(LARGE))


async def _megabyte(_request: web.Request) -> web.Response:
    return web.Response(body=_MEGABYTE)


async def _endless(_request: web.Request) -> web.Response:
    await asyncio.Event().wait()
    return web.Response()


async def _fault(_request: web.Request) -> web.Response:
    raise RuntimeError("secret of a view")
