"""What the parts have in common: a child process, its ports, and when it is ready."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.devstack._ports import Port
    from gateway.devstack._process import ChildProcess


class Part(ABC):
    """One child process. An async context manager.

    It listens on its ``own`` ports, which are given back at the end, and on ``lent`` ones, which stay with their owner.
    """

    def __init__(self, process: ChildProcess, *, own: Sequence[Port] = (), lent: Sequence[Port] = ()) -> None:
        self.process = process
        self._own = tuple(own)
        self._lent = tuple(lent)

    async def start(self) -> None:
        """Start it, again or for the first time, and wait until it is ready.

        Raises:
            DevstackError: It did not start.
        """
        for port in (*self._own, *self._lent):
            port.hand_over()
        await self.process.start(self._is_ready)

    async def stop(self) -> int | None:
        """Let it finish what is under way, and return its exit code."""
        return await self.process.stop()

    async def kill(self) -> int | None:
        """End it as a power cut would."""
        return await self.process.kill()

    def close(self) -> None:
        """Give back the ports."""
        for port in self._own:
            port.close()

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        self.close()

    @abstractmethod
    async def _is_ready(self) -> bool:
        """Whether it does what it is for."""
