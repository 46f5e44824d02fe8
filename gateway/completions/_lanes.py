"""Destinations kept apart: each has a lane of its own, with room for so many attempts and a breaker.

Nobody waits for a lane. Who finds none free hears when to come back, so that a destination which hangs or fails holds
up its own deliveries and no others.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_KEPT: Final = 4096
_BUSY_SECONDS: Final = 1.0


@dataclass(slots=True)
class _Lane:
    in_flight: int = 0
    failures: int = 0
    open_until: float = 0.0
    cooldown: float = 0.0


class Lanes:
    """Room and breakers, by origin.

    ``room`` attempts may be under way to one origin. After ``patience`` failures in a row none are made for
    ``cooldown`` seconds, then a single one; each further failure doubles the time, up to ``longest``. ``clock`` is in
    seconds.
    """

    def __init__(
        self,
        *,
        room: int = 32,
        patience: int = 5,
        cooldown: float = 5.0,
        longest: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._room = room
        self._patience = patience
        self._cooldown = cooldown
        self._longest = longest
        self._clock = clock
        self._lanes: OrderedDict[str, _Lane] = OrderedDict()

    def enter(self, origin: str) -> float | None:
        """Take a place for an attempt, to be given back by ``leave``; or the seconds after which to ask again."""
        lane = self._lane(origin)
        waiting = lane.open_until - self._clock()
        if waiting > 0:
            return waiting
        # Behind a breaker that has just let go, one attempt shows whether the destination is back.
        probing = lane.failures >= self._patience
        if lane.in_flight >= (1 if probing else self._room):
            return lane.cooldown if probing else _BUSY_SECONDS
        lane.in_flight += 1
        return None

    def leave(self, origin: str, *, failed: bool) -> None:
        """Give the place back; ``failed`` when the destination did not answer, or not as one that is well."""
        lane = self._lane(origin)
        lane.in_flight -= 1
        if not failed:
            lane.failures, lane.cooldown, lane.open_until = 0, 0.0, 0.0
            return
        lane.failures += 1
        if lane.failures >= self._patience and lane.open_until <= self._clock():
            lane.cooldown = min(lane.cooldown * 2 or self._cooldown, self._longest)
            lane.open_until = self._clock() + lane.cooldown

    def _lane(self, origin: str) -> _Lane:
        lane = self._lanes.setdefault(origin, _Lane())
        self._lanes.move_to_end(origin)
        while len(self._lanes) > _KEPT:
            oldest, forgotten = next(iter(self._lanes.items()))
            if forgotten.in_flight:
                self._lanes.move_to_end(oldest)
                break
            del self._lanes[oldest]
        return lane
