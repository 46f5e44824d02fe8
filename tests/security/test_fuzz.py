"""A small share of what ``make fuzz`` does."""

from __future__ import annotations

import pytest

from tests.security.fuzz import fuzz_codec
from tests.security.mutations import Mutator, seeds


@pytest.mark.parametrize("seed", [11, 12])
def test_broken_requests_raise_nothing_but_protocol_errors(seed: int) -> None:
    assert [] == fuzz_codec(20_000, seed)


def test_the_same_seed_makes_the_same_requests_and_most_of_them_differ() -> None:
    requests = seeds("/prefix", "token")
    one, again = Mutator(requests, 1), Mutator(requests, 1)
    made = [one.next() for _ in range(1000)]
    assert made == [again.next() for _ in range(1000)]
    assert len(set(made)) > 700
