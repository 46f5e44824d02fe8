"""A flood of invalid tokens from other connections, beside valid callers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.flood import measure

if TYPE_CHECKING:
    from gateway.devstack import Stack

ROUNDS = 6
KEPT = 0.6


async def test_a_flood_of_invalid_tokens_leaves_valid_callers_their_throughput(stack: Stack) -> None:
    """At the same rate as the valid calls, each with another wrong signature.

    ``python -m tests.bench.flood`` prints figures: 0.8 of the throughput and more is kept. Here load generators,
    servers and whatever else runs share the cores, so what is asserted is only that nobody is starved: whoever is, is
    so in every round, and not only in those in which the machine has other things to do.
    """
    best = 0.0
    for _ in range(ROUNDS):
        one = await measure(stack, seconds=1.5)
        assert one.flood["refused"] > 0
        assert 0 == one.flood["otherwise"]
        best = max(best, one.ratio)
        if best > KEPT:
            break
    assert best > KEPT
