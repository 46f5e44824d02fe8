"""The ``orders`` plugin: a worked example of a plugin whose operations are workflows.

Read ``_model`` (the contract), ``_handler`` (the operations), ``_workflow`` and ``_activities`` in this order, and copy
what fits. In a plain Temporal worker, the client needs ``temporalio.contrib.pydantic.pydantic_data_converter``.
"""

from temporalio import workflow

# The workflow sandbox imports this package anew for each run, and has use only for the workflow.
with workflow.unsafe.imports_passed_through():
    from gateway.plugins import HandlerPlugin, exposed_query, exposed_update
    from handlers.orders._activities import charge_card, refund_payment, ship_order
    from handlers.orders._handler import OrdersHandler
    from handlers.orders._identity import approver
    from handlers.orders._model import OrdersService, OrderStatus
    from handlers.orders._workflow import OrderWorkflow

__all__ = ("OrderWorkflow", "OrdersHandler", "OrdersService", "plugin")

plugin = HandlerPlugin(
    services=[OrdersHandler()],
    workflows=[OrderWorkflow],
    activities=[charge_card, refund_payment, ship_order],
    exposes={
        ("orders.v1", "process"): [
            # Who approves is whoever calls: the body has no say in it.
            exposed_update("approve", output=OrderStatus, argument=lambda _: approver(), summary="Approve the order."),
            exposed_query("status", output=OrderStatus, summary="How the order stands."),
        ]
    },
)
