"""Operations followed as they happen, by server-sent events."""

import asyncio
import json
import signal
import uuid
from typing import Any

import pytest
from aiohttp import ClientSession

from gateway.devstack import Stack
from tests.integration.caller import Caller
from tests.integration.operations_api import OperationsApi
from tests.integration.ordering import DECLINED, PROCESS, large_order, small_order


@pytest.fixture(scope="module")
def api(stack: Stack, orders: Caller) -> OperationsApi:
    """The operations resource, for a caller that may do everything."""
    return OperationsApi(stack, orders)


async def follow(
    stack: Stack, http: ClientSession, token: str, last: str | None = None, until: str | None = None
) -> list[dict[str, Any]]:
    """The events of a stream, up to its end or to one of this type."""
    headers = {"Authorization": f"Bearer {stack.token()}", "Nexus-Operation-Token": token}
    if last is not None:
        headers["Last-Event-ID"] = last
    events: list[dict[str, Any]] = []
    async with http.get(f"{stack.gateway.url}/api/v1/operations/events", headers=headers) as response:
        assert response.status in (200, 204), await response.text()
        assert response.status == 204 or "text/event-stream" == response.headers["Content-Type"]
        block: dict[str, str] = {}
        async for line in response.content:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                block[name] = value
            elif block:
                events.append({"id": block.get("id"), "type": block["event"], **json.loads(block["data"])})
                if until == block["event"]:
                    break
                block = {}
    return events


async def test_an_order_is_followed_from_its_start_to_its_end(
    stack: Stack, http: ClientSession, orders: Caller, api: OperationsApi
) -> None:
    """Every step once, in order, the wait for the approval among them; the stream ends with the operation."""
    started = await orders.start(PROCESS, large_order())
    following = asyncio.create_task(follow(stack, http, started.token))
    await api.awaiting(started.token)
    await api.post("operations/update/approve", started.token)
    events = await following
    assert [
        ("started", None),
        ("activity_scheduled", "charge_card"),
        ("activity_completed", "charge_card"),
        ("awaiting", None),
        ("progress", None),
        ("update_accepted", None),
        ("awaiting", None),
        ("progress", None),
        ("activity_scheduled", "ship_order"),
        ("activity_completed", "ship_order"),
        ("succeeded", None),
    ] == [(event["type"], event.get("activity")) for event in events]
    assert [["approve"], []] == [event["updates"] for event in events if event["type"] == "awaiting"]
    assert {"attempt": 1} == {"attempt": events[2]["attempt"]}
    places = [tuple(map(int, event["id"].split("."))) for event in events]
    assert sorted(set(places)) == places


async def test_a_stream_goes_on_where_it_broke_off(
    stack: Stack, http: ClientSession, orders: Caller, api: OperationsApi
) -> None:
    """By the id of the last event that came; after the last of all there is nothing to come back for."""
    started = await orders.start(PROCESS, large_order())
    before = await follow(stack, http, started.token, until="awaiting")
    await api.post("operations/cancel", started.token)
    after = await follow(stack, http, started.token, before[-1]["id"])
    assert ["progress", "cancel_requested", "awaiting"] == [event["type"] for event in after][:3]
    assert "canceled" == after[-1]["type"]
    whole = await follow(stack, http, started.token)
    assert [event["id"] for event in whole] == [event["id"] for event in before + after]
    assert [] == await follow(stack, http, started.token, whole[-1]["id"])


async def test_a_failure_says_which_step_failed_and_why(stack: Stack, http: ClientSession, orders: Caller) -> None:
    """With the number of the attempt."""
    started = await orders.start(PROCESS, small_order(DECLINED))
    events = await follow(stack, http, started.token)
    (failed,) = [event for event in events if event["type"] == "activity_failed"]
    assert ("charge_card", 1, "the card was declined") == (failed["activity"], failed["attempt"], failed["message"])
    assert ("failed", "the card was declined") == (events[-1]["type"], events[-1]["message"])


async def test_an_id_of_no_event_is_refused(orders: Caller, stack: Stack) -> None:
    """Before anything is streamed."""
    started = await orders.start(PROCESS, small_order())
    api = orders.at(f"{stack.gateway.url}/api/v1")
    headers = {"Nexus-Operation-Token": started.token, "Last-Event-ID": "seven"}
    assert 400 == (await api.request("GET", "operations/events", headers=headers)).status


async def test_each_attempt_of_an_activity_that_fails_is_told_before_the_activity_has_ended(
    stack: Stack, http: ClientSession, probe: Caller
) -> None:
    """A workflow's history says nothing of them by then, and keeps none of it."""
    started = await probe.start("probe.v1/work_within", {"id": uuid.uuid4().hex, "how": "flaky"})
    events = await follow(stack, http, started.token)
    assert [
        "started",
        "activity_scheduled",
        "activity_retrying",
        "activity_retrying",
        "activity_completed",
        "succeeded",
    ] == [event["type"] for event in events]
    assert [
        (None, "work", 1, "attempt 1 did not work"),
        (None, "work", 2, "attempt 2 did not work"),
    ] == [(event["id"], event["activity"], event["attempt"], event["message"]) for event in events[2:4]]
    assert 3 == events[4]["attempt"]


async def test_a_stream_outlives_a_moment_in_which_temporal_says_nothing(
    stack: Stack, http: ClientSession, probe: Caller
) -> None:
    """While an activity is pending, it is asked every two seconds."""
    assert stack.temporal is not None
    started = await probe.start("probe.v1/work_within", {"id": uuid.uuid4().hex, "how": "flaky"})
    following = asyncio.ensure_future(follow(stack, http, started.token))
    await asyncio.sleep(1)
    stack.temporal.process.send_signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(4)
    finally:
        stack.temporal.process.send_signal(signal.SIGCONT)
    assert "succeeded" == (await following)[-1]["type"]
