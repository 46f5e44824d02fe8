"""Operations that are no workflows: activities that stand alone, and updates of a workflow that runs already."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError

from gateway.devstack import Stack
from tests.integration.callback_receiver import Receiver, receiving
from tests.integration.caller import Answer, Caller
from tests.integration.conftest import RIVALS
from tests.integration.operations_api import OperationsApi
from tests.integration.probe_plugin import AnswerWorkflow
from tests.integration.test_operation_events import follow
from tests.integration.waiting import eventually

Followed = Callable[..., Awaitable[list[dict[str, Any]]]]

WORK, ASK = "probe.v1/work", "probe.v1/ask"
ACTIVITY_LINK = "temporal.api.common.v1.Link.Activity"
EVENT_LINK = "temporal.api.common.v1.Link.WorkflowEvent"


@pytest.fixture(scope="module")
def api(stack: Stack, probe: Caller) -> OperationsApi:
    """The operations resource, for a caller that may do everything."""
    return OperationsApi(stack, probe)


@pytest_asyncio.fixture(scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    """Where completions go: an update can only be asked for with a callback."""
    async with receiving() as running:
        yield running


@pytest.fixture
def mark() -> str:
    """A word that nothing else is called."""
    return uuid.uuid4().hex


@dataclass(frozen=True, kw_only=True)
class Host:
    """A workflow that can be asked, and whom to ask it through."""

    workflow: WorkflowHandle[AnswerWorkflow, None]
    probe: Caller
    callback: str

    async def ask(self, text: str = "why", **headers: str) -> Answer:
        """Start an operation that is an update of it."""
        question = {"workflow_id": self.workflow.id, "text": text}
        return await self.probe.start(ASK, question, query=f"?callback={self.callback}", headers=headers)

    async def answer(self, text: str) -> None:
        """Have it answer what it was asked."""
        await self.workflow.signal(AnswerWorkflow.answer, text)


@pytest_asyncio.fixture
async def host(handlers: Client, probe: Caller, receiver: Receiver, mark: str) -> AsyncIterator[Host]:
    """A workflow to ask."""
    workflow = await handlers.start_workflow(AnswerWorkflow.run, id=f"answers-{mark}", task_queue="probe")
    yield Host(workflow=workflow, probe=probe, callback=receiver.url("asked"))
    with suppress(RPCError):
        await workflow.terminate()


@pytest.fixture
def followed(stack: Stack, http: ClientSession) -> Followed:
    """The events of an operation up to its end, from after one on."""
    return partial(follow, stack, http)


async def test_an_activity_is_described_while_it_is_tried_again(probe: Caller, api: OperationsApi, mark: str) -> None:
    """With the attempt that is under way, whose operation it is, and where it stands in Temporal."""
    headers = {"Nexus-Gateway-Metadata-Mark": mark, "Nexus-Request-Id": mark}
    started = await probe.start(WORK, {"id": mark, "how": "flaky"}, headers=headers)
    described = await eventually(
        lambda: api.described(started.token),
        lambda seen: seen["pending_activities"] and seen["pending_activities"][0]["last_failure"],
    )
    (pending,) = described["pending_activities"]
    assert ("running", "work", None) == (described["state"], pending["type"], described["close_time"])
    assert f"attempt {pending['attempt'] - 1} did not work" == pending["last_failure"]
    assert ({"mark": mark}, mark, "dev") == (
        described["metadata"],
        described["request_id"],
        described["caller"]["subject"],
    )
    assert [ACTIVITY_LINK] == [link["type"] for link in described["links"]]
    assert 32 == len(described["trace_id"])
    ended = await api.state(started.token, "succeeded")
    assert ([], True) == (ended["pending_activities"], ended["close_time"] > ended["start_time"])
    assert "done at attempt 3" == (await probe.result(WORK, started.token)).json


async def test_an_activity_that_fails_says_why(probe: Caller, api: OperationsApi, mark: str) -> None:
    """In its description as in its result."""
    started = await probe.start(WORK, {"id": mark, "how": "failing"})
    described = await api.state(started.token, "failed")
    assert "this never works" == described["failure"]["message"]
    assert (424, "this never works") == (
        (answer := await probe.result(WORK, started.token)).status,
        answer.message,
    )


async def test_an_activity_can_be_canceled_and_terminated(probe: Caller, api: OperationsApi, mark: str) -> None:
    """The first end wins, as with a workflow; asking twice is no error."""
    canceled = await probe.start(WORK, {"id": f"{mark}-1", "how": "waiting"})
    for _ in range(2):
        answer = await api.post("operations/cancel", canceled.token)
        # What no worker has taken yet is canceled at once.
        assert (answer.status, answer.json["state"]) in {(202, "running"), (200, "canceled")}
    described = await api.state(canceled.token, "canceled")
    assert "canceled" == described["failure"]["details"]["state"]
    terminated = await probe.start(WORK, {"id": f"{mark}-2", "how": "waiting"})
    answer = await api.post("operations/terminate", terminated.token, {"reason": "enough"})
    assert (200, "terminated") == (answer.status, answer.json["state"])
    for path in ("cancel", "terminate"):
        for token, state in ((canceled.token, "canceled"), (terminated.token, "terminated")):
            again = await api.post(f"operations/{path}", token)
            assert (200, state) == (again.status, again.json["state"])


async def test_an_activity_is_retried_and_cloned_with_its_input(probe: Caller, api: OperationsApi, mark: str) -> None:
    """What runs or succeeded is not retried; a request that comes twice makes one."""
    started = await probe.start(WORK, {"id": mark, "how": "waiting"}, headers={"Nexus-Gateway-Metadata-Mark": mark})
    assert 409 == (await api.post("operations/retry", started.token)).status
    await api.post("operations/terminate", started.token)
    retries = [await api.post("operations/retry", started.token, headers={"Idempotency-Key": mark}) for _ in range(2)]
    assert [202, 202] == [answer.status for answer in retries]
    (token,) = {answer.json["token"] for answer in retries}
    assert token != started.token
    assert 409 == (await api.post("operations/retry", started.token)).status
    described = await api.described(token)
    assert ("running", started.token, {"mark": mark}) == (
        described["state"],
        described["retry_of"],
        described["metadata"],
    )
    assert [ACTIVITY_LINK] * 2 == [link["type"] for link in described["links"]]
    cloned = await api.post("operations/clone", token)
    assert 201 == cloned.status
    for one in (token, cloned.json["token"]):
        assert "running" == (await api.described(one))["state"]
        await api.post("operations/terminate", one)
    done = await probe.start(WORK, {"id": f"{mark}-done"})
    assert "done at attempt 1" == (await probe.result(WORK, done.token)).json
    assert 409 == (await api.post("operations/retry", done.token)).status
    again = await api.post("operations/clone", done.token)
    assert "done at attempt 1" == (await probe.result(WORK, again.json["token"])).json


async def test_an_activity_is_followed_to_its_end(probe: Caller, followed: Followed, mark: str) -> None:
    """Each attempt that failed, and the end; whoever comes back later sees what it has not seen."""
    started = await probe.start(WORK, {"id": mark, "how": "flaky"})
    events = await followed(started.token)
    assert [("started", None), ("activity_retrying", 1), ("activity_retrying", 2), ("succeeded", None)] == [
        (event["type"], event.get("attempt")) for event in events
    ]
    assert ["attempt 1 did not work", "attempt 2 did not work"] == [event["message"] for event in events[1:3]]
    assert events[-1:] == await followed(started.token, events[-2]["id"])
    assert [] == await followed(started.token, events[-1]["id"])


async def test_a_canceled_activity_says_so_to_who_follows_it(
    probe: Caller, api: OperationsApi, followed: Followed, mark: str
) -> None:
    """First that it was asked to end, then that it did."""
    started = await probe.start(WORK, {"id": mark, "how": "waiting"})
    following = asyncio.ensure_future(followed(started.token))
    await api.post("operations/cancel", started.token)
    assert ["started", "cancel_requested", "canceled"] == [event["type"] for event in await following]


async def test_a_request_id_stands_for_one_activity(
    probe: Caller, api: OperationsApi, handlers: Client, mark: str
) -> None:
    """The same again is marked as such; another body is a conflict, also where it would be another activity."""
    same = {"Nexus-Request-Id": mark, "Nexus-Gateway-Metadata-Mark": mark}
    first = await probe.start(WORK, {"id": mark, "how": "waiting"}, headers=same)
    assert "Nexus-Gateway-Replayed" not in first.headers
    repeated = await probe.start(WORK, {"id": mark, "how": "waiting"}, headers=same)
    assert (first.token, "true") == (repeated.token, repeated.headers["Nexus-Gateway-Replayed"])
    conflict = await probe.start(WORK, {"id": mark}, headers=same)
    assert (409, "CONFLICT") == (conflict.status, conflict.error_type)
    # The index learns of an activity a moment after its start.
    query = f"NexusMetadata = 'mark={mark}'"
    await eventually(lambda: handlers.count_activities(query), lambda counted: 1 == counted.count)
    conflict = await probe.start(WORK, {"id": f"{mark}-2", "how": "waiting"}, headers=same)
    assert (409, "CONFLICT") == (conflict.status, conflict.error_type)
    await api.post("operations/terminate", first.token)


async def test_an_update_is_described_and_followed_from_its_acceptance_to_its_answer(
    probe: Caller, api: OperationsApi, host: Host, followed: Followed, mark: str
) -> None:
    """With the place in the history of the workflow that has it, and with what became of its completion."""
    headers = {"Nexus-Gateway-Metadata-Mark": mark, "Nexus-Request-Id": mark}
    started = await host.ask(**headers)
    described = await api.described(started.token)
    assert ("running", None, {"mark": mark}, mark) == tuple(
        described[key] for key in ("state", "close_time", "metadata", "request_id")
    )
    (link,) = described["links"]
    assert EVENT_LINK == link["type"]
    assert f"/workflows/{host.workflow.id}/{host.workflow.first_execution_run_id}/history" in link["url"]
    following = asyncio.ensure_future(followed(started.token))
    await host.answer("because")
    events = await following
    assert ["started", "succeeded"] == [event["type"] for event in events]
    assert events[1:] == await followed(started.token, events[0]["id"])
    assert [] == await followed(started.token, events[1]["id"])
    described = await api.state(started.token, "succeeded")
    assert described["close_time"] > described["start_time"]
    assert "why: because" == (await probe.result(ASK, started.token)).json


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("silence", "no answer to that"),
        ("end", "Workflow Update failed because the Workflow completed before the Update completed."),
    ],
)
async def test_an_update_without_an_answer_says_why(
    api: OperationsApi, host: Host, followed: Followed, how: str, message: str
) -> None:
    """The workflow may refuse, or end with the question open."""
    started = await host.ask()
    if how == "end":
        await host.workflow.terminate()
    else:
        await host.answer(how)
    described = await api.state(started.token, "failed")
    assert message == described["failure"]["message"]
    events = await followed(started.token)
    assert [("started", None), ("failed", message)] == [(event["type"], event.get("message")) for event in events]


async def test_a_request_id_stands_for_one_update(probe: Caller, host: Host, mark: str) -> None:
    """Within one workflow: the same again is marked as such, another question is a conflict."""
    first = await host.ask(**{"Nexus-Request-Id": mark})
    repeated = await host.ask(**{"Nexus-Request-Id": mark})
    assert (first.token, "true") == (repeated.token, repeated.headers["Nexus-Gateway-Replayed"])
    conflict = await host.ask("how", **{"Nexus-Request-Id": mark})
    assert (409, "CONFLICT") == (conflict.status, conflict.error_type)
    await host.answer("because")
    assert "why: because" == (await probe.result(ASK, first.token)).json


async def test_what_the_server_cannot_do_to_an_update_is_refused_and_said(
    probe: Caller, api: OperationsApi, host: Host
) -> None:
    """Nothing is pretended: only the workflow itself can end an update."""
    started = await host.ask()
    for path, words in [("cancel", "canceled"), ("terminate", "terminated"), ("clone", "started once more")]:
        refused = await api.post(f"operations/{path}", started.token)
        assert (501, "UNIMPLEMENTED") == (refused.status, refused.json["error"]["code"])
        assert f"this operation is an update of a workflow, which cannot be {words}" == refused.json["error"]["message"]
    assert (501, "NOT_IMPLEMENTED") == ((answer := await probe.cancel(ASK, started.token)).status, answer.error_type)
    await host.answer("because")
    await api.state(started.token, "succeeded")
    assert 501 == (await api.post("operations/retry", started.token)).status
    for path in ("signal/answer", "update/ask", "query/ask"):
        assert 404 == (await api.post(f"operations/{path}", started.token)).status


async def test_no_other_tenant_sees_or_touches_them(stack: Stack, probe: Caller, api: OperationsApi, mark: str) -> None:
    """The answers are those for a token that nobody has."""
    started = await probe.start(WORK, {"id": mark, "how": "waiting"})
    rival = OperationsApi(stack, probe.showing(stack.token(subject="mallory", namespace=RIVALS)))
    for path in ("describe", "events"):
        assert 404 == (await rival.get(f"operations/{path}", started.token)).status
    for path in ("cancel", "terminate", "retry", "clone"):
        assert 404 == (await rival.post(f"operations/{path}", started.token)).status
    assert "running" == (await api.described(started.token))["state"]
    await api.post("operations/terminate", started.token)
