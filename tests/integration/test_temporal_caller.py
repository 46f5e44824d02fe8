"""Temporal itself as the caller: a workflow in another namespace, through a Nexus endpoint that leads to the gateway.

What is asserted is what the calling workflow observes: results, exception types, their causes and their details.
"""

import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.wrappers_pb2 import StringValue
from nexusrpc import HandlerError, HandlerErrorType
from temporalio import exceptions
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError, CancelledError, NexusOperationError, TimeoutType
from temporalio.worker import Worker

from gateway.devstack import CALLER_NAMESPACE, HANDLER_NAMESPACE, Stack, TemporalServer
from tests.integration.caller import Caller
from tests.integration.calling_workflow import Call, CallingWorkflow, Value
from tests.integration.conftest import STRICT_ISSUER
from tests.integration.ordering import DECLINED, large_order, small_order, until_phase
from tests.integration.waiting import eventually

TASK_QUEUE = "calling"
STRING_VALUE = b"google.protobuf.StringValue"


class Workflows:
    """Starts calling workflows."""

    def __init__(self, client: Client, token: str) -> None:
        self._client = client
        self._token = token

    async def start(
        self,
        target: str | tuple[str, str, str],
        value: object = None,
        *,
        payload: Payload | None = None,
        token: str | None = None,
        patience: float | None = 60,
    ) -> WorkflowHandle[CallingWorkflow, Value]:
        """One that calls ``target``: endpoint, service and operation."""
        endpoint, service, operation = target.split("/") if isinstance(target, str) else target
        headers = {"Authorization": f"Bearer {token or self._token}"}
        sent = payload or Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(value).encode())
        return await self._client.start_workflow(
            CallingWorkflow.run,
            Call(endpoint, service, operation, Value.of(sent), headers, patience),
            id=uuid.uuid4().hex,
            task_queue=TASK_QUEUE,
        )

    async def result(self, target: str | tuple[str, str, str], value: object = None, **more: Any) -> Any:
        """What the workflow got, as a value of JSON."""
        payload = await self.payload(target, value, **more)
        assert b"json/plain" == payload.metadata["encoding"]
        return json.loads(payload.data)

    async def payload(self, target: str | tuple[str, str, str], value: object = None, **more: Any) -> Payload:
        """What the workflow got, to the byte."""
        handle = await self.start(target, value, **more)
        return (await handle.result()).payload()

    async def failure(self, target: str, value: object = None, **more: Any) -> BaseException | None:
        """Why the operation failed for the workflow."""
        return await observed(await self.start(target, value, **more))


async def observed(workflow: WorkflowHandle[CallingWorkflow, Value]) -> BaseException | None:
    """The cause of the NexusOperationError that the workflow ended with."""
    with pytest.raises(WorkflowFailureError) as caught:
        await workflow.result()
    error = caught.value.cause
    assert isinstance(error, NexusOperationError)
    return error.cause


async def started_events(workflow: WorkflowHandle[CallingWorkflow, Value]) -> list[HistoryEvent]:
    """The events that tell of an operation's start."""
    events = (await workflow.fetch_history()).events
    return [event for event in events if event.HasField("nexus_operation_started_event_attributes")]


@pytest_asyncio.fixture(scope="module")
async def workflows(stack: Stack, temporal: TemporalServer, callers: Client) -> AsyncIterator[Workflows]:
    """Workflows with a token of the callers' tenant, Nexus endpoints that lead to the gateway, and a worker."""
    for endpoint in ("orders", "echo", "probe"):
        await temporal.create_nexus_endpoint(f"{endpoint}-gw", target_url=stack.gateway.endpoint_url(endpoint))
    async with Worker(callers, task_queue=TASK_QUEUE, workflows=[CallingWorkflow], max_cached_workflows=10):
        yield Workflows(callers, stack.token())


async def test_a_sync_operation_returns_its_result(workflows: Workflows) -> None:
    """In one request, without any callback."""
    basket = {"lines": [{"sku": "samovar"}]}
    expected = {"total_cents": 129_000, "needs_approval": True}
    assert expected == await workflows.result("orders-gw/orders.v1/quote", basket)


async def test_an_async_operation_returns_the_result_of_a_workflow_in_another_namespace(
    workflows: Workflows, handlers: Client
) -> None:
    """By a callback; caller's and handler's workflow know each other by their links."""
    order = small_order()
    calling = await workflows.start("orders-gw/orders.v1/process", order)
    receipt = json.loads((await calling.result()).payload().data)
    assert (order["order_id"], 900) == (receipt["order_id"], receipt["total_cents"])
    (started,) = await started_events(calling)
    (link,) = (link.workflow_event for link in started.links)
    assert HANDLER_NAMESPACE == link.namespace
    handling = await handlers.get_workflow_handle(link.workflow_id, run_id=link.run_id).fetch_history()
    (callback,) = handling.events[0].workflow_execution_started_event_attributes.completion_callbacks
    (back,) = (link.workflow_event for link in callback.links)
    assert (CALLER_NAMESPACE, calling.id) == (back.namespace, back.workflow_id)


async def test_names_may_hold_what_a_path_has_to_escape(workflows: Workflows) -> None:
    """As Temporal escapes it."""
    assert "yes" == await workflows.result(("echo-gw", "Ser/vic e", "op/er ation"), "yes")
    assert "yes" == await workflows.result(("echo-gw", "Ser/vic e", "größe?#%2F"), "yes")


async def test_the_caller_keeps_a_token_that_says_nothing(workflows: Workflows) -> None:
    """Temporal's own, by which anybody could cancel, is sealed in it."""
    order = large_order()
    calling = await workflows.start("orders-gw/orders.v1/process", order)
    started = (await eventually(lambda: started_events(calling), bool))[0]
    attributes = started.nexus_operation_started_event_attributes
    assert attributes.operation_token.startswith("ng1.")
    assert order["order_id"] not in attributes.operation_token
    await calling.signal(CallingWorkflow.cancel)
    assert isinstance(await observed(calling), CancelledError)


async def test_a_typed_failure_arrives_with_its_details(workflows: Workflows) -> None:
    """As the workflow raised it, without a stack trace."""
    cause = await workflows.failure("orders-gw/orders.v1/process", small_order(DECLINED))
    assert isinstance(cause, ApplicationError)
    assert ("CardDeclined", "the card was declined", True) == (cause.type, cause.message, cause.non_retryable)
    assert [{"code": 51, "reason": "insufficient funds"}] == list(cause.details)
    assert cause.failure is not None
    assert not cause.failure.stack_trace


async def test_a_sync_failure_arrives_with_its_message(workflows: Workflows) -> None:
    """Failed is an application error that wraps nothing; canceled is canceled."""
    ask = {"failure": {"kind": "operation", "state": "failed", "message": "it did not work"}}
    cause = await workflows.failure("echo-gw/echo.v1/fail", ask)
    assert isinstance(cause, ApplicationError)
    assert ("OperationError", "it did not work", True) == (cause.type, cause.message, cause.non_retryable)
    ask["failure"]["state"] = "canceled"
    assert isinstance(await workflows.failure("echo-gw/echo.v1/fail", ask), CancelledError)


async def test_a_canceled_operation_has_been_undone(workflows: Workflows, orders: Caller) -> None:
    """The caller waits for the end, and by then the money has been given back."""
    order = large_order()
    calling = await workflows.start("orders-gw/orders.v1/process", order)
    await until_phase(orders, order, "awaiting_approval")
    await calling.signal(CallingWorkflow.cancel)
    assert isinstance(await observed(calling), CancelledError)
    await until_phase(orders, order, "refunded")


async def test_an_operation_that_takes_too_long_times_out(workflows: Workflows, orders: Caller) -> None:
    """By the caller's own clock."""
    order = large_order()
    # Temporal sends no request at all when less than 1.5 s are left for it.
    cause = await workflows.failure("orders-gw/orders.v1/process", order, patience=2.5)
    assert isinstance(cause, exceptions.TimeoutError)
    assert TimeoutType.SCHEDULE_TO_CLOSE is cause.type
    await until_phase(orders, order, "awaiting_approval")


async def test_an_operation_whose_workflow_ran_out_of_time_has_failed(workflows: Workflows) -> None:
    """Not the caller's time: the handler's."""
    cause = await workflows.failure("probe-gw/probe.v1/wait", {"id": uuid.uuid4().hex, "seconds": 1})
    assert isinstance(cause, exceptions.TimeoutError)
    assert "operation exceeded internal timeout" == cause.message


@pytest.mark.parametrize(
    ("metadata", "data"),
    [
        ({"encoding": b"binary/null"}, b""),
        ({"encoding": b"json/plain"}, b'{ "a":\n1.0}'),
        ({"encoding": b"binary/plain"}, bytes(range(256))),
        ({"encoding": b"json/protobuf", "messageType": STRING_VALUE}, b'"a"'),
        ({"encoding": b"binary/protobuf", "messageType": STRING_VALUE}, StringValue(value="a").SerializeToString()),
        ({"encoding": b"binary/encrypted", "key": b"k7"}, b"\x00secret"),
    ],
)
async def test_payloads_arrive_as_they_were_sent(workflows: Workflows, metadata: dict[str, bytes], data: bytes) -> None:
    """There and back, through a sync operation and, as a result, out of a workflow."""
    payload = Payload(metadata=metadata, data=data)
    assert payload == await workflows.payload("echo-gw/echo.v1/echo", payload=payload)
    value = Value.of(payload)
    form = {"metadata": value.metadata, "data": value.data}
    assert payload == await workflows.payload("probe-gw/probe.v1/form", form)


async def test_a_value_that_does_not_fit_fails_at_once(workflows: Workflows) -> None:
    """It is not retried, and names the field."""
    cause = await workflows.failure("orders-gw/orders.v1/process", {**small_order(), "card": 7})
    assert isinstance(cause, HandlerError)
    assert HandlerErrorType.BAD_REQUEST is cause.type
    assert "card" in cause.message


@pytest.mark.parametrize(
    "target", ["orders-gw/orders.v1/nosuch", "orders-gw/nosuch.v1/process", "orders-gw/echo.v1/echo"]
)
async def test_what_is_not_there_is_not_found(workflows: Workflows, target: str) -> None:
    """An unknown operation, an unknown service, and one that this endpoint does not mount."""
    cause = await workflows.failure(target, {})
    assert isinstance(cause, HandlerError)
    assert HandlerErrorType.NOT_FOUND is cause.type


@pytest.mark.parametrize("token", ["nothing", "a.b.c"])
async def test_a_bad_token_is_unauthenticated(workflows: Workflows, token: str) -> None:
    """The workflow fails with the reason, and does not try for ever."""
    cause = await workflows.failure("orders-gw/orders.v1/quote", {"lines": [{"sku": "tea"}]}, token=token)
    assert isinstance(cause, HandlerError)
    assert HandlerErrorType.UNAUTHENTICATED is cause.type
    assert token not in cause.message


async def test_an_expired_token_is_unauthenticated(workflows: Workflows, stack: Stack) -> None:
    """As is one of another key."""
    minted = stack.token()
    forged = minted[:-8] + ("AAAAAAAA" if not minted.endswith("AAAAAAAA") else "BBBBBBBB")
    cause = await workflows.failure("orders-gw/orders.v1/quote", {"lines": [{"sku": "tea"}]}, token=forged)
    assert isinstance(cause, HandlerError)
    assert HandlerErrorType.UNAUTHENTICATED is cause.type


async def test_a_missing_permission_is_unauthorized(workflows: Workflows, stack: Stack) -> None:
    """With a permission for it the same call goes through."""
    basket = {"lines": [{"sku": "tea"}]}
    without = stack.token(issuer=STRICT_ISSUER, permissions=["nexus:orders/orders.v1/process:start"])
    cause = await workflows.failure("orders-gw/orders.v1/quote", basket, token=without)
    assert isinstance(cause, HandlerError)
    assert HandlerErrorType.UNAUTHORIZED is cause.type
    allowed = stack.token(issuer=STRICT_ISSUER, permissions=["nexus:orders/orders.v1/quote:start"])
    assert 450 == (await workflows.result("orders-gw/orders.v1/quote", basket, token=allowed))["total_cents"]
