"""The orders plugin in a plain Temporal worker, called through Temporal's own Nexus endpoint: no gateway at all."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from nexusrpc import HandlerError, HandlerErrorType
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import (
    Client,
    NexusClient,
    NexusOperationFailureError,
    WorkflowExecutionStatus,
    WorkflowHandle,
)
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.worker import Worker

from gateway.devstack import CALLER_NAMESPACE, HANDLER_NAMESPACE, TemporalServer
from handlers.orders import OrdersHandler, OrdersService, plugin
from handlers.orders._activities import DECLINED_CARD
from handlers.orders._identity import workflow_id
from handlers.orders._model import Basket, Line, Order, OrderReference, OrderStatus, Phase, Receipt
from handlers.orders._workflow import OrderWorkflow
from tests.integration.waiting import eventually

ENDPOINT = "orders-in-a-worker"
SMALL = (Line(sku="tea", quantity=2),)
LARGE = (Line(sku="samovar"),)
_FIRST_TASK_COMPLETED = 4


@pytest_asyncio.fixture(scope="module")
async def handlers(temporal: TemporalServer) -> AsyncIterator[Client]:
    """A worker that serves the plugin, and a client of its namespace."""
    client = await Client.connect(temporal.address, namespace=HANDLER_NAMESPACE, data_converter=pydantic_data_converter)
    await temporal.create_nexus_endpoint(ENDPOINT, namespace=HANDLER_NAMESPACE, task_queue="orders-worker")
    async with Worker(
        client,
        task_queue="orders-worker",
        nexus_service_handlers=[OrdersHandler()],
        workflows=plugin.workflows,
        activities=plugin.activities,
    ):
        yield client


@pytest_asyncio.fixture
async def orders(temporal: TemporalServer, handlers: Client) -> NexusClient[OrdersService]:
    """A caller in another namespace."""
    client = await Client.connect(temporal.address, namespace=CALLER_NAMESPACE, data_converter=pydantic_data_converter)
    return client.create_nexus_client(service=OrdersService, endpoint=ENDPOINT)


@pytest.fixture
def order_id() -> str:
    """An id nobody else uses."""
    return uuid.uuid4().hex


def an_order(order_id: str, lines: tuple[Line, ...], card: str = "card-ok") -> Order:
    """An order of ``lines``."""
    return Order(order_id=order_id, lines=lines, card=card)


def workflow_of(client: Client, order_id: str) -> WorkflowHandle[OrderWorkflow, Receipt]:
    """The order's workflow."""
    return client.get_workflow_handle_for(OrderWorkflow.run, workflow_id(order_id))


async def failure(orders: NexusClient[OrdersService], operation: str, value: object) -> BaseException | None:
    """Why an operation fails."""
    with pytest.raises(NexusOperationFailureError) as caught:
        await orders.execute_operation(operation, value, id=uuid.uuid4().hex)
    return caught.value.__cause__


async def test_quotes_at_once(orders: NexusClient[OrdersService]) -> None:
    """A sync operation, with a pydantic model each way."""
    quote = await orders.execute_operation(OrdersService.quote, Basket(lines=LARGE), id=uuid.uuid4().hex)
    assert (129_000, True) == (quote.total_cents, quote.needs_approval)


async def test_processes_a_small_order_to_its_receipt(orders: NexusClient[OrdersService], order_id: str) -> None:
    """Charged and shipped without anybody's approval."""
    receipt = await orders.execute_operation(OrdersService.process, an_order(order_id, SMALL), id=order_id)
    assert (order_id, 900, None) == (receipt.order_id, receipt.total_cents, receipt.approved_by)
    assert receipt.payment_id.startswith("pay_")
    assert receipt.tracking_id.startswith("trk_")


async def test_ships_a_large_order_once_it_is_approved(orders: NexusClient[OrdersService], order_id: str) -> None:
    """The approval is an operation on the running order; nobody knows the approver's name in a plain worker."""
    running = await orders.start_operation(OrdersService.process, an_order(order_id, LARGE), id=order_id)
    await until_running(orders, order_id)
    reference = OrderReference(order_id=order_id)
    status = await orders.execute_operation(OrdersService.approve, reference, id=uuid.uuid4().hex)
    assert "-" == status.approved_by
    receipt = await running.result()
    assert (129_000, "-") == (receipt.total_cents, receipt.approved_by)


async def test_refunds_an_order_that_is_canceled(
    orders: NexusClient[OrdersService], handlers: Client, order_id: str
) -> None:
    """A canceled order has given the money back by the time it is over."""
    running = await orders.start_operation(OrdersService.process, an_order(order_id, LARGE), id=order_id)
    await until_running(orders, order_id, Phase.AWAITING_APPROVAL)
    await running.cancel()
    with pytest.raises(NexusOperationFailureError) as caught:
        await running.result()
    assert isinstance(caught.value.__cause__, CancelledError)
    assert WorkflowExecutionStatus.CANCELED is (await workflow_of(handlers, order_id).describe()).status
    assert Phase.REFUNDED is (await until_running(orders, order_id)).phase
    assert [*await activities(handlers, order_id)] == ["charge_card", "refund_payment"]


async def test_a_declined_card_fails_the_operation_with_its_reason(
    orders: NexusClient[OrdersService], handlers: Client, order_id: str
) -> None:
    """The failure is typed and has details; there is nothing to refund."""
    cause = await failure(orders, "process", an_order(order_id, SMALL, DECLINED_CARD))
    assert isinstance(cause, ApplicationError)
    assert ("CardDeclined", True) == (cause.type, cause.non_retryable)
    assert [{"code": 51, "reason": "insufficient funds"}] == list(cause.details)
    assert cause.__cause__ is None
    assert Phase.NOT_CHARGED is (await until_running(orders, order_id)).phase
    assert ["charge_card"] == await activities(handlers, order_id)


async def test_an_order_is_processed_once(orders: NexusClient[OrdersService], order_id: str) -> None:
    """While it runs and after it was shipped, the same id again is a conflict."""
    await orders.execute_operation(OrdersService.process, an_order(order_id, SMALL), id=order_id)
    cause = await failure(orders, "process", an_order(order_id, SMALL))
    assert isinstance(cause, HandlerError)
    assert HandlerErrorType.CONFLICT is cause.type


async def test_an_order_that_failed_may_be_tried_again(orders: NexusClient[OrdersService], order_id: str) -> None:
    """With another card, say."""
    await failure(orders, "process", an_order(order_id, SMALL, DECLINED_CARD))
    receipt = await orders.execute_operation(OrdersService.process, an_order(order_id, SMALL), id=order_id)
    assert order_id == receipt.order_id


@pytest.mark.parametrize("interrupt", ["terminate", "reset"])
async def test_an_order_that_was_interrupted_is_charged_for_the_payment_that_stands(
    orders: NexusClient[OrdersService], handlers: Client, order_id: str, interrupt: str
) -> None:
    """It had no chance to give the money back, and begins anew in another run: that asks for the same payment."""
    order = an_order(order_id, LARGE)
    running = await orders.start_operation(OrdersService.process, order, id=order_id)
    await until_running(orders, order_id, Phase.AWAITING_APPROVAL)
    first = handlers.get_workflow_handle(workflow_id(order_id), run_id=await run_of(handlers, order_id))
    if interrupt == "terminate":
        await first.terminate()
        with pytest.raises(NexusOperationFailureError):
            await running.result()
        running = await orders.start_operation(OrdersService.process, order, id=uuid.uuid4().hex)
    else:
        await reset(handlers, first)
    await eventually(lambda: run_of(handlers, order_id), lambda run_id: run_id != first.run_id)
    await until_running(orders, order_id, Phase.AWAITING_APPROVAL)
    await orders.execute_operation(OrdersService.approve, OrderReference(order_id=order_id), id=uuid.uuid4().hex)
    receipt = await running.result()
    assert [receipt.payment_id] == await payments(first)
    assert ["charge_card", "ship_order"] == await activities(handlers, order_id)


@pytest.mark.parametrize("operation", ["approve", "status"])
async def test_an_unknown_order_is_not_found(orders: NexusClient[OrdersService], order_id: str, operation: str) -> None:
    """Neither approved nor described."""
    cause = await failure(orders, operation, OrderReference(order_id=order_id))
    assert isinstance(cause, HandlerError)
    assert HandlerErrorType.NOT_FOUND is cause.type


async def test_an_order_that_needs_no_approval_cannot_be_approved(
    orders: NexusClient[OrdersService], order_id: str
) -> None:
    """It is shipped already, or about to be."""
    await orders.execute_operation(OrdersService.process, an_order(order_id, SMALL), id=order_id)
    cause = await failure(orders, "approve", OrderReference(order_id=order_id))
    assert isinstance(cause, HandlerError)
    assert HandlerErrorType.NOT_FOUND is cause.type


async def test_an_unknown_article_starts_nothing(
    orders: NexusClient[OrdersService], handlers: Client, order_id: str
) -> None:
    """The caller's mistake is named, line and all."""
    cause = await failure(orders, "process", an_order(order_id, (Line(sku="tea"), Line(sku="moon"))))
    assert isinstance(cause, HandlerError)
    assert HandlerErrorType.BAD_REQUEST is cause.type
    assert "lines.1.sku: there is no article 'moon'" in cause.message
    assert 0 == (await handlers.count_workflows(f"WorkflowId = '{workflow_id(order_id)}'")).count


async def until_running(orders: NexusClient[OrdersService], order_id: str, phase: Phase | None = None) -> OrderStatus:
    """The status of the order, once it is known and in ``phase``."""
    for _ in range(200):
        try:
            status = await orders.execute_operation(
                OrdersService.status, OrderReference(order_id=order_id), id=uuid.uuid4().hex
            )
        except NexusOperationFailureError:
            continue
        if phase in {None, status.phase}:
            return status
    raise AssertionError(f"the order did not reach {phase}")


async def activities(handlers: Client, order_id: str) -> list[str]:
    """The names of the activities that the order has scheduled, in their order."""
    history = await workflow_of(handlers, order_id).fetch_history()
    return [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in history.events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]


async def run_of(handlers: Client, order_id: str) -> str:
    """The run that the order is in."""
    return (await workflow_of(handlers, order_id).describe()).run_id


async def reset(handlers: Client, run: WorkflowHandle[Any, Any]) -> None:
    """Have a run done over from its beginning."""
    request = ResetWorkflowExecutionRequest(
        namespace=handlers.namespace,
        workflow_execution=WorkflowExecution(workflow_id=run.id, run_id=run.run_id or ""),
        workflow_task_finish_event_id=_FIRST_TASK_COMPLETED,
        request_id=uuid.uuid4().hex,
    )
    await handlers.workflow_service.reset_workflow_execution(request)


async def payments(run: WorkflowHandle[Any, Any]) -> list[str]:
    """The payments that a run was given."""
    history = await run.fetch_history()
    ended = [event.activity_task_completed_event_attributes.result for event in history.events]
    converter = pydantic_data_converter.payload_converter
    return [converter.from_payload(result.payloads[0]) for result in ended if result.payloads]
