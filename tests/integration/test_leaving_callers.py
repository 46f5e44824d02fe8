"""Callers of the operations API that go away in the middle of their request, or may not go on with it."""

import asyncio
import signal
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession
from yarl import URL

from gateway.devstack import Stack
from tests.integration.caller import Caller
from tests.integration.governed_gateway import GovernedGateway, eventually, governed_gateway
from tests.integration.operations_api import OperationsApi
from tests.integration.ordering import DECLINED, PROCESS, large_order, small_order

READER = "reader"


@pytest.fixture
async def gateway(stack: Stack, http: ClientSession, tmp_path: Path) -> AsyncIterator[GovernedGateway]:
    """One of this test's own."""
    async with governed_gateway(stack, http, tmp_path) as running:
        yield running


async def until(response: ClientResponse, event: str) -> None:
    """Read a stream up to an event of this type."""
    async for line in response.content:
        if f"event: {event}\n".encode() == line:
            return
    raise AssertionError("the stream has ended")


async def test_a_reader_that_leaves_a_stream_is_no_fault_of_the_gateway(
    gateway: GovernedGateway, http: ClientSession
) -> None:
    """Nothing failed: the request was broken off, and the log has nothing to say about it."""
    caller = gateway.caller("orders")
    token = (await caller.start(PROCESS, large_order())).token
    about = {"Authorization": f"Bearer {caller.token}", "Nexus-Operation-Token": token}
    for _ in range(3):
        async with http.get(f"{gateway.server.url}/api/v1/operations/events", headers=about) as response:
            await until(response, "awaiting")

    async def streams() -> list[str]:
        lines = (await gateway.metrics()).splitlines()
        return [line for line in lines if line.startswith("nexus_requests") and '"events"' in line]

    async def three_have_ended() -> list[str]:
        return [line for line in await streams() if line.endswith(" 3.0")]

    (counted,) = await eventually(three_have_ended)
    assert '"aborted"' in counted
    assert [counted] == await streams()
    assert [] == [line for line in gateway.log if line["level"] not in ("info", "debug")]


@pytest.mark.parametrize(
    ("name", "content", "refusal"),
    [
        ("revocations.yaml", {"revocations": [{"subject": READER}]}, 401),
        ("stops.yaml", {"stops": [{"subjects": [READER]}]}, 403),
    ],
)
async def test_a_stream_ends_when_its_reader_may_not_follow_any_more(
    gateway: GovernedGateway, http: ClientSession, name: str, content: dict[str, Any], refusal: int
) -> None:
    """What happens after that is not told, although the stream was open before."""
    orders = gateway.caller("orders")
    token = (await orders.start(PROCESS, large_order())).token
    reader = OperationsApi(gateway, gateway.caller("orders", subject=READER))
    about = {"Authorization": f"Bearer {gateway.stack.token(subject=READER)}", "Nexus-Operation-Token": token}
    async with http.get(f"{gateway.server.url}/api/v1/operations/events", headers=about) as response:
        await until(response, "awaiting")
        gateway.write(name, content)

        async def refused() -> bool:
            return refusal == (await reader.get("operations/describe", token)).status

        await eventually(refused)
        assert 200 == (await OperationsApi(gateway, orders).post("operations/update/approve", token)).status
        rest = await asyncio.wait_for(response.content.read(), 30)
    assert b"update_accepted" not in rest


@pytest.mark.parametrize("repeat", ["retry", "clone"])
async def test_a_repetition_is_not_cut_off_by_a_caller_that_goes_away(
    stack: Stack, orders: Caller, repeat: str
) -> None:
    """As a start is not: it is found under its request id, in the list and by asking again."""
    caller = orders.showing(stack.token(subject=f"leaver of {repeat}"))
    api = OperationsApi(stack, caller)
    first = (await caller.start(PROCESS, small_order(DECLINED))).token
    await api.state(first, "failed")
    request_id = uuid.uuid4().hex
    url = URL(stack.gateway.url)
    head = (
        f"POST /api/v1/operations/{repeat} HTTP/1.1\r\nHost: {url.authority}\r\n"
        f"Authorization: Bearer {caller.token}\r\n"
        f"Nexus-Operation-Token: {first}\r\nNexus-Request-Id: {request_id}\r\nContent-Length: 0\r\n\r\n"
    )
    assert stack.temporal is not None
    _, writer = await asyncio.open_connection(url.host, url.port)
    stack.temporal.process.send_signal(signal.SIGSTOP)
    try:
        writer.write(head.encode())
        await asyncio.sleep(0.5)
        writer.close()
        await writer.wait_closed()
        await asyncio.sleep(0.2)
    finally:
        stack.temporal.process.send_signal(signal.SIGCONT)
    both = await api.eventually(2, caller=f"leaver of {repeat}")
    (repeated,) = [one for one in both if one["token"] != first]
    assert request_id == repeated["request_id"]
    again = await api.post(f"operations/{repeat}", first, headers={"Nexus-Request-Id": request_id})
    assert repeated["token"] == again.json["token"]
