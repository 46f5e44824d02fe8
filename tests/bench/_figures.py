"""What a measurement yields, and how processes hand it to each other."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Answers per second, and the latency in milliseconds that half and 99 of a hundred stayed below."""

    rate: float
    p50: float
    p99: float

    @classmethod
    def of(cls, latencies: Sequence[float], seconds: float) -> Self:
        """Sum up ``latencies``, in seconds, of the answers that came within ``seconds``.

        Raises:
            ValueError: there were none.
        """
        if not latencies:
            raise ValueError("no request was answered")
        ordered = sorted(latencies)

        def percentile(part: float) -> float:
            return ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1000

        return cls(rate=len(ordered) / seconds, p50=percentile(0.50), p99=percentile(0.99))

    def to_json(self) -> str:
        """One line, for standard output."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Self:
        """The inverse of :meth:`to_json`."""
        return cls(**json.loads(line))
