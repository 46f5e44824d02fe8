"""What can be done to an operation that is there: cancel, terminate, signal, update, query, and start it once more."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from nexusrpc import HandlerError, HandlerErrorType
from temporalio.api.common.v1 import Memo, Payloads, SearchAttributes, WorkflowExecution
from temporalio.api.enums.v1 import (
    UpdateWorkflowExecutionLifecycleStage,
    WorkflowIdConflictPolicy,
    WorkflowIdReusePolicy,
)
from temporalio.api.query.v1 import WorkflowQuery
from temporalio.api.update.v1 import Input, Meta, Request, WaitPolicy
from temporalio.api.workflowservice.v1 import (
    QueryWorkflowRequest,
    RequestCancelWorkflowExecutionRequest,
    SignalWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
    UpdateWorkflowExecutionRequest,
)
from temporalio.converter import encode_search_attributes
from temporalio.service import RPCError, RPCStatusCode

from gateway.engines._operations import OperationEnded, OperationRunningStill
from gateway.engines.temporal._attributes import ATTRIBUTES, MEMO, dump_origin, with_attributes
from gateway.engines.temporal._content import content_of, payload_of
from gateway.engines.temporal._describe import first_event, last_run
from gateway.engines.temporal._hosting import link_to_start
from gateway.engines.temporal._results import ended_with
from gateway.engines.temporal._tokens import workflow_token
from gateway.engines.temporal._visibility import status_of
from gateway.model import OperationStatus

if TYPE_CHECKING:
    from nexusrpc import Content
    from temporalio.client import Client

    from gateway.engines._base import Completed
    from gateway.engines.temporal._hosting import OperationToken
    from gateway.model import Origin

_TIMEOUT: Final = timedelta(seconds=5)
_ANSWER_TIMEOUT: Final = timedelta(seconds=10)
_ATTEMPTS: Final = 3
_GONE: Final = frozenset({RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION})
_RETRYABLE: Final = frozenset(OperationStatus) - {OperationStatus.RUNNING, OperationStatus.SUCCEEDED}
_COMPLETED: Final = UpdateWorkflowExecutionLifecycleStage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED
_REUSE = WorkflowIdReusePolicy
_CONFLICT_FAIL: Final = WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_FAIL


class Actions:
    """Acts on the operations of one namespace. Each method raises OperationNotFound and EngineUnavailable."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def cancel(self, token: OperationToken) -> OperationStatus:
        """Ask it to end; its status at that moment. The first end wins: what has ended stays as it is."""
        status, execution, first_run = await self._look(token)
        if status is not OperationStatus.RUNNING:
            return status
        request = RequestCancelWorkflowExecutionRequest(
            namespace=self._client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=execution.workflow_id),
            first_execution_run_id=first_run,
            identity=self._client.identity,
            request_id=str(uuid.uuid4()),
        )
        try:
            await self._client.workflow_service.request_cancel_workflow_execution(request, timeout=_TIMEOUT)
        except RPCError as error:
            if error.status not in _GONE:
                raise
            return (await self._look(token))[0]
        return status

    async def terminate(self, token: OperationToken, reason: str) -> OperationStatus:
        """End it now, without its knowledge; its status after that."""
        status, execution, first_run = await self._look(token)
        if status is not OperationStatus.RUNNING:
            return status
        request = TerminateWorkflowExecutionRequest(
            namespace=self._client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=execution.workflow_id),
            first_execution_run_id=first_run,
            identity=self._client.identity,
            reason=reason,
        )
        try:
            await self._client.workflow_service.terminate_workflow_execution(request, timeout=_TIMEOUT)
        except RPCError as error:
            if error.status not in _GONE:
                raise
        return (await self._look(token))[0]

    async def signal(self, token: OperationToken, name: str, content: Content | None, request_id: str) -> None:
        """Send it a signal.

        Raises:
            OperationEnded: there is nobody left to take it.
        """
        for attempt in range(_ATTEMPTS):
            request = SignalWorkflowExecutionRequest(
                namespace=self._client.namespace,
                workflow_execution=await self._running(token),
                signal_name=name,
                input=_payloads(content),
                identity=self._client.identity,
                request_id=request_id,
            )
            try:
                await self._client.workflow_service.signal_workflow_execution(request, timeout=_TIMEOUT)
            except RPCError as error:
                # It has ended or continued as new since we looked.
                if error.status not in _GONE or attempt == _ATTEMPTS - 1:
                    raise
                continue
            return

    async def update(self, token: OperationToken, name: str, content: Content | None, update_id: str) -> Completed:
        """Have it take an update, and wait for what it says to that.

        Raises:
            OperationEnded: there is nobody left to take it.
        """
        for attempt in range(_ATTEMPTS):
            request = UpdateWorkflowExecutionRequest(
                namespace=self._client.namespace,
                workflow_execution=await self._running(token),
                wait_policy=WaitPolicy(lifecycle_stage=_COMPLETED),
                request=Request(
                    meta=Meta(update_id=update_id, identity=self._client.identity),
                    input=Input(name=name, args=_payloads(content)),
                ),
            )
            service = self._client.workflow_service
            try:
                response = await service.update_workflow_execution(request, timeout=_ANSWER_TIMEOUT)
            except RPCError as error:
                if error.status not in _GONE or attempt == _ATTEMPTS - 1:
                    raise
                continue
            if response.HasField("outcome"):
                return ended_with(response.outcome)
        raise HandlerError("the operation took too long to answer the update", type=HandlerErrorType.UPSTREAM_TIMEOUT)

    async def query(self, token: OperationToken, name: str, content: Content | None) -> Content:
        """Ask it something, also after its end.

        Raises:
            HandlerError: BAD_REQUEST, it has no answer to that.
        """
        described = await last_run(self._client, token)
        request = QueryWorkflowRequest(
            namespace=self._client.namespace,
            execution=described.workflow_execution_info.execution,
            query=WorkflowQuery(query_type=name, query_args=_payloads(content)),
        )
        try:
            response = await self._client.workflow_service.query_workflow(request, timeout=_ANSWER_TIMEOUT)
        except RPCError as error:
            if error.status is not RPCStatusCode.INVALID_ARGUMENT:
                raise
            raise HandlerError("the operation did not answer the query", type=HandlerErrorType.BAD_REQUEST) from error
        payloads = response.query_result.payloads
        return content_of(payloads[0] if payloads else None)

    async def retry(self, token: OperationToken, origin: Origin, known: frozenset[str]) -> str:
        """Start it once more with the input it was started with; the engine token of the new one.

        Raises:
            OperationRunningStill: it runs, or succeeded, or something else runs or succeeded in its place.
        """
        status, execution, first_run = await self._look(token)
        if status not in _RETRYABLE:
            raise OperationRunningStill
        return await self._start_again(execution.workflow_id, first_run, execution.workflow_id, origin, known)

    async def clone(self, token: OperationToken, origin: Origin, known: frozenset[str]) -> str:
        """Start another one with its input, beside it; the engine token of the new one."""
        _, execution, first_run = await self._look(token)
        # The same for the same request, so that a repeated clone makes one.
        workflow_id = f"{execution.workflow_id}/clone/{origin.scoped_request_id}"
        return await self._start_again(execution.workflow_id, first_run, workflow_id, origin, known)

    async def _start_again(
        self, of_workflow: str, of_run: str, workflow_id: str, origin: Origin, known: frozenset[str]
    ) -> str:
        event = await first_event(self._client, of_workflow, of_run)
        started = event.workflow_execution_started_event_attributes
        memo = Memo(fields={**started.memo.fields})
        memo.fields[MEMO].CopyFrom((await self._client.data_converter.encode([dump_origin(origin)]))[0])
        request = StartWorkflowExecutionRequest(
            namespace=self._client.namespace,
            workflow_id=workflow_id,
            workflow_type=started.workflow_type,
            task_queue=started.task_queue,
            input=started.input,
            workflow_execution_timeout=started.workflow_execution_timeout,
            workflow_run_timeout=started.workflow_run_timeout,
            workflow_task_timeout=started.workflow_task_timeout,
            identity=self._client.identity,
            request_id=origin.scoped_request_id,
            # What has succeeded in the meantime is not done twice.
            workflow_id_reuse_policy=_REUSE.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
            workflow_id_conflict_policy=_CONFLICT_FAIL,
            retry_policy=started.retry_policy if started.HasField("retry_policy") else None,
            memo=memo,
            search_attributes=_search_attributes(started.search_attributes, origin, known),
            user_metadata=event.user_metadata,
            priority=started.priority,
            links=[link_to_start(self._client.namespace, of_workflow, of_run)],
        )
        try:
            response = await self._client.workflow_service.start_workflow_execution(request, timeout=_TIMEOUT)
        except RPCError as error:
            if error.status is RPCStatusCode.ALREADY_EXISTS:
                raise OperationRunningStill from error
            raise
        return workflow_token(self._client.namespace, workflow_id, response.first_execution_run_id or response.run_id)

    async def _look(self, token: OperationToken) -> tuple[OperationStatus, WorkflowExecution, str]:
        info = (await last_run(self._client, token)).workflow_execution_info
        return status_of(info), info.execution, token.run_id or info.first_run_id or info.execution.run_id

    async def _running(self, token: OperationToken) -> WorkflowExecution:
        status, execution, _ = await self._look(token)
        if status is not OperationStatus.RUNNING:
            raise OperationEnded
        return execution


def _payloads(content: Content | None) -> Payloads | None:
    return None if content is None else Payloads(payloads=[payload_of(content)])


def _search_attributes(given: SearchAttributes, origin: Origin, known: frozenset[str]) -> SearchAttributes:
    attributes = SearchAttributes()
    encode_search_attributes(with_attributes(None, origin, known), attributes)
    for name, payload in given.indexed_fields.items():
        if name not in ATTRIBUTES:
            attributes.indexed_fields[name].CopyFrom(payload)
    return attributes
