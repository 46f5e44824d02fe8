"""Whoever waits for the same operation shares one poll of the engine; a process holds a limited number of waiters."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from gateway.devstack import GatewayServer, Stack, TemporalServer
from tests.integration.another_gateway import another_gateway
from tests.integration.caller import Caller
from tests.integration.ordering import PROCESS, approve, large_order, until_phase
from tests.integration.waiting import eventually

WAITERS = 50
LIMIT = 3
METRICS_LAG = 1.2


@pytest_asyncio.fixture
async def small(stack: Stack) -> AsyncIterator[GatewayServer]:
    """A gateway that lets three wait at a time, and nobody longer than a second."""

    def edit(config: dict[str, Any]) -> None:
        config["limits"] = {"long_polls": LIMIT, "result_wait": "1s"}

    async with another_gateway(stack, edit) as server:
        yield server


@pytest.mark.parametrize("leaving", [0, WAITERS // 2])
async def test_fifty_waiters_are_one_poll(
    stack: Stack, temporal: TemporalServer, http: ClientSession, orders: Caller, leaving: int
) -> None:
    """Temporal sees one, whether all stay or half of them go away; all who stay get the result."""
    order = large_order()
    token = (await orders.start(PROCESS, order)).token
    await until_phase(orders, order, "awaiting_approval")
    await asyncio.sleep(METRICS_LAG)
    before = await polls_seen(temporal, http)
    waiting = [asyncio.create_task(orders.result(PROCESS, token, wait="50s")) for _ in range(WAITERS)]
    await eventually(lambda: open_polls(stack.gateway, http), lambda number: number == WAITERS)
    for poll in waiting[:leaving]:
        poll.cancel()
    await eventually(lambda: open_polls(stack.gateway, http), lambda number: number == WAITERS - leaving)
    await eventually(lambda: polls_seen(temporal, http), lambda number: number > before)
    await approve(orders, order)
    answers = await asyncio.gather(*waiting[leaving:])
    await asyncio.sleep(METRICS_LAG)
    assert 1 == await polls_seen(temporal, http) - before
    assert {(200, order["order_id"])} == {(answer.status, answer.json["order_id"]) for answer in answers}
    assert 1 == len({answer.body for answer in answers})
    assert 0 == await open_polls(stack.gateway, http)


async def test_a_poll_ends_with_its_last_waiter(stack: Stack, http: ClientSession, orders: Caller) -> None:
    """A client that goes away leaves nothing behind; whoever comes later waits as ever."""
    order = large_order()
    token = (await orders.start(PROCESS, order)).token
    poll = asyncio.create_task(orders.result(PROCESS, token, wait="50s"))
    await eventually(lambda: open_polls(stack.gateway, http), lambda number: number == 1)
    poll.cancel()
    await eventually(lambda: open_polls(stack.gateway, http), lambda number: number == 0)
    assert 412 == (await orders.result(PROCESS, token, wait="100ms")).status
    later = asyncio.create_task(orders.result(PROCESS, token, wait="50s"))
    await approve(orders, order)
    assert 200 == (await later).status


async def test_a_process_holds_no_more_waiters_than_it_may(
    http: ClientSession, orders: Caller, small: GatewayServer
) -> None:
    """Beyond that 429, which may be repeated; what does not wait is not counted, and a place that is left is free."""
    caller = orders.at(small.endpoint_url("orders"))
    tokens = [(await caller.start(PROCESS, large_order())).token for _ in range(LIMIT + 1)]
    waiting = [asyncio.create_task(caller.result(PROCESS, token, wait="900ms")) for token in tokens[:LIMIT]]
    await eventually(lambda: open_polls(small, http), lambda number: number == LIMIT)
    refused = await caller.result(PROCESS, tokens[LIMIT], wait="900ms")
    assert (429, "RESOURCE_EXHAUSTED") == (refused.status, refused.error_type)
    assert "true" == refused.headers["Nexus-Request-Retryable"]
    assert 412 == (await caller.result(PROCESS, tokens[LIMIT], wait=None)).status
    assert 201 == (await caller.start(PROCESS, large_order(), headers={"Prefer": "wait=1"})).status
    assert [412] * LIMIT == [answer.status for answer in await asyncio.gather(*waiting)]
    assert 412 == (await caller.result(PROCESS, tokens[LIMIT], wait="100ms")).status


async def test_nobody_waits_longer_than_the_gateway_lets_them(orders: Caller, small: GatewayServer) -> None:
    """Its own cap ends the request with 408: the wait that was asked for is not over; one as long as the cap is."""
    caller = orders.at(small.endpoint_url("orders"))
    token = (await caller.start(PROCESS, large_order())).token
    capped = await caller.result(PROCESS, token, wait="30s")
    assert (408, "REQUEST_TIMEOUT") == (capped.status, capped.error_type)
    for wait in ("900ms", "1s"):
        assert 412 == (await caller.result(PROCESS, token, wait=wait)).status


async def open_polls(gateway: GatewayServer, http: ClientSession) -> int:
    """How many requests wait for a result, by the gateway's own count."""
    async with http.get(f"{gateway.admin_url}/metrics") as response:
        found = re.search(r"^nexus_open_long_polls(?:\{[^}]*\})? (\S+)$", await response.text(), re.MULTILINE)
    return int(float(found[1])) if found else 0


async def polls_seen(temporal: TemporalServer, http: ClientSession) -> int:
    """How many long polls for a workflow's history Temporal's frontend has had; it counts with a delay."""
    async with http.get(f"http://{temporal._metrics.address}/metrics") as response:
        text = await response.text()
    series = re.findall(r"^service_requests\{([^}]*)\} (\S+)$", text, re.MULTILINE)
    frontend = [(labels, value) for labels, value in series if 'service_name="frontend"' in labels]
    return sum(int(float(value)) for labels, value in frontend if 'operation="PollWorkflowExecutionHistory"' in labels)
