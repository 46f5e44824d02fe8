"""Operations started once more: with what the server recorded of the first start, and the origin of the new one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from temporalio.api.common.v1 import Header, Memo, SearchAttributes
from temporalio.api.enums.v1 import WorkflowIdConflictPolicy, WorkflowIdReusePolicy
from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest
from temporalio.contrib.opentelemetry import TracingInterceptor
from temporalio.converter import encode_search_attributes
from temporalio.service import RPCError, RPCStatusCode

from gateway.engines._operations import OperationRunningStill
from gateway.engines.temporal._attributes import ATTRIBUTES, with_typed_attributes
from gateway.engines.temporal._describe import first_event
from gateway.engines.temporal._hosting import link_to_event
from gateway.engines.temporal._memos import MEMO, origin_payload
from gateway.engines.temporal._tokens import SOME_RUN, check_length, workflow_token
from gateway.model import OperationStatus

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from temporalio.api.common.v1 import WorkflowExecution
    from temporalio.client import Client

    from gateway.model import Origin

T = TypeVar("T")

RETRYABLE: Final = frozenset(OperationStatus) - {OperationStatus.RUNNING, OperationStatus.SUCCEEDED}
"""What an operation must have come to for a retry."""

START_TIMEOUT: Final = timedelta(seconds=5)


def clone_id(first: str, origin: Origin) -> str:
    """The id of a clone: the same for the same request, so that a repeated one makes no second clone."""
    return f"{first}/clone/{origin.scoped_request_id}"


async def repeat_workflow(
    client: Client, first: WorkflowExecution, workflow_id: str, origin: Origin, known: frozenset[str]
) -> str:
    """Start another workflow like the run ``first``, under this id; the engine token of the new one.

    Raises:
        OperationRunningStill: there is one under this id that runs or has succeeded.
        HandlerError: BAD_REQUEST, the id is too long for an operation's token.
    """
    check_length(workflow_token(client.namespace, workflow_id, SOME_RUN))
    event = await first_event(client, first.workflow_id, first.run_id)
    started = event.workflow_execution_started_event_attributes
    memo = Memo(fields={**started.memo.fields, MEMO: origin_payload(origin, client)})
    request = StartWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_id=workflow_id,
        workflow_type=started.workflow_type,
        task_queue=started.task_queue,
        header=repeated_header(started.header),
        input=started.input,
        workflow_execution_timeout=started.workflow_execution_timeout,
        workflow_run_timeout=started.workflow_run_timeout,
        workflow_task_timeout=started.workflow_task_timeout,
        identity=client.identity,
        request_id=origin.scoped_request_id,
        # What has succeeded in the meantime is not done twice.
        workflow_id_reuse_policy=WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
        workflow_id_conflict_policy=WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
        retry_policy=started.retry_policy if started.HasField("retry_policy") else None,
        memo=memo,
        search_attributes=repeated_attributes(started.search_attributes, origin, known),
        user_metadata=event.user_metadata,
        priority=started.priority,
        links=[link_to_event(client.namespace, first.workflow_id, first.run_id, event)],
    )
    response = await sole(client.workflow_service.start_workflow_execution(request, timeout=START_TIMEOUT))
    return workflow_token(client.namespace, workflow_id, response.first_execution_run_id or response.run_id)


async def sole(start: Awaitable[T]) -> T:
    """The answer to a start that is refused while there is another one like it.

    Raises:
        OperationRunningStill: there is.
    """
    try:
        return await start
    except RPCError as error:
        if error.status is RPCStatusCode.ALREADY_EXISTS:
            raise OperationRunningStill from error
        raise


def repeated_header(given: Header) -> Header:
    """The header of what is started once more: what interceptors have put there, in the trace of this request."""
    # Only asked how it writes a trace down: no call goes through it here.
    tracing = TracingInterceptor()
    fields = {name: payload for name, payload in given.fields.items() if name != tracing.header_key}
    carrier: dict[str, str] = {}
    tracing.text_map_propagator.inject(carrier)
    if carrier:
        fields[tracing.header_key] = tracing.payload_converter.to_payload(carrier)
    return Header(fields=fields)


def repeated_attributes(given: SearchAttributes, origin: Origin, known: frozenset[str]) -> SearchAttributes:
    """The search attributes of what is started once more: the handler's own, and ours for the new origin."""
    attributes = SearchAttributes()
    encode_search_attributes(with_typed_attributes(None, origin, known), attributes)
    for name, payload in given.indexed_fields.items():
        if name not in ATTRIBUTES:
            attributes.indexed_fields[name].CopyFrom(payload)
    return attributes
