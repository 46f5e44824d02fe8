"""A flood of invalid tokens from other connections, beside valid callers."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from tests.bench.flood import measure

if TYPE_CHECKING:
    from gateway.devstack import Stack


async def test_a_flood_of_invalid_tokens_leaves_valid_callers_their_throughput(stack: Stack) -> None:
    """At the same rate as the valid calls, each with another wrong signature.

    ``python -m tests.bench.flood`` prints figures: 0.8 of the throughput and more is kept. Here load generators,
    servers and whatever else runs share the cores, so what is asserted is only that nobody is starved.
    """
    rounds = [await measure(stack, seconds=1.5) for _ in range(3)]
    assert all(one.flood["refused"] > 0 for one in rounds)
    assert 0 == sum(one.flood["otherwise"] for one in rounds)
    assert median(one.ratio for one in rounds) > 0.6
