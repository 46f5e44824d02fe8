"""Starts go on without their callers, up to their deadlines or to the end of the process."""

import asyncio

import pytest

from gateway.starts import Starts


class Start:
    """One that can be seen, and that ends when it is let."""

    def __init__(self, error: Exception | None = None) -> None:
        self.begun, self.may_end, self.ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.canceled = False
        self._error = error

    async def run(self) -> str:
        self.begun.set()
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.canceled = True
            raise
        finally:
            self.ended.set()
        if self._error is not None:
            raise self._error
        return "token"


async def left(starts: Starts, start: Start, deadline: float | None) -> None:
    """Have a caller ask for it and go away."""
    request = asyncio.create_task(starts.finish(start.run(), deadline))
    await start.begun.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request


def soon(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


async def test_a_caller_that_waits_gets_what_it_comes_to() -> None:
    start = Start()
    start.may_end.set()
    assert "token" == await Starts().finish(start.run(), None)
    failing = Start(ValueError("out of stock"))
    failing.may_end.set()
    with pytest.raises(ValueError, match="out of stock"):
        await Starts().finish(failing.run(), None)


@pytest.mark.parametrize("seconds", [None, 60.0])
async def test_it_goes_on_when_its_caller_has_gone(seconds: float | None) -> None:
    starts, start = Starts(), Start()
    await left(starts, start, None if seconds is None else soon(seconds))
    await asyncio.sleep(0)
    start.may_end.set()
    await asyncio.wait_for(start.ended.wait(), 1)
    assert not start.canceled


async def test_it_does_not_go_on_beyond_its_deadline() -> None:
    starts, start = Starts(), Start()
    await left(starts, start, soon(0.05))
    await asyncio.wait_for(start.ended.wait(), 1)
    assert start.canceled


async def test_the_request_and_it_share_one_deadline() -> None:
    """The caller is told of the time that is up, and it ends at the same moment."""
    starts, start, deadline = Starts(), Start(), soon(0.05)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout_at(deadline):
            await starts.finish(start.run(), deadline)
    await asyncio.wait_for(start.ended.wait(), 1)
    assert start.canceled


async def test_who_stops_the_process_waits_for_it_and_then_waits_no_longer() -> None:
    starts, quick, slow = Starts(), Start(), Start()
    await left(starts, quick, None)
    asyncio.get_running_loop().call_later(0.05, quick.may_end.set)
    await starts.drain(5)
    assert quick.ended.is_set()
    assert not quick.canceled
    await left(starts, slow, None)
    await starts.drain(0.05)
    assert slow.canceled


async def test_a_failure_that_nobody_is_told_of_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """By its kind; its message may hold anything."""
    starts, start = Starts(), Start(ValueError("secret"))
    await left(starts, start, None)
    start.may_end.set()
    await starts.drain(1)
    await asyncio.sleep(0)
    assert "a start failed after its caller had gone: ValueError" in caplog.text
    assert "secret" not in caplog.text
