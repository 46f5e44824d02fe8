"""Completions on their way from a real Temporal server, through the gateway, to whoever the start named."""

import json
import uuid
from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest_asyncio
from aiohttp import ClientSession

from gateway.devstack import Stack
from tests.integration.callback_receiver import Receiver, receiving
from tests.integration.caller import Answer, Caller

GREET = "greeting.v1/greet_by_workflow"


@pytest_asyncio.fixture(scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as running:
        yield running


@pytest_asyncio.fixture(scope="module")
async def caller(stack: Stack, http: ClientSession) -> Caller:
    return Caller(http, stack.gateway.endpoint_url("greeting"), stack.token())


async def start(caller: Caller, url: str, name: str = "ada", **headers: str) -> Answer:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return await caller.start(GREET, {"name": name}, headers=sent, query=f"?callback={quote(url, safe='')}")


async def test_a_result_is_delivered_with_the_token_that_start_returned(caller: Caller, receiver: Receiver) -> None:
    path = uuid.uuid4().hex
    answer = await start(caller, receiver.url(path), Nexus_Callback_Token="secret-1", Nexus_Callback_X_Note="hi")
    [arrival] = await receiver.wait(path)
    assert answer.token == arrival.headers["Nexus-Operation-Token"]
    assert "succeeded" == arrival.headers["Nexus-Operation-State"]
    assert ("secret-1", "hi") == (arrival.headers["Token"], arrival.headers["X-Note"])
    assert {"message": "hello ada"} == json.loads(arrival.body)
