"""A child process is ready when it says so, ends when it is told to, and never outlives its parent."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from gateway.devstack import ChildProcess, Command, DevstackError, PartState

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
OBEDIENT = "import time; print('up', flush=True); time.sleep(60)"
WITH_CHILD = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""


def python(code: str, **options: float) -> ChildProcess:
    """A child process that runs ``code``."""
    command = Command(name="part", argv=(sys.executable, "-c", code), environ=dict(os.environ), **options)  # type: ignore[arg-type]
    return ChildProcess(command)


async def has_written(process: ChildProcess) -> bool:
    """Readiness for programs that print when they are ready."""
    return bool(process.output)


async def start(process: ChildProcess) -> int:
    """Start a process that prints when it is ready; its id."""
    await process.start(lambda: has_written(process))
    assert process.pid is not None
    return process.pid


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def gone(pid: int) -> bool:
    """Whether a process ends within a second."""
    for _ in range(100):
        if not alive(pid):
            return True
        await asyncio.sleep(0.01)
    return False


async def test_tells_what_it_is_doing() -> None:
    """Starting, ready, stopped; each once, by name."""
    told: list[tuple[str, PartState]] = []
    command = Command(name="part", argv=(sys.executable, "-c", OBEDIENT), environ=dict(os.environ))
    process = ChildProcess(command, lambda name, state: told.append((name, state)))
    await start(process)
    await process.stop()
    await process.stop()
    assert [("part", PartState.STARTING), ("part", PartState.READY), ("part", PartState.STOPPED)] == told


async def test_a_stubborn_program_is_killed() -> None:
    """Asked first, then made to."""
    process = python(STUBBORN, stop_timeout=0.2)
    await start(process)
    assert -signal.SIGKILL == await process.stop()


async def test_an_obedient_program_is_not_killed() -> None:
    """It ends by the signal that asks."""
    process = python(OBEDIENT)
    await start(process)
    assert -signal.SIGTERM == await process.stop()


async def test_can_be_started_again() -> None:
    """A part that was stopped starts afresh, and its output with it."""
    process = python(OBEDIENT)
    first = await start(process)
    await process.stop()
    second = await start(process)
    assert first != second
    assert ("up",) == process.output
    await process.stop()


async def test_takes_its_children_along() -> None:
    """A program that is killed leaves none of its own behind."""
    process = python(WITH_CHILD)
    await start(process)
    child = int(process.output[0])
    assert alive(child)
    await process.kill()
    assert await gone(child)


async def test_says_why_a_program_ended_while_it_started() -> None:
    """With its exit code and its last words."""
    process = python("import sys; print('no such file'); print(); sys.exit(3)")
    with pytest.raises(DevstackError, match="the part ended with exit code 3 while it started: no such file"):
        await process.start(never_ready)
    assert process.pid is None


async def test_says_that_a_program_was_not_ready_in_time() -> None:
    """And does not leave it running."""
    process = python(OBEDIENT, start_timeout=0.5)
    with pytest.raises(DevstackError, match=r"the part was not ready in 0\.5 s"):
        await process.start(never_ready)
    assert process.pid is None


async def test_watching_ends_when_the_program_does() -> None:
    """A part that ends by itself is a fault, and says so."""
    process = python("import time; print('up', flush=True); time.sleep(0.3); print('out of luck')")
    await start(process)
    with pytest.raises(DevstackError, match="the part ended with exit code 0: out of luck"):
        await process.watch()
    await process.stop()


async def test_a_watch_that_is_given_up_leaves_the_program_alone() -> None:
    """Nor does it keep the program from being stopped later."""
    process = python(OBEDIENT)
    await start(process)
    watch = asyncio.create_task(process.watch())
    await asyncio.sleep(0.05)
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)
    assert -signal.SIGTERM == await process.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has died")
async def test_no_child_outlives_a_parent_that_is_killed() -> None:
    """SIGKILL leaves the parent no time to stop anything; its children end all the same."""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[3]
    )
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    assert alive(child)
    parent.kill()
    await parent.communicate()
    assert await gone(child)


PARENT = """
import asyncio, sys
from tests.unit.devstack.test_process import OBEDIENT, python, start

async def main():
    print(await start(python(OBEDIENT)), flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def never_ready() -> bool:
    """Readiness that does not come."""
    return False


async def test_passes_on_each_line() -> None:
    """For whoever wants to read along; also a last line without an end."""
    lines: list[str] = []
    command = Command(
        name="part",
        argv=(sys.executable, "-c", "import sys; print('one'); sys.stdout.write('two')"),
        environ=dict(os.environ),
        echo=lines.append,
    )
    process = ChildProcess(command)
    began = time.monotonic()
    with pytest.raises(DevstackError):
        await process.start(never_ready)
    assert ["one", "two"] == lines
    assert time.monotonic() - began < 10
