"""Files taken over when they change, and not when they are no good."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from gateway.app._watching import CannotTake, Watch, Watched

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Reader:
    """Takes over a number from a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.value = 0
        self.calls = 0

    async def take(self) -> None:
        self.calls += 1
        text = await asyncio.to_thread(self._path.read_text)
        if text == "crash":
            raise RuntimeError("secret")
        if not text.isdigit():
            raise CannotTake(["numbers: must be a number", "numbers: and nothing else"])
        self.value = int(text)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "numbers"
    path.write_text("1")
    return path


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not condition():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.005)


def watch_of(reader: Reader, file: Path, period: float = 0.02) -> Watch:
    return Watch([Watched(name="numbers", paths=(file,), take=reader.take)], period=period)


async def write(file: Path, text: str) -> None:
    def at_once() -> None:
        # A file that is written in place is empty for a moment, which is a change, too.
        draft = file.with_suffix(".draft")
        draft.write_text(text)
        draft.replace(file)

    await asyncio.to_thread(at_once)


async def test_a_file_is_taken_over_when_its_content_changes_and_only_then(file: Path) -> None:
    reader = Reader(file)
    async with watch_of(reader, file) as watch:
        await asyncio.sleep(0.1)
        assert 0 == reader.calls
        await write(file, "2")
        await until(lambda: reader.value == 2)
        await asyncio.to_thread(file.touch)
        await asyncio.sleep(0.1)
        assert 1 == reader.calls
    assert {("numbers", True): 1} == watch.taken()


async def test_a_bad_file_leaves_the_last_good_state_and_is_reported_once(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reader = Reader(file)
    async with watch_of(reader, file) as watch:
        await write(file, "2")
        await until(lambda: reader.value == 2)
        await write(file, "nonsense")
        await until(lambda: bool(watch.trouble()))
        await asyncio.sleep(0.1)
        assert {"numbers": "numbers: must be a number; numbers: and nothing else"} == watch.trouble()
        assert 2 == reader.value
        assert 1 == caplog.text.count("the last good state stays in force")
        await write(file, "3")
        await until(lambda: not watch.trouble())
        assert 3 == reader.value
    assert {("numbers", True): 2, ("numbers", False): 1} == watch.taken()


async def test_a_fault_of_our_own_is_logged_and_watching_goes_on(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    reader = Reader(file)
    async with watch_of(reader, file) as watch:
        await write(file, "crash")
        await until(lambda: bool(watch.trouble()))
        assert {"numbers": "an internal error, see the log"} == watch.trouble()
        assert "RuntimeError" in caplog.text
        await write(file, "4")
        await until(lambda: reader.value == 4)


async def test_a_file_that_is_gone_is_trouble_until_it_is_back(file: Path) -> None:
    reader = Reader(file)

    async def take() -> None:
        try:
            await reader.take()
        except OSError:
            raise CannotTake(["gone"]) from None

    async with Watch([Watched(name="numbers", paths=(file,), take=take)], period=0.02) as watch:
        await asyncio.to_thread(file.unlink)
        await until(lambda: watch.trouble() == {"numbers": "gone"})
        await write(file, "5")
        await until(lambda: reader.value == 5)


async def test_who_asks_is_answered_at_once_and_for_everything(file: Path) -> None:
    reader = Reader(file)
    async with watch_of(reader, file, period=60) as watch:
        watch.look_now()
        await until(lambda: reader.calls == 1)
