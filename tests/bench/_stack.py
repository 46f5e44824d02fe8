"""Everything that a run needs, started on free ports and stopped at its end."""

from __future__ import annotations

import base64
import json
import os
import secrets
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import aiohttp
import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.devstack import HOST, ChildProcess, Collector, Command, Port, TemporalServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

NAMESPACE: Final = "bench"
TASK_QUEUE: Final = "bench"
_ISSUER: Final = "https://issuer.test"
# By default the matching service refuses more than 1,200 calls a second, which its Nexus front reaches at some 600
# requests a second: that would be a measurement of the limit.
_UNLIMITED: Final = {"matching.rps": 100_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Where the parts listen. ``exports`` counts the requests that the collector has passed on."""

    echo: int
    gateway: int
    temporal: str
    temporal_http: int
    token: str
    exports: Callable[[], int]


@asynccontextmanager
async def running() -> AsyncIterator[Stack]:
    """Start the Temporal server, the collector, the gateway, a worker and the bare echo server."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        server = await stack.enter_async_context(TemporalServer(namespaces=[NAMESPACE], dynamic_config=_UNLIMITED))
        drain = await stack.enter_async_context(_drain())
        collector = await stack.enter_async_context(Collector(exporter_url=drain.url))
        echo, gateway = stack.enter_context(Port()), stack.enter_context(Port())
        token = _issue(folder)
        (folder / "gateway.yaml").write_text(_config(gateway.number, server.address))
        environ = {
            "NEXUS_GATEWAY_TOKEN_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("="),
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        }
        ours = ("-m", "tests.bench._servers")
        config = str(folder / "gateway.yaml")
        worker = (*ours, "worker", server.address, NAMESPACE, TASK_QUEUE)
        await _child(stack, "bare echo server", (*ours, "echo", str(echo.number)), _answers(echo.number, "/"))
        await _child(stack, "Temporal worker", worker, _always)
        await _child(
            stack,
            "gateway",
            ("-m", "gateway", "serve", "--config", config),
            _answers(gateway.number, "/"),
            environ,
        )
        yield Stack(
            echo=echo.number,
            gateway=gateway.number,
            temporal=server.address,
            temporal_http=int(server.http_url.rpartition(":")[2]),
            token=token,
            exports=lambda: drain.taken,
        )


async def _child(
    stack: AsyncExitStack,
    name: str,
    arguments: tuple[str, ...],
    is_ready: Callable[[], Awaitable[bool]],
    environ: dict[str, str] | None = None,
) -> None:
    command = Command(name=name, argv=(sys.executable, *arguments), environ={**os.environ, **(environ or {})})
    child = ChildProcess(command)
    await child.start(is_ready)
    stack.push_async_callback(child.stop)


def _answers(port: int, path: str) -> Callable[[], Awaitable[bool]]:
    async def answers() -> bool:
        try:
            async with aiohttp.ClientSession() as client, client.get(f"http://{HOST}:{port}{path}"):
                return True
        except aiohttp.ClientConnectionError:
            return False

    return answers


async def _always() -> bool:
    return True


class _Drain:
    """Where the collector's output ends: counted, and not looked into, so that it costs the measurement nothing."""

    def __init__(self) -> None:
        self.taken = 0
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        await request.read()
        self.taken += 1
        return web.Response()


@asynccontextmanager
async def _drain() -> AsyncIterator[_Drain]:
    drain = _Drain()
    app = web.Application(client_max_size=1 << 26)
    app.router.add_post("/{signal:.*}", drain.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, HOST, 0)
    await site.start()
    drain.url = f"http://{HOST}:{runner.addresses[0][1]}"
    try:
        yield drain
    finally:
        await runner.cleanup()


def _issue(folder: Path) -> str:
    """Write a key set with one new key, and return a token signed with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
    (folder / "jwks.json").write_text(json.dumps({"keys": [{**public, "kid": "bench", "alg": "ES256", "use": "sig"}]}))
    now = int(time.time())
    claims = {
        "iss": _ISSUER,
        "aud": "nexus-gateway",
        "sub": "bench",
        "namespace": "callers",
        "iat": now,
        "exp": now + 3600,
    }
    return jwt.encode(claims, key, algorithm="ES256", headers={"kid": "bench"})


def _config(port: int, temporal: str) -> str:
    return json.dumps(
        {
            "server": {"host": HOST, "port": port, "admin_port": None, "public_url": f"http://{HOST}:{port}"},
            "issuers": [
                {
                    "issuer": _ISSUER,
                    "audiences": ["nexus-gateway"],
                    "algorithms": ["ES256"],
                    "jwks_file": "jwks.json",
                    "namespace_claim": "namespace",
                }
            ],
            "engines": {"main": {"type": "temporal", "address": temporal}},
            "endpoints": {
                "bench": {
                    "engine": "main",
                    "namespace": NAMESPACE,
                    "task_queue": TASK_QUEUE,
                    "services": ["echo.v1", "orders.v1"],
                    "allow": [{"namespaces": ["callers"], "verbs": ["start"]}],
                }
            },
            "tokens": {"keys": [{"id": "k1", "secret_env": "NEXUS_GATEWAY_TOKEN_KEY"}]},
        }
    )
