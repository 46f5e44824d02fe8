"""A Nexus handler class in the shape of the SDK's documentation, served by the gateway and by a plain Temporal worker.

Each case is a row, and each row has to come out the same both ways: unmodified means unmodified.
"""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from nexusrpc import HandlerError, HandlerErrorType
from temporalio.client import Client, NexusClient, NexusOperationFailureError
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.worker import Worker

from gateway.devstack import CALLER_NAMESPACE, HANDLER_NAMESPACE, Stack, TemporalServer
from tests.integration.sdk_pattern import (
    GreetingInput,
    GreetingOutput,
    GreetingService,
    GreetingServiceHandler,
    GreetingWorkflow,
    compose_greeting,
)
from tests.integration.waiting import eventually

TASK_QUEUE = "greeting-worker"


@dataclass(frozen=True, kw_only=True)
class Greeter:
    """A caller, and the token it shows, if anybody looks at one."""

    client: NexusClient[GreetingService]
    headers: dict[str, str]


@pytest_asyncio.fixture(scope="module")
async def greeters(
    stack: Stack, temporal: TemporalServer, handlers: Client, callers: Client
) -> AsyncIterator[dict[str, Greeter]]:
    """One that calls through the gateway, one that calls a worker; both from the same namespace."""
    await temporal.create_nexus_endpoint("greeting-gw", target_url=stack.gateway.endpoint_url("greeting"))
    await temporal.create_nexus_endpoint("greeting-worker", namespace=HANDLER_NAMESPACE, task_queue=TASK_QUEUE)
    async with Worker(
        handlers,
        task_queue=TASK_QUEUE,
        nexus_service_handlers=[GreetingServiceHandler()],
        workflows=[GreetingWorkflow],
        activities=[compose_greeting],
    ):
        yield {
            "the gateway": Greeter(
                client=callers.create_nexus_client(service=GreetingService, endpoint="greeting-gw"),
                headers={"Authorization": f"Bearer {stack.token(namespace=CALLER_NAMESPACE)}"},
            ),
            "a worker": Greeter(
                client=callers.create_nexus_client(service=GreetingService, endpoint="greeting-worker"), headers={}
            ),
        }


async def outcome(greeter: Greeter, operation: str, value: Any, *, cancel: bool = False) -> object:
    """What came of an operation, in values that can be compared."""
    handle = await greeter.client.start_operation(
        operation, value, id=uuid.uuid4().hex, headers=greeter.headers, result_type=GreetingOutput
    )
    if cancel:
        # What is canceled before its handler has answered was never started.
        await eventually(handle.describe, lambda description: description.raw_description.operation_token)
        await handle.cancel()
    try:
        return await handle.result()
    except NexusOperationFailureError as error:
        return in_words(error.__cause__)


def in_words(cause: BaseException | None) -> tuple[object, ...]:
    """What a caller can tell of a failure."""
    match cause:
        case ApplicationError():
            return (cause.type, cause.message, cause.non_retryable, *cause.details)
        case CancelledError():
            return ("canceled",)
        case HandlerError():
            return (cause.type,)
        case _:
            raise AssertionError(f"nobody expected {cause!r}")


HELLO = GreetingOutput(message="hello ada")
NOBODY = ("NobodyThere", "there is nobody", True, {"name": "nobody"})
OUTCOMES = [
    ("greet", "ada", HELLO),
    ("greet_by_handler", "ada", HELLO),
    ("greet_by_workflow", "ada", HELLO),
    ("greet_by_client", "ada", HELLO),
    ("greet_by_workflow", "nobody", NOBODY),
    ("greet_by_client", "nobody", NOBODY),
]


@pytest.mark.parametrize("server", ["the gateway", "a worker"])
@pytest.mark.parametrize(("operation", "name", "expected"), OUTCOMES)
async def test_each_kind_of_operation_comes_out_the_same(
    greeters: dict[str, Greeter], server: str, operation: str, name: str, expected: object
) -> None:
    """Sync, written out by hand, by a workflow, by the operation's own client; results and typed failures."""
    assert expected == await outcome(greeters[server], operation, GreetingInput(name=name))


@pytest.mark.parametrize("server", ["the gateway", "a worker"])
@pytest.mark.parametrize("operation", ["greet_by_workflow", "greet_by_client"])
async def test_a_cancel_comes_out_the_same(greeters: dict[str, Greeter], server: str, operation: str) -> None:
    """The workflow is canceled, and the operation with it."""
    assert ("canceled",) == await outcome(greeters[server], operation, GreetingInput(name="forever"), cancel=True)


@pytest.mark.parametrize("server", ["the gateway", "a worker"])
async def test_an_unknown_operation_comes_out_the_same(greeters: dict[str, Greeter], server: str) -> None:
    """Not found, at once."""
    assert (HandlerErrorType.NOT_FOUND,) == await outcome(greeters[server], "nosuch", GreetingInput(name="ada"))
