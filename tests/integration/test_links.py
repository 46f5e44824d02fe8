"""Whether callers learn where their operations run: links name the target namespace, the workflow and its run."""

import json
from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from gateway.devstack import HANDLER_NAMESPACE, Stack
from tests.integration.callback_receiver import Receiver, receiving
from tests.integration.caller import Caller
from tests.integration.operations_api import OperationsApi
from tests.integration.ordering import PROCESS, small_order

LINK = "Nexus-Link"


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Somebody who waits for completions."""
    async with receiving() as running:
        yield running


@pytest.mark.parametrize(("endpoint", "linked"), [("orders", True), ("unlinked", False)])
async def test_an_endpoint_says_whether_links_of_the_engine_reach_callers(
    stack: Stack, http: ClientSession, receiver: Receiver, endpoint: str, linked: bool
) -> None:
    """In the answer to a start, in the completion and in the description; the operation's token is the same in all."""
    caller = Caller(http, stack.gateway.endpoint_url(endpoint), stack.token())
    order = small_order()
    answer = await caller.start(PROCESS, order, query=f"?callback={quote(receiver.url('done'), safe='')}")
    (arrival,) = await receiver.wait("done")
    described = (await OperationsApi(stack, caller).get("operations/describe", answer.token)).json
    assert answer.token == arrival.headers["Nexus-Operation-Token"]
    assert (linked, linked, linked) == (LINK in answer.headers, LINK in arrival.headers, described["links"] != [])
    told = json.dumps([dict(answer.headers), answer.json, dict(arrival.headers), described])
    assert linked == (f"/namespaces/{HANDLER_NAMESPACE}/" in told)
