"""The life of one order: charge, wait for approval where it is a large one, ship; refund what is not shipped."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from gateway.plugins import AWAITING_MEMO, PROGRESS_MEMO
    from handlers.orders._activities import Charge, Parcel, Refund, charge_card, refund_payment, ship_order
    from handlers.orders._model import Order, OrderStatus, Phase, Receipt
    from handlers.orders._prices import quote

_ACTIVITY_TIMEOUT = timedelta(seconds=30)
_APPROVAL_TIMEOUT = timedelta(days=7)


@workflow.defn(name="Order")
class OrderWorkflow:
    """One order, from its charge to its receipt.

    It ends as failed with ``CardDeclined`` or ``ApprovalTimeout``, and as canceled when it was canceled before it was
    shipped. Either way, what was charged has been given back by then. Who terminates it, or lets it run out of time,
    keeps it from doing so: the payment stands, until the order is processed again and shipped for it, or canceled.
    """

    @workflow.init
    def __init__(self, order: Order) -> None:
        self._order = order
        self._quote = quote(order)
        self._phase = Phase.CHARGING
        self._approved_by: str | None = None

    @workflow.run
    async def run(self, _order: Order) -> Receipt:
        """Process the order."""
        # A task of its own, and shielded: a cancel must not leave it open whether the money was taken.
        charging = asyncio.create_task(self._charge())
        try:
            payment_id = await asyncio.shield(charging)
            await self._wait_for_approval()
            tracking_id = await self._ship()
        except (asyncio.CancelledError, ActivityError, ApplicationError) as error:
            await asyncio.shield(self._refund(charging))
            raise _as_seen_by_the_caller(error) from None
        return Receipt(
            order_id=self._order.order_id,
            total_cents=self._quote.total_cents,
            payment_id=payment_id,
            tracking_id=tracking_id,
            approved_by=self._approved_by,
        )

    @workflow.update
    async def approve(self, approver: str) -> OrderStatus:
        """Approve the order; also ahead of time, while the card is still being charged."""
        self._approved_by = approver
        return self.status()

    @approve.validator
    def _may_be_approved(self, approver: str) -> None:
        if not approver:
            raise ApplicationError("an approval names its approver")
        if not self._quote.needs_approval:
            raise ApplicationError("the order needs no approval")
        if self._approved_by is not None or self._phase not in {Phase.CHARGING, Phase.AWAITING_APPROVAL}:
            raise ApplicationError("the order does not wait for approval any more")

    @workflow.query
    def status(self) -> OrderStatus:
        """How the order stands."""
        return OrderStatus(
            order_id=self._order.order_id,
            phase=self._phase,
            total_cents=self._quote.total_cents,
            approved_by=self._approved_by,
        )

    async def _charge(self) -> str:
        charge = Charge(
            reference=_reference(),
            card=self._order.card,
            amount_cents=self._quote.total_cents,
        )
        return await workflow.execute_activity(charge_card, charge, start_to_close_timeout=_ACTIVITY_TIMEOUT)

    async def _wait_for_approval(self) -> None:
        if not self._quote.needs_approval:
            return
        self._phase = Phase.AWAITING_APPROVAL
        if self._approved_by is not None:
            return
        # Published for whoever looks at the operation, or follows its events.
        workflow.upsert_memo({AWAITING_MEMO: ["approve"], PROGRESS_MEMO: {"phase": self._phase}})
        try:
            await workflow.wait_condition(lambda: self._approved_by is not None, timeout=_APPROVAL_TIMEOUT)
        except TimeoutError:
            raise ApplicationError("nobody approved the order in time", type="ApprovalTimeout") from None
        except asyncio.CancelledError:
            workflow.upsert_memo({AWAITING_MEMO: None})
            raise
        workflow.upsert_memo({AWAITING_MEMO: None, PROGRESS_MEMO: {"phase": "approved"}})

    async def _ship(self) -> str:
        self._phase = Phase.SHIPPING
        parcel = Parcel(reference=_reference(), order_id=self._order.order_id)
        tracking_id = await workflow.execute_activity(
            ship_order,
            parcel,
            start_to_close_timeout=_ACTIVITY_TIMEOUT,
            # A parcel that is being handed over cannot be called back: a cancel that comes now comes too late.
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        self._phase = Phase.SHIPPED
        return tracking_id

    async def _refund(self, charging: asyncio.Task[str]) -> None:
        try:
            payment_id = await charging
        except ActivityError:
            self._phase = Phase.NOT_CHARGED
            return
        self._phase = Phase.REFUNDING
        refund = Refund(payment_id=payment_id, amount_cents=self._quote.total_cents)
        await workflow.execute_activity(refund_payment, refund, start_to_close_timeout=_ACTIVITY_TIMEOUT)
        self._phase = Phase.REFUNDED


def _reference() -> str:
    """What the outside world knows the order by: the same in each of its runs, also after a termination or a reset."""
    return workflow.info().workflow_id


def _as_seen_by_the_caller(error: BaseException) -> BaseException:
    """The reason itself instead of the activity that gave it: which worker ran that is not the caller's business."""
    cause = error.cause if isinstance(error, ActivityError) else None
    if isinstance(cause, ApplicationError):
        return ApplicationError(cause.message, *cause.details, type=cause.type, non_retryable=cause.non_retryable)
    return error
