"""Operations that end in every way there is, and payloads in every form: what the shipped plugins do not do."""

import asyncio
import base64
import uuid
from dataclasses import dataclass
from datetime import timedelta

from nexusrpc import HandlerError, HandlerErrorType
from nexusrpc.handler import (
    CancelOperationContext,
    OperationHandler,
    StartOperationContext,
    StartOperationResultAsync,
    operation_handler,
    service_handler,
)
from temporalio import nexus, workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

with workflow.unsafe.imports_passed_through():
    from gateway.plugins import HandlerPlugin


@dataclass
class Form:
    """A payload to answer with: its metadata, and its data in base64."""

    metadata: dict[str, str]
    data: str


@dataclass
class Wait:
    """A workflow that waits.

    ``id`` is its workflow's, ``seconds`` the most that it may take, ``start_after`` how long the start itself takes
    before there is any workflow.
    """

    id: str
    seconds: float = 3600
    start_after: float = 0


@workflow.defn
class FormWorkflow:
    """Answers with the payload that it is asked for."""

    @workflow.run
    async def run(self, form: Form) -> RawValue:
        """Answer."""
        metadata = {name: value.encode() for name, value in form.metadata.items()}
        return RawValue(Payload(metadata=metadata, data=base64.b64decode(form.data)))


@workflow.defn
class WaitWorkflow:
    """Ends when it is told to by a signal, or canceled, terminated or out of time."""

    def __init__(self) -> None:
        self._ended = False

    @workflow.run
    async def run(self) -> str:
        """Wait."""
        await workflow.wait_condition(lambda: self._ended)
        return "done"

    @workflow.signal
    def end(self) -> None:
        """End it."""
        self._ended = True


class HandmadeOperation(OperationHandler[None, None]):
    """An operation whose token means something to its handler only."""

    async def start(self, ctx: StartOperationContext, input: None) -> StartOperationResultAsync:  # noqa: A002
        """Start something outside of Temporal."""
        return StartOperationResultAsync(f"handmade {uuid.uuid4()}")

    async def cancel(self, ctx: CancelOperationContext, token: str) -> None:
        """Take note of it."""
        if not token.startswith("handmade "):
            raise HandlerError("this token is not one of mine", type=HandlerErrorType.NOT_FOUND)


@service_handler(name="probe.v1")
class ProbeHandler:
    """What tests ask for."""

    @nexus.workflow_run_operation
    async def form(
        self,
        ctx: nexus.WorkflowRunOperationContext,
        input: Form,  # noqa: A002
    ) -> nexus.WorkflowHandle[RawValue]:
        """Answer with a payload."""
        return await ctx.start_workflow(FormWorkflow.run, input, id=f"form-{ctx.request_id}")

    @nexus.workflow_run_operation
    async def wait(
        self,
        ctx: nexus.WorkflowRunOperationContext,
        input: Wait,  # noqa: A002
    ) -> nexus.WorkflowHandle[str]:
        """Wait for a signal, after a start that takes as long as it is asked to."""
        await asyncio.sleep(input.start_after)
        return await ctx.start_workflow(
            WaitWorkflow.run, id=input.id, execution_timeout=timedelta(seconds=input.seconds)
        )

    @operation_handler
    def handmade(self) -> OperationHandler[None, None]:
        """Start what only its handler can name."""
        return HandmadeOperation()


plugin = HandlerPlugin(services=[ProbeHandler()], workflows=[FormWorkflow, WaitWorkflow])
