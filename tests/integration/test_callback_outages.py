"""Nothing is lost and nobody waits for another, whoever is away: the gateway, the destination, or Temporal."""

import asyncio
import json
import os
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from gateway.devstack import HANDLER_NAMESPACE, HOST, GatewayServer, Port, Stack
from gateway.engines import DeliveryState
from gateway.engines.temporal import TemporalDeliveryBook
from tests.integration.another_gateway import another_gateway
from tests.integration.callback_receiver import Receiver, hang, receiving, status
from tests.integration.caller import JSON, Caller
from tests.integration.test_callback_delivery import GREET, greet, to, until, wait_for_end
from tests.integration.test_callback_trust import SEAL, seal_of
from tests.integration.waiting import eventually

ROOT = Path(__file__).parents[2]
AWAY_SECONDS = float(os.environ.get("CALLBACK_AWAY_SECONDS", "12"))
"""Beyond about 25 s Temporal's breaker has opened, and delivery takes up to a minute more."""


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as running:
        yield running


@pytest.fixture
def book(handlers: Client) -> TemporalDeliveryBook:
    return TemporalDeliveryBook(handlers)


def caller_at(gateway: GatewayServer, endpoint: str, stack: Stack, http: ClientSession) -> Caller:
    return Caller(http, gateway.endpoint_url(endpoint), stack.token())


def keeping(**delivery: Any) -> Callable[[dict[str, Any]], None]:
    """A configuration whose deliveries wait on these terms."""

    def edit(config: dict[str, Any]) -> None:
        config["callbacks"]["delivery"] = delivery

    return edit


async def test_a_gateway_killed_while_it_delivers_delivers_again(
    stack: Stack, receiver: Receiver, http: ClientSession
) -> None:
    """Under the same id and with the same token, so that the receiver can tell."""
    receiver.answers["killed"] = hang
    async with another_gateway(stack) as gateway:
        answer = await greet(caller_at(gateway, "greeting", stack, http), receiver.url("killed"))
        [first] = await receiver.wait("killed")
        await gateway.kill()
        receiver.answers["killed"] = status(200)
        await gateway.start()
        _, second = await receiver.wait("killed", 2, timeout=60)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert answer.token == first.headers["Nexus-Operation-Token"] == second.headers["Nexus-Operation-Token"]
    assert first.body == second.body


@pytest.mark.timeout(240)
async def test_a_gateway_that_was_away_delivers_when_it_is_back(
    stack: Stack, receiver: Receiver, handlers: Client, http: ClientSession
) -> None:
    """Temporal keeps the completion meanwhile."""
    async with another_gateway(stack) as gateway:
        workflow_id = uuid.uuid4().hex
        token = await wait_for_end(caller_at(gateway, "probe", stack, http), receiver.url("back"), workflow_id)
        await gateway.kill()
        await handlers.get_workflow_handle(workflow_id).signal("end")
        await asyncio.sleep(AWAY_SECONDS)
        await gateway.start()
        [arrival] = await receiver.wait("back", timeout=100)
    assert (token, b'"done"') == (arrival.headers["Nexus-Operation-Token"], arrival.body)


async def test_two_gateways_behind_one_address_are_one(stack: Stack, receiver: Receiver, http: ClientSession) -> None:
    """What one starts, the other completes, down to the token."""

    def behind_the_first(config: dict[str, Any]) -> None:
        config["server"]["public_url"] = stack.gateway.url

    async with another_gateway(stack, behind_the_first) as second:
        answer = await greet(caller_at(second, "greeting", stack, http), receiver.url("shared"))
        [arrival] = await receiver.wait("shared")
    assert answer.token == arrival.headers["Nexus-Operation-Token"]


async def test_gateways_and_workers_both_deliver_what_waits(stack: Stack, handlers: Client) -> None:
    request = DescribeTaskQueueRequest(
        namespace=HANDLER_NAMESPACE,
        task_queue=TaskQueue(name="nexus-gateway-callbacks"),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    )

    async def pollers() -> set[int]:
        described = await handlers.workflow_service.describe_task_queue(request, timeout=timedelta(seconds=5))
        return {int(poller.identity.partition("@")[0]) for poller in described.pollers}

    wanted = {stack.gateway.process.pid, stack.worker.process.pid}
    assert await eventually(pollers, wanted.issubset)


async def test_a_delivery_that_is_too_old_is_dead_and_told_of(
    stack: Stack, receiver: Receiver, book: TemporalDeliveryBook, http: ClientSession
) -> None:
    """By one line of the log, a metric, and the list; the result can still be fetched."""
    receiver.answers["never"] = status(503)
    terms = keeping(max_age="2s", task_queue="short")
    async with another_gateway(stack, terms) as gateway:
        caller = caller_at(gateway, "greeting", stack, http)
        answer = await greet(caller, receiver.url("never"))
        [first, *_] = await receiver.wait("never", 2)
        dead = await until(book, first, DeliveryState.DEAD)
        async with http.get(f"{gateway.admin_url}/metrics") as response:
            metrics = await response.text()
        assert {"message": "hello ada"} == (await caller.result(GREET, answer.token)).json
        log = [json.loads(line) for line in gateway.process.output if "is dead" in line]
    assert "too old; last: status 503" == dead.reason
    assert 'nexus_callback_deliveries_total{outcome="dead"} 1.0' in metrics
    assert 'nexus_callback_deliveries_total{outcome="handed_over"} 1.0' in metrics
    [line] = log
    assert (dead.id, dead.reason, "checkout") == (line["callback_id"], line["reason"], line["namespace"])
    assert receiver.url("")[:-1] == line["destination"]
    assert line["tries"] == dead.tries
    # The time may run out while one is under way, whose end is not waited for.
    assert dead.tries in (len(receiver.at("never")), len(receiver.at("never")) - 1)


async def test_what_waits_is_delivered_by_whoever_comes_after(
    stack: Stack, book: TemporalDeliveryBook, http: ClientSession
) -> None:
    """The gateway that handed it over is gone, and the destination comes back with another one."""
    with Port() as port:
        terms = keeping(task_queue="after")
        async with another_gateway(stack, terms) as gateway:
            caller = caller_at(gateway, "greeting", stack, http)
            await greet(caller, f"http://{HOST}:{port.number}/late")
            [kept] = await eventually(lambda: pending(book, f":{port.number}"), bool)
            assert "ClientConnectorError" == kept.reason
        async with receiving(port.number) as receiver, another_gateway(stack, terms):
            [arrival] = await receiver.wait("late", timeout=60)
        assert kept.id == arrival.headers["webhook-id"]


async def pending(book: TemporalDeliveryBook, destination: str) -> list[Any]:
    """What waits for a destination."""
    found = await book.list([DeliveryState.PENDING], timedelta(minutes=5), 1000)
    return [one for one in found if one.about["destination"].endswith(destination)]


async def test_nothing_of_a_kept_delivery_can_be_read_in_temporal(
    stack: Stack, book: TemporalDeliveryBook, handlers: Client, http: ClientSession
) -> None:
    """The callback's path, query, headers and body are secrets between the caller and its receiver."""
    with Port() as port:
        url = f"http://{HOST}:{port.number}/secret-path?key=secret-query"
        headers = {"Nexus-Callback-Token": "secret-token"}
        caller = caller_at(stack.gateway, "greeting", stack, http)
        await caller.start(GREET, {"name": "secret-name"}, headers=headers, query=to(url))
        [kept] = await eventually(lambda: pending(book, f":{port.number}"), bool)
        handle = handlers.get_workflow_handle(kept.id)
        seen = str(await handle.fetch_history()) + str((await handle.describe()).raw_description)
        await handle.terminate("for a test")
    assert f"{HOST}:{port.number}" in seen
    assert "secret" not in seen


async def test_without_temporal_nothing_is_acknowledged_that_is_not_delivered(
    own_stack: Stack, receiver: Receiver, http: ClientSession
) -> None:
    """503 for what would have to wait, so that it comes again; what can be delivered is."""
    client = await Client.connect(own_stack.temporal_address, namespace=HANDLER_NAMESPACE)
    probe = caller_at(own_stack.gateway, "probe", own_stack, http)
    receiver.answers["down"] = status(500)
    for path in ("down", "up"):
        await wait_for_end(probe, receiver.url(path), path)
    seals = {path: await seal_of(client, path) for path in ("down", "up")}
    assert own_stack.temporal is not None
    await own_stack.temporal.stop()
    answers = {}
    for path, seal in seals.items():
        headers = {"Content-Type": JSON, "Nexus-Operation-State": "succeeded", SEAL: seal[SEAL]}
        async with http.post(f"{own_stack.gateway.url}/nexus/callback", data=b"1", headers=headers) as response:
            answers[path] = response.status
    assert {"down": 503, "up": 200} == answers
    await own_stack.temporal.start()


async def test_a_destination_that_hangs_delays_nobody_else(
    stack: Stack, receiver: Receiver, http: ClientSession
) -> None:
    """Twenty completions for one that hangs, and then twenty for one that does not: these need no ten seconds."""
    async with another_gateway(stack) as gateway, receiving() as bad:
        bad.answers["bad"] = hang
        caller = caller_at(gateway, "greeting", stack, http)
        await asyncio.gather(*(greet(caller, bad.url("bad")) for _ in range(20)))
        await bad.wait("bad")
        await asyncio.gather(*(greet(caller, receiver.url("good")) for _ in range(20)))
        assert 20 == len(await receiver.wait("good", 20, timeout=10))
        bad.answers["bad"] = status(200)


async def test_the_commands_show_and_repeat_what_is_dead(
    stack: Stack, receiver: Receiver, book: TemporalDeliveryBook, http: ClientSession
) -> None:
    receiver.answers["gone"] = status(410, 200)
    await greet(caller_at(stack.gateway, "greeting", stack, http), receiver.url("gone"))
    [first] = await receiver.wait("gone")
    dead = await until(book, first, DeliveryState.DEAD)
    only = ("--destination", f"*:{receiver.port}")
    await eventually(lambda: command(stack, "list", "--state", "dead", *only), lambda answer: dead.id in answer[1])
    code, listed = await command(stack, "list", "--state", "dead", *only)
    assert (0, 1) == (code, len(listed.splitlines()))
    assert "greeting greeting.v1/greet_by_workflow  checkout" in listed
    assert (0, "") == await command(stack, "list", "--state", "pending", *only)
    code, shown = await command(stack, "show", dead.id)
    assert 0 == code
    assert "status 410" in shown
    assert (0, f"{dead.id} is delivered anew\n") == await command(stack, "redeliver", "--all-dead", *only)
    await receiver.wait("gone", 2)
    await until(book, first, DeliveryState.DELIVERED)
    assert (1, f"{dead.id} is no dead delivery\n") == await command(stack, "redeliver", dead.id)
    assert (1, "there is no delivery ngd_0\n") == await command(stack, "show", "ngd_0")


async def command(stack: Stack, action: str, *arguments: str) -> tuple[int | None, str]:
    """The exit code and output of ``nexus-gateway callbacks``."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "callbacks", action, "--config", str(stack.config), *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    output, errors = await process.communicate()
    assert b"" == errors
    return process.returncode, output.decode()
