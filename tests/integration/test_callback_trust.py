"""The relay believes the seal and nothing else; what it sends, it sends where it should, and can be believed."""

import json
import secrets
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from temporalio.api.common.v1 import Payload
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.nexus._token import OperationToken, OperationTokenType
from temporalio.worker import Worker

from gateway.devstack import HANDLER_NAMESPACE, Stack, TemporalServer
from gateway.engines.temporal import TemporalDeliveryBook
from tests.integration.another_gateway import another_gateway
from tests.integration.callback_receiver import Receiver, receiving, status
from tests.integration.caller import JSON, Caller
from tests.integration.calling_workflow import Call, CallingWorkflow, Value
from tests.integration.test_callback_delivery import GREET, WAIT, to, wait_for_end
from tests.unit.completions.test_callback_headers import REFUSED
from tests.unit.completions.test_destinations import HOSTILE_LITERALS, HOSTILE_SPELLINGS

SEAL = "nexus-gateway-callback"


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as running:
        yield running


async def seal_of(handlers: Client, workflow_id: str) -> Mapping[str, str]:
    """What the gateway registered for an operation: what somebody with a look at Temporal could learn."""
    request = DescribeWorkflowExecutionRequest(namespace=HANDLER_NAMESPACE)
    request.execution.workflow_id = workflow_id
    described = await handlers.workflow_service.describe_workflow_execution(request)
    return {SEAL: described.callbacks[0].callback.nexus.header[SEAL]}


def naming(workflow_id: str) -> dict[str, str]:
    """A completion's token that names a workflow, as Temporal writes it."""
    token = OperationToken(type=OperationTokenType.WORKFLOW, namespace=HANDLER_NAMESPACE, workflow_id=workflow_id)
    return {"Nexus-Operation-Token": token.encode()}


async def post(http: ClientSession, stack: Stack, headers: Mapping[str, str], body: bytes = b'"forged"') -> int:
    """A completion that nobody asked for; the status it is answered with."""
    sent = {"Content-Type": JSON, "Nexus-Operation-State": "succeeded", **headers}
    async with http.post(f"{stack.gateway.url}/nexus/callback", data=body, headers=sent) as response:
        return response.status


async def test_a_seal_that_the_gateway_has_not_made_delivers_nothing(
    stack: Stack, probe: Caller, receiver: Receiver, handlers: Client, http: ClientSession
) -> None:
    """None, an altered one, junk, two of them, an operation token: each the same 404."""
    workflow_id = uuid.uuid4().hex
    token = await wait_for_end(probe, receiver.url("forged"), workflow_id)
    seal = (await seal_of(handlers, workflow_id))[SEAL]
    altered = seal[:-1] + ("A" if seal[-1] != "A" else "B")
    for bad in (None, altered, seal + "A", seal[:-8], "junk", "", token, "ng1.dev." + secrets.token_urlsafe(64)):
        assert 404 == await post(http, stack, {} if bad is None else {SEAL: bad})
    assert [] == receiver.arrivals


async def test_a_seal_gives_no_token_for_an_operation_that_is_not_its_own(
    stack: Stack, probe: Caller, receiver: Receiver, handlers: Client, http: ClientSession
) -> None:
    """Neither for one that runs, nor for one of somebody else that has ended, nor for one that never was."""
    mine, running, ended = (uuid.uuid4().hex for _ in range(3))
    for workflow_id in (mine, running, ended):
        await wait_for_end(probe, receiver.url(workflow_id), workflow_id)
    await handlers.get_workflow_handle(ended).signal("end")
    await receiver.wait(ended)
    seal = await seal_of(handlers, mine)
    for named in (mine, running, ended, uuid.uuid4().hex):
        assert 404 == await post(http, stack, {**seal, **naming(named)})
    assert [] == receiver.at(mine) + receiver.at(running)


async def test_a_token_of_the_handlers_own_making_is_not_vouched_for(
    stack: Stack, probe: Caller, receiver: Receiver, handlers: Client, http: ClientSession
) -> None:
    """Nobody can tell whose it is: the completion goes out without it."""
    workflow_id = uuid.uuid4().hex
    await wait_for_end(probe, receiver.url("odd"), workflow_id)
    seal = await seal_of(handlers, workflow_id)
    assert 200 == await post(http, stack, {**seal, "Nexus-Operation-Token": "handmade"})
    [arrival] = await receiver.wait("odd")
    assert "Nexus-Operation-Token" not in arrival.headers


async def test_a_replayed_completion_is_the_same_delivery(
    stack: Stack, probe: Caller, receiver: Receiver, handlers: Client, http: ClientSession
) -> None:
    """Its receiver knows it by the id, and gets the token that it got before."""
    workflow_id = uuid.uuid4().hex
    token = await wait_for_end(probe, receiver.url("twice"), workflow_id)
    await handlers.get_workflow_handle(workflow_id).signal("end")
    await receiver.wait("twice")
    seal = await seal_of(handlers, workflow_id)
    assert 200 == await post(http, stack, {**seal, **naming(workflow_id)}, b'"done"')
    first, second = await receiver.wait("twice", 2)
    for name in ("webhook-id", "Nexus-Operation-Token", "Nexus-Operation-State"):
        assert first.headers[name] == second.headers[name]
    assert token == second.headers["Nexus-Operation-Token"]


async def test_what_has_a_deliverys_id_and_is_none_takes_no_completion_in(
    stack: Stack, probe: Caller, receiver: Receiver, handlers: Client, http: ClientSession
) -> None:
    """Neither while it runs nor when it has ended: the completion comes again until it is delivered."""
    workflow_id = uuid.uuid4().hex
    await wait_for_end(probe, receiver.url("taken"), workflow_id)
    seal = await seal_of(handlers, workflow_id)
    assert 200 == await post(http, stack, seal)
    [arrival] = receiver.at("taken")
    taken = arrival.headers["webhook-id"]
    await probe.start(WAIT, {"id": taken})
    receiver.answers["taken"] = status(500)
    assert 503 == await post(http, stack, seal)
    await handlers.get_workflow_handle(taken).terminate("for a test")
    assert 503 == await post(http, stack, seal)
    assert await TemporalDeliveryBook(handlers).show(taken) is None
    receiver.answers.clear()
    assert 200 == await post(http, stack, seal)


async def test_a_completion_that_goes_in_circles_ends(
    stack: Stack, probe: Caller, receiver: Receiver, handlers: Client, http: ClientSession
) -> None:
    workflow_id = uuid.uuid4().hex
    await wait_for_end(probe, receiver.url("circle"), workflow_id)
    seal = await seal_of(handlers, workflow_id)
    for hops in ("3", "9", "-1", "x", "12345678901234567890"):
        assert 400 == await post(http, stack, {**seal, "nexus-gateway-hops": hops})
    assert 200 == await post(http, stack, {**seal, "nexus-gateway-hops": "1"})
    [arrival] = await receiver.wait("circle")
    assert "2" == arrival.headers["nexus-gateway-hops"]


@pytest.mark.parametrize("path", ["/nexus/callback", "/nexus/endpoints/orders/services/orders.v1/process", "/"])
async def test_the_gateways_own_address_is_no_destination(stack: Stack, probe: Caller, path: str) -> None:
    answer = await probe.start(WAIT, {"id": uuid.uuid4().hex}, query=to(f"{stack.gateway.url}{path}"))
    assert (400, "BAD_REQUEST") == (answer.status, answer.error_type)
    assert "gateway's own" in answer.message


async def test_no_hostile_destination_starts_anything(probe: Caller, handlers: Client) -> None:
    """All of the table, with the allow-list of development, which has loopback in it; nothing is started for one."""
    workflow_id = uuid.uuid4().hex
    for url in HOSTILE_LITERALS[1:] + HOSTILE_SPELLINGS:
        answer = await probe.start(WAIT, {"id": workflow_id}, query=to(url))
        assert (400, "BAD_REQUEST") == (answer.status, answer.error_type), url
        assert "callback" in answer.message
    assert 0 == (await handlers.count_workflows(f"WorkflowId = '{workflow_id}'")).count


async def test_no_hostile_header_starts_anything(probe: Caller, handlers: Client, receiver: Receiver) -> None:
    """Each is refused by its name."""
    workflow_id = uuid.uuid4().hex
    for name in REFUSED:
        answer = await probe.start(
            WAIT, {"id": workflow_id}, headers={f"Nexus-Callback-{name}": "1"}, query=to(receiver.url("no"))
        )
        assert (400, "BAD_REQUEST") == (answer.status, answer.error_type), name
        assert f"nexus-callback-{name}" in answer.message.lower()
    assert 0 == (await handlers.count_workflows(f"WorkflowId = '{workflow_id}'")).count


async def test_a_token_in_a_callback_is_the_one_of_the_start_also_after_a_rotation(
    stack: Stack, receiver: Receiver, handlers: Client, http: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two gateways behind one address, as it were: the start at one with the old key, the completion at the other."""
    workflow_id = uuid.uuid4().hex
    probe = Caller(http, stack.gateway.endpoint_url("probe"), stack.token())
    token = await wait_for_end(probe, receiver.url("rotated"), workflow_id)
    seal = await seal_of(handlers, workflow_id)
    await handlers.get_workflow_handle(workflow_id).signal("end")
    await receiver.wait("rotated")

    def rotate(config: dict[str, Any]) -> None:
        config["tokens"]["keys"].insert(0, {"id": "newer", "secret_env": "NEWER_TOKEN_KEY"})

    monkeypatch.setenv("NEWER_TOKEN_KEY", secrets.token_urlsafe(32))
    async with another_gateway(stack, rotate) as other:
        headers = {"Content-Type": JSON, "Nexus-Operation-State": "succeeded", **seal, **naming(workflow_id)}
        async with http.post(f"{other.url}/nexus/callback", data=b'"done"', headers=headers) as response:
            assert 200 == response.status
    _, again = await receiver.wait("rotated", 2)
    assert token == again.headers["Nexus-Operation-Token"]


async def test_temporal_takes_a_signed_completion(stack: Stack, temporal: TemporalServer, callers: Client) -> None:
    """With all its extra headers; the attempt is a span of the start's own trace."""
    trace_id = uuid.uuid4().hex
    await temporal.create_nexus_endpoint("greeting-signed", target_url=stack.gateway.endpoint_url("greeting"))
    headers = {"Authorization": f"Bearer {stack.token()}", "Traceparent": f"00-{trace_id}-b7ad6b7169203331-01"}
    value = Value.of(Payload(metadata={"encoding": b"json/plain"}, data=b'{"name":"ada"}'))
    service, _, operation = GREET.partition("/")
    async with Worker(callers, task_queue="signed", workflows=[CallingWorkflow]):
        result = await callers.execute_workflow(
            CallingWorkflow.run,
            Call("greeting-signed", service, operation, value, headers, 60),
            id=uuid.uuid4().hex,
            task_queue="signed",
        )
    assert {"message": "hello ada"} == json.loads(result.payload().data)
    name = f"nexus.callback {GREET}"
    spans = await stack.sink.spans(trace_id, lambda seen: name in [span.name for span in seen])
    attempt = next(span for span in spans if span.name == name)
    assert (False, 200) == (attempt.failed, attempt.attributes["http.response.status_code"])
    assert "http.request.resend_count" not in attempt.attributes
