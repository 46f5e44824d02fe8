"""What tests of callbacks need: tenants, policies, and listeners that count who connects."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network

from gateway.completions import AllowRule, Destination, DestinationPolicy
from gateway.model import OperationAddress, Tenant

TENANT = Tenant("https://issuer.test", "checkout")
ADDRESS = OperationAddress("orders", "orders.v1", "process")
ANYWHERE = ("http://*", "https://*", "http://*:*", "https://*:*", "http://[*]:*")
"""The most careless allow-list there is."""


def policy(*urls: str, networks: Sequence[str] = (), own: Sequence[str] = ()) -> DestinationPolicy:
    """A policy of one rule."""
    return DestinationPolicy([AllowRule(urls=urls, networks=tuple(map(ip_network, networks)))], own)


def admit(allowed: DestinationPolicy, url: str) -> Destination:
    """The destination, for the usual caller."""
    return allowed.admit(url, TENANT, ADDRESS)


@dataclass(kw_only=True)
class Listener:
    """A server on a loopback address that counts connections, and gives each the same bytes."""

    host: str
    port: int
    answer: bytes
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Count, read the head, answer."""
        self.connections += 1
        try:
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(self.answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@asynccontextmanager
async def listening(host: str = "127.0.0.1", port: int = 0, answer: bytes = OK) -> AsyncIterator[Listener]:
    """A listener on an address of loopback."""
    listener = Listener(host=host, port=port, answer=answer)
    server = await asyncio.start_server(listener.serve, host, port)
    listener.port = server.sockets[0].getsockname()[1]
    try:
        yield listener
    finally:
        server.close()
        await server.wait_closed()
