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
from temporalio import activity, nexus, workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowUpdateStage
from temporalio.common import RawValue, RetryPolicy, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from gateway.plugins import HandlerPlugin, exposed_query, exposed_signal


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


@dataclass
class Counting:
    """What is counted; ``join`` is whether one that runs already is joined, or a conflict."""

    id: str
    join: bool = False
    so_far: int = 0


@dataclass
class Work:
    """What an activity is to do: ``how`` is done, failing, flaky (the first two attempts fail) or waiting."""

    id: str
    how: str = "done"


@dataclass
class Question:
    """Something to ask the workflow of this id."""

    workflow_id: str
    text: str = "why"


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


@workflow.defn
class AnswerWorkflow:
    """Answers what it is asked by an update, once a signal says what; refuses to say anything for ``silence``."""

    def __init__(self) -> None:
        self._answer: str | None = None

    @workflow.run
    async def run(self) -> None:
        """Be there to be asked, for as long as nobody ends it."""
        await workflow.wait_condition(lambda: False)

    @workflow.update
    async def ask(self, text: str) -> str:
        """Wait for the answer."""
        await workflow.wait_condition(lambda: self._answer is not None)
        if self._answer == "silence":
            raise ApplicationError("no answer to that", type="Silence", non_retryable=True)
        return f"{text}: {self._answer}"

    @workflow.signal
    def answer(self, text: str) -> None:
        """Say what to answer."""
        self._answer = text


@workflow.defn
class ChainWorkflow:
    """Goes on as a new run so many times, and then waits to be ended."""

    @workflow.run
    async def run(self, more: int) -> None:
        """Go on, or wait."""
        if more:
            workflow.continue_as_new(more - 1)
        await workflow.wait_condition(lambda: False)


@workflow.defn
class CountWorkflow:
    """Counts its ``add`` signals, begins a new run with ``turn``, and answers how many there were with ``end``."""

    @workflow.init
    def __init__(self, counting: Counting) -> None:
        self._counting = counting
        self._turned = self._ended = False

    @workflow.run
    async def run(self, counting: Counting) -> int:
        """Count."""
        await workflow.wait_condition(lambda: self._turned or self._ended)
        if not self._ended:
            workflow.continue_as_new(self._counting)
        return self._counting.so_far

    @workflow.signal
    def add(self, number: int) -> None:
        """Count so many."""
        self._counting.so_far += number

    @workflow.signal
    def turn(self) -> None:
        """Go on in another run."""
        self._turned = True

    @workflow.signal
    def end(self) -> None:
        """End it."""
        self._ended = True

    @workflow.query
    def so_far(self) -> int:
        """How many there were."""
        return self._counting.so_far


@activity.defn
async def work(task: Work) -> str:
    """Do it."""
    attempt = activity.info().attempt
    if task.how == "failing":
        raise ApplicationError("this never works", type="NeverWorks", non_retryable=True)
    if task.how == "flaky" and attempt < 3:
        raise ApplicationError(f"attempt {attempt} did not work")
    while task.how == "waiting":
        activity.heartbeat()
        await asyncio.sleep(0.1)
    return f"done at attempt {attempt}"


@workflow.defn
class WorkWorkflow:
    """Has an activity do something, with five seconds between its attempts."""

    @workflow.run
    async def run(self, task: Work) -> str:
        """Wait for it."""
        return await workflow.execute_activity(
            work,
            task,
            start_to_close_timeout=timedelta(minutes=1),
            retry_policy=RetryPolicy(initial_interval=timedelta(seconds=5), backoff_coefficient=1),
        )


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

    @nexus.workflow_run_operation
    async def chain(
        self,
        ctx: nexus.WorkflowRunOperationContext,
        input: int,  # noqa: A002
    ) -> nexus.WorkflowHandle[None]:
        """Go on as a new run so many times."""
        return await ctx.start_workflow(ChainWorkflow.run, input, id=f"chain-{ctx.request_id}")

    @nexus.workflow_run_operation
    async def count(
        self,
        ctx: nexus.WorkflowRunOperationContext,
        input: Counting,  # noqa: A002
    ) -> nexus.WorkflowHandle[int]:
        """Count signals."""
        policy = WorkflowIDConflictPolicy.USE_EXISTING if input.join else WorkflowIDConflictPolicy.FAIL
        return await ctx.start_workflow(
            CountWorkflow.run,
            input,
            id=input.id,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
            id_conflict_policy=policy,
        )

    @nexus.temporal_operation
    async def work(
        self,
        ctx: nexus.TemporalStartOperationContext,
        client: nexus.TemporalNexusClient,
        input: Work,  # noqa: A002
    ) -> nexus.TemporalOperationResult[str]:
        """Have an activity do something, without a workflow around it."""
        return await client.start_activity(
            work,
            input,
            id=input.id,
            schedule_to_close_timeout=timedelta(minutes=5),
            heartbeat_timeout=timedelta(seconds=5),
            retry_policy=RetryPolicy(initial_interval=timedelta(seconds=2), backoff_coefficient=1),
        )

    @nexus.workflow_run_operation
    async def work_within(
        self,
        ctx: nexus.WorkflowRunOperationContext,
        input: Work,  # noqa: A002
    ) -> nexus.WorkflowHandle[str]:
        """Have an activity of a workflow do something."""
        return await ctx.start_workflow(WorkWorkflow.run, input, id=input.id)

    @nexus.temporal_operation
    async def ask(
        self,
        ctx: nexus.TemporalStartOperationContext,
        client: nexus.TemporalNexusClient,
        input: Question,  # noqa: A002
    ) -> nexus.TemporalOperationResult[str]:
        """Have a workflow that runs already answer a question."""
        return await client.start_workflow_update(
            input.workflow_id, AnswerWorkflow.ask, input.text, wait_for_stage=WorkflowUpdateStage.ACCEPTED
        )

    @operation_handler
    def handmade(self) -> OperationHandler[None, None]:
        """Start what only its handler can name."""
        return HandmadeOperation()


plugin = HandlerPlugin(
    services=[ProbeHandler()],
    workflows=[FormWorkflow, WaitWorkflow, AnswerWorkflow, ChainWorkflow, CountWorkflow, WorkWorkflow],
    activities=[work],
    exposes={
        ("probe.v1", "count"): [
            exposed_signal("add", input=int),
            exposed_signal("turn"),
            exposed_signal("end"),
            exposed_query("so_far", output=int),
        ]
    },
)
