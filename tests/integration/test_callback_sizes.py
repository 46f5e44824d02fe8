"""Completions of every size that Temporal sends: none is lost for being large, and none without a word."""

import json
import uuid
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import NexusOperationError
from temporalio.worker import Worker

from gateway.completions import COMPLETION_BYTES
from gateway.devstack import Stack, TemporalServer
from tests.integration.another_gateway import another_gateway
from tests.integration.callback_receiver import Receiver, receiving, status
from tests.integration.caller import JSON, Caller
from tests.integration.calling_workflow import Call, CallingWorkflow, Value
from tests.integration.test_callback_delivery import WAIT, greet, to, wait_for_end
from tests.integration.test_callback_outages import caller_at
from tests.integration.test_callback_trust import naming, seal_of

MAKE = "large.v1/make"
ALMOST_TOO_MUCH = 2_080_000
"""Bytes: just below what Temporal takes for one payload, and more than it takes with all that a delivery needs."""


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as running:
        yield running


@pytest.fixture
def large(stack: Stack, http: ClientSession) -> Caller:
    return Caller(http, stack.gateway.endpoint_url("large"), stack.token())


async def make(caller: Caller, url: str, *, fail: bool = False) -> str:
    """Start what ends with almost too much; its token."""
    ask = {"id": uuid.uuid4().hex, "bytes": ALMOST_TOO_MUCH, "fail": fail}
    return (await caller.start(MAKE, ask, query=to(url))).token


@pytest.mark.parametrize("fail", [False, True])
async def test_the_largest_there_is_arrives_whole_where_it_is_taken_at_once(
    large: Caller, receiver: Receiver, fail: bool
) -> None:
    token = await make(large, receiver.url("whole"), fail=fail)
    [arrival] = await receiver.wait("whole")
    assert ("failed" if fail else "succeeded") == arrival.headers["Nexus-Operation-State"]
    assert token == arrival.headers["Nexus-Operation-Token"]
    if fail:
        assert len(arrival.body) > ALMOST_TOO_MUCH * 4 / 3
        assert "TooMuch" == json.loads(arrival.body)["details"]["applicationFailureInfo"]["type"]
    else:
        assert ALMOST_TOO_MUCH == len(arrival.body)


@pytest.mark.parametrize("code", [503, 413])
@pytest.mark.parametrize("fail", [False, True])
async def test_what_is_too_large_to_wait_is_told_of(large: Caller, receiver: Receiver, fail: bool, code: int) -> None:
    """The caller learns that the operation has ended, how, and that there is a result to ask for."""
    receiver.answers["small"] = status(code, 200)
    token = await make(large, receiver.url("small"), fail=fail)
    first, second = await receiver.wait("small", 2)
    notice = json.loads(second.body)
    assert ("failed", token) == (
        second.headers["Nexus-Operation-State"],
        second.headers["Nexus-Operation-Token"],
    )
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert "nexus-gateway.CompletionTooLarge" == notice["metadata"]["type"]
    assert {"state": "failed" if fail else "succeeded", "bytes": len(first.body)} == notice["details"]
    result = await large.result(MAKE, token)
    assert ((424, "failed") if fail else (200, "succeeded")) == (
        result.status,
        result.headers["Nexus-Operation-State"],
    )


async def test_temporal_as_the_caller_hears_of_what_it_cannot_take(
    stack: Stack, temporal: TemporalServer, callers: Client
) -> None:
    """It refuses what is longer than 2 MiB; without a word its workflow would wait for ever."""
    await temporal.create_nexus_endpoint("large-gateway", target_url=stack.gateway.endpoint_url("large"))
    ask = {"id": uuid.uuid4().hex, "bytes": ALMOST_TOO_MUCH, "fail": True}
    value = Value.of(Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(ask).encode()))
    service, _, operation = MAKE.partition("/")
    headers = {"Authorization": f"Bearer {stack.token()}"}
    async with Worker(callers, task_queue="large-callers", workflows=[CallingWorkflow]):
        with pytest.raises(WorkflowFailureError) as caught:
            await callers.execute_workflow(
                CallingWorkflow.run,
                Call("large-gateway", service, operation, value, headers, 60),
                id=uuid.uuid4().hex,
                task_queue="large-callers",
            )
    assert isinstance(caught.value.cause, NexusOperationError)
    assert "too large for a completion that has to wait" in str(caught.value.cause.cause)


async def test_a_limit_on_what_callers_send_is_none_on_completions(
    stack: Stack, receiver: Receiver, http: ClientSession
) -> None:
    def edit(config: dict[str, Any]) -> None:
        config["limits"] = {"body": 20}

    async with another_gateway(stack, edit) as gateway:
        caller = caller_at(gateway, "greeting", stack, http)
        assert 400 == (await greet(caller, receiver.url("never"), "x" * 20)).status
        await greet(caller, receiver.url("wordy"), "adamina")
        [arrival] = await receiver.wait("wordy")
    assert len(arrival.body) > 20
    assert {"message": "hello adamina"} == json.loads(arrival.body)


async def test_a_completion_that_is_refused_for_good_is_counted_and_told_of(
    stack: Stack, receiver: Receiver, handlers: Client, http: ClientSession
) -> None:
    """Once the seal is known to be the gateway's own; what anybody can send leaves no trace."""
    async with another_gateway(stack) as gateway:
        workflow_id = uuid.uuid4().hex
        await wait_for_end(caller_at(gateway, "probe", stack, http), receiver.url("refused"), workflow_id)
        seal = await seal_of(handlers, workflow_id)
        good = {"Content-Type": JSON, "Nexus-Operation-State": "succeeded"}
        refused = [
            (400, {**good, "Nexus-Operation-State": "over"}, b"1"),
            (400, {**good, "nexus-gateway-hops": "3"}, b"1"),
            (400, good, bytes(COMPLETION_BYTES + 1)),
            (404, {**good, **naming(workflow_id)}, b"1"),
        ]
        for code, headers, body in refused:
            for sealed, expected in ((seal, code), ({}, 404)):
                url = f"{gateway.url}/nexus/callback"
                async with http.post(url, data=BytesIO(body), headers={**headers, **sealed}) as response:
                    assert expected == response.status
        async with http.get(f"{gateway.admin_url}/metrics") as response:
            metrics = await response.text()
        lines = [json.loads(line) for line in gateway.process.output if "is dead" in line]
    assert [] == receiver.arrivals
    assert 'nexus_callback_deliveries_total{outcome="dead"} 4.0' in metrics
    assert [("probe", WAIT, "checkout", receiver.url("")[:-1], 0)] * 4 == [
        (
            line["endpoint"],
            f"{line['service']}/{line['operation']}",
            line["namespace"],
            line["destination"],
            line["tries"],
        )
        for line in lines
    ]
    assert 1 == len({line["callback_id"] for line in lines})
    assert 4 == len({line["reason"] for line in lines})
    assert "the body is longer than 8388608 bytes" in [line["reason"] for line in lines]
