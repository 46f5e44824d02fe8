"""The demo's calling workflow: in a namespace of its own, it orders through a Nexus endpoint that leads to the gateway.

It knows the operations by name only, as a caller whose team has nothing of the handler's code.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio import workflow

_PATIENCE = timedelta(seconds=60)


@dataclass(frozen=True)
class Checkout:
    """What to order, through which Nexus endpoint, as whom.

    The token is in the workflow's input, and so in its history: good for a demo that throws both away, and nothing to
    copy. Elsewhere an interceptor adds it where the worker sends its requests, or a codec encrypts the input.
    """

    endpoint: str
    token: str
    order: dict[str, Any]


@workflow.defn
class CheckoutWorkflow:
    """Asks for a quote, places the order, and returns its receipt."""

    @workflow.run
    async def run(self, checkout: Checkout) -> dict[str, Any]:
        """Check out."""
        orders = workflow.create_nexus_client(service="orders.v1", endpoint=checkout.endpoint)
        headers = {"Authorization": f"Bearer {checkout.token}"}
        quote = await orders.execute_operation(
            "quote",
            {"lines": checkout.order["lines"]},
            output_type=dict[str, Any],
            headers=headers,
            schedule_to_close_timeout=_PATIENCE,
        )
        receipt = await orders.execute_operation(
            "process",
            checkout.order,
            output_type=dict[str, Any],
            headers=headers,
            schedule_to_close_timeout=_PATIENCE,
        )
        return {"quote": quote, "receipt": receipt}
