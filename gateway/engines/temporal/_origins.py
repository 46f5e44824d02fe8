"""Whether a completion is about the operation that it names: the run's own record of its callbacks decides.

Anybody who learned one callback's headers could post a completion that names some other workflow. Temporal keeps the
callbacks of a run, and carries them along when the run continues as new, so the run that ended has the callback that
the start registered, header for header, or it is not the one.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import ActivityExecutionStatus, WorkflowExecutionStatus
from temporalio.api.workflowservice.v1 import DescribeActivityExecutionRequest, DescribeWorkflowExecutionRequest
from temporalio.service import RPCError, RPCStatusCode

from gateway.engines._base import EngineUnavailable, OperationNotFound
from gateway.engines.temporal import _failures
from gateway.engines.temporal._hosting import OperationTokenType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from temporalio.api.common.v1 import Callback
    from temporalio.api.workflow.v1 import CallbackInfo
    from temporalio.client import Client

    from gateway.engines.temporal._hosting import OperationToken

_LOOK_UP = timedelta(seconds=2)
_ABSENT = {RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT}


async def verified_run(
    client: Client, token: OperationToken, run_id: str | None, registered: Mapping[str, str]
) -> str | None:
    """The run that the token of the started operation names, once the run of the completion is known to be its own.

    Raises:
        OperationNotFound: no such run, it still runs, or it has no callback with the headers ``registered``.
        EngineUnavailable: the server cannot be asked.
    """
    try:
        if token.type is OperationTokenType.ACTIVITY:
            return await _activity(client, token, run_id, registered)
        return await _workflow(client, token, run_id, registered)
    except RPCError as error:
        if error.status in _ABSENT:
            raise OperationNotFound from error
        raise EngineUnavailable from error
    except RuntimeError as error:
        if _failures.is_connection_error(error):
            raise EngineUnavailable from error
        raise


async def _workflow(
    client: Client, token: OperationToken, run_id: str | None, registered: Mapping[str, str]
) -> str | None:
    execution = WorkflowExecution(workflow_id=token.workflow_id or "", run_id=run_id or "")
    request = DescribeWorkflowExecutionRequest(namespace=client.namespace, execution=execution)
    described = await client.workflow_service.describe_workflow_execution(request, timeout=_LOOK_UP)
    info = described.workflow_execution_info
    is_update = token.type is OperationTokenType.UPDATE_WORKFLOW
    running = info.status == WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING
    # An update ends while its workflow goes on.
    if running and not is_update:
        raise OperationNotFound
    relevant = (one for one in described.callbacks if _is_for(one, token.update_id if is_update else None))
    _demand(registered, (one.callback for one in relevant))
    return run_id if is_update else info.first_run_id or info.execution.run_id


def _is_for(one: CallbackInfo, update_id: str | None) -> bool:
    if update_id is None:
        return one.trigger.HasField("workflow_closed")
    return one.trigger.update_workflow_execution_completed.update_id == update_id


async def _activity(
    client: Client, token: OperationToken, run_id: str | None, registered: Mapping[str, str]
) -> str | None:
    request = DescribeActivityExecutionRequest(
        namespace=client.namespace, activity_id=token.activity_id or "", run_id=run_id or ""
    )
    described = await client.workflow_service.describe_activity_execution(request, timeout=_LOOK_UP)
    if described.info.status == ActivityExecutionStatus.ACTIVITY_EXECUTION_STATUS_RUNNING:
        raise OperationNotFound
    _demand(registered, (one.info.callback for one in described.callbacks))
    return run_id


def _demand(registered: Mapping[str, str], callbacks: Iterable[Callback]) -> None:
    wanted = {name.lower(): value for name, value in registered.items()}
    for callback in callbacks:
        headers = {name.lower(): value for name, value in callback.nexus.header.items()}
        if wanted.items() <= headers.items():
            return
    raise OperationNotFound
