"""Completions on their way from a real Temporal server, through the gateway, to whoever the start named."""

import asyncio
import base64
import json
import uuid
from collections.abc import AsyncIterator
from itertools import pairwise
from urllib.parse import quote

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jwt import PyJWKSet
from temporalio.client import Client

from gateway.devstack import Stack
from gateway.engines import DeliveryState, KeptDelivery
from gateway.engines.temporal import TemporalDeliveryBook
from tests.integration.callback_receiver import (
    Answering,
    Arrival,
    Receiver,
    flood,
    hang,
    receiving,
    redirect,
    reset,
    status,
)
from tests.integration.caller import Answer, Caller
from tests.integration.waiting import eventually

GREET = "greeting.v1/greet_by_workflow"
WAIT = "probe.v1/wait"
KEYS = "/.well-known/nexus-gateway/callback-keys.json"


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as running:
        yield running


@pytest.fixture(scope="session")
def greeting(stack: Stack, http: ClientSession) -> Caller:
    """A caller at the endpoint ``greeting``."""
    return Caller(http, stack.gateway.endpoint_url("greeting"), stack.token())


@pytest.fixture(scope="session")
def book(handlers: Client) -> TemporalDeliveryBook:
    """The deliveries that had to wait."""
    return TemporalDeliveryBook(handlers)


def to(url: str) -> str:
    """The query that asks for a completion to be sent there."""
    return f"?callback={quote(url, safe='')}"


async def greet(caller: Caller, url: str, name: str = "ada") -> Answer:
    return await caller.start(GREET, {"name": name}, query=to(url))


async def wait_for_end(caller: Caller, url: str, workflow_id: str, seconds: float = 3600) -> str:
    """Start what goes on until it is ended; its token."""
    answer = await caller.start(WAIT, {"id": workflow_id, "seconds": seconds}, query=to(url))
    return answer.token


async def until(book: TemporalDeliveryBook, arrival: Arrival, state: DeliveryState) -> KeptDelivery:
    """The delivery that this was an attempt of, once it is in that state."""
    found = await eventually(
        lambda: book.show(arrival.headers["webhook-id"]), lambda one: one is not None and one.state is state
    )
    assert found is not None
    return found


async def test_a_result_is_delivered_with_the_token_that_start_returned(greeting: Caller, receiver: Receiver) -> None:
    headers = {"Nexus-Callback-Token": "secret-1", "Nexus-Callback-X-Note": "hi"}
    answer = await greeting.start(GREET, {"name": "ada"}, headers=headers, query=to(receiver.url("good")))
    [arrival] = await receiver.wait("good")
    assert answer.token == arrival.headers["Nexus-Operation-Token"]
    assert "succeeded" == arrival.headers["Nexus-Operation-State"]
    assert ("secret-1", "hi") == (arrival.headers["Token"], arrival.headers["X-Note"])
    assert {"message": "hello ada"} == json.loads(arrival.body)
    assert [] == [name for name in arrival.headers if name.lower().startswith("nexus-gateway-callback")]


async def test_a_failure_is_delivered_with_its_type_and_details(greeting: Caller, receiver: Receiver) -> None:
    await greet(greeting, receiver.url("failed"), "nobody")
    [arrival] = await receiver.wait("failed")
    failure = json.loads(arrival.body)
    assert ("failed", "there is nobody") == (arrival.headers["Nexus-Operation-State"], failure["message"])
    assert "NobodyThere" == failure["details"]["applicationFailureInfo"]["type"]
    assert "stackTrace" not in failure


async def test_an_operation_that_was_canceled_says_so(probe: Caller, receiver: Receiver) -> None:
    token = await wait_for_end(probe, receiver.url("canceled"), uuid.uuid4().hex)
    await probe.cancel(WAIT, token)
    [arrival] = await receiver.wait("canceled")
    assert ("canceled", token) == (
        arrival.headers["Nexus-Operation-State"],
        arrival.headers["Nexus-Operation-Token"],
    )


async def test_an_operation_whose_workflow_is_terminated_has_failed(
    probe: Caller, receiver: Receiver, handlers: Client
) -> None:
    workflow_id = uuid.uuid4().hex
    await wait_for_end(probe, receiver.url("terminated"), workflow_id)
    await handlers.get_workflow_handle(workflow_id).terminate("for a test")
    [arrival] = await receiver.wait("terminated")
    assert "failed" == arrival.headers["Nexus-Operation-State"]
    assert "terminated" in json.loads(arrival.body)["message"]


async def test_an_operation_that_runs_out_of_time_has_failed(probe: Caller, receiver: Receiver) -> None:
    await wait_for_end(probe, receiver.url("late"), uuid.uuid4().hex, seconds=1)
    [arrival] = await receiver.wait("late")
    assert "failed" == arrival.headers["Nexus-Operation-State"]
    assert "timeout" in json.loads(arrival.body)["message"]


async def test_a_completion_that_comes_before_its_start_has_answered(probe: Caller, receiver: Receiver) -> None:
    """Its token is the one that start returns afterwards."""
    answer = await probe.start(
        "probe.v1/form", {"metadata": {"encoding": "json/plain"}, "data": "MQ=="}, query=to(receiver.url("early"))
    )
    [arrival] = await receiver.wait("early")
    assert (answer.token, b"1") == (arrival.headers["Nexus-Operation-Token"], arrival.body)


async def test_every_attempt_is_signed_by_a_published_key(
    stack: Stack, greeting: Caller, receiver: Receiver, http: ClientSession
) -> None:
    await greet(greeting, receiver.url("signed"))
    [arrival] = await receiver.wait("signed")
    async with http.get(f"{stack.gateway.url}{KEYS}") as response:
        assert "application/jwk-set+json" == response.content_type
        keys = PyJWKSet.from_dict(await response.json(content_type=None))
    version, _, signature = arrival.headers["webhook-signature"].partition(",")
    signed = f"{arrival.headers['webhook-id']}.{arrival.headers['webhook-timestamp']}.".encode() + arrival.body
    key = keys.keys[0].key
    assert "v1a" == version
    assert isinstance(key, Ed25519PublicKey)
    key.verify(base64.b64decode(signature), signed)


async def test_a_destination_that_fails_is_tried_until_it_recovers(
    greeting: Caller, receiver: Receiver, book: TemporalDeliveryBook
) -> None:
    """Three times 500: a second, then twice that, then four times, a fifth more or less; one id for all."""
    receiver.answers["flaky"] = status(500, 500, 500, 200)
    await greet(greeting, receiver.url("flaky"))
    arrivals = await receiver.wait("flaky", 4)
    gaps = [after.at - before.at for before, after in pairwise(arrivals)]
    assert all(0.75 * 2**n < gap < 1.2 * 2**n + 1.5 for n, gap in enumerate(gaps)), gaps
    assert 1 == len({arrival.headers["webhook-id"] for arrival in arrivals})
    assert 1 == len({arrival.headers["Nexus-Operation-Token"] for arrival in arrivals})
    assert 4 == len({arrival.headers["traceparent"] for arrival in arrivals})
    delivered = await until(book, arrivals[0], DeliveryState.DELIVERED)
    assert (4, "status 200") == (delivered.tries, delivered.reason)


@pytest.mark.parametrize("code", [400, 404, 410])
async def test_a_destination_that_refuses_for_good_is_asked_once(
    greeting: Caller, receiver: Receiver, book: TemporalDeliveryBook, code: int
) -> None:
    """The delivery is dead and can be seen; the operation's result is still there."""
    receiver.answers["no"] = status(code)
    answer = await greet(greeting, receiver.url("no"))
    [arrival] = await receiver.wait("no")
    dead = await until(book, arrival, DeliveryState.DEAD)
    assert f"status {code}" == dead.reason
    assert ("greeting", "checkout", receiver.url("")[:-1]) == (
        dead.about["endpoint"],
        dead.about["namespace"],
        dead.about["destination"],
    )
    assert dead.id in [one.id for one in await book.list([DeliveryState.DEAD], None, 100)]
    assert {"message": "hello ada"} == (await greeting.result(GREET, answer.token)).json
    await asyncio.sleep(1.5)
    assert 1 == len(receiver.at("no"))


async def test_a_dead_delivery_is_delivered_anew(
    greeting: Caller, receiver: Receiver, book: TemporalDeliveryBook
) -> None:
    """To the letter but for its time, once; who is not dead is left alone."""
    receiver.answers["closed"] = status(410, 200)
    await greet(greeting, receiver.url("closed"))
    [first] = await receiver.wait("closed")
    await until(book, first, DeliveryState.DEAD)
    assert await book.redeliver(first.headers["webhook-id"])
    _, second = await receiver.wait("closed", 2)
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    await until(book, first, DeliveryState.DELIVERED)
    assert not await book.redeliver(first.headers["webhook-id"])


@pytest.mark.parametrize("bad", [hang, reset, redirect("http://169.254.169.254/latest")], ids=["hang", "reset", "away"])
async def test_a_destination_that_misbehaves_is_tried_again(
    greeting: Caller, receiver: Receiver, book: TemporalDeliveryBook, bad: Answering
) -> None:
    receiver.answers["bad"] = bad
    await greet(greeting, receiver.url("bad"))
    [arrival] = await receiver.wait("bad")
    pending = await until(book, arrival, DeliveryState.PENDING)
    receiver.answers["bad"] = status(200)
    await receiver.wait("bad", 2)
    assert pending.id == arrival.headers["webhook-id"]
    await until(book, arrival, DeliveryState.DELIVERED)


async def test_an_endless_answer_is_not_listened_to(
    stack: Stack, greeting: Caller, receiver: Receiver, book: TemporalDeliveryBook
) -> None:
    """The status was 200, so it is delivered; the gateway has not grown by what came after."""
    before = resident(stack)
    receiver.answers["flood"] = flood
    await greet(greeting, receiver.url("flood"))
    [arrival] = await receiver.wait("flood")
    await asyncio.sleep(2)
    assert 1 == len(receiver.at("flood"))
    assert await book.show(arrival.headers["webhook-id"]) is None
    assert 50 << 20 > resident(stack) - before


def resident(stack: Stack) -> int:
    """The memory of the gateway's process, in bytes."""
    with open(f"/proc/{stack.gateway.process.pid}/statm") as file:  # noqa: PTH123 - no file of ours
        return int(file.read().split()[1]) * 4096
