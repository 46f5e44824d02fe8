"""What the gateway tells of its requests: one trace from the caller to the activity, metrics, and logs without secrets.

Spans are read back from where a real collector has sent them.
"""

import json
import re
import uuid
from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from temporalio.api.common.v1 import Payload
from temporalio.worker import Worker

from gateway.devstack import CALLER_NAMESPACE, Span, Stack, TemporalServer
from gateway.engines.temporal import TemporalOptions, connected
from gateway.telemetry import Telemetry
from tests.integration.callback_receiver import receiving
from tests.integration.caller import Caller
from tests.integration.calling_workflow import Call, CallingWorkflow, Value
from tests.integration.operations_api import OperationsApi
from tests.integration.ordering import DECLINED, PROCESS, small_order
from tests.integration.waiting import eventually

TASK_QUEUE = "calling-traced"
TRACEPARENT = "00-{trace_id}-b7ad6b7169203331-01"


@pytest_asyncio.fixture(scope="module")
async def telemetry(stack: Stack) -> AsyncIterator[Telemetry]:
    """That of a caller, which exports to the same collector."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": stack.collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    async with Telemetry.from_environment("caller", environ) as telemetry:
        yield telemetry


async def whole_trace(stack: Stack, trace_id: str | None, *names: str) -> Sequence[Span]:
    """A trace, once it has spans of these names and every span's parent."""
    assert trace_id is not None

    def has_all(spans: Sequence[Span]) -> bool:
        ids = {span.span_id for span in spans}
        return set(names) <= {span.name for span in spans} and all(span.parent_id in {None, *ids} for span in spans)

    spans = await stack.sink.spans(trace_id, until=has_all)
    assert has_all(spans), [span.name for span in spans]
    return spans


def ancestry(spans: Sequence[Span], name: str) -> list[str]:
    """The names from a span up to the root of its trace."""
    by_id = {span.span_id: span for span in spans}
    span: Span | None = next(span for span in spans if span.name == name)
    found = []
    while span is not None:
        found.append(span.name)
        span = by_id.get(span.parent_id or "")
    return found


async def test_one_trace_leads_from_an_http_caller_to_the_activities(
    stack: Stack, orders: Caller, telemetry: Telemetry
) -> None:
    """Caller, gateway, StartWorkflow, workflow, activity: each a child of the one before."""
    headers: dict[str, str] = {}
    with telemetry.client_span("the caller"):
        telemetry.inject(headers)
        trace_id = telemetry.current_trace_id()
        token = (await orders.start(PROCESS, small_order(), headers=headers)).token
        await orders.result(PROCESS, token, headers=headers)
    names = ("the caller", "RunActivity:ship_order", "CompleteWorkflow:Order", f"nexus.result {PROCESS}")
    spans = await whole_trace(stack, trace_id, *names)
    gateway = [f"nexus.start {PROCESS}", "the caller"]
    for activity in ("charge_card", "ship_order"):
        chain = ancestry(spans, f"RunActivity:{activity}")
        assert f"StartActivity:{activity}" == chain[1]
        assert ["StartWorkflow:Order", *gateway] == chain[-3:]
    assert [f"nexus.result {PROCESS}", "the caller"] == ancestry(spans, f"nexus.result {PROCESS}")
    services = {span.name: span.service for span in spans}
    assert ("caller", "nexus-gateway", "worker") == (
        services["the caller"],
        services[f"nexus.start {PROCESS}"],
        services["RunActivity:ship_order"],
    )


async def test_one_trace_leads_from_a_calling_workflow_to_the_activities_and_back(
    stack: Stack, temporal: TemporalServer, telemetry: Telemetry
) -> None:
    """Temporal carries the context to the gateway; the completion is in the same trace."""
    endpoint = f"traced-{uuid.uuid4().hex}"
    await temporal.create_nexus_endpoint(endpoint, target_url=stack.gateway.endpoint_url("orders"))
    options = TemporalOptions(address=stack.temporal_address)
    value = Value.of(Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(small_order()).encode()))
    call = Call(endpoint, "orders.v1", "process", value, {"Authorization": f"Bearer {stack.token()}"})
    async with (
        connected(options, [CALLER_NAMESPACE], telemetry.tracer, lazy=False) as clients,
        Worker(clients[CALLER_NAMESPACE], task_queue=TASK_QUEUE, workflows=[CallingWorkflow]),
    ):
        client = clients[CALLER_NAMESPACE]
        with telemetry.client_span("whoever starts the workflow"):
            trace_id = telemetry.current_trace_id()
            await client.execute_workflow(CallingWorkflow.run, call, id=uuid.uuid4().hex, task_queue=TASK_QUEUE)
    spans = await whole_trace(
        stack, trace_id, "whoever starts the workflow", "RunActivity:ship_order", f"nexus.callback {PROCESS}"
    )
    chain = ancestry(spans, "RunActivity:ship_order")
    assert [
        "StartWorkflow:Order",
        f"nexus.start {PROCESS}",
        f"StartNexusOperation:{PROCESS}",
    ] == chain[chain.index("StartWorkflow:Order") :][:3]
    assert ["StartWorkflow:CallingWorkflow", "whoever starts the workflow"] == chain[-2:]
    assert f"nexus.start {PROCESS}" in ancestry(spans, f"nexus.callback {PROCESS}")


@pytest.mark.parametrize("action", ["retry", "clone"])
async def test_what_is_started_once_more_is_in_the_trace_of_the_request_for_it(
    stack: Stack, orders: Caller, telemetry: Telemetry, action: str
) -> None:
    """And not in that of the first start, which its header was taken from."""
    api = OperationsApi(stack, orders)
    started = await orders.start(PROCESS, small_order(DECLINED))
    assert 424 == (await orders.result(PROCESS, started.token)).status
    headers: dict[str, str] = {}
    with telemetry.client_span("the caller"):
        telemetry.inject(headers)
        trace_id = telemetry.current_trace_id()
        token = (await api.post(f"operations/{action}", started.token, headers=headers)).json["token"]
        assert trace_id == (await api.described(token))["trace_id"]
        assert 424 == (await orders.result(PROCESS, token)).status
    spans = await whole_trace(stack, trace_id, "the caller", "RunActivity:charge_card", "CompleteWorkflow:Order")
    for name in ("RunWorkflow:Order", "RunActivity:charge_card", "CompleteWorkflow:Order"):
        assert [f"nexus.{action} {PROCESS}", "the caller"] == ancestry(spans, name)[-2:]


async def test_a_server_span_says_where_its_request_went_and_how_it_ended(stack: Stack, orders: Caller) -> None:
    """By names of the registry and words of closed sets."""
    trace_id = uuid.uuid4().hex
    headers = {"Traceparent": TRACEPARENT.format(trace_id=trace_id)}
    chosen = uuid.uuid4().hex
    order = small_order(DECLINED)
    token = (await orders.start(PROCESS, order, headers={**headers, "Nexus-Request-Id": chosen})).token
    assert 424 == (await orders.result(PROCESS, token, headers=headers)).status
    await orders.info(PROCESS, token, headers=headers)
    await orders.cancel(PROCESS, token, headers=headers)
    await orders.start("orders.v1/approve", {"order_id": "nosuch"}, headers=headers)
    server = {span.name: span for span in await spans_of_the_gateway(stack, trace_id, 5)}
    expected = {
        "start": (PROCESS, "started"),
        "result": (PROCESS, "failed"),
        "describe": (PROCESS, "succeeded"),
        "cancel": (PROCESS, "succeeded"),
    }
    for verb, (operation, outcome) in expected.items():
        attributes = server[f"nexus.{verb} {operation}"].attributes
        assert {
            "rpc.system.name": "nexus",
            "rpc.method": operation,
            "nexus.endpoint": "orders",
            "nexus.service": "orders.v1",
            "nexus.operation": "process",
            "nexus.outcome": outcome,
        }.items() <= attributes.items()
        assert attributes["nexus.request_id"]
    assert chosen == server[f"nexus.start {PROCESS}"].attributes["nexus.request_id"]
    refused = server["nexus.start orders.v1/approve"]
    assert "NOT_FOUND" == refused.attributes["nexus.outcome"]
    assert not any(span.failed for span in server.values())


async def test_what_a_caller_makes_up_names_no_span(stack: Stack, orders: Caller, echo: Caller) -> None:
    """Unknown endpoints, services and operations, and requests that are none."""
    trace_id, made_up = uuid.uuid4().hex, "made-up-by-a-caller"
    headers = {"Traceparent": TRACEPARENT.format(trace_id=trace_id)}
    assert 404 == (await orders.start(f"{made_up}/process", {}, headers=headers)).status
    assert 404 == (await orders.start(f"orders.v1/{made_up}", {}, headers=headers)).status
    assert 404 == (await orders.at(stack.gateway.endpoint_url(made_up)).start(PROCESS, {}, headers=headers)).status
    assert 404 == (await orders.request("POST", f"{stack.gateway.url}/{made_up}", headers=headers)).status
    assert 401 == (await orders.showing(made_up).start(PROCESS, {}, headers=headers)).status
    crash = {"failure": {"kind": "crash", "message": made_up}}
    assert 500 == (await echo.start("echo.v1/fail", crash, headers=headers)).status
    spans = await spans_of_the_gateway(stack, trace_id, 6)
    assert [
        "nexus._OTHER _OTHER/_OTHER",
        "nexus.start _OTHER/_OTHER",
        "nexus.start _OTHER/_OTHER",
        "nexus.start echo.v1/fail",
        "nexus.start orders.v1/_OTHER",
        f"nexus.start {PROCESS}",
    ] == sorted(span.name for span in spans)
    assert made_up not in str([(span.name, span.attributes) for span in spans])
    assert ["nexus.start echo.v1/fail"] == [span.name for span in spans if span.failed]


async def spans_of_the_gateway(stack: Stack, trace_id: str, number: int) -> Sequence[Span]:
    """The server spans of a trace, when there are as many."""

    def server(spans: Sequence[Span]) -> list[Span]:
        return [span for span in spans if (span.service, span.kind) == ("nexus-gateway", "server")]

    spans = server(await stack.sink.spans(trace_id, until=lambda spans: len(server(spans)) >= number))
    assert number == len(spans)
    return spans


async def test_metrics_count_requests_by_where_they_went_and_how_they_ended(
    stack: Stack, http: ClientSession, echo: Caller
) -> None:
    """On the admin listener, in the form that Prometheus reads."""
    before = await metrics(stack, http)
    for _ in range(3):
        await echo.start("echo.v1/echo", 1)
    await echo.start("echo.v1/nosuch", 1)
    await echo.showing("nothing").start("echo.v1/echo", 1)
    after = await metrics(stack, http)
    grown = {series: value - before.get(series, 0) for series, value in after.items()}
    labels = {"endpoint": "echo", "service": "echo.v1", "operation": "echo", "verb": "start", "outcome": "succeeded"}
    assert 3 == total(grown, "nexus_requests_total", labels)
    assert 1 == total(grown, "nexus_requests_total", {**labels, "outcome": "UNAUTHENTICATED"})
    assert 1 == total(grown, "nexus_request_errors_total", {"error_type": "UNAUTHENTICATED"})
    assert 1 == total(grown, "nexus_request_errors_total", {"error_type": "NOT_FOUND"})
    del labels["outcome"]
    assert 4 == total(grown, "nexus_latency_seconds_count", labels)
    assert 0 < total(after, "nexus_key_age_seconds", {"issuer": "https://issuer.test"})
    assert 0 == total(after, "nexus_open_long_polls", {})
    assert not any("nosuch" in series for series in after)


async def metrics(stack: Stack, http: ClientSession) -> dict[str, float]:
    """The values of all series."""
    async with http.get(f"{stack.gateway.admin_url}/metrics") as response:
        lines = (await response.text()).splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {series: float(value) for series, _, value in pairs}


def total(values: dict[str, float], name: str, labels: dict[str, str]) -> float:
    """The sum over the series of a metric that have these labels."""
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    found = [
        value
        for series, value in values.items()
        if re.fullmatch(rf"{name}(\{{.*\}})?", series) and all(each in series for each in wanted)
    ]
    assert found, f"there is no {name} with {labels} among {[series for series in values if 'nexus' in series]}"
    return sum(found)


async def test_logs_and_spans_hold_no_secrets(stack: Stack, orders: Caller, echo: Caller) -> None:
    """Neither credentials nor operation tokens, callbacks' queries or headers; every line is JSON with its ids."""
    trace_id = uuid.uuid4().hex
    headers = {"Traceparent": TRACEPARENT.format(trace_id=trace_id)}
    secrets = ["s3cret-path", "query-s3cret", "header-s3cret", stack.token()]
    async with receiving() as receiver:
        url = f"{receiver.url('s3cret-path')}%3Fkey%3Dquery-s3cret"
        sent = {**headers, "Nexus-Callback-Token": "header-s3cret"}
        answer = await orders.start(PROCESS, small_order(), query=f"?callback={url}", headers=sent)
        secrets.append(answer.token)
        (arrival,) = await receiver.wait("s3cret-path")
    assert ("/s3cret-path?key=query-s3cret", "header-s3cret") == (arrival.target, arrival.headers["Token"])
    await orders.result(PROCESS, f"{answer.token}A", headers=headers)
    await orders.start(PROCESS, 1, query="?callback=http://elsewhere.test/?key=query-s3cret", headers=headers)
    await orders.showing(f"{stack.token()}x").start(PROCESS, 1, headers=headers)
    await echo.start(
        "echo.v1/fail", {"failure": {"kind": "crash", "message": f"Bearer {stack.token()}"}}, headers=headers
    )

    async def lines() -> list[str]:
        return [line for line in stack.gateway.process.output if trace_id in line]

    seen = await eventually(lines, bool)
    everything = "\n".join(stack.gateway.process.output)
    spans = await whole_trace_of(stack, trace_id)
    told = everything + str([(span.name, span.attributes) for span in spans])
    for secret in secrets:
        assert secret not in told
    # The SDK's core, which is no Python, has a few words of its own.
    for line in (line for line in stack.gateway.process.output if "temporalio_sdk_core" not in line):
        assert {"ts", "level", "logger", "message"} <= json.loads(line).keys()
    assert [] == [line for line in seen if not {"trace_id", "request_id"} <= json.loads(line).keys()]


async def whole_trace_of(stack: Stack, trace_id: str) -> Sequence[Span]:
    """The spans of a trace, its callback's among them."""
    return await stack.sink.spans(trace_id, until=lambda spans: any("nexus.callback" in span.name for span in spans))
