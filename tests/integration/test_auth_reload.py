"""Access taken away and given while the gateway runs, on a real process; and every decision on record."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import jwt
import pytest_asyncio

from tests.integration.governed_gateway import GovernedGateway, eventually, governed_gateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiohttp import ClientSession

    from gateway.devstack import Stack
    from tests.integration.caller import Answer, Caller

ECHO = "echo.v1/echo"


@pytest_asyncio.fixture(scope="module")
async def gateway(stack: Stack, http: ClientSession, tmp_path_factory: Any) -> AsyncIterator[GovernedGateway]:
    directory: Path = tmp_path_factory.mktemp("governed")
    async with governed_gateway(stack, http, directory) as running:
        yield running


async def echoes(caller: Caller) -> Answer:
    return await caller.start(ECHO, "hello")


async def answers(caller: Caller, status: int) -> bool:
    return (await echoes(caller)).status == status


async def test_a_stopped_caller_is_refused_within_moments_and_nobody_else(gateway: GovernedGateway) -> None:
    mallory, alice = gateway.caller(subject="mallory"), gateway.caller(subject="alice")
    assert 200 == (await echoes(mallory)).status
    gateway.write("stops.yaml", {"stops": [{"subjects": ["mallory"]}]})
    started = time.monotonic()
    await eventually(lambda: answers(mallory, 403))
    assert time.monotonic() - started < 3
    assert 200 == (await echoes(alice)).status
    gateway.write("stops.yaml", {"stops": []})
    await eventually(lambda: answers(mallory, 200))


async def test_a_stopped_operation_is_refused_or_put_off_and_its_neighbours_run(gateway: GovernedGateway) -> None:
    caller = gateway.caller()
    gateway.write("stops.yaml", {"stops": [{"operations": [ECHO]}]})
    await eventually(lambda: answers(caller, 403))
    gateway.write("stops.yaml", {"stops": [{"operations": [ECHO], "retryable": True}]})
    await eventually(lambda: answers(caller, 503))
    answer = await echoes(caller)
    assert ("UNAVAILABLE", "true") == (answer.error_type, answer.headers["Nexus-Request-Retryable"])
    assert 200 == (await caller.start("echo.v1/headers", None)).status
    gateway.write("stops.yaml", {"stops": []})
    await eventually(lambda: answers(caller, 200))


async def test_a_revoked_token_is_refused_also_when_it_was_verified_before(gateway: GovernedGateway) -> None:
    token = gateway.stack.token(subject="bob")
    caller = gateway.bearer(token)
    assert 200 == (await echoes(caller)).status
    claims = jwt.decode(token, options={"verify_signature": False})
    gateway.write("revocations.yaml", {"revocations": [{"token_id": claims["jti"]}]})
    await eventually(lambda: answers(caller, 401))
    assert "the token has been revoked" == (await echoes(caller)).message
    assert 200 == (await echoes(gateway.caller(subject="bob"))).status
    gateway.write("revocations.yaml", {"revocations": []})
    await eventually(lambda: answers(caller, 200))


async def test_a_bad_file_keeps_the_last_good_state_and_says_so_everywhere(gateway: GovernedGateway) -> None:
    caller = gateway.caller(subject="carol")
    gateway.write("stops.yaml", {"stops": [{"subjects": ["carol"], "verbs": ["start"]}]})
    await eventually(lambda: answers(caller, 403))
    gateway.write("stops.yaml", "stops: [{subject: [carol]}]")

    async def reported() -> Any:
        return (await gateway.ready())["notices"].get("stops")

    notice = await eventually(reported)
    assert notice.endswith("stops.yaml: stops.0.subject: unknown key; the nearest valid one is subjects")
    assert (await gateway.ready())["ready"]
    assert 403 == (await echoes(caller)).status
    assert 'nexus_reload_trouble{file="stops"' in await gateway.metrics()
    assert any("the last good state stays in force" in line["message"] for line in gateway.log)
    gateway.write("stops.yaml", {"stops": []})
    await eventually(lambda: answers(caller, 200))
    assert "stops" not in (await gateway.ready())["notices"]


async def test_rules_change_without_a_restart_and_disturb_nothing_in_flight(gateway: GovernedGateway) -> None:
    caller = gateway.caller(subject="dave")
    napping = asyncio.create_task(caller.start("echo.v1/sleep", {"seconds": 3}))
    await asyncio.sleep(0.3)

    def deny(config: dict[str, Any]) -> None:
        config["endpoints"]["echo"]["deny"] = [{"subjects": ["dave"], "operations": ["echo.v1/*"]}]

    gateway.reconfigure(deny)
    await eventually(lambda: answers(caller, 404))
    assert 200 == (await echoes(gateway.caller(subject="erin"))).status
    assert 200 == (await napping).status

    def allow(config: dict[str, Any]) -> None:
        config["endpoints"]["echo"].pop("deny", None)

    gateway.reconfigure(allow)
    await eventually(lambda: answers(caller, 200))


async def test_a_bad_configuration_is_reported_and_the_last_good_one_serves(gateway: GovernedGateway) -> None:
    good = await asyncio.to_thread(gateway.config.read_text)
    gateway.write("gateway.yaml", good.replace("endpoints:", "endpoint:", 1))

    async def reported() -> Any:
        return (await gateway.ready())["notices"].get("configuration")

    assert "the nearest valid one is endpoints" in await eventually(reported)
    assert 200 == (await echoes(gateway.caller())).status
    gateway.write("gateway.yaml", good)
    await eventually(lambda: _mended(gateway, "configuration"))


async def _mended(gateway: GovernedGateway, name: str) -> bool:
    return name not in (await gateway.ready())["notices"]


async def test_what_only_a_restart_brings_about_is_named(gateway: GovernedGateway) -> None:
    good = await asyncio.to_thread(gateway.config.read_text)

    def change(config: dict[str, Any]) -> None:
        config["engines"]["main"]["address"] = "127.0.0.1:1"
        config["endpoints"]["more"] = dict(config["endpoints"]["echo"])
        config["limits"] = {"drain": "5s", "body": "1KiB"}

    gateway.reconfigure(change)

    async def noticed() -> Any:
        return (await gateway.ready())["notices"].get("restart")

    assert "needed for engines, limits.drain, endpoints.more" == await eventually(noticed)
    assert 400 == (await gateway.caller().start(ECHO, "x" * 2000)).status
    gateway.write("gateway.yaml", good)
    await eventually(lambda: _mended(gateway, "restart"))
    assert 200 == (await gateway.caller().start(ECHO, "x" * 2000)).status


async def test_a_hang_up_signal_takes_everything_over_at_once(gateway: GovernedGateway) -> None:
    before = sum("took over configuration" in line["message"] for line in gateway.log)
    gateway.hang_up()
    await eventually(lambda: sum("took over configuration" in line["message"] for line in gateway.log) > before)
    assert 200 == (await echoes(gateway.caller())).status


async def test_every_decision_is_on_record_and_found_by_the_id_in_the_log(gateway: GovernedGateway) -> None:
    assert 200 == (await echoes(gateway.caller(subject="frank"))).status
    hidden = await echoes(gateway.caller(subject="grace", namespace="nobodys"))
    assert 404 == hidden.status
    assert 401 == (await echoes(gateway.bearer("no.good.token"))).status

    def written() -> list[dict[str, Any]] | None:
        entries = gateway.audit[-3:]
        return entries if entries[-1]["reason"] == "token refused: form" else None

    frank, grace, nobody = await eventually(written)
    assert (True, "allow.0", "checkout", "orders") == (
        frank["allowed"],
        frank["rule"],
        frank["namespace"],
        frank["target_namespace"],
    )
    assert ("echo", "echo.v1", "echo", "start") == tuple(
        frank[name] for name in ("endpoint", "service", "operation", "verb")
    )
    assert (False, "no allow rule matches") == (grace["allowed"], grace["reason"])
    assert (False, "token refused: form") == (nobody["allowed"], nobody["reason"])
    logged = [line for line in gateway.log if line.get("decision_id") == grace["decision"]]
    assert ["refused: no allow rule matches"] == [line["message"] for line in logged]
    assert [grace["trace_id"]] == [line["trace_id"] for line in logged]
    assert "no.good.token" not in "".join(gateway.lines)
