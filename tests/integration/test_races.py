"""An operation that ends while somebody ends it, and what everybody is told."""

import asyncio
import os
import time
import uuid

import pytest

from gateway.devstack import Stack
from tests.integration.caller import Caller
from tests.integration.operations_api import OperationsApi
from tests.integration.ordering import PROCESS, small_order

ROUNDS = int(os.environ.get("NEXUS_TEST_RACES", "60"))
AT_A_TIME = 4
MOST_SECONDS = 4.0
"""Between a start and its end. However slow the machine is at one moment, all rounds together take a minute."""
ENDED = {"succeeded", "canceled", "terminated"}


@pytest.fixture(scope="module")
def api(stack: Stack, orders: Caller) -> OperationsApi:
    """The operations resource."""
    return OperationsApi(stack, orders)


async def test_every_answer_of_a_race_agrees_with_the_history(orders: Caller, api: OperationsApi) -> None:
    """A small order ships within moments; meanwhile it is canceled, terminated and retried."""
    slots = asyncio.Semaphore(AT_A_TIME)
    # From at once to when an order has surely shipped, however quick the machine is today.
    longest = min(4 * await shipping_time(orders), MOST_SECONDS)

    async def one(number: int) -> str:
        async with slots:
            return await race(orders, api, number / ROUNDS * longest)

    outcomes = await asyncio.gather(*map(one, range(ROUNDS)))
    assert set(outcomes) <= ENDED
    assert len(set(outcomes)) > 1, "all ended alike: this was no race"


async def shipping_time(orders: Caller) -> float:
    """Seconds that an undisturbed order takes."""
    begun = time.perf_counter()
    order = small_order(order_id=uuid.uuid4().hex)
    assert 200 == (await orders.start(PROCESS, order, headers={"Prefer": "wait=30"})).status
    return time.perf_counter() - begun


async def race(orders: Caller, api: OperationsApi, after: float) -> str:
    """One round; how the operation ended."""
    mark = uuid.uuid4().hex
    started = await orders.start(PROCESS, small_order(order_id=mark))
    await asyncio.sleep(after)
    cancel, terminate, retry = await asyncio.gather(
        api.post("operations/cancel", started.token),
        api.post("operations/terminate", started.token),
        api.post("operations/retry", started.token),
    )
    assert cancel.status in (200, 202), cancel.body
    assert 200 == terminate.status, terminate.body
    state: str = terminate.json["state"]
    # Whatever else was said of an end is the same end.
    assert state in ENDED
    assert 202 == cancel.status or state == cancel.json["state"]
    assert (202 == cancel.status) == (cancel.json["state"] == "running")
    retried = retry.status == 202
    assert retried or 409 == retry.status, retry.body
    assert not retried or state != "succeeded"
    if retried:
        again = await api.post("operations/terminate", retry.json["token"])
        assert 200 == again.status
        assert again.json["state"] in ENDED
    # The first end stays, also behind a retry; describe reads it from the history.
    assert state == (await api.described(started.token))["state"]
    result = await orders.result(PROCESS, started.token)
    assert (200 if state == "succeeded" else 424) == result.status
    return state
