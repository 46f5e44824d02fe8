"""Looking again until what is expected has come about."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


async def eventually(
    look: Callable[[], Awaitable[T]], is_right: Callable[[T], object], seconds: float = 40, pause: float = 0.03
) -> T:
    """What ``look`` sees, as soon as it is right; it looks again after each pause of so many seconds."""
    deadline = time.monotonic() + seconds
    while not is_right(seen := await look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds:g} s it was still {seen!r}")
        await asyncio.sleep(pause)
    return seen
