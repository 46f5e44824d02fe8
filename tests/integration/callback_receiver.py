"""Somebody who receives completions: keeps what arrives, and answers as a test wants."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

from gateway.devstack import HOST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from multidict import CIMultiDictProxy


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A completion as it came; ``target`` is its path and query as they were on the wire."""

    path: str
    target: str
    headers: CIMultiDictProxy[str]
    body: bytes
    at: float


Answering = Callable[[Arrival, web.Request], Awaitable[web.StreamResponse]]


@dataclass(kw_only=True)
class Receiver:
    """A listener on ``port``; ``answers`` are given by the first segment of the path, 200 for all others."""

    port: int
    arrivals: list[Arrival] = field(default_factory=list)
    answers: dict[str, Answering] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, path: str) -> str:
        """Where a start may have its completion sent."""
        return f"http://{HOST}:{self.port}/{path}"

    def at(self, path: str) -> list[Arrival]:
        """What came to a path."""
        return [arrival for arrival in self.arrivals if arrival.path == f"/{path}"]

    async def wait(self, path: str, count: int = 1, timeout: float = 30.0) -> list[Arrival]:  # noqa: ASYNC109
        """The arrivals at a path, once there are ``count``."""
        async with asyncio.timeout(timeout):
            while len(self.at(path)) < count:
                self.news.clear()
                await self.news.wait()
        return self.at(path)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Keep it, and answer."""
        arrival = Arrival(
            path=request.path,
            target=request.raw_path,
            headers=request.headers,
            body=await request.read(),
            at=time.time(),
        )
        self.arrivals.append(arrival)
        self.news.set()
        answer = self.answers.get(request.path.split("/")[1])
        return web.Response() if answer is None else await answer(arrival, request)


@asynccontextmanager
async def receiving(port: int = 0) -> AsyncIterator[Receiver]:
    """A receiver that listens."""
    receiver = Receiver(port=port)
    app = web.Application(client_max_size=8 << 20)
    app.router.add_route("*", "/{tail:.*}", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, HOST, port)
    await site.start()
    receiver.port = runner.addresses[0][1]
    try:
        yield receiver
    finally:
        await runner.cleanup()


def status(*codes: int) -> Answering:
    """Answer with these statuses one after another, and with the last one from then on."""
    left = list(codes)

    async def answer(_arrival: Arrival, _request: web.Request) -> web.StreamResponse:
        return web.Response(status=left.pop(0) if len(left) > 1 else left[0])

    return answer


async def hang(_arrival: Arrival, _request: web.Request) -> web.StreamResponse:
    """Take it and say nothing, for longer than anybody waits."""
    await asyncio.sleep(60)
    return web.Response()


async def reset(_arrival: Arrival, request: web.Request) -> web.StreamResponse:
    """Break the connection off."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def flood(_arrival: Arrival, request: web.Request) -> web.StreamResponse:
    """Answer 200, and then with a gigabyte."""
    response = web.StreamResponse()
    await response.prepare(request)
    with suppress(ConnectionError):
        for _ in range(1024):
            await response.write(bytes(1 << 20))
    return response


def redirect(url: str) -> Answering:
    """Send the sender somewhere else, in the way that makes clients repeat their POST."""

    async def answer(_arrival: Arrival, _request: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": url})

    return answer
