"""The gateway goes away, by force and in order, and its callers: nothing that was started is lost."""

import asyncio
import json
import signal
import time
import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import ClientConnectionError
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.service import RPCError
from temporalio.worker import Worker

from gateway.devstack import GatewayServer, Stack, TemporalServer
from tests.integration.another_gateway import another_gateway
from tests.integration.caller import Caller
from tests.integration.calling_workflow import Call, CallingWorkflow, Value
from tests.integration.ordering import PROCESS, approve, large_order, small_order, until_phase
from tests.integration.waiting import eventually

TASK_QUEUE = "calling-over-restarts"


@pytest_asyncio.fixture
async def gateway(stack: Stack) -> AsyncIterator[GatewayServer]:
    """A gateway that the test may kill."""
    async with another_gateway(stack) as server:
        yield server


async def test_a_result_is_there_after_the_gateway_was_killed(orders: Caller, gateway: GatewayServer) -> None:
    """Between start and result; whoever waited asks again, and any other gateway would do as well."""
    caller = orders.at(gateway.endpoint_url("orders"))
    order = large_order()
    token = (await caller.start(PROCESS, order)).token
    waiting = asyncio.create_task(caller.result(PROCESS, token))
    await until_phase(orders, order, "awaiting_approval")
    await gateway.kill()
    with pytest.raises(ClientConnectionError):
        await waiting
    await approve(orders, order)
    assert 200 == (await orders.result(PROCESS, token)).status
    await gateway.start()
    result = await caller.result(PROCESS, token)
    assert (200, order["order_id"]) == (result.status, result.json["order_id"])
    finished = small_order()
    assert 201 == (await caller.start(PROCESS, finished)).status


async def test_a_calling_workflow_completes_although_the_gateway_was_killed(
    temporal: TemporalServer, callers: Client, orders: Caller, gateway: GatewayServer
) -> None:
    """Between start and completion: the completion waits in Temporal until somebody takes it."""
    endpoint = f"killed-{uuid.uuid4().hex}"
    await temporal.create_nexus_endpoint(endpoint, target_url=gateway.endpoint_url("orders"))
    order = large_order()
    async with Worker(callers, task_queue=TASK_QUEUE, workflows=[CallingWorkflow]):
        calling = await start_calling(callers, endpoint, orders, order)
        await until_phase(orders, order, "awaiting_approval")
        await gateway.kill()
        await approve(orders, order)
        await until_phase(orders, order, "shipped")
        await asyncio.sleep(0.5)  # Temporal finds nobody to tell
        assert WorkflowExecutionStatus.RUNNING is (await calling.describe()).status
        await gateway.start()
        receipt = (await calling.result()).payload()
    assert order["order_id"].encode() in receipt.data


async def test_a_calling_workflow_starts_its_operation_once_the_gateway_is_there(
    temporal: TemporalServer, callers: Client, orders: Caller, gateway: GatewayServer
) -> None:
    """Killed before it had seen the start, which Temporal repeats."""
    endpoint = f"killed-{uuid.uuid4().hex}"
    await temporal.create_nexus_endpoint(endpoint, target_url=gateway.endpoint_url("orders"))
    order = small_order()
    await gateway.kill()
    async with Worker(callers, task_queue=TASK_QUEUE, workflows=[CallingWorkflow]):
        calling = await start_calling(callers, endpoint, orders, order)
        await asyncio.sleep(0.5)
        await gateway.start()
        receipt = (await calling.result()).payload()
    assert order["order_id"].encode() in receipt.data


async def test_asked_to_stop_the_gateway_finishes_what_is_under_way(orders: Caller, gateway: GatewayServer) -> None:
    """SIGTERM: waiting polls are told to ask again, running starts are answered, nothing new is taken; exit code 0."""
    caller, echo = orders.at(gateway.endpoint_url("orders")), orders.at(gateway.endpoint_url("echo"))
    token = (await caller.start(PROCESS, large_order())).token
    began = time.monotonic()
    start = asyncio.create_task(echo.start("echo.v1/sleep", {"seconds": 3}))
    preferring = asyncio.create_task(caller.start(PROCESS, large_order(), headers={"Prefer": "wait=30"}))
    polls = [asyncio.create_task(caller.result(PROCESS, token, wait="50s")) for _ in range(20)]
    await asyncio.sleep(0.7)
    gateway.process.send_signal(signal.SIGTERM)
    answers = await asyncio.gather(*polls)
    assert [412] * 20 == [answer.status for answer in answers]
    assert time.monotonic() - began < 2.5
    assert 201 == (await preferring).status
    with pytest.raises(ClientConnectionError):
        await echo.start("echo.v1/echo", 1)
    finished = await start
    assert (200, 3) == (finished.status, finished.json)
    assert 0 == await gateway.process.wait()
    assert time.monotonic() - began < 30
    assert "running" == (await orders.info(PROCESS, token)).json["state"]
    await orders.cancel(PROCESS, token)


async def test_a_start_that_does_not_end_does_not_keep_the_gateway_from_ending(stack: Stack, orders: Caller) -> None:
    """There is a limit to finishing what is under way; the exit code is 0 all the same."""
    async with another_gateway(stack, lambda config: config.update(limits={"drain": "3s"})) as gateway:
        echo = orders.at(gateway.endpoint_url("echo"))
        start = asyncio.create_task(echo.start("echo.v1/sleep", {"seconds": 50}, headers={"Request-Timeout": "50s"}))
        await asyncio.sleep(0.5)
        began = time.monotonic()
        gateway.process.send_signal(signal.SIGTERM)
        assert 0 == await gateway.process.wait()
        assert time.monotonic() - began < 10
        with pytest.raises(ClientConnectionError):
            await start


@pytest.mark.parametrize("after", [0.1, 0.6])
async def test_a_start_goes_on_without_its_caller(probe: Caller, handlers: Client, after: float) -> None:
    """Its client went away: the operation exists all the same, and a repeated start finds it."""
    name = uuid.uuid4().hex
    same = {"Nexus-Request-Id": name}
    value = {"id": name, "seconds": 60, "start_after": 0.8}
    start = asyncio.create_task(probe.start("probe.v1/wait", value, headers=same))
    await asyncio.sleep(after)
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    description = await eventually(lambda: looked_up(handlers, name), lambda found: found is not None)
    assert WorkflowExecutionStatus.RUNNING is description
    answer = await probe.start("probe.v1/wait", value, headers=same)
    assert 202 == (await probe.cancel("probe.v1/wait", answer.token)).status


async def start_calling(
    callers: Client, endpoint: str, orders: Caller, order: dict[str, object]
) -> WorkflowHandle[CallingWorkflow, Value]:
    """A workflow that places the order through ``endpoint``, as the same tenant as ``orders``."""
    value = Value.of(Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(order).encode()))
    headers = {"Authorization": f"Bearer {orders.token}"}
    call = Call(endpoint, "orders.v1", "process", value, headers)
    return await callers.start_workflow(CallingWorkflow.run, call, id=uuid.uuid4().hex, task_queue=TASK_QUEUE)


async def looked_up(handlers: Client, workflow_id: str) -> WorkflowExecutionStatus | None:
    """The state of a workflow, if there is one."""
    try:
        return (await handlers.get_workflow_handle(workflow_id).describe()).status
    except RPCError:
        return None
