"""The Nexus operations of ``orders.v1``. The class runs unchanged in the gateway and in a plain Temporal worker."""

from nexusrpc import HandlerError, HandlerErrorType
from nexusrpc.handler import StartOperationContext, service_handler, sync_operation
from temporalio import nexus
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from handlers.orders import _prices
from handlers.orders._identity import approver, workflow_id
from handlers.orders._model import (
    Basket,
    Order,
    OrderId,
    OrderReference,
    OrdersService,
    OrderStatus,
    Quote,
    Receipt,
)
from handlers.orders._prices import UnknownArticleError
from handlers.orders._workflow import OrderWorkflow


@service_handler(service=OrdersService)
class OrdersHandler:
    """Quotes and processes orders; lets their tenant approve them and ask how they stand."""

    @sync_operation
    async def quote(self, _ctx: StartOperationContext, basket: Basket) -> Quote:
        """What a basket costs; answers at once."""
        return _quoted(basket)

    @nexus.workflow_run_operation
    async def process(self, ctx: nexus.WorkflowRunOperationContext, order: Order) -> nexus.WorkflowHandle[Receipt]:
        """Charge and ship an order; completes when the order's workflow does."""
        _quoted(order)  # a basket that cannot be priced is the caller's mistake, and starts nothing
        try:
            return await ctx.start_workflow(
                OrderWorkflow.run,
                order,
                id=workflow_id(order.order_id),
                # An order that was shipped is not processed again; one that failed or was canceled may be.
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
            )
        except WorkflowAlreadyStartedError as error:
            raise HandlerError(
                f"the order {order.order_id!r} is being processed already, or was shipped",
                type=HandlerErrorType.CONFLICT,
            ) from error

    @sync_operation
    async def approve(self, _ctx: StartOperationContext, reference: OrderReference) -> OrderStatus:
        """Approve an order that waits for it."""
        try:
            return await _order(reference.order_id).execute_update(OrderWorkflow.approve, approver())
        except WorkflowUpdateFailedError as error:
            raise HandlerError(f"{reference.order_id!r}: {error.cause}", type=HandlerErrorType.CONFLICT) from error
        except RPCError as error:
            raise _unless_unknown(error, f"there is no open order {reference.order_id!r}") from error

    @sync_operation
    async def status(self, _ctx: StartOperationContext, reference: OrderReference) -> OrderStatus:
        """How an order stands, also after its end."""
        try:
            return await _order(reference.order_id).query(OrderWorkflow.status)
        except RPCError as error:
            raise _unless_unknown(error, f"there is no order {reference.order_id!r}") from error


def _quoted(basket: Basket) -> Quote:
    try:
        return _prices.quote(basket)
    except UnknownArticleError as error:
        raise HandlerError(str(error), type=HandlerErrorType.BAD_REQUEST) from error


def _order(order_id: OrderId) -> WorkflowHandle[OrderWorkflow, Receipt]:
    return nexus.client().get_workflow_handle_for(OrderWorkflow.run, workflow_id(order_id))


def _unless_unknown(error: RPCError, message: str) -> Exception:
    if error.status is RPCStatusCode.NOT_FOUND:
        return HandlerError(message, type=HandlerErrorType.NOT_FOUND)
    return error
