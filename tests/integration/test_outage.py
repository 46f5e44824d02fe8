"""Temporal goes away for a while: callers learn of it in time, and all is well when it is back."""

import asyncio
import signal
import time
import uuid
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import ClientSession

from gateway.devstack import Stack
from tests.integration.caller import Answer, Caller
from tests.integration.ordering import PROCESS, approve, large_order, small_order, until_phase
from tests.integration.waiting import eventually

OUTAGE = 20.0
DEADLINES = [None, "8s", "5s", "3s"]
SLACK = 5


@pytest.mark.timeout(180)
async def test_callers_are_told_in_time_while_temporal_is_away_and_served_when_it_is_back(
    own_stack: Stack, http: ClientSession
) -> None:
    """503 UNAVAILABLE within each request's time; then the same process serves as before, and ends when asked to."""
    assert own_stack.temporal is not None
    orders = Caller(http, own_stack.gateway.endpoint_url("orders"), own_stack.token())
    gateway_pid = own_stack.gateway.process.pid
    order, name = large_order(), {"Nexus-Request-Id": uuid.uuid4().hex}
    token = (await orders.start(PROCESS, order)).token
    await until_phase(orders, order, "awaiting_approval")
    canceled = (await orders.start(PROCESS, large_order())).token
    waiting = asyncio.create_task(orders.result(PROCESS, token, wait="60s"))
    await asyncio.sleep(0.2)

    await own_stack.temporal.stop()
    stopped = time.monotonic()
    assert 200 == (await orders.start("orders.v1/quote", {"lines": [{"sku": "tea"}]})).status
    assert (503, "UNAVAILABLE") == ((interrupted := await waiting).status, interrupted.error_type)
    requests: dict[str, Callable[[dict[str, str]], Awaitable[Answer]]] = {
        "start": lambda headers: orders.start(PROCESS, small_order(), headers=headers),
        "repeated start": lambda headers: orders.start(PROCESS, order, headers={**headers, **name}),
        "preferring start": lambda headers: orders.start(PROCESS, order, headers={**headers, "Prefer": "wait=30"}),
        "status": lambda headers: orders.start("orders.v1/status", {"order_id": order["order_id"]}, headers=headers),
        "result": lambda headers: orders.result(PROCESS, token, wait=None, headers=headers),
        "waiting result": lambda headers: orders.result(PROCESS, token, wait="30s", headers=headers),
        "info": lambda headers: orders.info(PROCESS, token, headers=headers),
        "cancel": lambda headers: orders.cancel(PROCESS, canceled, headers=headers),
    }
    rounds = 0
    while time.monotonic() - stopped < OUTAGE:
        rounds += 1
        for deadline in DEADLINES:
            headers = {"Request-Timeout": deadline} if deadline else {}
            limit = float(deadline.removesuffix("s")) if deadline else 10
            told = await asyncio.gather(*(timed(request(headers)) for request in requests.values()))
            for what, (answer, seconds) in zip(requests, told, strict=True):
                assert (what, 503, "UNAVAILABLE") == (what, answer.status, answer.error_type)
                assert seconds < limit + SLACK, what
        await asyncio.sleep(1)
    assert rounds >= 2
    assert 503 == await readiness(own_stack, http)

    await own_stack.temporal.start()
    assert 200 == await eventually(lambda: readiness(own_stack, http), lambda status: status == 200)
    assert gateway_pid == own_stack.gateway.process.pid
    fresh = small_order()
    await eventually(lambda: orders.info(PROCESS, token), lambda answer: answer.status == 200)
    receipt = await orders.result(PROCESS, (await orders.start(PROCESS, fresh)).token)
    assert (200, fresh["order_id"]) == (receipt.status, receipt.json["order_id"])
    await approve(orders, order)
    assert 200 == (await orders.result(PROCESS, token)).status
    assert 202 == (await orders.cancel(PROCESS, canceled)).status
    assert "canceled" == (await orders.result(PROCESS, canceled)).headers["Nexus-Operation-State"]

    await own_stack.temporal.stop()
    own_stack.gateway.process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    assert 0 == await own_stack.gateway.process.wait()
    assert time.monotonic() - began < 30


async def timed(request: Awaitable[Answer]) -> tuple[Answer, float]:
    """An answer, and the seconds that it took."""
    began = time.monotonic()
    return await request, time.monotonic() - began


async def readiness(stack: Stack, http: ClientSession) -> int:
    """What the readiness probe says."""
    async with http.get(f"{stack.gateway.admin_url}/readyz") as response:
        return response.status


async def test_a_stream_of_events_ends_as_a_stream_when_temporal_goes_away(
    own_stack: Stack, http: ClientSession
) -> None:
    """Its head has been sent: what follows is no second answer, but the end, after which a reader comes again."""
    assert own_stack.temporal is not None
    orders = Caller(http, own_stack.gateway.endpoint_url("orders"), own_stack.token())
    token = (await orders.start(PROCESS, large_order())).token
    about = {"Authorization": f"Bearer {orders.token}", "Nexus-Operation-Token": token}
    async with http.get(f"{own_stack.gateway.url}/api/v1/operations/events", headers=about) as response:
        assert b"id: 1.1\n" == await response.content.readline()
        await own_stack.temporal.stop()
        rest = await asyncio.wait_for(response.content.read(), 60)
    assert b"HTTP/1.1" not in rest
    assert b'"error"' not in rest
    assert 200 == (await orders.start("orders.v1/quote", {"lines": [{"sku": "tea"}]})).status
