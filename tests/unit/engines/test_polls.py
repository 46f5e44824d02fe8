"""Waiters for one operation share one poll."""

import asyncio

import pytest

from gateway.engines import SharedPolls, TooManyPolls


class Source:
    """A poll that ends when it is told to, and counts how often it was begun and canceled."""

    def __init__(self) -> None:
        self.begun = 0
        self.canceled = 0
        self.value: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def poll(self) -> str:
        self.begun += 1
        try:
            return await asyncio.shield(self.value)
        except asyncio.CancelledError:
            self.canceled += 1
            raise


@pytest.fixture
async def source() -> Source:
    return Source()


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_many_waiters_cause_one_poll_and_all_get_its_value(source: Source) -> None:
    polls, stop = SharedPolls[str](100), asyncio.Event()
    waiting = [asyncio.create_task(polls.wait("key", source.poll, 5, stop)) for _ in range(50)]
    await _settle()
    assert (polls.waiters, polls.polls, source.begun) == (50, 1, 1)
    source.value.set_result("done")
    assert await asyncio.gather(*waiting) == ["done"] * 50
    assert (polls.waiters, polls.polls) == (0, 0)


async def test_a_waiter_whose_time_is_over_gets_nothing_and_leaves_the_others(source: Source) -> None:
    polls, stop = SharedPolls[str](100), asyncio.Event()
    patient = asyncio.create_task(polls.wait("key", source.poll, 5, stop))
    assert await polls.wait("key", source.poll, 0.01, stop) is None
    source.value.set_result("done")
    assert await patient == "done"
    assert source.begun == 1


async def test_the_poll_is_canceled_when_the_last_waiter_goes(source: Source) -> None:
    polls, stop = SharedPolls[str](100), asyncio.Event()
    waiting = asyncio.create_task(polls.wait("key", source.poll, 5, stop))
    await _settle()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await _settle()
    assert source.canceled == 1
    assert (polls.waiters, polls.polls) == (0, 0)


async def test_draining_ends_every_wait_at_once(source: Source) -> None:
    polls, stop = SharedPolls[str](100), asyncio.Event()
    waiting = [asyncio.create_task(polls.wait(key, source.poll, 60, stop)) for key in range(10)]
    await _settle()
    stop.set()
    assert await asyncio.gather(*waiting) == [None] * 10


async def test_an_error_of_the_poll_reaches_each_waiter(source: Source) -> None:
    polls, stop = SharedPolls[str](100), asyncio.Event()
    waiting = [asyncio.create_task(polls.wait("key", source.poll, 5, stop)) for _ in range(3)]
    await _settle()
    source.value.set_exception(LookupError("gone"))
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [LookupError] * 3 == [type(result) for result in results]


async def test_one_waiter_too_many_is_refused(source: Source) -> None:
    polls, stop = SharedPolls[str](1), asyncio.Event()
    waiting = asyncio.create_task(polls.wait("key", source.poll, 5, stop))
    await _settle()
    with pytest.raises(TooManyPolls):
        await polls.wait("other", source.poll, 5, stop)
    source.value.set_result("done")
    assert await waiting == "done"
