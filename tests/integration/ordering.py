"""Orders as an HTTP caller writes them, and how to see how far one is."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from tests.integration.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.integration.caller import Caller

PROCESS = "orders.v1/process"
DECLINED = "card-declined"


def small_order(card: str = "card-ok", order_id: str | None = None) -> dict[str, Any]:
    """An order that is shipped at once; with an id nobody else uses, unless one is given."""
    return _order([{"sku": "tea", "quantity": 2}], card, order_id)


def large_order(card: str = "card-ok", order_id: str | None = None) -> dict[str, Any]:
    """An order that waits until it is approved."""
    return _order([{"sku": "samovar", "quantity": 1}], card, order_id)


async def approve(caller: Caller, order: Mapping[str, Any]) -> None:
    """Let a large order go on."""
    await until_phase(caller, order, "awaiting_approval")
    assert 200 == (await caller.start("orders.v1/approve", {"order_id": order["order_id"]})).status


async def until_phase(caller: Caller, order: Mapping[str, Any], phase: str) -> None:
    """Wait until there is such an order and it is that far."""
    reference = {"order_id": order["order_id"]}
    await eventually(
        lambda: caller.start("orders.v1/status", reference), lambda answer: phase == answer.json.get("phase")
    )


def _order(lines: list[dict[str, Any]], card: str, order_id: str | None) -> dict[str, Any]:
    return {"order_id": order_id or uuid.uuid4().hex, "lines": lines, "card": card}
