"""The same ``Nexus-Request-Id`` is the same start: one workflow, however often and whenever it is asked for."""

import asyncio
import uuid

import pytest
from temporalio.client import Client

from gateway.devstack import Stack
from tests.integration.caller import Answer, Caller
from tests.integration.conftest import RIVALS
from tests.integration.operations_api import OperationsApi
from tests.integration.ordering import DECLINED, PROCESS, approve, large_order, small_order
from tests.integration.waiting import eventually

BY_WORKFLOW, BY_CLIENT = "greeting.v1/greet_by_workflow", "greeting.v1/greet_by_client"
COUNT = "probe.v1/count"
ADA, FOREVER = {"name": "ada"}, {"name": "forever"}


@pytest.fixture
def greeting(stack: Stack, orders: Caller) -> Caller:
    """A caller at the endpoint whose workflows are named after the request's id."""
    return orders.at(stack.gateway.endpoint_url("greeting"))


@pytest.fixture
def same() -> dict[str, str]:
    """A request id nobody else uses."""
    return {"Nexus-Request-Id": uuid.uuid4().hex}


def workflow_of(answer: Answer) -> str:
    """Workflow and run behind an operation, as the start linked them."""
    assert 201 == answer.status
    return answer.headers["Nexus-Link"].partition("/workflows/")[2].partition("/history")[0]


async def runs(handlers: Client, workflow_id: str) -> int:
    """How many runs there were under an id."""
    return (await handlers.count_workflows(f"WorkflowId = '{workflow_id}'")).count


async def test_a_start_that_is_repeated_is_answered_as_the_first(
    greeting: Caller, handlers: Client, same: dict[str, str]
) -> None:
    """To the character, and said to be; nothing was started a second time."""
    first = await greeting.start(BY_WORKFLOW, FOREVER, headers=same)
    second = await greeting.start(BY_WORKFLOW, FOREVER, headers=same)
    assert first.token == second.token
    assert {**first.lasting_headers, "nexus-gateway-replayed": "true"} == second.lasting_headers
    workflow_id, _, run_id = workflow_of(first).partition("/")
    await eventually(lambda: runs(handlers, workflow_id), lambda count: count == 1)
    assert run_id == (await handlers.get_workflow_handle(workflow_id).describe()).run_id
    await greeting.cancel(BY_WORKFLOW, first.token)


@pytest.mark.parametrize("operation", [BY_WORKFLOW, BY_CLIENT])
async def test_starts_at_once_are_one_start(greeting: Caller, same: dict[str, str], operation: str) -> None:
    """As a caller sends them whose first attempt seemed to be lost."""
    answers = await asyncio.gather(*(greeting.start(operation, FOREVER, headers=same) for _ in range(8)))
    assert 1 == len({answer.token for answer in answers})
    assert 1 == len({workflow_of(answer) for answer in answers})
    await greeting.cancel(operation, answers[0].token)


async def test_a_start_that_is_repeated_after_the_end_starts_nothing(greeting: Caller, same: dict[str, str]) -> None:
    """The token is the one whose result is there."""
    first = await greeting.start(BY_WORKFLOW, ADA, headers=same)
    assert "hello ada" == (await greeting.result(BY_WORKFLOW, first.token)).json["message"]
    second = await greeting.start(BY_WORKFLOW, ADA, headers=same)
    assert (first.token, workflow_of(first)) == (second.token, workflow_of(second))
    waited = await greeting.start(BY_WORKFLOW, ADA, headers={**same, "Prefer": "wait=10"})
    assert (200, "hello ada") == (waited.status, waited.json["message"])


async def test_an_order_is_placed_once(orders: Caller, handlers: Client, same: dict[str, str]) -> None:
    """Also where the handler names the workflow after something else, and another start of it would be a conflict."""
    order = large_order()
    answers = await asyncio.gather(*(orders.start(PROCESS, order, headers=same) for _ in range(5)))
    assert 1 == len({answer.token for answer in answers})
    conflict = await orders.start(PROCESS, order)
    assert (409, "CONFLICT") == (conflict.status, conflict.error_type)
    await approve(orders, order)
    assert 200 == (await orders.result(PROCESS, answers[0].token)).status
    assert answers[0].token == (await orders.start(PROCESS, order, headers=same)).token
    assert (409, "CONFLICT") == ((answer := await orders.start(PROCESS, order)).status, answer.error_type)


async def test_a_start_that_failed_is_not_tried_again(orders: Caller, same: dict[str, str]) -> None:
    """The same request has the same outcome; a new one is a new attempt."""
    order = small_order(DECLINED)
    first = (await orders.start(PROCESS, order, headers=same)).token
    assert 424 == (await orders.result(PROCESS, first)).status
    assert first == (await orders.start(PROCESS, order, headers=same)).token
    again = (await orders.start(PROCESS, order)).token
    assert first != again
    assert 424 == (await orders.result(PROCESS, again)).status
    assert 424 == (await orders.result(PROCESS, first)).status


@pytest.mark.parametrize("ended", [False, True])
async def test_a_start_that_is_repeated_after_the_workflow_has_begun_another_run_is_answered_as_the_first(
    stack: Stack, probe: Caller, handlers: Client, same: dict[str, str], ended: bool
) -> None:
    """Temporal knows the request id of the run that is the last, and the start was that of the first."""
    api = OperationsApi(stack, probe)
    counting = {"id": uuid.uuid4().hex}
    first = await probe.start(COUNT, counting, headers=same)
    await api.post("operations/signal/add", first.token, 1)
    await api.post("operations/signal/turn", first.token)
    workflow_id, _, run_id = workflow_of(first).partition("/")
    await eventually(handlers.get_workflow_handle(workflow_id).describe, lambda found: run_id != found.run_id)
    if ended:
        await api.post("operations/signal/end", first.token)
        assert 200 == (await probe.result(COUNT, first.token)).status
    again = await probe.start(COUNT, counting, headers=same)
    assert first.token == again.token
    assert {**first.lasting_headers, "nexus-gateway-replayed": "true"} == again.lasting_headers
    reused = await probe.start(COUNT, {**counting, "so_far": 7}, headers=same)
    assert (409, "CONFLICT") == (reused.status, reused.error_type)
    assert "request id was used before" in reused.message
    other = await probe.start(COUNT, counting)
    assert (409, "CONFLICT") == (other.status, other.error_type)
    assert "request id" not in other.message
    await api.post("operations/signal/end", first.token)
    assert (200, 1) == ((result := await probe.result(COUNT, first.token)).status, result.json)


async def test_a_start_that_begins_anew_is_not_said_to_be_the_first(
    stack: Stack, probe: Caller, handlers: Client, same: dict[str, str]
) -> None:
    """Temporal has forgotten the request id of a chain that is over, and the handler lets what failed be repeated."""
    api = OperationsApi(stack, probe)
    counting = {"id": uuid.uuid4().hex}
    first = await probe.start(COUNT, counting, headers=same)
    await api.post("operations/signal/turn", first.token)
    await eventually(lambda: runs(handlers, counting["id"]), lambda count: count == 2)
    await api.post("operations/terminate", first.token)
    again = await probe.start(COUNT, counting, headers=same)
    assert first.token != again.token
    assert "Nexus-Gateway-Replayed" not in again.headers
    await api.post("operations/terminate", again.token)


async def test_a_start_that_has_joined_a_workflow_is_one_start_too(
    stack: Stack, probe: Caller, handlers: Client, same: dict[str, str]
) -> None:
    """However often it comes, and in whichever run the workflow is: the token is everybody's, and nothing is begun."""
    api = OperationsApi(stack, probe)
    workflow_id = uuid.uuid4().hex
    counting = {"id": workflow_id, "join": True}
    first = await probe.start(COUNT, counting)
    joined = [await probe.start(COUNT, counting, headers=same) for _ in range(2)]
    await api.post("operations/signal/turn", first.token)
    handle = handlers.get_workflow_handle(workflow_id)
    await eventually(handle.describe, lambda found: found.run_id not in workflow_of(first))
    joined.append(await probe.start(COUNT, counting, headers=same))
    assert {first.token} == {answer.token for answer in joined}
    await api.post("operations/signal/end", first.token)
    assert (200, 0) == ((result := await probe.result(COUNT, first.token)).status, result.json)


async def test_the_same_id_of_another_tenant_is_another_start(
    stack: Stack, greeting: Caller, same: dict[str, str]
) -> None:
    """Ids are chosen by callers, and two may choose alike."""
    rivals = greeting.showing(stack.token(namespace=RIVALS))
    mine = await greeting.start(BY_WORKFLOW, FOREVER, headers=same)
    theirs = await rivals.start(BY_WORKFLOW, FOREVER, headers=same)
    assert mine.token != theirs.token
    assert workflow_of(mine).partition("/")[0] != workflow_of(theirs).partition("/")[0]
    assert 202 == (await greeting.cancel(BY_WORKFLOW, mine.token)).status
    assert 424 == (await greeting.result(BY_WORKFLOW, mine.token)).status
    assert "running" == (await rivals.info(BY_WORKFLOW, theirs.token)).json["state"]
    await rivals.cancel(BY_WORKFLOW, theirs.token)


async def test_the_same_id_for_another_operation_is_another_start(greeting: Caller, same: dict[str, str]) -> None:
    """An id says which request it is, not which operation."""
    first = await greeting.start(BY_WORKFLOW, ADA, headers=same)
    second = await greeting.start(BY_CLIENT, ADA, headers=same)
    assert first.token != second.token
    for operation, token in ((BY_WORKFLOW, first.token), (BY_CLIENT, second.token)):
        assert "hello ada" == (await greeting.result(operation, token)).json["message"]


async def test_starts_without_an_id_are_all_different(greeting: Caller) -> None:
    """Each gets an id that the gateway makes."""
    answers = await asyncio.gather(*(greeting.start(BY_WORKFLOW, ADA) for _ in range(3)))
    assert 3 == len({workflow_of(answer).partition("/")[0] for answer in answers})
