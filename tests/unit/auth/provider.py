"""A key provider on loopback that can be told to misbehave."""

from __future__ import annotations

import asyncio
import gzip
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiohttp import web

from gateway.auth import IssuerPolicy, KeyRefresh, KeyUrl
from tests.unit.auth.signing import ISSUER, Signer, key_set

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

QUICK = KeyRefresh(min_interval=0.2, max_interval=30.0, cooldown=0.3, stale_for=60.0, timeout=1.0)


class Provider:
    """Serves key sets and a discovery document, and counts how often it is asked."""

    def __init__(self, *signers: Signer) -> None:
        self.signers = list(signers)
        self.mode = "good"
        self.fetches = 0
        self.headers: dict[str, str] = {}
        self.requests: list[dict[str, str]] = []
        self.discovered: dict[str, Any] = {}
        self.url = ""

    @property
    def keys_url(self) -> str:
        return f"{self.url}/jwks"

    def policy(self, issuer: str = ISSUER, refresh: KeyRefresh = QUICK, **changes: Any) -> IssuerPolicy:
        """A policy whose keys come from here."""
        settings: dict[str, Any] = {"keys": KeyUrl(self.keys_url), **changes}
        return IssuerPolicy(
            issuer=issuer,
            audiences=("nexus-gateway",),
            algorithms=frozenset({"ES256"}),
            refresh=refresh,
            **settings,
        )

    async def jwks(self, request: web.Request) -> web.StreamResponse:
        self.fetches += 1
        self.requests.append(dict(request.headers))
        return await _MODES[self.mode](self, request)

    async def discovery(self, _: web.Request) -> web.Response:
        return web.json_response({"issuer": self.url, "jwks_uri": self.keys_url, **self.discovered})

    def document(self) -> str:
        return key_set(*(signer.jwk() for signer in self.signers))


async def _good(provider: Provider, _: web.Request) -> web.Response:
    return web.Response(text=provider.document(), headers=provider.headers)


async def _slow(provider: Provider, request: web.Request) -> web.Response:
    await asyncio.sleep(0.1)
    return await _good(provider, request)


async def _hang(provider: Provider, request: web.Request) -> web.Response:
    await asyncio.sleep(5)
    return await _good(provider, request)


async def _drip(provider: Provider, request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for character in provider.document():
        await response.write(character.encode())
        await asyncio.sleep(0.05)
    return response


async def _huge(_: Provider, request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _index in range(1600):
        await response.write(b" " * 65_536)
    return response


async def _redirect(provider: Provider, _: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": f"{provider.url}/elsewhere"})


async def _gzipped(provider: Provider, _: web.Request) -> web.Response:
    return web.Response(body=gzip.compress(provider.document().encode()), headers={"Content-Encoding": "gzip"})


def _answer(body: str, status: int = 200) -> Callable[[Provider, web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_: Provider, __: web.Request) -> web.Response:
        return web.Response(text=body, status=status)

    return answer


_MODES: dict[str, Callable[[Provider, web.Request], Awaitable[web.StreamResponse]]] = {
    "good": _good,
    "slow": _slow,
    "hang": _hang,
    "drip": _drip,
    "100 MB": _huge,
    "redirect": _redirect,
    "gzip": _gzipped,
    "500": _answer("{}", 500),
    "404": _answer("{}", 404),
    "204": _answer("", 204),
    "HTML": _answer("<html>log in</html>"),
    "empty": _answer(""),
    "a list": _answer("[]"),
    "null": _answer("null"),
    "no keys": _answer('{"keys": []}'),
    "keys an object": _answer('{"keys": {}}'),
    "junk keys": _answer('{"keys": [1, null, {}, {"kty": "EC"}, {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}'),
    "deep": _answer("[" * 100_000),
    "too many keys": _answer(json.dumps({"keys": [{}] * 101})),
}
BROKEN = sorted(_MODES.keys() - {"good", "slow"})


@asynccontextmanager
async def running(*signers: Signer) -> AsyncIterator[Provider]:
    """A provider that listens on a free port of loopback."""
    provider = Provider(*signers)
    app = web.Application()
    app.router.add_get("/jwks", provider.jwks)
    app.router.add_get("/elsewhere", provider.jwks)
    app.router.add_get("/.well-known/openid-configuration", provider.discovery)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        provider.url = f"http://{host}:{port}"
        yield provider
    finally:
        await runner.cleanup()
