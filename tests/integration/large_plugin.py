"""Operations that end with more than fits everywhere."""

from dataclasses import dataclass

from nexusrpc.handler import service_handler
from temporalio import nexus, workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from gateway.plugins import HandlerPlugin


@dataclass
class Large:
    """How many ``bytes`` to end with, as a result or as a failure's details, in the workflow ``id``."""

    id: str
    bytes: int
    fail: bool = False


@workflow.defn
class LargeWorkflow:
    """Ends with what no compression makes smaller."""

    @workflow.run
    async def run(self, large: Large) -> bytes:
        """End."""
        noise = workflow.random().randbytes(large.bytes)
        if large.fail:
            raise ApplicationError("too much", noise, type="TooMuch", non_retryable=True)
        return noise


@service_handler(name="large.v1")
class LargeHandler:
    """The service."""

    @nexus.workflow_run_operation
    async def make(self, ctx: nexus.WorkflowRunOperationContext, large: Large) -> nexus.WorkflowHandle[bytes]:
        """Run it."""
        return await ctx.start_workflow(LargeWorkflow.run, large, id=large.id)


plugin = HandlerPlugin(services=[LargeHandler()], workflows=[LargeWorkflow])
