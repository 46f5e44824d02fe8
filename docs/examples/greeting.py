"""A plugin of one service: an operation that answers at once, and one that is a workflow."""

from datetime import timedelta

from nexusrpc.handler import StartOperationContext, service_handler, sync_operation
from temporalio import nexus, workflow

from gateway.plugins import HandlerPlugin


@workflow.defn
class GreetLater:
    @workflow.run
    async def run(self, name: str) -> str:
        await workflow.sleep(timedelta(seconds=5))
        return f"Hello {name}, at last"


@service_handler(name="greeting.v1")
class Greeting:
    @sync_operation
    async def greet(self, ctx: StartOperationContext, name: str) -> str:
        return f"Hello {name}"

    @nexus.workflow_run_operation
    async def greet_later(self, ctx: nexus.WorkflowRunOperationContext, name: str) -> nexus.WorkflowHandle[str]:
        return await ctx.start_workflow(GreetLater.run, name, id=f"greet-{name}-{ctx.request_id}")


plugin = HandlerPlugin(services=[Greeting()], workflows=[GreetLater])
