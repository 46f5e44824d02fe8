"""A Nexus service in the shape of the Temporal SDK's documentation: nothing in it knows of the gateway."""

from dataclasses import dataclass
from datetime import timedelta

import nexusrpc
from nexusrpc.handler import (
    CancelOperationContext,
    OperationHandler,
    StartOperationContext,
    StartOperationResultSync,
    operation_handler,
    service_handler,
    sync_operation,
)
from temporalio import activity, nexus, workflow
from temporalio.exceptions import ApplicationError


@dataclass
class GreetingInput:
    """Whom to greet."""

    name: str


@dataclass
class GreetingOutput:
    """How they were greeted."""

    message: str


@nexusrpc.service(name="greeting.v1")
class GreetingService:
    """The contract that callers and handlers share."""

    greet: nexusrpc.Operation[GreetingInput, GreetingOutput]
    greet_by_workflow: nexusrpc.Operation[GreetingInput, GreetingOutput]
    greet_by_client: nexusrpc.Operation[GreetingInput, GreetingOutput]
    greet_by_handler: nexusrpc.Operation[GreetingInput, GreetingOutput]


@workflow.defn
class GreetingWorkflow:
    """Greets by an activity; waits to be canceled for the name ``forever``, and fails for the name ``nobody``."""

    @workflow.run
    async def run(self, input: GreetingInput) -> GreetingOutput:  # noqa: A002 - as in the documentation
        """Greet."""
        if input.name == "forever":
            await workflow.wait_condition(lambda: False)
        if input.name == "nobody":
            raise ApplicationError("there is nobody", {"name": input.name}, type="NobodyThere", non_retryable=True)
        message = await workflow.execute_local_activity(
            compose_greeting, input.name, schedule_to_close_timeout=timedelta(seconds=10)
        )
        return GreetingOutput(message=message)


@activity.defn
async def compose_greeting(name: str) -> str:
    """The text of a greeting."""
    return f"hello {name}"


class GreetByHandler(OperationHandler[GreetingInput, GreetingOutput]):
    """An operation written out by hand."""

    async def start(
        self,
        ctx: StartOperationContext,
        input: GreetingInput,  # noqa: A002 - the name in nexusrpc
    ) -> StartOperationResultSync[GreetingOutput]:
        """Greet at once."""
        return StartOperationResultSync(GreetingOutput(message=f"hello {input.name}"))

    async def cancel(self, ctx: CancelOperationContext, token: str) -> None:
        """There is never anything to cancel."""
        raise NotImplementedError


@service_handler(service=GreetingService)
class GreetingServiceHandler:
    """Each way that the SDK has to write an operation."""

    @sync_operation
    async def greet(self, ctx: StartOperationContext, input: GreetingInput) -> GreetingOutput:  # noqa: A002
        """Greet at once."""
        return GreetingOutput(message=f"hello {input.name}")

    @nexus.workflow_run_operation
    async def greet_by_workflow(
        self,
        ctx: nexus.WorkflowRunOperationContext,
        input: GreetingInput,  # noqa: A002
    ) -> nexus.WorkflowHandle[GreetingOutput]:
        """Greet by a workflow."""
        return await ctx.start_workflow(GreetingWorkflow.run, input, id=f"greet-by-workflow-{ctx.request_id}")

    @nexus.temporal_operation
    async def greet_by_client(
        self,
        ctx: nexus.TemporalStartOperationContext,
        client: nexus.TemporalNexusClient,
        input: GreetingInput,  # noqa: A002
    ) -> nexus.TemporalOperationResult[GreetingOutput]:
        """Greet by a workflow that the operation's own client starts."""
        return await client.start_workflow(GreetingWorkflow.run, input, id=f"greet-by-client-{ctx.request_id}")

    @operation_handler
    def greet_by_handler(self) -> OperationHandler[GreetingInput, GreetingOutput]:
        """Greet by an operation handler of one's own."""
        return GreetByHandler()
