"""No shared fate: completions for a destination that is away do not hold up those for one that is not.

Temporal puts all of them into one queue, because all go to the gateway. ``CALLBACK_OPERATIONS`` is their number.
"""

import asyncio
import os
import statistics
from datetime import datetime
from itertools import cycle, islice

import pytest
from aiohttp import ClientSession, TCPConnector

from gateway.devstack import HOST, Port, Stack
from tests.integration.callback_receiver import Arrival, hang, receiving
from tests.integration.caller import Caller
from tests.integration.test_callback_delivery import greet

OPERATIONS = int(os.environ.get("CALLBACK_OPERATIONS", "200"))
PER_SECOND = 20
"""Slow enough that what is measured is not how busy the machine is."""
NOISE_SECONDS = 1.0
"""How much two equal runs differ on a machine that has other things to do, too."""


@pytest.mark.timeout(600)
async def test_a_dead_destination_delays_no_good_one(stack: Stack) -> None:
    """Beside a run in which the other half goes to a destination that is well, one that refuses, and one that hangs."""
    async with receiving() as well, receiving() as hanging:
        with Port() as closed:
            hanging.answers["other"] = hang
            usual = await median_delay(stack, well.url("other"))
            for dead in (f"http://{HOST}:{closed.number}/other", hanging.url("other")):
                delay = await median_delay(stack, dead)
                if delay > usual * 1.2 + NOISE_SECONDS:
                    # Is it the destination, or has the machine become busier since?
                    usual, delay = await median_delay(stack, well.url("other")), await median_delay(stack, dead)
                assert usual * 1.2 + NOISE_SECONDS > delay


async def median_delay(stack: Stack, other: str) -> float:
    """The time from an operation's end to its completion's arrival, of the half that goes to a good destination."""
    async with receiving() as good, ClientSession(connector=TCPConnector(limit=0)) as session:
        caller = Caller(session, stack.gateway.endpoint_url("greeting"), stack.token())
        urls = islice(cycle([good.url("good"), other]), OPERATIONS)
        async with asyncio.TaskGroup() as starting:
            for url in urls:
                starting.create_task(greet(caller, url))
                await asyncio.sleep(1 / PER_SECOND)
        arrivals = await good.wait("good", OPERATIONS // 2, timeout=240)
    assert OPERATIONS // 2 == len({arrival.headers["webhook-id"] for arrival in arrivals})
    return statistics.median(map(_delay, arrivals))


def _delay(arrival: Arrival) -> float:
    closed = datetime.fromisoformat(f"{arrival.headers['Nexus-Operation-Close-Time'][:26].rstrip('Z')}+00:00")
    return arrival.at - closed.timestamp()
