"""Whether a completion is about the operation that it names: the run's own record of its callbacks decides.

Anybody who learned one callback's headers could post a completion that names some other workflow. Temporal keeps the
callbacks of a run, and carries them along when the run continues as new, so the run that ended has the callback that
the start registered, header for header, or it is not the one.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import ActivityExecutionStatus, WorkflowExecutionStatus
from temporalio.api.workflowservice.v1 import DescribeActivityExecutionRequest, DescribeWorkflowExecutionRequest
from temporalio.service import RPCError, RPCStatusCode

from gateway.engines._base import EngineUnavailable, OperationNotFound
from gateway.engines.temporal import _failures
from gateway.engines.temporal._hosting import OperationTokenType
from gateway.engines.temporal._tokens import with_run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from temporalio.api.common.v1 import Callback
    from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
    from temporalio.client import Client

    from gateway.engines.temporal._hosting import OperationToken

_LOOK_UP = timedelta(seconds=4)
_ABSENT = {RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT}


async def verified_token(
    client: Client, token: OperationToken, run_id: str | None, registered: Mapping[str, str]
) -> str | None:
    """The engine token of the operation that a completion names, once ``run_id`` is known to be a run of it.

    None for an update that Temporal shows no callback of: it then keeps none that could be compared.

    Raises:
        OperationNotFound: no such run, it still runs, or it has no callback with the headers ``registered``.
        EngineUnavailable: the server cannot be asked.
    """
    try:
        return await _VERIFIERS[token.type](client, token, run_id, registered)
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
    described = await _describe(client, token, run_id)
    info = described.workflow_execution_info
    if info.status == WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING:
        raise OperationNotFound
    if not _held(registered, (one.callback for one in described.callbacks)):
        raise OperationNotFound
    return with_run(token, info.first_run_id or info.execution.run_id)


async def _update(
    client: Client, token: OperationToken, run_id: str | None, registered: Mapping[str, str]
) -> str | None:
    described = await _describe(client, token, run_id)
    of_update = (
        one.callback
        for one in described.callbacks
        if one.trigger.update_workflow_execution_completed.update_id == token.update_id
    )
    return with_run(token, run_id) if _held(registered, of_update) else None


async def _describe(client: Client, token: OperationToken, run_id: str | None) -> DescribeWorkflowExecutionResponse:
    execution = WorkflowExecution(workflow_id=token.workflow_id or "", run_id=run_id or "")
    request = DescribeWorkflowExecutionRequest(namespace=client.namespace, execution=execution)
    return await client.workflow_service.describe_workflow_execution(request, timeout=_LOOK_UP)


async def _activity(
    client: Client, token: OperationToken, run_id: str | None, registered: Mapping[str, str]
) -> str | None:
    request = DescribeActivityExecutionRequest(
        namespace=client.namespace, activity_id=token.activity_id or "", run_id=run_id or ""
    )
    described = await client.workflow_service.describe_activity_execution(request, timeout=_LOOK_UP)
    if described.info.status == ActivityExecutionStatus.ACTIVITY_EXECUTION_STATUS_RUNNING:
        raise OperationNotFound
    if not _held(registered, (one.info.callback for one in described.callbacks)):
        raise OperationNotFound
    return with_run(token, run_id)


def _held(registered: Mapping[str, str], callbacks: Iterable[Callback]) -> bool:
    wanted = {name.lower(): value for name, value in registered.items()}
    return any(
        wanted.items() <= {name.lower(): value for name, value in callback.nexus.header.items()}.items()
        for callback in callbacks
    )


_VERIFIERS: Final[Mapping[OperationTokenType, Callable[..., Awaitable[str | None]]]] = {
    OperationTokenType.WORKFLOW: _workflow,
    OperationTokenType.UPDATE_WORKFLOW: _update,
    OperationTokenType.ACTIVITY: _activity,
}
