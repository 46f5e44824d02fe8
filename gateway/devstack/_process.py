"""A child process that is ready when it says so, and gone when we are."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, Never

_GUARD: Final = Path(__file__).with_name("_guard.py")
_POLL: Final = 0.05
_KEPT_LINES: Final = 200


class PartState(StrEnum):
    """What a part of the stack is doing, for a display."""

    STARTING = "starting"
    READY = "ready"
    STOPPED = "stopped"


Progress = Callable[[str, PartState], None]
"""Called with the name of a part and its new state."""


Echo = Callable[[str], None]
"""Called with a line that a part has written."""


def no_progress(_part: str, _state: PartState) -> None:
    """A progress callback for those who do not watch."""


class DevstackError(Exception):
    """A part of the development stack is missing or did not start; the message says which, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """A program to run, in ``directory``: ``argv[0]`` is a path. ``name`` is what messages call it.

    ``echo`` is called with each line it writes. ``death_signal`` is what it gets when we die: SIGKILL unless it has
    children of its own to take along.
    ``start_timeout`` and ``stop_timeout`` are in seconds.
    """

    name: str
    argv: Sequence[str]
    environ: Mapping[str, str] = field(repr=False)
    directory: Path | None = None
    echo: Echo | None = field(default=None, repr=False)
    death_signal: signal.Signals = signal.SIGKILL
    start_timeout: float = 30.0
    stop_timeout: float = 10.0


class ChildProcess:
    """A running :class:`Command`, in a session of its own: Ctrl-C reaches us, and we stop it in our order."""

    def __init__(self, command: Command, progress: Progress = no_progress) -> None:
        self._command = command
        self._progress = progress
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None and self.running else None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    @property
    def output(self) -> tuple[str, ...]:
        """The last lines it wrote, of either stream."""
        return tuple(self._lines)

    async def start(self, is_ready: Callable[[], Awaitable[bool]]) -> None:
        """Start the program and wait until ``is_ready`` says so.

        Raises:
            DevstackError: It ended before, or was not ready in time (and has been stopped).
        """
        self._progress(self._command.name, PartState.STARTING)
        await self._spawn()
        try:
            async with asyncio.timeout(self._command.start_timeout):
                await self._until(is_ready)
        except BaseException as error:
            await self.kill()
            if isinstance(error, TimeoutError):
                raise DevstackError(self._in_words(f"was not ready in {self._command.start_timeout:g} s")) from None
            raise
        self._progress(self._command.name, PartState.READY)

    async def stop(self) -> int | None:
        """Ask it to end, insist when it does not, and return its exit code; ``None`` when it was not started."""
        if self.running:
            self.send_signal(signal.SIGTERM)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._command.stop_timeout):
                    await self.wait()
        return await self.kill()

    async def kill(self) -> int | None:
        """End it, and whatever it left behind, at once."""
        if self._process is None:
            return None
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        exit_code = await self.wait()
        self._process = None
        self._progress(self._command.name, PartState.STOPPED)
        return exit_code

    async def wait(self) -> int | None:
        """Wait until it ends and return its exit code; ``None`` when it was not started."""
        if self._process is None or self._reader is None:
            return None
        exit_code = await self._process.wait()
        await asyncio.wait({self._reader})  # which leaves it alone when we are the ones that are cancelled
        return exit_code

    async def watch(self) -> Never:
        """Wait until it ends by itself.

        Raises:
            DevstackError: It has ended.
        """
        exit_code = await self.wait()
        raise DevstackError(self._in_words(f"ended with exit code {exit_code}"))

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the program alone, not to its children."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _spawn(self) -> None:
        guard = (sys.executable, "-I", "-S", str(_GUARD), str(int(self._command.death_signal)), str(os.getpid()))
        self._lines.clear()
        self._process = await asyncio.create_subprocess_exec(
            *guard,
            *self._command.argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=dict(self._command.environ),
            cwd=self._command.directory,
            start_new_session=True,
        )
        self._reader = asyncio.create_task(self._read(self._process.stdout))

    async def _read(self, stream: asyncio.StreamReader | None) -> None:
        # In chunks: a line may be longer than any limit a reader of lines would have.
        rest = b""
        while stream is not None and (chunk := await stream.read(65536)):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._note(line)
        if rest:
            self._note(rest)

    def _note(self, line: bytes) -> None:
        text = line.decode(errors="replace")
        self._lines.append(text)
        if self._command.echo is not None:
            self._command.echo(text)

    async def _until(self, is_ready: Callable[[], Awaitable[bool]]) -> None:
        while not await is_ready():
            if not self.running:
                exit_code = await self.wait()
                raise DevstackError(self._in_words(f"ended with exit code {exit_code} while it started"))
            await asyncio.sleep(_POLL)

    def _in_words(self, fault: str) -> str:
        last = next((line.strip() for line in reversed(self._lines) if line.strip()), "it wrote nothing")
        return f"the {self._command.name} {fault}: {last}"


async def accepts_connections(host: str, port: int) -> bool:
    """Whether somebody listens there."""
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True
