"""A flood of bad tokens leaves the loop to others, and who is alone waits for nothing.

By the processor time of this thread: what the machine does meanwhile for others is no turn of the loop.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from gateway.auth import AuthenticationFailed, Authenticator, Reason
from gateway.auth._turns import Turns
from tests.unit.auth.signing import Signer, encoded

if TYPE_CHECKING:
    from collections.abc import Callable


def working(seconds: float) -> Callable[[], None]:
    def work() -> None:
        until = time.thread_time() + seconds
        while time.thread_time() < until:
            pass

    return work


async def refused(turns: Turns, seconds: float = 0.002, peer: str = "flood") -> None:
    await turns.take(peer)
    with suppress(AuthenticationFailed), turns.spending():
        working(seconds)()
        raise AuthenticationFailed(Reason.SIGNATURE)


async def test_what_is_accepted_is_not_charged() -> None:
    turns = Turns(time.thread_time)
    with turns.spending():
        working(0.002)()
    assert 0.0 == turns.owed


async def test_whoever_is_alone_waits_for_nothing() -> None:
    turns = Turns(time.thread_time)
    started = time.thread_time()
    for _ in range(20):
        await refused(turns, 0.001)
    assert time.thread_time() - started < 0.2


async def test_others_have_the_loop_for_several_times_what_refusals_cost() -> None:
    turns = Turns(time.thread_time)
    spent = {"others": 0, "refusals": 0}
    until = time.thread_time() + 0.6

    async def other() -> None:
        while time.thread_time() < until:
            working(0.002)()
            spent["others"] += 1
            await asyncio.sleep(0)

    async def flood() -> None:
        while time.thread_time() < until:
            await refused(turns)
            spent["refusals"] += 1

    await asyncio.gather(other(), *(flood() for _ in range(5)))
    assert spent["others"] > 4 * spent["refusals"] > 0


async def test_a_newcomer_from_another_address_does_not_queue_behind_a_flood() -> None:
    """Fifty wait at one address; the one at another is the next but one."""
    turns = Turns(time.thread_time)
    await refused(turns)
    order: list[str] = []

    async def come(name: str, peer: str) -> None:
        await refused(turns, 0.001, peer)
        order.append(name)

    busy = asyncio.create_task(_keep_busy())
    flood = [asyncio.create_task(come("flood", "flood")) for _ in range(50)]
    await asyncio.sleep(0)
    newcomer = asyncio.create_task(come("newcomer", "elsewhere"))
    await asyncio.gather(newcomer, *flood)
    busy.cancel()
    assert order.index("newcomer") <= 2
    assert not turns._waiting


async def _keep_busy() -> None:
    while True:
        working(0.002)()
        await asyncio.sleep(0)


async def test_a_flood_of_bad_signatures_does_not_push_out_or_hold_up_a_remembered_token(
    authenticator: Authenticator, signer: Signer
) -> None:
    good = [f"Bearer {signer.token()}"]
    principal = await authenticator.authenticate(good)
    head, _, _ = signer.token().rpartition(".")
    stop = asyncio.Event()

    async def flood(number: int) -> int:
        count = 0
        while not stop.is_set():
            with pytest.raises(AuthenticationFailed):
                await authenticator.authenticate([f"Bearer {head}.{encoded(number.to_bytes(64, 'big'))}"])
            count += 1
            await asyncio.sleep(0)
        return count

    floods = [asyncio.create_task(flood(number)) for number in range(50)]
    for _ in range(200):
        assert principal is await authenticator.authenticate(good)
        await asyncio.sleep(0)
    stop.set()
    assert sum(await asyncio.gather(*floods)) > 0
