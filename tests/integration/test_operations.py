"""Operations seen and steered over plain HTTP, on a real Temporal server."""

import asyncio
import re
import uuid
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientSession
from temporalio.api.workflowservice.v1 import ListWorkflowExecutionsRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from gateway.devstack import HANDLER_NAMESPACE, Stack
from gateway.engines.temporal._attributes import KnownAttributes, with_typed_attributes
from gateway.engines.temporal._chains import Chains
from gateway.engines.temporal._hosting import OperationToken, OperationTokenType
from gateway.engines.temporal._memos import MEMO, dump_origin, origin_of
from gateway.engines.temporal._workflows import Workflows
from gateway.model import OperationStatus
from tests.integration.caller import Caller
from tests.integration.conftest import RIVALS
from tests.integration.operations_api import OperationsApi
from tests.integration.ordering import PROCESS, large_order, small_order
from tests.integration.waiting import eventually

TOO_LONG = "\x01" * 985
"""An id that the server takes; written out in JSON it is six times as long."""


@pytest.fixture(scope="module")
def api(stack: Stack, orders: Caller) -> OperationsApi:
    """The operations resource, for a caller that may do everything."""
    return OperationsApi(stack, orders)


@pytest.fixture(scope="module")
def rival(stack: Stack, orders: Caller) -> OperationsApi:
    """The operations resource, for another tenant."""
    return OperationsApi(stack, orders.showing(stack.token(subject="mallory", namespace=RIVALS)))


@pytest.fixture
def mark() -> str:
    """A word that only one test's operations carry."""
    return uuid.uuid4().hex


def marked(mark: str) -> dict[str, str]:
    """The header that writes it on an operation."""
    return {"Nexus-Gateway-Metadata-Mark": mark}


async def test_a_started_workflow_says_whose_it_is(
    orders: Caller, api: OperationsApi, handlers: Client, mark: str
) -> None:
    """Whatever the handler does: search attributes for whoever looks in Temporal, a list item for the caller."""
    started = await orders.start(
        PROCESS, large_order(order_id=mark), headers={**marked(mark), "Nexus-Request-Id": mark}
    )
    (found,) = await api.eventually(1, **{"metadata.mark": mark})
    assert ("orders", "orders.v1", "process") == (found["endpoint"], found["service"], found["operation"])
    assert ("running", None, started.token) == (found["state"], found["close_time"], found["token"])
    assert {"namespace": "checkout", "subject": "dev"} == found["caller"]
    assert ({"mark": mark}, mark) == (found["metadata"], found["request_id"])
    (execution,) = [one async for one in handlers.list_workflows(f"NexusMetadata = 'mark={mark}'")]
    attributes = {pair.key.name: pair.value for pair in execution.typed_search_attributes}
    assert ("orders", "orders.v1", "process", "checkout", "dev") == tuple(
        attributes[f"Nexus{name}"] for name in ("Endpoint", "Service", "Operation", "CallerNamespace", "CallerSubject")
    )
    await api.post("operations/terminate", started.token)


async def test_the_list_is_filtered_by_everything_that_it_may_be_filtered_by(
    orders: Caller, api: OperationsApi, mark: str
) -> None:
    """Each filter lets the operation through that fits, and holds back the one that does not."""
    started = await orders.start(PROCESS, large_order(order_id=mark), headers=marked(mark))
    await api.eventually(1, **{"metadata.mark": mark})
    mine = {"metadata.mark": mark}
    for fitting, other in [
        ({"endpoint": "orders"}, {"endpoint": "echo"}),
        ({"service": "orders.v1"}, {"service": "echo.v1"}),
        ({"operation": "process"}, {"operation": "quote"}),
        ({"status": "running,failed"}, {"status": "succeeded"}),
        ({"since": "2020-01-01T00:00:00Z"}, {"since": "2100-01-01T00:00:00Z"}),
        ({"until": "2100-01-01T00:00:00Z"}, {"until": "2020-01-01T00:00:00Z"}),
        ({"caller": "dev"}, {"caller": "somebody"}),
        ({"query": "WorkflowType = 'Order'"}, {"query": "WorkflowType != \"Order\" AND ExecutionStatus = 'Running'"}),
        ({"query": "NexusCallerNamespace = 'checkout'"}, {"query": "NOT (StartTime > '2020-01-01T00:00:00Z')"}),
    ]:
        assert [started.token] == [one["token"] for one in await api.listed(**mine, **fitting)], fitting
        assert [] == await api.listed(**mine, **other), other
        counted = (await api.get("operations/count", **{**mine, **fitting})).json
        assert (1, 1) == (counted["total"], counted["by_state"]["running"]), fitting
        assert 0 == (await api.get("operations/count", **{**mine, **other})).json["total"], other
    await api.post("operations/terminate", started.token)


async def test_a_list_goes_on_page_by_page(orders: Caller, api: OperationsApi, rival: OperationsApi, mark: str) -> None:
    """Each operation once; a page token is nobody else's and goes with its own filter."""
    starts = [
        orders.start(PROCESS, small_order(order_id=f"{mark}-{number}"), headers=marked(mark)) for number in range(5)
    ]
    tokens = {answer.token for answer in await asyncio.gather(*starts)}
    # What ends meanwhile takes another place in the list.
    await api.eventually(5, **{"metadata.mark": mark, "status": "succeeded"})
    found = await api.listed(**{"metadata.mark": mark, "page_size": "2"})
    assert tokens == {one["token"] for one in found}
    assert 5 == len(found)
    following = (await api.get("operations", **{"metadata.mark": mark, "page_size": "2"})).json["next_page_token"]
    for caller, parameters in [(rival, {"metadata.mark": mark}), (api, {}), (api, {"metadata.mark": "other"})]:
        answer = await caller.get("operations", **{**parameters, "next_page_token": following})
        assert (404, "NOT_FOUND") == (answer.status, answer.json["error"]["code"])


async def test_a_chain_of_runs_is_one_operation(probe: Caller, api: OperationsApi, handlers: Client, mark: str) -> None:
    """In a list, in a count and by its token, which is that of its start however often it went on as a new run."""
    chain, single = [await probe.start("probe.v1/chain", more, headers=marked(mark)) for more in (2, 0)]
    query = f"NexusMetadata = 'mark={mark}'"
    # The server lets no run go on before it has lasted a second.
    await eventually(lambda: handlers.count_workflows(query), lambda runs: 4 == runs.count)
    # For a moment the index may know the next run, and not yet that the one before has ended.
    running = f"{query} AND ExecutionStatus = 'Running'"
    await eventually(lambda: handlers.count_workflows(running), lambda runs: 2 == runs.count)
    listed = await api.listed(**{"metadata.mark": mark})
    assert sorted([chain.token, single.token]) == sorted(one["token"] for one in listed)
    assert 2 == (await api.get("operations/count", **{"metadata.mark": mark})).json["total"]
    for token in (chain.token, single.token):
        assert "running" == (await api.described(token))["state"]
        assert "terminated" == (await api.post("operations/terminate", token)).json["state"]


async def test_a_chain_has_its_first_run_however_many_runs_there_are(
    probe: Caller, api: OperationsApi, handlers: Client, mark: str
) -> None:
    """Also where one look at the index does not tell of all of them."""
    tokens = [(await probe.start("probe.v1/chain", more, headers=marked(mark))).token for more in (3, 0)]
    query = f"NexusMetadata = 'mark={mark}'"
    await eventually(lambda: handlers.count_workflows(query), lambda runs: 5 == runs.count)
    # For a moment the index may know the next run, and not yet that the one before has ended.
    running = f"{query} AND ExecutionStatus = 'Running'"
    await eventually(lambda: handlers.count_workflows(running), lambda runs: 2 == runs.count)
    request = ListWorkflowExecutionsRequest(namespace=handlers.namespace, query=query, page_size=10)
    runs = list((await handlers.workflow_service.list_workflow_executions(request)).executions)
    found = [
        (info, origin) for info in runs if (origin := origin_of(info.memo, handlers)) and not info.close_time.seconds
    ]
    known = KnownAttributes(handlers)
    chained = {info.execution.workflow_id for info in runs if info.close_time.seconds}
    first_runs = await Chains(handlers, known).first_runs(found)
    looked_at = await Chains(handlers, known, at_once=1).first_runs(found)
    assert 2 == len(looked_at)
    for info, _ in found:
        run_id, workflow_id = info.execution.run_id, info.execution.workflow_id
        begun = min(
            (one for one in runs if one.execution.workflow_id == workflow_id),
            key=lambda one: one.start_time.ToNanoseconds(),
        )
        assert begun.execution.run_id == looked_at[run_id]
        assert (begun.execution.run_id if workflow_id in chained else None) == first_runs.get(run_id)
    for token in tokens:
        await api.post("operations/terminate", token)


@pytest.mark.parametrize("end", ["cancel", "terminate"])
async def test_an_operation_ends_also_by_a_token_that_names_a_later_run_of_its_chain(
    probe: Caller, handlers: Client, mark: str, end: str
) -> None:
    """The server ends what it is told the first run of, and nothing otherwise."""
    await probe.start("probe.v1/chain", 2, headers=marked(mark))
    query = f"NexusMetadata = 'mark={mark}'"
    await eventually(lambda: handlers.count_workflows(query), lambda runs: 3 == runs.count)
    runs = sorted([one async for one in handlers.list_workflows(query)], key=lambda one: one.start_time)
    token = OperationToken(
        type=OperationTokenType.WORKFLOW, namespace=HANDLER_NAMESPACE, workflow_id=runs[0].id, run_id=runs[1].run_id
    )
    workflows = Workflows(handlers)
    await (workflows.cancel(token) if end == "cancel" else workflows.terminate(token, "for a test"))
    ended = await eventually(lambda: workflows.details(token), lambda details: details.record.close_time)
    assert {"cancel": OperationStatus.CANCELED, "terminate": OperationStatus.TERMINATED}[end] == ended.record.status


@pytest.mark.parametrize(
    ("operation", "order"),
    [
        ("probe.v1/wait", {"id": TOO_LONG}),
        ("probe.v1/work", {"id": TOO_LONG}),
        ("probe.v1/ask", {"workflow_id": TOO_LONG}),
    ],
)
async def test_nothing_is_started_that_no_token_could_name(
    probe: Caller, handlers: Client, mark: str, operation: str, order: dict[str, str]
) -> None:
    """The server takes the id, but a token would not hold it; no repetition would do better."""
    query = "?callback=http%3A%2F%2F127.0.0.1%3A9%2F" if operation.endswith("ask") else ""
    refused = await probe.start(operation, order, headers=marked(mark), query=query)
    assert (400, "false") == (refused.status, refused.headers.get("Nexus-Request-Retryable", "false"))
    assert "too long" in refused.json["message"]
    assert await never_started(handlers, TOO_LONG)


async def test_no_clone_is_made_that_no_token_could_name(probe: Caller, api: OperationsApi, mark: str) -> None:
    """Its id is longer than that of what it is made from."""
    token = (await probe.start("probe.v1/wait", {"id": "\x01" * 483}, headers=marked(mark))).token
    refused = await api.post("operations/clone", token)
    assert (400, "INVALID_ARGUMENT") == (refused.status, refused.json["error"]["code"])
    assert [token] == [one["token"] for one in await api.eventually(1, **{"metadata.mark": mark})]
    assert "terminated" == (await api.post("operations/terminate", token)).json["state"]


async def test_what_no_token_can_name_keeps_nothing_else_from_a_list(
    probe: Caller, api: OperationsApi, handlers: Client, mark: str
) -> None:
    """Such as what somebody else started in the gateway's words."""
    token = (await probe.start("probe.v1/wait", {"id": mark}, headers=marked(mark))).token
    described = await handlers.get_workflow_handle(mark).describe()
    origin = origin_of(described.raw_description.workflow_execution_info.memo, handlers)
    assert origin is not None
    stranger = await handlers.start_workflow(
        "Stranger",
        id=TOO_LONG,
        task_queue=mark,
        memo={MEMO: dump_origin(origin)},
        search_attributes=with_typed_attributes(None, origin, await KnownAttributes(handlers).known()),
    )
    query = f"NexusMetadata = 'mark={mark}'"
    await eventually(lambda: handlers.count_workflows(query), lambda runs: 2 == runs.count)
    assert [token] == [one["token"] for one in await api.listed(**{"metadata.mark": mark})]
    await stranger.terminate()
    await api.post("operations/terminate", token)


async def never_started(handlers: Client, workflow_id: str) -> bool:
    """Whether the server has no workflow of that id."""
    try:
        await handlers.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        return error.status is RPCStatusCode.NOT_FOUND
    return False


async def test_an_operation_is_described_from_near(orders: Caller, api: OperationsApi, mark: str) -> None:
    """What it waits for, where its trace is, what it is linked to; and once it has failed, why."""
    started = await orders.start(PROCESS, large_order(order_id=mark))
    described = await api.awaiting(started.token)
    assert ("running", ["approve"], [], []) == tuple(
        described[key] for key in ("state", "awaiting", "pending_activities", "callbacks")
    )
    assert {"phase": "awaiting_approval"} == described["progress"]
    assert 32 == len(described["trace_id"])
    assert "failure" not in described
    assert ["temporal.api.common.v1.Link.WorkflowEvent"] == [link["type"] for link in described["links"]]
    assert 202 == (await api.post("operations/cancel", started.token)).status
    ended = await api.state(started.token, "canceled")
    assert "canceled" == ended["failure"]["details"]["state"]
    assert [] == ended["awaiting"]


async def test_an_approval_continues_the_operation(orders: Caller, api: OperationsApi, stack: Stack, mark: str) -> None:
    """The approver is the verified caller, whatever the body says."""
    started = await orders.start(PROCESS, large_order(order_id=mark))
    await api.awaiting(started.token)
    forged = await api.post("operations/update/approve", started.token, {"approver": "mallory"})
    assert (400, "INVALID_ARGUMENT") == (forged.status, forged.json["error"]["code"])
    assert ["body"] == [detail["field"] for detail in forged.json["error"]["details"]]
    boss = OperationsApi(stack, orders.showing(stack.token(subject="boss")))
    approved = await boss.post("operations/update/approve", started.token)
    assert (200, "boss") == (approved.status, approved.json["approved_by"])
    receipt = await orders.result(PROCESS, started.token)
    assert (200, "boss") == (receipt.status, receipt.json["approved_by"])
    again = await boss.post("operations/update/approve", started.token)
    assert (409, "WORKFLOW_EXECUTION_COMPLETED") == (again.status, again.json["error"]["code"])
    for status in (
        await boss.get("operations/query/status", started.token),
        await boss.post("operations/query/status", started.token),
    ):
        assert (200, "shipped") == (status.status, status.json["phase"])


async def test_an_approval_that_is_repeated_with_its_request_id_is_answered_as_it_was(
    orders: Caller, api: OperationsApi, mark: str
) -> None:
    """Also when the operation has ended by it; another request id is another approval, for which it is too late."""
    started = await orders.start(PROCESS, large_order(order_id=mark))
    await api.awaiting(started.token)
    same, other = {"Nexus-Request-Id": uuid.uuid4().hex}, {"Nexus-Request-Id": uuid.uuid4().hex}
    approved = await api.post("operations/update/approve", started.token, headers=same)
    assert 200 == (await orders.result(PROCESS, started.token)).status
    again = await api.post("operations/update/approve", started.token, headers=same)
    assert (200, approved.body) == (again.status, again.body)
    late = await api.post("operations/update/approve", started.token, headers=other)
    assert (409, "WORKFLOW_EXECUTION_COMPLETED") == (late.status, late.json["error"]["code"])


async def test_who_may_start_may_not_therefore_approve(
    stack: Stack, orders: Caller, api: OperationsApi, mark: str
) -> None:
    """At the endpoint ``window`` the caller may start and fetch results, and nothing else; elsewhere it may more."""
    window = orders.at(stack.gateway.endpoint_url("window"))
    started = await window.start(PROCESS, large_order(order_id=mark), headers=marked(mark))
    for path in ("cancel", "terminate", "retry", "update/approve"):
        refused = await api.post(f"operations/{path}", started.token)
        assert (403, "PERMISSION_DENIED") == (refused.status, refused.json["error"]["code"]), path
    assert 403 == (await api.get("operations/describe", started.token)).status
    assert 403 == (await api.get("operations/events", started.token)).status
    await asyncio.sleep(1)
    assert [] == await api.listed(**{"metadata.mark": mark})
    assert 0 == (await api.get("operations/count", **{"metadata.mark": mark})).json["total"]


async def test_what_is_not_declared_cannot_be_said(orders: Caller, api: OperationsApi, mark: str) -> None:
    """The workflow may have more updates and queries than its plugin exposes; Temporal's own ones are such."""
    started = await orders.start(PROCESS, large_order(order_id=mark))
    for path in ("update/status", "query/__stack_trace", "signal/approve", "update/approve%2F"):
        answer = await api.post(f"operations/{path}", started.token)
        assert (404, "NOT_FOUND") == (answer.status, answer.json["error"]["code"]), path
    await api.post("operations/terminate", started.token)


async def test_the_first_end_wins(orders: Caller, api: OperationsApi, mark: str) -> None:
    """To cancel or terminate what has ended changes nothing and is no error."""
    started = await orders.start(PROCESS, large_order(order_id=mark))
    ended = await api.post("operations/terminate", started.token, {"reason": "enough"})
    assert (200, "terminated") == (ended.status, ended.json["state"])
    for path in ("cancel", "terminate"):
        again = await api.post(f"operations/{path}", started.token)
        assert (200, "terminated") == (again.status, again.json["state"])


async def test_what_failed_can_be_retried_and_names_what_it_was_made_from(
    orders: Caller, api: OperationsApi, mark: str
) -> None:
    """With the recorded input, once at a time; what runs or succeeded is not retried."""
    started = await orders.start(PROCESS, large_order(order_id=mark), headers=marked(mark))
    running = await api.post("operations/retry", started.token)
    assert (409, "FAILED_PRECONDITION") == (running.status, running.json["error"]["code"])
    await api.post("operations/terminate", started.token)
    retried = await api.post("operations/retry", started.token, headers={"Idempotency-Key": mark})
    assert (202, "running") == (retried.status, retried.json["state"])
    token = retried.json["token"]
    assert token != started.token
    repeated = await api.post("operations/retry", started.token, headers={"Idempotency-Key": mark})
    assert token == repeated.json["token"]
    assert 409 == (await api.post("operations/retry", started.token)).status
    described = await api.awaiting(token)
    assert (started.token, {"mark": mark}) == (described["retry_of"], described["metadata"])
    assert 2 == len(described["links"])
    assert 200 == (await api.post("operations/update/approve", token)).status
    receipt = await orders.result(PROCESS, token)
    assert (200, mark) == (receipt.status, receipt.json["order_id"])
    assert 409 == (await api.post("operations/retry", started.token)).status
    assert 409 == (await api.post("operations/retry", token)).status
    assert "terminated" == (await api.get("operations/describe", started.token)).json["state"]


async def test_anything_can_be_cloned_beside_itself(orders: Caller, api: OperationsApi, mark: str) -> None:
    """Also what runs; each of the two goes its own way."""
    started = await orders.start(PROCESS, large_order(order_id=mark))
    cloned = await api.post("operations/clone", started.token)
    assert (201, "running") == (cloned.status, cloned.json["state"])
    await api.awaiting(cloned.json["token"])
    await api.post("operations/terminate", started.token)
    assert "running" == (await api.get("operations/describe", cloned.json["token"])).json["state"]
    await api.post("operations/update/approve", cloned.json["token"])
    assert 200 == (await orders.result(PROCESS, cloned.json["token"])).status


async def test_another_tenants_operation_is_not_there(
    orders: Caller, api: OperationsApi, rival: OperationsApi, mark: str
) -> None:
    """Nothing of it: the answers are those for a token that nobody has."""
    started = await orders.start(PROCESS, large_order(order_id=mark), headers=marked(mark))
    await api.eventually(1, **{"metadata.mark": mark})
    assert [] == await rival.listed(**{"metadata.mark": mark})
    unknown = await rival.get("operations/describe", "ng1.dev.AAAAAAAAAAAAAAAAAAAAAAAAAAAA")
    for path in ("describe", "events", "query/status"):
        answer = await rival.get(f"operations/{path}", started.token)
        assert (404, unknown.json) == (answer.status, answer.json), path
    for path in ("cancel", "terminate", "retry", "clone", "update/approve", "signal/approve", "query/status"):
        answer = await rival.post(f"operations/{path}", started.token)
        assert (404, unknown.json) == (answer.status, answer.json), path
    assert "running" == (await api.get("operations/describe", started.token)).json["state"]
    await api.post("operations/terminate", started.token)


@pytest.mark.parametrize(
    "query",
    [
        "NexusCallerNamespace = 'checkout'",
        "NexusCallerNamespace != 'rivals'",
        "NexusCallerTenant != ''",
        "WorkflowType = 'Order') OR (WorkflowType = 'Order'",
        "WorkflowType = 'Order' OR NexusCallerNamespace = 'checkout'",
        "WorkflowType = 'x' OR 1 = 1",
        "WorkflowType = 'x\\') OR (WorkflowType = 'Order'",
        "WorkflowType = 'it''s' OR WorkflowType = 'Order'",
        "`WorkflowType` = 'Order'",
        "WorkflowType = 'Order' -- ",
        "WorkflowType = 'Order' /* ",
        "WorkflowType = 'Order' GROUP BY ExecutionStatus",
        "WorkflowType = 'Order' ORDER BY StartTime",
        "WorkflowType = 'Order'; DELETE",
        "TemporalNamespaceDivision = 'x' OR WorkflowType = 'Order'",
        "temporalnamespacedivision IS NULL",
        "((((WorkflowType = 'Order'",
        "WorkflowType = 'Order'))))",
        "WorkflowType = 'Order' UNION SELECT 1",
        "WorkflowType LIKE '%'",
        "WorkflowType = Order",
        "",
        " ",
        "NexusRequestId = 'x'",
        "WorkflowType = 'Order\x00'",
        "WorkflowType = 'Order\u2028' OR",
    ],
)
async def test_no_filter_leads_out_of_the_callers_own(
    orders: Caller, api: OperationsApi, rival: OperationsApi, query: str
) -> None:
    """Most cannot even be said; what can, finds nothing of another tenant's."""
    await orders.start(PROCESS, small_order(order_id=uuid.uuid4().hex))
    await api.eventually(1)
    for path in ("operations", "operations/count"):
        for elsewhere in ({}, {"operation": "of nobody's"}):
            answer = await rival.get(path, query=query, **elsewhere)
            assert 400 == answer.status, answer.body
            assert "query" == answer.json["error"]["details"][0]["field"]


@pytest.mark.parametrize(
    "query",
    [
        "WorkflowType = 'Order' OR WorkflowType != 'Order'",
        "NOT WorkflowType = 'nothing'",
        "WorkflowId STARTS_WITH 'o' OR RunId IS NOT NULL",
        "ExecutionStatus IN ('Running', 'Completed', 'ContinuedAsNew') OR CloseTime IS NULL",
        "NexusEndpoint != 'x' OR NexusCallerSubject = 'dev' OR NexusMetadata IS NOT NULL",
        "NOT (NexusCallerNamespace = 'rivals')",
    ],
)
async def test_a_filter_that_everything_passes_finds_the_callers_own_only(
    orders: Caller, api: OperationsApi, rival: OperationsApi, query: str
) -> None:
    """Whatever a rival may have started: no more than without the filter, and nothing of anybody else's."""
    await orders.start(PROCESS, small_order(order_id=uuid.uuid4().hex))
    await api.eventually(1)
    assert {RIVALS} >= {operation["caller"]["namespace"] for operation in await rival.listed(query=query)}
    counts = [(await rival.get("operations/count", **of)).json["total"] for of in ({"query": query}, {})]
    assert counts[0] <= counts[1]


async def test_a_request_id_stands_for_one_body(orders: Caller, api: OperationsApi, mark: str) -> None:
    """The same again is marked as such; another body is a conflict that says so, also where it is another workflow."""
    headers = {"Nexus-Request-Id": mark, **marked(mark)}
    first = await orders.start(PROCESS, large_order(order_id=mark), headers=headers)
    assert "Nexus-Gateway-Replayed" not in first.headers
    # Under another workflow's id it is the index that knows the request id.
    await api.eventually(1, **{"metadata.mark": mark})
    for again in (headers, {"Idempotency-Key": mark, **marked(mark)}):
        repeated = await orders.start(PROCESS, large_order(order_id=mark), headers=again)
        assert (first.token, "true") == (repeated.token, repeated.headers["Nexus-Gateway-Replayed"])
    for other in (small_order(order_id=mark), large_order(order_id=f"{mark}-2")):
        conflict = await orders.start(PROCESS, other, headers=headers)
        assert (409, "CONFLICT") == (conflict.status, conflict.error_type)
        assert "request id was used before" in conflict.message
    await api.post("operations/terminate", first.token)


async def test_another_version_of_the_api_is_refused(stack: Stack, orders: Caller) -> None:
    """And the answer names the one that there is."""
    api = orders.at(f"{stack.gateway.url}/api/v1")
    for version, status in [("v1", 200), ("v2", 400), ("", 400)]:
        answer = await api.request("GET", "operations", headers={"Temporal-API-Version": version})
        assert (status, "v1") == (answer.status, answer.headers["Temporal-API-Version"])
        if status == 400:
            assert "v1" in answer.json["error"]["message"]


async def test_every_error_has_the_one_form(stack: Stack, orders: Caller, http: ClientSession) -> None:
    """Whoever asks, wherever, whatever for."""
    base = f"{stack.gateway.url}/api/v1"
    nobody = Caller(http, base, None)
    somebody = orders.at(base)
    for caller, method, path, status, code in [
        (nobody, "GET", "operations", 401, "UNAUTHENTICATED"),
        (somebody.showing("x.y.z"), "GET", "operations/describe", 401, "UNAUTHENTICATED"),
        (somebody, "GET", "operations/describe", 400, "INVALID_ARGUMENT"),
        (somebody, "GET", "operations?status=odd", 400, "INVALID_ARGUMENT"),
        (somebody, "GET", "operations?status=", 400, "INVALID_ARGUMENT"),
        (somebody, "GET", "operations?status=running,", 400, "INVALID_ARGUMENT"),
        (somebody, "GET", "operations?endpoint=", 400, "INVALID_ARGUMENT"),
        (somebody, "GET", "operations/count?metadata.team=%20", 400, "INVALID_ARGUMENT"),
        (somebody, "GET", "operations?page_size=0", 400, "INVALID_ARGUMENT"),
        (somebody, "GET", "operations?since=yesterday", 400, "INVALID_ARGUMENT"),
        (somebody, "GET", "operations?colour=red", 400, "INVALID_ARGUMENT"),
        (somebody, "GET", "nowhere", 404, "NOT_FOUND"),
        (somebody, "DELETE", "operations", 405, "UNIMPLEMENTED"),
        (somebody, "PUT", "operations/events", 405, "UNIMPLEMENTED"),
    ]:
        answer = await caller.request(method, path)
        assert (status, code) == (answer.status, answer.json["error"]["code"]), path
        assert {"code", "message", "details"} == set(answer.json["error"])
        assert "application/json" == answer.headers["Content-Type"]
        assert (status == 401) == ("WWW-Authenticate" in answer.headers)


async def test_a_head_of_a_stream_is_refused_and_no_stream_follows(stack: Stack, orders: Caller, mark: str) -> None:
    """What comes behind the headers of an answer to HEAD would be taken for the next answer."""
    started = await orders.start(PROCESS, large_order(order_id=mark))
    head = (
        f"HEAD /api/v1/operations/events HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {stack.token()}\r\n"
        f"Nexus-Operation-Token: {started.token}\r\nConnection: close\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(stack.gateway.url).port)
    writer.write(head.encode())
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert answer.endswith(b"\r\n\r\n")


async def test_a_body_that_is_no_unicode_is_refused(orders: Caller, api: OperationsApi, mark: str) -> None:
    started = await orders.start(PROCESS, large_order(order_id=mark))
    for path, body in [
        ("operations/terminate", {"reason": "\ud800"}),
        ("operations/bulk-terminate", {"reason": "\ud800", "tokens": [started.token]}),
        ("operations/bulk-cancel", {"filter": {"query": "\ud800"}}),
    ]:
        answer = await api.post(path, started.token if path.endswith("/terminate") else None, body)
        assert (400, "INVALID_ARGUMENT") == (answer.status, answer.json["error"]["code"])
    assert "running" == (await api.described(started.token))["state"]


async def test_only_a_fault_of_the_gateways_counts_as_one(
    stack: Stack, http: ClientSession, api: OperationsApi
) -> None:
    """A method that there is not is a caller's mistake, and nobody is to be woken by it."""

    async def outcomes() -> set[str]:
        async with http.get(f"{stack.gateway.admin_url}/metrics") as response:
            lines = (await response.text()).splitlines()
        mine = [line for line in lines if line.startswith("nexus_requests_total{") and 'verb="api"' in line]
        return {outcome for line in mine for outcome in re.findall(r'outcome="(\w+)"', line)}

    assert 405 == (await api.post("operations")).status
    found = await outcomes()
    assert "NOT_IMPLEMENTED" in found
    assert "INTERNAL" not in found


async def test_metadata_of_any_length_that_is_taken_can_be_found_by(
    orders: Caller, api: OperationsApi, mark: str
) -> None:
    """The index takes 2 KiB of them, a caller may send four times as much; what is long is known by its hash."""
    metadata = {"mark": mark, **{f"k{number}": chr(0xE9) * 200 for number in range(15)}}
    headers = {f"Nexus-Gateway-Metadata-{key}": value for key, value in metadata.items()}
    started = await orders.start(PROCESS, large_order(order_id=mark), headers=headers)
    for key in ("mark", "k14"):
        [found] = await api.eventually(1, **{f"metadata.{key}": metadata[key], "metadata.mark": mark})
        assert (started.token, metadata) == (found["token"], found["metadata"])
    await api.post("operations/terminate", started.token)


async def test_a_request_id_that_is_no_text_and_a_filter_beyond_all_measure_are_refused(
    stack: Stack, orders: Caller, api: OperationsApi, mark: str
) -> None:
    started = await orders.start(PROCESS, large_order(order_id=mark))
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(stack.gateway.url).port)
    head = (
        "POST /api/v1/operations/clone HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\nContent-Length: 0\r\n"
        f"Authorization: Bearer {stack.token()}\r\nNexus-Operation-Token: {started.token}\r\n"
    )
    writer.write(head.encode() + b"Idempotency-Key: \xff\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 400 ")
    for refused in ({"status": ["failed"] * 1000}, {"metadata": {f"k{number}": "v" for number in range(17)}}):
        answered = await api.post("operations/bulk-cancel", body={"filter": refused, "dry_run": True})
        assert (400, "INVALID_ARGUMENT") == (answered.status, answered.json["error"]["code"])
    await api.post("operations/terminate", started.token)
