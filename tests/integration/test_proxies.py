"""Behind a proxy: whose address counts, and whose connections, on a real process."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession, TCPConnector

from tests.integration.caller import Caller
from tests.integration.governed_gateway import GovernedGateway, eventually, governed_gateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from gateway.devstack import Stack

PROXY, SECOND_PROXY, NO_PROXY = "127.0.0.2", "127.0.0.3", "127.0.0.4"
MOST = 20


@pytest_asyncio.fixture(scope="module")
async def gateway(stack: Stack, http: ClientSession, tmp_path_factory: Any) -> AsyncIterator[GovernedGateway]:
    directory: Path = tmp_path_factory.mktemp("proxied")

    def edit(config: dict[str, Any]) -> None:
        config["server"]["trusted_proxies"] = [f"{PROXY}/32", f"{SECOND_PROXY}/32"]
        config["limits"] = {"connections_per_address": MOST}

    async with governed_gateway(stack, http, directory, edit) as running:
        yield running


async def address_on_record(gateway: GovernedGateway, sender: str, forwarded: Sequence[str], token: str | None) -> str:
    """The address in the audit line of a request that came from ``sender``."""
    before = len(gateway.audit)
    headers = [("X-Forwarded-For", value) for value in forwarded]
    async with ClientSession(connector=TCPConnector(local_addr=(sender, 0))) as session:
        caller = Caller(session, gateway.server.endpoint_url("echo"), token)
        sent = [("Content-Type", "application/json"), *headers]
        assert (200 if token else 401) == (await caller.request("POST", "echo.v1/echo", headers=sent, body=b"1")).status
    await eventually(lambda: len(gateway.audit) > before)
    found: str = gateway.audit[before]["peer"]
    return found


@pytest.mark.parametrize(
    ("sender", "forwarded", "address"),
    [
        (NO_PROXY, [], NO_PROXY),
        (NO_PROXY, ["198.51.100.1"], NO_PROXY),
        (PROXY, ["198.51.100.1"], "198.51.100.1"),
        (PROXY, ["1.1.1.1", f"198.51.100.1, {SECOND_PROXY}"], "198.51.100.1"),
        (PROXY, ["198.51.100.1, junk"], PROXY),
    ],
)
async def test_a_client_that_is_no_trusted_proxy_cannot_choose_its_address(
    gateway: GovernedGateway, sender: str, forwarded: list[str], address: str
) -> None:
    assert address == await address_on_record(gateway, sender, forwarded, gateway.stack.token())
    assert address == await address_on_record(gateway, sender, forwarded, None)
    refused = [line for line in gateway.log if "refused a token: missing" in line["message"]]
    assert address == refused[-1]["peer"]


async def test_the_connections_of_a_proxy_are_not_those_of_one_client(gateway: GovernedGateway) -> None:
    assert MOST + 5 == await accepted(gateway, PROXY, MOST + 5)
    assert MOST == await accepted(gateway, NO_PROXY, MOST + 5)


async def accepted(gateway: GovernedGateway, sender: str, number: int) -> int:
    """How many of so many connections at a time get an answer."""
    port = int(gateway.server.url.rpartition(":")[2])
    async with AsyncExitStack() as stack:
        answers = 0
        for _ in range(number):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(sender, 0))
            stack.callback(writer.close)
            try:
                writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                answers += (await reader.read(8)).startswith(b"HTTP/1.1")
            except ConnectionError:
                # Refused, as some of them are meant to be.
                continue
        return answers
