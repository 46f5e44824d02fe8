"""What the orders service takes and gives. Amounts are in cents of one currency."""

from enum import StrEnum

import nexusrpc
from pydantic import BaseModel, ConfigDict, Field

OrderId = str
ARTICLES = ("tea", "kettle", "samovar")
"""What is on the price list. A basket with anything else is refused by the price list, which names the line."""

_ORDER_ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


class _Value(BaseModel):
    """A value on the wire: frozen, and without fields nobody knows."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Line(_Value):
    """So many of one article."""

    sku: str = Field(min_length=1, max_length=64, json_schema_extra={"enum": [*ARTICLES]})
    quantity: int = Field(default=1, ge=1, le=1000)


class Basket(_Value):
    """What somebody may want to buy; the input of ``quote``."""

    lines: tuple[Line, ...] = Field(min_length=1, max_length=100)


class Quote(_Value):
    """What a basket costs, and whether an order of it has to be approved."""

    total_cents: int
    needs_approval: bool


class Order(Basket):
    """An order; the input of ``process``. ``card`` is the payment provider's reference to a card, never its number."""

    order_id: OrderId = Field(pattern=_ORDER_ID, examples=["order-1"])
    card: str = Field(min_length=1, max_length=200, examples=["card-ok"])


class Receipt(_Value):
    """An order that was paid and shipped; the output of ``process``."""

    order_id: OrderId
    total_cents: int
    payment_id: str
    tracking_id: str
    approved_by: str | None = None


class OrderReference(_Value):
    """An order of the caller's; the input of ``approve`` and ``status``."""

    order_id: OrderId = Field(pattern=_ORDER_ID, examples=["order-1"])


class Phase(StrEnum):
    """How far an order is."""

    CHARGING = "charging"
    AWAITING_APPROVAL = "awaiting_approval"
    SHIPPING = "shipping"
    SHIPPED = "shipped"
    REFUNDING = "refunding"
    REFUNDED = "refunded"
    NOT_CHARGED = "not_charged"


class OrderStatus(_Value):
    """How an order stands; the output of ``status`` and of ``approve``."""

    order_id: OrderId
    phase: Phase
    total_cents: int
    approved_by: str | None = None


@nexusrpc.service(name="orders.v1")
class OrdersService:
    """The contract of ``orders.v1``, which callers import to get their types checked."""

    quote: nexusrpc.Operation[Basket, Quote]
    process: nexusrpc.Operation[Order, Receipt]
    approve: nexusrpc.Operation[OrderReference, OrderStatus]
    status: nexusrpc.Operation[OrderReference, OrderStatus]
