"""Bulk jobs that the gateway works through itself: by whom, how far, and nothing twice."""

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import ClientSession
from temporalio.api.batch.v1 import BatchOperationTermination
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import (
    DeleteWorkflowExecutionRequest,
    StartBatchOperationRequest,
    StopBatchOperationRequest,
)
from temporalio.client import Client
from temporalio.client import WorkflowExecution as WorkflowExecutionInfo
from temporalio.service import RPCError

from gateway.devstack import Stack, StackOptions, TemporalServer, running_stack
from gateway.engines.temporal._attributes import tenant_keyword
from gateway.model import Tenant
from tests.integration.another_gateway import another_gateway
from tests.integration.caller import Answer, Caller
from tests.integration.conftest import RIVALS
from tests.integration.operations_api import OperationsApi
from tests.integration.ordering import DECLINED, PROCESS, large_order, small_order
from tests.integration.test_serving import command
from tests.integration.waiting import eventually

JOBS = "WorkflowType = 'RunBulkJob'"


def in_chunks_of(chunk: int, pause: str, **more: Any) -> Callable[[dict[str, Any]], None]:
    """A configuration of a gateway that alone works through the jobs that it is asked for."""
    bulk = {"task_queue": f"bulk-{uuid.uuid4().hex}", "chunk": chunk, "pause": pause, **more}
    return lambda config: config.update(bulk=bulk)


@pytest.fixture
def api(stack: Stack, orders: Caller) -> OperationsApi:
    """The operations of this test's caller, at the session's gateway."""
    return OperationsApi(stack, orders)


@pytest.fixture
def mark() -> str:
    """What the operations of a test are found by."""
    return uuid.uuid4().hex


async def place(caller: Caller, number: int, mark: str, card: str = DECLINED) -> list[str]:
    """Start as many small orders, and return their tokens."""
    headers = {"Nexus-Gateway-Metadata-Mark": mark}
    starts = [caller.start(PROCESS, small_order(card), headers=headers) for _ in range(number)]
    return [answer.token for answer in await asyncio.gather(*starts)]


async def states(api: OperationsApi, mark: str) -> dict[str, int]:
    """How many operations with this mark are in which state."""
    counted: dict[str, int] = (await api.get("operations/count", **{"metadata.mark": mark})).json["by_state"]
    return {state: number for state, number in counted.items() if number}


async def until(api: OperationsApi, mark: str, **expected: int) -> None:
    """Wait until that is how many there are in each state."""
    await eventually(lambda: states(api, mark), lambda now: expected == now)


async def look(api: OperationsApi, job: str) -> dict[str, Any]:
    """How far a job is."""
    answer = await api.get(f"operations/bulk/{job}")
    assert 200 == answer.status, answer.body
    progress: dict[str, Any] = answer.json
    return progress


async def until_ended(api: OperationsApi, begun: Answer) -> dict[str, Any]:
    """The job, once it is over."""
    assert 202 == begun.status, begun.body
    job = begun.json["job"]
    return await eventually(lambda: look(api, job), lambda progress: progress["state"] != "running", 75)


async def listed(client: Client, query: str) -> list[WorkflowExecutionInfo]:
    """The workflows that the index finds."""
    return [one async for one in client.list_workflows(query)]


def by(mark: str) -> dict[str, Any]:
    """The filter for a mark."""
    return {"filter": {"metadata": {"mark": mark}}}


def counts(progress: dict[str, Any]) -> tuple[str, int, int, int]:
    """What a job says of itself."""
    return progress["state"], progress["total"], progress["completed"], progress["failed"]


async def terminate_all(client: Client) -> None:
    """End the jobs that nobody works through."""
    async for job in client.list_workflows(f"{JOBS} AND ExecutionStatus = 'Running'"):
        with suppress(RPCError):  # it has ended since
            await client.get_workflow_handle(job.id).terminate()


@asynccontextmanager
async def somebody_elses_batch(client: Client) -> AsyncIterator[None]:
    """The one batch operation that the server runs at a time is somebody's who takes about twenty seconds."""
    job_id = uuid.uuid4().hex
    begin = StartBatchOperationRequest(
        namespace=client.namespace,
        job_id=job_id,
        reason="a slow one",
        executions=[WorkflowExecution(workflow_id=f"{job_id}-{number}") for number in range(1000)],
        termination_operation=BatchOperationTermination(),
    )
    await client.workflow_service.start_batch_operation(begin)
    running = "TemporalNamespaceDivision = 'TemporalBatcher' AND ExecutionStatus = 'Running'"
    await eventually(lambda: client.count_workflows(running), lambda counted: 0 < counted.count)
    try:
        yield
    finally:
        end = StopBatchOperationRequest(namespace=client.namespace, job_id=job_id, reason="enough")
        with suppress(RPCError):  # it has ended
            await client.workflow_service.stop_batch_operation(end)


async def test_a_job_outlives_the_gateway_and_does_nothing_twice(
    stack: Stack, orders: Caller, api: OperationsApi, mark: str
) -> None:
    """Killed in the middle: others know how far it is, and who comes after finishes it.

    The orders fail anew each time, so that one retried twice would be there three times.
    """
    await place(orders, 30, mark)
    await until(api, mark, failed=30)
    async with another_gateway(stack, in_chunks_of(8, "1s")) as gateway:
        begun = await OperationsApi(replace(stack, gateway=gateway), orders).post(
            "operations/bulk-retry", body=by(mark)
        )
        assert (202, 30) == (begun.status, begun.json["total"])
        job = begun.json["job"]
        await eventually(lambda: look(api, job), lambda progress: 8 <= progress["completed"] < 30)
        await gateway.kill()
        await asyncio.sleep(0.5)
        progress = await look(api, job)
        assert ("running", 30) == (progress["state"], progress["total"])
        assert progress["completed"] < 30
        await gateway.start()
        assert ("completed", 30, 30, 0) == counts(await until_ended(api, begun))
    await until(api, mark, failed=60)
    found = await api.listed(**{"metadata.mark": mark})
    described = await asyncio.gather(*(api.described(one["token"]) for one in found))
    retried = Counter(one["retry_of"] for one in described)
    assert 30 == retried.pop(None)
    assert {1} == set(retried.values())
    assert {begun.json["total"]} == {len(retried)}


async def test_a_retry_by_tokens_says_which_could_not_be_retried(orders: Caller, api: OperationsApi, mark: str) -> None:
    """What runs cannot be; the others are, by whom it was asked and with what they were started with."""
    tokens = await place(orders, 3, mark)
    running = (await orders.start(PROCESS, large_order(), headers={"Nexus-Gateway-Metadata-Mark": mark})).token
    await until(api, mark, failed=3, running=1)
    dry = await api.post("operations/bulk-retry", body={"tokens": [*tokens, running], "dry_run": True})
    assert (200, {"total": 4}) == (dry.status, dry.json)
    assert {"total": 3} == (await api.post("operations/bulk-retry", body={**by(mark), "dry_run": True})).json
    begun = await api.post("operations/bulk-retry", body={"tokens": [*tokens, running]})
    assert ("completed", 4, 3, 1) == counts(await until_ended(api, begun))
    await until(api, mark, failed=6, running=1)
    again = [one for one in await api.listed(**{"metadata.mark": mark}) if one["token"] not in (*tokens, running)]
    assert 3 == len(again)
    assert {("checkout", "dev")} == {(one["caller"]["namespace"], one["caller"]["subject"]) for one in again}
    described = [await api.described(one["token"]) for one in again]
    assert set(tokens) == {one["retry_of"] for one in described}
    await api.post("operations/terminate", running)


async def test_a_canceled_job_goes_no_further(stack: Stack, orders: Caller, api: OperationsApi, mark: str) -> None:
    """What has been done stays done, and canceling it once more changes nothing."""
    await place(orders, 9, mark)
    await until(api, mark, failed=9)
    async with another_gateway(stack, in_chunks_of(4, "1m")) as gateway:
        begun = await OperationsApi(replace(stack, gateway=gateway), orders).post(
            "operations/bulk-retry", body=by(mark)
        )
        job = begun.json["job"]
        await eventually(lambda: look(api, job), lambda progress: 4 == progress["completed"])
        assert 200 == (await api.post(f"operations/bulk/{job}/cancel")).status
        assert ("canceled", 9, 4, 0) == counts(await until_ended(api, begun))
        again = await api.post(f"operations/bulk/{job}/cancel")
    assert (200, ("canceled", 9, 4, 0)) == (again.status, counts(again.json))
    await until(api, mark, failed=13)


async def test_a_canceled_batch_operation_of_the_engine_is_canceled_too(
    orders: Caller, api: OperationsApi, mark: str
) -> None:
    """The same word for it, whoever did the work."""
    headers = {"Nexus-Gateway-Metadata-Mark": mark}
    await asyncio.gather(*(orders.start(PROCESS, large_order(), headers=headers) for _ in range(100)))
    await until(api, mark, running=100)
    begun = await api.post("operations/bulk-cancel", body=by(mark))
    canceled = await api.post(f"operations/bulk/{begun.json['job']}/cancel")
    assert (200, "canceled") == (canceled.status, canceled.json["state"])
    await until_ended(api, await api.post("operations/bulk-terminate", body=by(mark)))


async def test_bulk_requests_of_several_callers_at_once_all_complete(
    stack: Stack, handlers: Client, orders: Caller, mark: str
) -> None:
    """The engine takes one at a time; nobody is told to come back because of somebody else's."""
    callers = [orders, orders.showing(stack.token(subject="dev", namespace=RIVALS))]
    mine, theirs = (OperationsApi(stack, caller) for caller in callers)
    headers = {"Nexus-Gateway-Metadata-Mark": mark}
    starts = [caller.start(PROCESS, large_order(), headers=headers) for caller in callers for _ in range(6)]
    await asyncio.gather(*starts)
    for api in (mine, theirs):
        await until(api, mark, running=6)
    before = (await handlers.count_workflows(JOBS)).count
    async with somebody_elses_batch(handlers):
        tokens = [one["token"] for one in await theirs.listed(**{"metadata.mark": mark})]
        begun = [
            (mine, await mine.post("operations/bulk-cancel", body=by(mark))),
            (theirs, await theirs.post("operations/bulk-terminate", body={"tokens": tokens, "reason": "enough"})),
        ]
        for api, answer in begun:
            assert ("completed", 6, 6, 0) == counts(await until_ended(api, answer))
    await until(mine, mark, canceled=6)
    await until(theirs, mark, terminated=6)
    await eventually(lambda: handlers.count_workflows(JOBS), lambda counted: before + 2 == counted.count)


@pytest.mark.parametrize("verb", ["bulk-retry", "bulk-cancel"])
async def test_the_same_request_once_more_is_about_the_same_job(
    stack: Stack, orders: Caller, api: OperationsApi, mark: str, verb: str
) -> None:
    """By its request id and its body: a repetition begins nothing, whether the engine or a job does the work."""
    await place(orders, 2, mark)
    headers = {"Nexus-Gateway-Metadata-Mark": mark}
    await asyncio.gather(*(orders.start(PROCESS, large_order(), headers=headers) for _ in range(2)))
    await until(api, mark, failed=2, running=2)
    again = {"Nexus-Request-Id": uuid.uuid4().hex}
    at_once = [api.post(f"operations/{verb}", body=by(mark), headers=again) for _ in range(3)]
    begun = await asyncio.gather(*at_once)
    assert {202} == {answer.status for answer in begun}
    assert ("completed", 2, 2, 0) == counts(await until_ended(api, begun[0]))
    # What is retried fails anew, as one more operation.
    left = {"failed": 4, "running": 2} if verb == "bulk-retry" else {"failed": 2, "canceled": 2}
    await until(api, mark, **left)
    later = await api.post(f"operations/{verb}", body=by(mark), headers=again)
    assert ("completed", 2, 2, 0) == counts(later.json)
    assert {begun[0].json["job"]} == {answer.json["job"] for answer in (*begun, later)}
    assert left == await states(api, mark)
    other = await api.post(f"operations/{verb}", body={**by(mark), "reason": "another"}, headers=again)
    assert begun[0].json["job"] != other.json["job"]
    await until_ended(api, other)
    rival = OperationsApi(stack, orders.showing(stack.token(subject="dev", namespace=RIVALS)))
    theirs = await rival.post(f"operations/{verb}", body=by(mark), headers=again)
    assert 0 == (await until_ended(rival, theirs))["total"]


async def test_a_job_that_cannot_begin_everywhere_is_stopped_where_it_has_begun(
    stack: Stack, orders: Caller, handlers: Client, callers: Client, mark: str
) -> None:
    """Nobody gets its token, so nobody could."""

    def elsewhere(config: dict[str, Any]) -> None:
        in_chunks_of(1, "1s", worker=False)(config)
        config["endpoints"]["elsewhere"] = {**config["endpoints"]["orders"], "namespace": callers.namespace}

    [here] = await place(orders, 1, mark)
    await until(OperationsApi(stack, orders), mark, failed=1)
    async with another_gateway(stack, elsewhere) as gateway:
        api = OperationsApi(replace(stack, gateway=gateway), orders)
        there = (await orders.at(gateway.endpoint_url("elsewhere")).start(PROCESS, large_order())).token
        [gone] = await eventually(
            lambda: listed(callers, "WorkflowType = 'Order' AND ExecutionStatus = 'Running'"),
            lambda found: 1 == len(found),
        )
        execution = WorkflowExecution(workflow_id=gone.id, run_id=gone.run_id)
        await callers.workflow_service.delete_workflow_execution(
            DeleteWorkflowExecutionRequest(namespace=callers.namespace, workflow_execution=execution)
        )
        await eventually(lambda: api.get("operations/describe", there), lambda answer: answer.status == 404)
        refused = await api.post("operations/bulk-retry", body={"tokens": [here, there]})
        assert 404 == refused.status
        running = f"{JOBS} AND ExecutionStatus = 'Running'"
        [job] = await eventually(lambda: listed(handlers, running), lambda found: 1 == len(found))
        handle = handlers.get_workflow_handle(job.id)
        assert "workflow_execution_cancel_requested_event_attributes" in [
            event.WhichOneof("attributes") async for event in handle.fetch_history_events()
        ]
        await handle.terminate()


async def test_a_worker_goes_on_with_what_a_gateway_has_begun(stack: Stack, orders: Caller, mark: str) -> None:
    """It knows the rules, and can tell who asked."""
    await place(orders, 3, mark)
    await until(OperationsApi(stack, orders), mark, failed=3)
    edit = in_chunks_of(2, "100ms", worker=False)
    async with another_gateway(stack, edit) as gateway:
        api = OperationsApi(replace(stack, gateway=gateway), orders)
        begun = await api.post("operations/bulk-retry", body=by(mark))
        config = yaml.safe_load(stack.config.read_text())
        edit(config)
        config["bulk"]["worker"] = True
        file = stack.config.with_name(f"{mark}.yaml")
        file.write_text(yaml.safe_dump(config))
        async with command(stack, "worker", "--config", str(file)):
            assert ("completed", 3, 3, 0) == counts(await until_ended(api, begun))


async def test_a_job_is_nobodys_operation(api: OperationsApi, orders: Caller, handlers: Client, mark: str) -> None:
    """It runs among them, and is neither listed nor counted, whatever the caller asks by."""
    await place(orders, 1, mark)
    await until(api, mark, failed=1)
    await until_ended(api, await api.post("operations/bulk-retry", body=by(mark)))
    await eventually(lambda: handlers.count_workflows(JOBS), lambda counted: 0 < counted.count)
    for query in (JOBS, "WorkflowId STARTS_WITH 'nexus-gateway/'"):
        assert [] == await api.listed(query=query)
        assert 0 == (await api.get("operations/count", query=query)).json["total"]


async def test_one_tenant_has_so_many_jobs_under_way_and_no_more(
    stack: Stack, orders: Caller, handlers: Client, mark: str
) -> None:
    """It is told so; another tenant is not."""
    rival = orders.showing(stack.token(subject="dev", namespace=RIVALS))
    await place(rival, 1, mark)
    await place(orders, 1, mark)
    await until(OperationsApi(stack, rival), mark, failed=1)
    try:
        async with another_gateway(stack, in_chunks_of(1, "1s", worker=False)) as idle:
            api = OperationsApi(replace(stack, gateway=idle), rival)

            async def ask() -> Answer:
                return await api.post("operations/bulk-retry", body=by(mark))

            refused = await eventually(ask, lambda answer: 202 != answer.status)
            assert (429, "RESOURCE_EXHAUSTED") == (refused.status, refused.json["error"]["code"])
            assert "bulk jobs" in refused.json["error"]["message"]
        assert 202 == (await OperationsApi(stack, orders).post("operations/bulk-retry", body=by(mark))).status
    finally:
        await terminate_all(handlers)


async def test_what_others_name_like_jobs_and_how_many_are_begun_at_once_leave_the_limit_as_it_is(
    stack: Stack, orders: Caller, handlers: Client, mark: str
) -> None:
    """Handlers choose the ids of their workflows, and an index tells of a start after a while."""
    rival = orders.showing(stack.token(subject="dev", namespace=RIVALS))
    await place(rival, 1, mark)
    await until(OperationsApi(stack, rival), mark, failed=1)
    prefix = f"nexus-gateway/bulk/{tenant_keyword(Tenant('https://issuer.test', RIVALS))}/"
    jobs = f"{JOBS} AND ExecutionStatus = 'Running'"
    await eventually(lambda: handlers.count_workflows(jobs), lambda counted: counted.count == 0)
    squatters = [
        await handlers.start_workflow("Nobody", id=f"{prefix}{number}", task_queue=mark) for number in range(25)
    ]
    squatting = f"WorkflowId STARTS_WITH '{prefix}' AND ExecutionStatus = 'Running'"
    await eventually(lambda: handlers.count_workflows(squatting), lambda counted: 25 == counted.count)
    try:
        async with another_gateway(stack, in_chunks_of(1, "1s", worker=False)) as idle:
            api = OperationsApi(replace(stack, gateway=idle), rival)
            asked = [api.post("operations/bulk-retry", body=by(mark)) for _ in range(40)]
            answers = Counter(answer.status for answer in await asyncio.gather(*asked))
        assert {202: 20, 429: 20} == answers
    finally:
        for squatter in squatters:
            await squatter.terminate()
        await eventually(lambda: handlers.count_workflows(jobs), lambda counted: 20 == counted.count)
        await terminate_all(handlers)


async def test_the_history_of_a_job_stays_short(tmp_path: Path, http: ClientSession) -> None:
    """It goes on in another one, and what it has done so far goes along."""
    suggested = {"limit.historyCount.suggestContinueAsNew": 20}
    async with TemporalServer(dynamic_config=suggested) as temporal:
        options = StackOptions(
            directory=tmp_path, temporal_address=temporal.address, edit=in_chunks_of(2, "20ms", jobs=1)
        )
        async with running_stack(options) as stack:
            orders = Caller(http, stack.gateway.endpoint_url("orders"), stack.token())
            api = OperationsApi(stack, orders)
            await place(orders, 12, "many")
            await until(api, "many", failed=12)
            begun = await api.post("operations/bulk-retry", body=by("many"))
            assert ("completed", 12, 12, 0) == counts(await until_ended(api, begun))
            await until(api, "many", failed=24)
            client = await Client.connect(temporal.address)
            continued = f"{JOBS} AND ExecutionStatus = 'ContinuedAsNew'"
            await eventually(lambda: client.count_workflows(continued), lambda counted: 0 < counted.count)
