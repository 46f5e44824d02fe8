"""A gateway whose files of rules, stops and revocations a test rewrites while it runs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import uuid
from collections import deque
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from gateway.devstack import GatewayServer, Port
from gateway.devstack._config import child_environ
from tests.integration.caller import Caller

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from aiohttp import ClientSession

    from gateway.devstack import Stack


@dataclass(frozen=True, kw_only=True)
class GovernedGateway:
    """The process, its files and what it has logged."""

    stack: Stack
    http: ClientSession
    server: GatewayServer
    directory: Path
    lines: deque[str] = field(repr=False)

    @property
    def gateway(self) -> GatewayServer:
        """The process, by the name that a stack has for its own."""
        return self.server

    @property
    def config(self) -> Path:
        return self.directory / "gateway.yaml"

    @property
    def audit(self) -> list[dict[str, Any]]:
        """The audit log so far."""
        return [json.loads(line) for line in (self.directory / "audit.log").read_text().splitlines()]

    @property
    def log(self) -> list[dict[str, Any]]:
        """The gateway's own log so far."""
        return [json.loads(line) for line in self.lines if line.startswith("{")]

    def caller(self, endpoint: str = "echo", **token: Any) -> Caller:
        """A caller with a token of the stack's issuer."""
        return self.bearer(self.stack.token(**token), endpoint)

    def bearer(self, token: str, endpoint: str = "echo") -> Caller:
        """A caller with this very token."""
        return Caller(self.http, self.server.endpoint_url(endpoint), token)

    def write(self, name: str, content: object) -> None:
        """Replace a file, in one step."""
        text = content if isinstance(content, str) else yaml.safe_dump(content)
        draft = self.directory / f"{name}.new"
        draft.write_text(text)
        draft.replace(self.directory / name)

    def reconfigure(self, edit: Callable[[dict[str, Any]], None]) -> None:
        """Change the configuration."""
        config = yaml.safe_load(self.config.read_text())
        edit(config)
        self.write("gateway.yaml", config)

    def hang_up(self) -> None:
        """Send SIGHUP."""
        assert self.server.process.pid is not None
        os.kill(self.server.process.pid, signal.SIGHUP)

    async def ready(self) -> dict[str, Any]:
        """The body of ``GET /readyz``."""
        async with self.http.get(f"{self.server.admin_url}/readyz") as response:
            body: dict[str, Any] = await response.json()
            return body

    async def metrics(self) -> str:
        """The body of ``GET /metrics``."""
        async with self.http.get(f"{self.server.admin_url}/metrics") as response:
            return await response.text()


async def eventually(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Await ``condition()``, a coroutine's result or a plain value, until it is true."""
    async with asyncio.timeout(seconds):
        while True:
            value = condition()
            if asyncio.iscoroutine(value):
                value = await value
            if value:
                return value
            await asyncio.sleep(0.05)


@asynccontextmanager
async def governed_gateway(
    stack: Stack,
    http: ClientSession,
    directory: Path,
    edit: Callable[[dict[str, Any]], None] = lambda _config: None,
) -> AsyncIterator[GovernedGateway]:
    """Run one beside the session's, with all its files in ``directory``."""
    with ExitStack() as ports:
        port, admin_port = ports.enter_context(Port()), ports.enter_context(Port())
        config = yaml.safe_load(stack.config.read_text())
        config["server"].update(
            {"port": port.number, "admin_port": admin_port.number, "public_url": f"http://{port.address}"}
        )
        config["access"] = {"stops_file": "stops.yaml", "revocations_file": "revocations.yaml"}
        config["audit"] = {"file": "audit.log"}
        # Others have other rules, and would not go on with its jobs.
        config["bulk"] = {"task_queue": f"bulk-{uuid.uuid4().hex}"}
        for issuer in config["issuers"]:
            issuer["jwks_file"] = str(stack.config.parent / issuer["jwks_file"])
            issuer["dev_signing_key_file"] = str(stack.config.parent / issuer["dev_signing_key_file"])
        edit(config)
        lines: deque[str] = deque(maxlen=5000)
        environ = child_environ(stack.config.parent, collector_url=stack.collector.url, service_name="governed")
        server = GatewayServer(
            config=directory / "gateway.yaml", environ=environ, port=port, admin_port=admin_port, echo=lines.append
        )
        gateway = GovernedGateway(stack=stack, http=http, server=server, directory=directory, lines=lines)
        gateway.write("gateway.yaml", config)
        gateway.write("stops.yaml", {"stops": []})
        gateway.write("revocations.yaml", {"revocations": []})
        async with server:
            yield gateway
