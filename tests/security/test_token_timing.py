"""Nobody can tell by the clock why an operation token does not open."""

from __future__ import annotations

import time
from statistics import median

import pytest

from gateway.model import OperationAddress, Tenant
from gateway.tokens import InvalidToken, TokenKey, TokenSealer

SEALER = TokenSealer([TokenKey(id="k1", secret=b"1" * 32), TokenKey(id="k2", secret=b"2" * 32)])
MINE, OTHERS = Tenant("https://issuer.test", "mine"), Tenant("https://issuer.test", "others")
ADDRESS = OperationAddress("orders", "orders.v1", "process")
FOREIGN = SEALER.seal_operation(OTHERS, ADDRESS, "e" * 200)
BAD = {
    "foreign": FOREIGN,
    "altered": FOREIGN[:-8] + ("A" * 8),
    "of an unknown key": FOREIGN.replace("ng1.k1.", "ng1.k9."),
    "of another operation": SEALER.seal_operation(MINE, OperationAddress("orders", "orders.v1", "other"), "e" * 200),
}


def _timed(token: str) -> float:
    started = time.perf_counter()
    with pytest.raises(InvalidToken):
        SEALER.open_operation(token, MINE, ADDRESS)
    return time.perf_counter() - started


def test_unknown_foreign_and_altered_tokens_cost_the_same() -> None:
    """By the median of many tries in turn: single ones say more about the machine."""
    rounds = [{name: _timed(token) for name, token in BAD.items()} for _ in range(4000)]
    costs = {name: median(each[name] for each in rounds) for name in BAD}
    assert max(costs.values()) < 1.25 * min(costs.values()), costs
