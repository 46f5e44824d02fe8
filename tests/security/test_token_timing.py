"""Nobody can tell by the clock why an operation token does not open."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING

import pytest

from gateway.model import OperationAddress, Tenant
from gateway.tokens import InvalidToken, TokenKey, TokenSealer

if TYPE_CHECKING:
    from collections.abc import Callable

SEALER = TokenSealer([TokenKey(id="k1", secret=b"1" * 32), TokenKey(id="k2", secret=b"2" * 32)])
MINE, OTHERS = Tenant("https://issuer.test", "mine"), Tenant("https://issuer.test", "others")
ADDRESS = OperationAddress("orders", "orders.v1", "process")
FOREIGN = SEALER.seal_operation(OTHERS, ADDRESS, "e" * 200)
BAD = {
    "foreign": FOREIGN,
    "altered": FOREIGN[:-8] + ("A" * 8),
    "of an unknown key": FOREIGN.replace("ng1.k1.", "ng1.k9."),
}


def _at_its_address(token: str) -> object:
    return SEALER.open_operation(token, MINE, ADDRESS)


def _anywhere(token: str) -> object:
    return SEALER.open_any_operation(token, MINE)


def _timed(opened: Callable[[str], object], token: str) -> float:
    started = time.perf_counter()
    with pytest.raises(InvalidToken):
        opened(token)
    return time.perf_counter() - started


@pytest.mark.parametrize("opened", [_at_its_address, _anywhere])
def test_unknown_foreign_and_altered_tokens_cost_the_same(opened: Callable[[str], object]) -> None:
    """By the median of many tries in turn: single ones say more about the machine.

    One's own for another operation does open, and costs a little more: that it is one's own is no secret.
    """
    rounds = [{name: _timed(opened, token) for name, token in BAD.items()} for _ in range(4000)]
    # Within a round, for the machine is not equally fast in all of them.
    costs = {name: median(each[name] / each["foreign"] for each in rounds) for name in BAD}
    assert max(costs.values()) < 1.25 * min(costs.values()), costs
