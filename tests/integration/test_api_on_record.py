"""Who asked the API for what, on record; and what of its limits changes while the gateway runs."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from tests.integration.caller import Caller
from tests.integration.governed_gateway import GovernedGateway, governed_gateway
from tests.integration.operations_api import OperationsApi
from tests.integration.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiohttp import ClientSession

    from gateway.devstack import Stack
    from tests.integration.caller import Answer


@pytest_asyncio.fixture(scope="module")
async def gateway(stack: Stack, http: ClientSession, tmp_path_factory: Any) -> AsyncIterator[GovernedGateway]:
    """A gateway whose document shows its operations to callers alone."""
    directory: Path = tmp_path_factory.mktemp("on-record")

    def edit(config: dict[str, Any]) -> None:
        config["server"]["anonymous_discovery"] = False

    async with governed_gateway(stack, http, directory, edit) as running:
        yield running


@pytest.fixture
def somebody(gateway: GovernedGateway, request: pytest.FixtureRequest) -> OperationsApi:
    """A caller of its own for each test, by which its lines are found."""
    return OperationsApi(gateway, gateway.caller("orders", subject=request.node.name))


async def lines_of(gateway: GovernedGateway, subject: str | None, number: int) -> list[dict[str, Any]]:
    """The audit lines about a subject, once there are so many."""

    async def found() -> list[dict[str, Any]]:
        lines = await asyncio.to_thread(lambda: gateway.audit)
        return [line for line in lines if line.get("subject") == subject]

    return await eventually(found, lambda lines: len(lines) >= number)


async def test_lists_counts_bulk_and_discovery_are_on_record(
    gateway: GovernedGateway, somebody: OperationsApi, request: pytest.FixtureRequest
) -> None:
    """Who, what, where as far as they say, whether a rule let them, and the ids to find the request by."""
    await somebody.get("operations", endpoint="orders", operation="process")
    await somebody.get("operations/count", service="nowhere.v1")
    await somebody.post("operations/bulk-terminate", body={"filter": {"endpoint": "orders"}, "dry_run": True})
    await somebody.get("services")
    await somebody.get("services/nowhere.v1")
    await somebody.get("operations/describe", "ng1.dev.AAAAAAAAAAAAAAAAAAAAAAAAAAAA")
    lines = await lines_of(gateway, request.node.name, 6)
    assert [
        ("list", "orders", None, "process", True, "an allow rule matches"),
        ("list", None, "nowhere.v1", None, False, "no allow rule matches"),
        ("terminate", "orders", None, None, True, "an allow rule matches"),
        ("discover", None, None, None, True, "an allow rule matches"),
        ("discover", None, "nowhere.v1", None, False, "no allow rule matches"),
        ("describe", None, None, None, False, "the token opens no operation"),
    ] == [
        tuple(line[key] for key in ("verb", "endpoint", "service", "operation", "allowed", "reason")) for line in lines
    ]
    for line in lines:
        assert (32, 36) == (len(line["trace_id"]), len(line["request_id"]))
        assert "tenants" not in line


async def test_who_cannot_say_who_it_is_is_on_record(gateway: GovernedGateway, http: ClientSession) -> None:
    """With what it asked for and why it was refused; its token is not."""
    nobody = Caller(http, f"{gateway.server.url}/api/v1", None)
    assert 401 == (await nobody.request("GET", "operations")).status
    assert 401 == (await nobody.showing("x.y.z").request("POST", "operations/bulk-cancel")).status
    assert 401 == (await nobody.showing("x.y.z").request("GET", f"{gateway.server.url}/openapi.json")).status
    lines = (await lines_of(gateway, None, 3))[-3:]
    assert [
        ("list", False, "token refused: missing"),
        ("bulk_cancel", False, "token refused: form"),
        ("openapi", False, "token refused: form"),
    ] == [tuple(line[key] for key in ("verb", "allowed", "reason")) for line in lines]
    for line in lines:
        assert (16, 32, 36) == (len(line["decision"]), len(line["trace_id"]), len(line["request_id"]))
        assert "x.y.z" not in str(line)


async def test_the_document_shows_operations_to_callers_alone(gateway: GovernedGateway, http: ClientSession) -> None:
    """Without a token there are the general routes, and no name of anything."""
    url = f"{gateway.server.url}/openapi.json"
    anonymous = await Caller(http, url, None).request("GET", url)
    assert 200 == anonymous.status
    assert "/api/v1/operations" in anonymous.json["paths"]
    assert b"/nexus/endpoints" not in anonymous.body
    assert b"orders.v1" not in anonymous.body
    mine = await gateway.caller().request("GET", url)
    assert "/nexus/endpoints/orders/services/orders.v1/process" in mine.json["paths"]
    assert 200 == (await Caller(http, url, None).request("GET", f"{gateway.server.url}/docs")).status


async def test_limits_change_without_a_restart(gateway: GovernedGateway, somebody: OperationsApi) -> None:
    """The size of a body and the time for a request, at the API as at the Nexus interface, and as callers are told."""
    body = {"tokens": ["x" * 5000]}

    async def large() -> Answer:
        return await somebody.post("operations/bulk-cancel", body=body)

    async def told() -> dict[str, Any]:
        described = (await somebody.get("services/orders.v1")).json
        limits: dict[str, Any] = described["operations"][0]["limits"]
        return limits

    assert 404 == (await large()).status
    before = await told()

    def tighten(config: dict[str, Any]) -> None:
        config["limits"] = {"body": 4096, "request_timeout": "100ms", "result_wait": "1s"}

    gateway.reconfigure(tighten)
    answer = await eventually(large, lambda answer: answer.status == 400)
    assert "body: is longer than 4096 bytes" == answer.json["error"]["message"]
    now = await told()
    assert (4096, 0.1) == (now["body_bytes"], now["request_timeout_seconds"])
    assert before["result_wait_seconds"] == now["result_wait_seconds"]
    refused = await gateway.caller().start("echo.v1/echo", "x" * 5000)
    assert (400, "BAD_REQUEST") == (refused.status, refused.error_type)
    assert "limits.result_wait" in (await gateway.ready())["notices"]["restart"]

    async def slowly() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(2)
        yield b"}"

    started = time.monotonic()
    url = f"{gateway.server.url}/api/v1/operations/bulk-cancel"
    late = await gateway.caller().request("POST", url, headers={"Content-Type": "application/json"}, body=slowly())
    assert (503, "UNAVAILABLE") == (late.status, late.json["error"]["code"])
    assert time.monotonic() - started < 1.9
