"""Operations that are activities of their own, without a workflow around them."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from temporalio.api.common.v1 import Header
from temporalio.api.enums.v1 import ActivityIdConflictPolicy, ActivityIdReusePolicy
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeActivityExecutionRequest,
    RequestCancelActivityExecutionRequest,
    StartActivityExecutionRequest,
    TerminateActivityExecutionRequest,
)

from gateway.engines._operations import OperationDetails, OperationRecord, OperationRunningStill
from gateway.engines.temporal._activity_states import attempt_of, describe_activity, failure_of, status_of, told
from gateway.engines.temporal._describe import callback_state
from gateway.engines.temporal._events import parse_event_id
from gateway.engines.temporal._hosting import link_to_activity, nexus_links_of
from gateway.engines.temporal._kinds import Kind, was_taken
from gateway.engines.temporal._memos import MEMO, origin_of, origin_payload
from gateway.engines.temporal._repeats import (
    RETRYABLE,
    START_TIMEOUT,
    clone_id,
    repeated_attributes,
    repeated_header,
    sole,
)
from gateway.engines.temporal._results import poll
from gateway.engines.temporal._tokens import SOME_RUN, activity_token, check_length, with_run
from gateway.engines.temporal._visibility import time_of
from gateway.model import OperationStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from temporalio.api.workflowservice.v1 import DescribeActivityExecutionResponse

    from gateway.engines._operations import OperationEvent
    from gateway.engines.temporal._hosting import OperationToken
    from gateway.model import Origin

_TIMEOUT: Final = timedelta(seconds=5)
_POLL: Final = timedelta(seconds=30)


class Activities(Kind):
    """Operations that are activities; each is one run, which its token names."""

    noun = "an activity"

    async def details(self, token: OperationToken) -> OperationDetails:
        """Its attempt while it runs, and how it ended."""
        described = await self._describe(token)
        info = described.info
        record = OperationRecord(
            engine_token=with_run(token, info.run_id),
            status=status_of(info),
            start_time=time_of(info.schedule_time),
            close_time=time_of(info.close_time) if info.HasField("close_time") else None,
            origin=origin_of(info.header, self._client),
        )
        return OperationDetails(
            record=record,
            pending_activities=(attempt_of(info),) if record.status is OperationStatus.RUNNING else (),
            callbacks=tuple(callback_state(one.info) for one in described.callbacks),
            links=nexus_links_of(
                [link_to_activity(self._client.namespace, info.activity_id, info.run_id), *info.links]
                + [link for one in described.callbacks for link in one.info.callback.links]
            ),
            failure=failure_of(described),
        )

    async def events(self, token: OperationToken, after: str | None) -> AsyncIterator[OperationEvent]:
        """What each of its states tells, as they come."""
        place = parse_event_id(after)
        described = await self._describe(token)
        while True:
            for at, event in told(described):
                if at > place:
                    place = at
                    yield event
            if status_of(described.info) is not OperationStatus.RUNNING:
                return
            described = await self._next_state(described)

    async def cancel(self, token: OperationToken) -> OperationStatus:
        """Ask it to end, which it learns with its next heartbeat; its status at that moment."""
        status, run_id = await self._look(token)
        if status is not OperationStatus.RUNNING:
            return status
        request = RequestCancelActivityExecutionRequest(
            namespace=self._client.namespace,
            activity_id=token.activity_id or "",
            run_id=run_id,
            identity=self._client.identity,
            request_id=str(uuid.uuid4()),
        )
        # Where it has been asked before, that is not taken either.
        if await was_taken(self._client.workflow_service.request_cancel_activity_execution(request, timeout=_TIMEOUT)):
            return status
        return (await self._look(token))[0]

    async def terminate(self, token: OperationToken, reason: str) -> OperationStatus:
        """End it now; its status after that."""
        status, run_id = await self._look(token)
        if status is not OperationStatus.RUNNING:
            return status
        request = TerminateActivityExecutionRequest(
            namespace=self._client.namespace,
            activity_id=token.activity_id or "",
            run_id=run_id,
            identity=self._client.identity,
            request_id=str(uuid.uuid4()),
            reason=reason,
        )
        await was_taken(self._client.workflow_service.terminate_activity_execution(request, timeout=_TIMEOUT))
        return (await self._look(token))[0]

    async def retry(self, token: OperationToken, origin: Origin, known: frozenset[str]) -> str:
        """Start it once more with the input that the server keeps; the engine token of the new one.

        Raises:
            OperationRunningStill: it runs, or succeeded, or another one runs or succeeded in its place.
        """
        described = await self._describe(token, with_input=True)
        if status_of(described.info) not in RETRYABLE:
            raise OperationRunningStill
        return await self._start_again(described, described.info.activity_id, origin, known)

    async def clone(self, token: OperationToken, origin: Origin, known: frozenset[str]) -> str:
        """Start another one with its input, beside it; the engine token of the new one."""
        described = await self._describe(token, with_input=True)
        return await self._start_again(described, clone_id(described.info.activity_id, origin), origin, known)

    async def _start_again(
        self, described: DescribeActivityExecutionResponse, activity_id: str, origin: Origin, known: frozenset[str]
    ) -> str:
        check_length(activity_token(self._client.namespace, activity_id, SOME_RUN))
        first = described.info
        request = StartActivityExecutionRequest(
            namespace=self._client.namespace,
            identity=self._client.identity,
            request_id=origin.scoped_request_id,
            activity_id=activity_id,
            activity_type=first.activity_type,
            task_queue=TaskQueue(name=first.task_queue),
            schedule_to_close_timeout=first.schedule_to_close_timeout,
            schedule_to_start_timeout=first.schedule_to_start_timeout,
            start_to_close_timeout=first.start_to_close_timeout,
            heartbeat_timeout=first.heartbeat_timeout,
            retry_policy=first.retry_policy,
            input=described.input,
            # What has succeeded in the meantime is not done twice.
            id_reuse_policy=ActivityIdReusePolicy.ACTIVITY_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
            id_conflict_policy=ActivityIdConflictPolicy.ACTIVITY_ID_CONFLICT_POLICY_FAIL,
            search_attributes=repeated_attributes(first.search_attributes, origin, known),
            header=Header(fields={**repeated_header(first.header).fields, MEMO: origin_payload(origin, self._client)}),
            user_metadata=first.user_metadata,
            priority=first.priority,
            links=[link_to_activity(self._client.namespace, first.activity_id, first.run_id)],
        )
        service = self._client.workflow_service
        response = await sole(service.start_activity_execution(request, timeout=START_TIMEOUT))
        return activity_token(self._client.namespace, activity_id, response.run_id)

    async def _describe(self, token: OperationToken, *, with_input: bool = False) -> DescribeActivityExecutionResponse:
        return await describe_activity(self._client, token.activity_id or "", token.run_id or "", with_input=with_input)

    async def _look(self, token: OperationToken) -> tuple[OperationStatus, str]:
        info = (await self._describe(token)).info
        return status_of(info), info.run_id

    async def _next_state(self, before: DescribeActivityExecutionResponse) -> DescribeActivityExecutionResponse:
        request = DescribeActivityExecutionRequest(
            namespace=self._client.namespace,
            activity_id=before.info.activity_id,
            run_id=before.run_id,
            include_outcome=True,
            include_last_failure=True,
            long_poll_token=before.long_poll_token,
        )
        service = self._client.workflow_service
        while True:
            described = await poll(lambda: service.describe_activity_execution(request, timeout=_POLL))
            # The server ends a long poll by an answer without content.
            if described is not None and described.HasField("info"):
                return described
