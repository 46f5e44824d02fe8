"""A gateway process of a test's own, beside the session's: to be killed, or configured in another way."""

from __future__ import annotations

import uuid
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import yaml

from gateway.devstack import GatewayServer, Port
from gateway.devstack._config import child_environ

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from gateway.devstack import Stack


@asynccontextmanager
async def another_gateway(
    stack: Stack, edit: Callable[[dict[str, Any]], None] = lambda _config: None
) -> AsyncIterator[GatewayServer]:
    """Run one against the same server, with the same keys, and a configuration that ``edit`` has changed."""
    with ExitStack() as ports:
        port, admin_port = ports.enter_context(Port()), ports.enter_context(Port())
        config = yaml.safe_load(stack.config.read_text())
        config["server"].update(
            {"port": port.number, "admin_port": admin_port.number, "public_url": f"http://{port.address}"}
        )
        edit(config)
        file = stack.config.with_name(f"{uuid.uuid4().hex}.yaml")
        file.write_text(yaml.safe_dump(config))
        directory = stack.config.parent
        environ = child_environ(directory, collector_url=stack.collector.url, service_name="another-gateway")
        async with GatewayServer(config=file, environ=environ, port=port, admin_port=admin_port) as server:
            yield server
