"""Files that are taken over again when they change.

Every second each file is looked at; what counts is its content, not its date, so replacing a file, writing into it and
exchanging a directory's link (as container platforms do) are all noticed. Whoever takes a file over raises when it is
no good and has then changed nothing: the last good state stays in force, and ``trouble`` says so until the file is
mended. ``look_now`` is for SIGHUP, and looks also at what has not changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import signal
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from gateway.telemetry import Telemetry

_logger = logging.getLogger("gateway.reload")

_Fingerprint = tuple[str | None, ...]


class CannotTake(Exception):
    """A file is no good; ``faults`` has one line for each thing that is wrong, fit for a log."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(self.faults))


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Files that belong together, and what takes them over: it raises ``CannotTake`` and has then changed nothing."""

    name: str
    paths: tuple[Path, ...]
    take: Callable[[], Awaitable[None]]


class Watch:
    """Looks at files until it is left; an async context manager. ``period`` is in seconds."""

    def __init__(self, watched: Iterable[Watched], *, period: float = 1.0) -> None:
        self._watched = tuple(watched)
        self._period = period
        self._seen: dict[str, _Fingerprint] = {}
        self._trouble: dict[str, str] = {}
        self._outcomes: Counter[tuple[str, bool]] = Counter()
        self._now = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        for watched in self._watched:
            self._seen[watched.name] = await asyncio.to_thread(_fingerprint, watched.paths)
        self._task = asyncio.create_task(self._run(), name="watching files")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def look_now(self) -> None:
        """Take everything over again, at once and whether or not it has changed."""
        self._now.set()

    def trouble(self) -> Mapping[str, str]:
        """What could not be taken over, by name, and why: the state before it is still in force."""
        return dict(self._trouble)

    def taken(self) -> Mapping[tuple[str, bool], int]:
        """How often files were taken over (true) or refused (false), by name."""
        return dict(self._outcomes)

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._period):
                    await self._now.wait()
            asked = self._now.is_set()
            self._now.clear()
            for watched in self._watched:
                await self._look(watched, asked=asked)

    async def _look(self, watched: Watched, *, asked: bool) -> None:
        fingerprint = await asyncio.to_thread(_fingerprint, watched.paths)
        if fingerprint == self._seen[watched.name] and not asked:
            return
        self._seen[watched.name] = fingerprint
        try:
            await watched.take()
        except CannotTake as error:
            self._refused(watched.name, str(error))
        except Exception:
            _logger.exception("taking over %s failed", watched.name)
            self._refused(watched.name, "an internal error, see the log")
        else:
            self._trouble.pop(watched.name, None)
            self._outcomes[watched.name, True] += 1
            _logger.info("took over %s", watched.name)

    def _refused(self, name: str, reason: str) -> None:
        self._trouble[name] = reason
        self._outcomes[name, False] += 1
        _logger.error("cannot take over %s, the last good state stays in force: %s", name, reason)


def _fingerprint(paths: Iterable[Path]) -> _Fingerprint:
    return tuple(_digest(path) for path in paths)


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


@asynccontextmanager
async def watching(watched: Sequence[Watched], telemetry: Telemetry) -> AsyncIterator[Watch]:
    """A watch that SIGHUP wakes, and that metrics tell of."""
    loop = asyncio.get_running_loop()
    async with Watch(watched) as watch:
        telemetry.watch_counter("nexus_reloads", "Changed files taken over, or refused", lambda: _reloads(watch))
        telemetry.watch_gauge("nexus_reload_trouble", "Files that are not in force", lambda: _trouble(watched, watch))
        loop.add_signal_handler(signal.SIGHUP, watch.look_now)
        try:
            yield watch
        finally:
            loop.remove_signal_handler(signal.SIGHUP)


def _reloads(watch: Watch) -> Mapping[tuple[tuple[str, str], ...], float]:
    taken = watch.taken().items()
    return {(("file", name), ("outcome", "taken" if good else "refused")): count for (name, good), count in taken}


def _trouble(watched: Sequence[Watched], watch: Watch) -> Mapping[tuple[tuple[str, str], ...], float]:
    trouble = watch.trouble()
    return {(("file", each.name),): float(each.name in trouble) for each in watched}
