"""The outside world of an order: a payment provider and a warehouse.

Both are stand-ins without a network or a memory. What matters here is their shape: an activity takes one value, may run
more than once, and must therefore have the same effect for the same reference.
"""

import hashlib

from pydantic import BaseModel, ConfigDict
from temporalio import activity
from temporalio.exceptions import ApplicationError

DECLINED_CARD = "card-declined"
"""A card without money on it, as payment providers have them for tests."""

_INSUFFICIENT_FUNDS = 51  # as ISO 8583 numbers the answers of a card's bank


class Charge(BaseModel):
    """Have what ``reference`` names paid with ``card``, so that one payment of it stands, whoever asks and how often.

    Asked again, it is the same payment; one of another amount is given back first. Money is taken anew only where none
    stands: the card was declined, or it was given back. A provider's idempotency key does not do that by itself, for it
    gives a declined or refunded payment once more. A real activity asks the provider for the payments under the
    reference, and makes its key of that and of how many there were.
    """

    model_config = ConfigDict(frozen=True)

    reference: str
    card: str
    amount_cents: int


class Refund(BaseModel):
    """Give back what was taken by ``payment_id``."""

    model_config = ConfigDict(frozen=True)

    payment_id: str
    amount_cents: int


class Parcel(BaseModel):
    """Send an order's goods, once for each ``reference``."""

    model_config = ConfigDict(frozen=True)

    reference: str
    order_id: str


@activity.defn
async def charge_card(charge: Charge) -> str:
    """Charge a card and return the payment's id.

    Raises:
        ApplicationError: Of type ``CardDeclined``, not retryable; its details are ``{"code", "reason"}``.
    """
    if charge.card == DECLINED_CARD:
        raise ApplicationError(
            "the card was declined",
            {"code": _INSUFFICIENT_FUNDS, "reason": "insufficient funds"},
            type="CardDeclined",
            non_retryable=True,
        )
    activity.logger.info("charged %d cents", charge.amount_cents)
    return _id("pay", charge.reference)


@activity.defn
async def refund_payment(refund: Refund) -> str:
    """Refund a payment and return the refund's id."""
    activity.logger.info("refunded %d cents", refund.amount_cents)
    return _id("ref", refund.payment_id)


@activity.defn
async def ship_order(parcel: Parcel) -> str:
    """Hand a parcel to the carrier and return its tracking id."""
    activity.logger.info("shipped")
    return _id("trk", parcel.reference)


def _id(kind: str, reference: str) -> str:
    return f"{kind}_{hashlib.sha256(reference.encode()).hexdigest()[:16]}"
