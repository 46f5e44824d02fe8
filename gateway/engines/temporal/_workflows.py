"""Operations that are workflows: everything there is can be done to them."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from nexusrpc import HandlerError, HandlerErrorType
from temporalio.api.common.v1 import Payloads, WorkflowExecution
from temporalio.api.enums.v1 import UpdateWorkflowExecutionLifecycleStage
from temporalio.api.query.v1 import WorkflowQuery
from temporalio.api.update.v1 import Input, Meta, Request, WaitPolicy
from temporalio.api.workflowservice.v1 import (
    QueryWorkflowRequest,
    RequestCancelWorkflowExecutionRequest,
    SignalWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
    UpdateWorkflowExecutionRequest,
)
from temporalio.service import RPCError, RPCStatusCode

from gateway.engines._base import OperationNotFound
from gateway.engines._operations import OperationEnded, OperationRunningStill
from gateway.engines.temporal import _events
from gateway.engines.temporal._content import content_of, payload_of
from gateway.engines.temporal._describe import details_of, last_run
from gateway.engines.temporal._hosting import OperationToken, OperationTokenType
from gateway.engines.temporal._kinds import GONE, Kind, was_taken
from gateway.engines.temporal._repeats import RETRYABLE, clone_id, repeat_workflow
from gateway.engines.temporal._results import ended_with, outcome
from gateway.engines.temporal._visibility import status_of
from gateway.model import OperationStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from nexusrpc import Content

    from gateway.engines._base import Completed
    from gateway.engines._operations import OperationDetails, OperationEvent
    from gateway.model import Origin

_TIMEOUT: Final = timedelta(seconds=5)
_ANSWER_TIMEOUT: Final = timedelta(seconds=10)
_ATTEMPTS: Final = 3
_COMPLETED: Final = UpdateWorkflowExecutionLifecycleStage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED


class Workflows(Kind):
    """Operations that are workflows: each a chain of runs, of which the first is in its token."""

    noun = "a workflow"

    async def details(self, token: OperationToken) -> OperationDetails:
        """The last run of its chain, what that waits for, and how it ended."""
        return await details_of(self._client, token)

    def events(self, token: OperationToken, after: str | None) -> AsyncIterator[OperationEvent]:
        """From the histories of its runs."""
        return _events.events(self._client, token, after)

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
        if await was_taken(self._client.workflow_service.request_cancel_workflow_execution(request, timeout=_TIMEOUT)):
            return status
        return (await self._look(token))[0]

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
        await was_taken(self._client.workflow_service.terminate_workflow_execution(request, timeout=_TIMEOUT))
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
                # Tried again while the run is just closing: the request id keeps it one signal.
                service = self._client.workflow_service
                await service.signal_workflow_execution(request, retry=True, timeout=_TIMEOUT)
            except RPCError as error:
                # It has ended or continued as new since we looked.
                if error.status not in GONE or attempt == _ATTEMPTS - 1:
                    raise
                continue
            return

    async def update(self, token: OperationToken, name: str, content: Content | None, update_id: str) -> Completed:
        """Have it take an update, and wait for what it says to that; what it has said to this one stands.

        Raises:
            OperationEnded: there is nobody left to take it, and its last run has never taken it.
        """
        try:
            return await self._updated(token, name, content, update_id)
        except OperationEnded:
            said = await self._said(token, update_id)
            if said is None:
                raise
            return said

    async def _updated(self, token: OperationToken, name: str, content: Content | None, update_id: str) -> Completed:
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
                if error.status not in GONE or attempt == _ATTEMPTS - 1:
                    raise
                continue
            if response.HasField("outcome"):
                return ended_with(response.outcome)
        raise HandlerError("the operation took too long to answer the update", type=HandlerErrorType.UPSTREAM_TIMEOUT)

    async def _said(self, token: OperationToken, update_id: str) -> Completed | None:
        # An update may be what a workflow ends with, and the answer to it may have been lost.
        _, execution, _ = await self._look(token)
        asked = OperationToken(
            type=OperationTokenType.UPDATE_WORKFLOW,
            namespace=self._client.namespace,
            workflow_id=execution.workflow_id,
            run_id=execution.run_id,
            update_id=update_id,
        )
        try:
            return await outcome(self._client, asked, wait=False)
        except OperationNotFound:
            return None

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
        if status not in RETRYABLE:
            raise OperationRunningStill
        first = WorkflowExecution(workflow_id=execution.workflow_id, run_id=first_run)
        return await repeat_workflow(self._client, first, execution.workflow_id, origin, known)

    async def clone(self, token: OperationToken, origin: Origin, known: frozenset[str]) -> str:
        """Start another one with its input, beside it; the engine token of the new one."""
        _, execution, first_run = await self._look(token)
        first = WorkflowExecution(workflow_id=execution.workflow_id, run_id=first_run)
        return await repeat_workflow(self._client, first, clone_id(execution.workflow_id, origin), origin, known)

    async def _look(self, token: OperationToken) -> tuple[OperationStatus, WorkflowExecution, str]:
        info = (await last_run(self._client, token)).workflow_execution_info
        # The server takes no other run for the first, and a token may name a later one.
        return status_of(info), info.execution, info.first_run_id or token.run_id or info.execution.run_id

    async def _running(self, token: OperationToken) -> WorkflowExecution:
        status, execution, _ = await self._look(token)
        if status is not OperationStatus.RUNNING:
            raise OperationEnded
        return execution


def _payloads(content: Content | None) -> Payloads | None:
    return None if content is None else Payloads(payloads=[payload_of(content)])
