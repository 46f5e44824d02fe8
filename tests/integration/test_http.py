"""Each request of Nexus over HTTP and each way it is answered, by a plain HTTP client (contract, section 3)."""

import asyncio
import time
import uuid
from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import ClientSession
from temporalio.client import Client, WorkflowHandle

from gateway.devstack import Stack
from tests.integration.caller import Answer, Caller
from tests.integration.ordering import DECLINED, PROCESS, approve, large_order, small_order, until_phase
from tests.integration.probe_plugin import WaitWorkflow

WAIT = "probe.v1/wait"


@pytest.fixture
def name() -> str:
    """A workflow id nobody else uses."""
    return uuid.uuid4().hex


def workflow_of(handlers: Client, name: str) -> WorkflowHandle[WaitWorkflow, str]:
    """The workflow behind ``probe.v1/wait``."""
    return handlers.get_workflow_handle_for(WaitWorkflow.run, name)


async def test_a_sync_operation_answers_with_its_result(orders: Caller) -> None:
    """200, the state in a header, and nothing that a sync result has no use for."""
    answer = await orders.start("orders.v1/quote", {"lines": [{"sku": "samovar"}]})
    assert (200, "succeeded") == (answer.status, answer.headers["Nexus-Operation-State"])
    assert {"total_cents": 129_000, "needs_approval": True} == answer.json
    assert {"content-type", "content-length", "nexus-operation-state"} == answer.lasting_headers.keys()


async def test_a_workflow_operation_answers_with_a_token_and_where_its_result_will_be(orders: Caller) -> None:
    """201; the Location is a URL that takes a wait and answers with the result."""
    answer = await orders.start(PROCESS, small_order())
    assert 201 == answer.status
    assert {"token": answer.token, "state": "running"} == answer.json
    assert {"content-type": "application/json", "content-length": str(len(answer.body))} == answer.content_headers
    assert "0" == answer.headers["Retry-After"]
    assert f"{orders.url}/{PROCESS}/result?token={answer.token}" == answer.headers["Location"]
    result = await orders.request("GET", f"{answer.headers['Location']}&wait=30s")
    assert (200, "succeeded") == (result.status, result.headers["Nexus-Operation-State"])
    assert 900 == result.json["total_cents"]


async def test_a_sync_operation_that_fails_is_424_with_its_state(echo: Caller) -> None:
    """Failed or canceled, as the handler said; the failure says so too."""
    for state in ("failed", "canceled"):
        ask = {"failure": {"kind": "operation", "state": state, "message": "it did not work"}}
        answer = await echo.start("echo.v1/fail", ask)
        assert (424, state) == (answer.status, answer.headers["Nexus-Operation-State"])
        expected = {
            "message": "it did not work",
            "metadata": {"type": "nexus.OperationError"},
            "details": {"state": state},
        }
        assert expected == answer.json


async def test_a_running_operation_has_no_result_and_says_so_at_once(orders: Caller) -> None:
    """412, empty, without a wait, with one of nothing, and when one has ended."""
    order = large_order()
    token = (await orders.start(PROCESS, order)).token
    for wait, least in ((None, 0.0), ("0s", 0.0), ("400ms", 0.4)):
        began = time.monotonic()
        answer = await orders.result(PROCESS, token, wait=wait)
        assert least <= time.monotonic() - began < least + 2
        assert (412, b"") == (answer.status, answer.body)
        assert {} == {name: value for name, value in answer.content_headers.items() if name != "content-length"}
    await orders.cancel(PROCESS, token)


async def test_a_wait_for_a_result_ends_when_the_operation_does(orders: Caller) -> None:
    """Long before the wait would be over."""
    order = large_order()
    token = (await orders.start(PROCESS, order)).token
    waiting = asyncio.create_task(orders.result(PROCESS, token, wait="50s"))
    began = time.monotonic()
    await approve(orders, order)
    answer = await waiting
    assert time.monotonic() - began < 10
    assert (200, order["order_id"]) == (answer.status, answer.json["order_id"])


async def test_a_request_timeout_ends_a_wait_for_a_result_with_408(orders: Caller) -> None:
    """It is the request that took too long, not the wait that ended."""
    token = (await orders.start(PROCESS, large_order())).token
    began = time.monotonic()
    answer = await orders.result(PROCESS, token, wait="30s", headers={"Request-Timeout": "500ms"})
    assert 0.5 <= time.monotonic() - began < 2
    assert (408, "REQUEST_TIMEOUT") == (answer.status, answer.error_type)
    await orders.cancel(PROCESS, token)


async def test_a_request_timeout_ends_a_start_with_408(echo: Caller) -> None:
    """Even where the handler has not thought of it."""
    began = time.monotonic()
    answer = await echo.start("echo.v1/sleep", {"seconds": 20}, headers={"Request-Timeout": "500ms"})
    assert 0.5 <= time.monotonic() - began < 2
    assert (408, "REQUEST_TIMEOUT") == (answer.status, answer.error_type)


async def test_a_failed_operation_is_424_with_type_and_details_of_its_failure(orders: Caller) -> None:
    """What the workflow raised is the cause, in the words of Temporal, without a stack trace."""
    token = (await orders.start(PROCESS, small_order(DECLINED))).token
    answer = await orders.result(PROCESS, token)
    assert (424, "failed") == (answer.status, answer.headers["Nexus-Operation-State"])
    assert {"content-type": "application/json", "content-length": str(len(answer.body))} == answer.content_headers
    assert {"state": "failed"} == answer.json["details"]
    cause = answer.json["cause"]
    assert "the card was declined" == cause["message"]
    assert "temporal.api.failure.v1.Failure" == cause["metadata"]["type"]
    info = cause["details"]["applicationFailureInfo"]
    assert ("CardDeclined", True) == (info["type"], info["nonRetryable"])
    assert b"stackTrace" not in answer.body
    assert b".py" not in answer.body


@pytest.mark.parametrize("end", ["canceled", "terminated", "timed out"])
async def test_an_operation_that_was_ended_from_outside_is_424(
    probe: Caller, handlers: Client, name: str, end: str
) -> None:
    """Canceled is a state of its own; terminated and timed out are failures."""
    token = (await probe.start(WAIT, {"id": name, "seconds": 1 if end == "timed out" else 60})).token
    if end == "canceled":
        assert 202 == (await probe.cancel(WAIT, token)).status
    if end == "terminated":
        await workflow_of(handlers, name).terminate("for a test")
    answer = await probe.result(WAIT, token)
    expected = {
        "canceled": ("canceled", "operation canceled"),
        "terminated": ("failed", "operation terminated"),
        "timed out": ("failed", "operation exceeded internal timeout"),
    }
    assert (424, *expected[end]) == (answer.status, answer.headers["Nexus-Operation-State"], answer.message)
    assert b"for a test" not in answer.body
    assert expected[end][0] == (await probe.info(WAIT, token)).json["state"]


async def test_info_tells_the_state_of_an_operation(orders: Caller) -> None:
    """Each of the four states; the token is the one that was asked about."""
    order = large_order()
    token = (await orders.start(PROCESS, order)).token
    assert {"token": token, "state": "running"} == (await orders.info(PROCESS, token)).json
    await approve(orders, order)
    await orders.result(PROCESS, token)
    answer = await orders.info(PROCESS, token)
    assert (200, {"token": token, "state": "succeeded"}) == (answer.status, answer.json)
    assert {"content-type": "application/json", "content-length": str(len(answer.body))} == answer.content_headers
    declined = (await orders.start(PROCESS, small_order(DECLINED))).token
    await orders.result(PROCESS, declined)
    assert "failed" == (await orders.info(PROCESS, declined)).json["state"]
    canceled = (await orders.start(PROCESS, large_order())).token
    await orders.cancel(PROCESS, canceled)
    await orders.result(PROCESS, canceled)
    assert "canceled" == (await orders.info(PROCESS, canceled)).json["state"]


async def test_a_cancel_is_accepted_and_undoes_the_order(orders: Caller) -> None:
    """202, empty; the operation ends as canceled, and the money has been given back by then."""
    order = large_order()
    token = (await orders.start(PROCESS, order)).token
    await until_phase(orders, order, "awaiting_approval")
    answer = await orders.cancel(PROCESS, token)
    assert (202, b"") == (answer.status, answer.body)
    assert {} == {name: value for name, value in answer.content_headers.items() if name != "content-length"}
    result = await orders.result(PROCESS, token)
    assert (424, "canceled") == (result.status, result.headers["Nexus-Operation-State"])
    await until_phase(orders, order, "refunded")


async def test_a_cancel_is_accepted_again_and_after_the_end(orders: Caller) -> None:
    """Of what was canceled, of what was canceled twice, and of what had finished before."""
    canceled = (await orders.start(PROCESS, large_order())).token
    assert [202, 202] == [(await orders.cancel(PROCESS, canceled)).status for _ in range(2)]
    await orders.result(PROCESS, canceled)
    assert 202 == (await orders.cancel(PROCESS, canceled)).status
    finished = (await orders.start(PROCESS, small_order())).token
    await orders.result(PROCESS, finished)
    assert 202 == (await orders.cancel(PROCESS, finished)).status
    assert "succeeded" == (await orders.info(PROCESS, finished)).json["state"]


async def test_a_token_may_be_in_the_query(orders: Caller) -> None:
    """Of each request that takes one; the header comes first."""
    token = (await orders.start(PROCESS, large_order())).token
    assert 412 == (await orders.request("GET", f"{PROCESS}/result?wait=0s&token={token}")).status
    assert "running" == (await orders.request("GET", f"{PROCESS}?token={token}")).json["state"]
    assert 202 == (await orders.request("POST", f"{PROCESS}/cancel?token={token}")).status
    named = {"Nexus-Operation-Token": token}
    assert 200 == (await orders.request("GET", f"{PROCESS}?token=another", headers=named)).status
    another = {"Nexus-Operation-Token": "another"}
    assert 404 == (await orders.request("GET", f"{PROCESS}?token={token}", headers=another)).status


@pytest.mark.parametrize(
    ("method", "target"), [("GET", f"{PROCESS}/result"), ("GET", PROCESS), ("POST", f"{PROCESS}/cancel")]
)
async def test_a_request_about_an_operation_names_its_token(orders: Caller, method: str, target: str) -> None:
    """Without one it is malformed; with one that nobody has, the operation does not exist."""
    missing = await orders.request(method, target)
    assert (400, "BAD_REQUEST") == (missing.status, missing.error_type)
    assert "Nexus-Operation-Token" in missing.message
    unknown = await orders.request(method, target, headers={"Nexus-Operation-Token": "nobody-has-this"})
    assert (404, "NOT_FOUND") == (unknown.status, unknown.error_type)


@pytest.mark.parametrize(
    ("start", "expected", "wait"),
    [(small_order, 200, "10"), (lambda: small_order(DECLINED), 424, "10"), (large_order, 201, "1")],
)
async def test_a_caller_may_prefer_to_wait(orders: Caller, start: Any, expected: int, wait: str) -> None:
    """The end of the operation when it comes in time, else its token as ever."""
    began = time.monotonic()
    answer = await orders.start(PROCESS, start(), headers={"Prefer": f"wait={wait}"})
    assert expected == answer.status
    assert time.monotonic() - began < 8
    if expected == 201:
        assert 1 <= time.monotonic() - began
        assert 412 == (await orders.result(PROCESS, answer.token, wait="0s")).status
        assert {"Location", "Retry-After"} <= answer.headers.keys()
        await orders.cancel(PROCESS, answer.token)


async def test_names_hold_any_text_that_can_be_percent_encoded(echo: Caller) -> None:
    """A slash and a blank in the service and in the operation; letters and signs beyond ASCII."""
    for target in ("Ser%2Fvic%20e/op%2Fer%20ation", "Ser%2fvic%20e/gr%C3%B6%C3%9Fe%3F%23%252F"):
        answer = await echo.start(target, ["as it came"])
        assert (200, ["as it came"]) == (answer.status, answer.json)
    assert 404 == (await echo.start("Ser/vic%20e/op%2Fer%20ation", 1)).status
    assert 404 == (await echo.start("Ser%252Fvic%20e/op%2Fer%20ation", 1)).status


async def test_the_base_url_may_be_written_with_escapes(stack: Stack, http: ClientSession) -> None:
    """An endpoint's name is percent-encoded text like the others."""
    url = stack.gateway.endpoint_url("%65cho")
    assert 200 == (await Caller(http, url, stack.token()).start("echo.v1/echo", 1)).status


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "PROPFIND"])
@pytest.mark.parametrize("target", ["echo.v1/echo", "echo.v1/echo/cancel", "echo.v1/echo/result"])
async def test_a_method_that_a_path_does_not_have_is_not_implemented(echo: Caller, method: str, target: str) -> None:
    """405 in the form of every other error, with what there is instead; a HEAD has no body."""
    answer = await echo.request(method, target)
    assert 405 == answer.status
    assert answer.headers["Allow"] in {"GET, POST", "POST", "GET"}
    assert method == "HEAD" or "NOT_IMPLEMENTED" == answer.error_type


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/nexus/endpoints/echo/services",
        "/nexus/endpoints/echo/services/echo.v1",
        "/nexus/endpoints/echo/services/echo.v1/echo/elsewhere",
        "/nexus/endpoints/echo/services/echo.v1/echo/result/more",
        "/nexus/endpoints/echo/echo.v1/echo",
        "/metrics",
        "/readyz",
    ],
)
async def test_a_path_that_is_none_of_the_four_is_not_found(stack: Stack, echo: Caller, path: str) -> None:
    """Nothing else is served where callers come in."""
    for method in ("GET", "POST"):
        answer = await echo.request(method, f"{stack.gateway.url}{path}")
        assert (404, "NOT_FOUND") == (answer.status, answer.error_type)


async def test_an_operation_whose_token_only_its_handler_knows_can_be_canceled_but_not_looked_up(probe: Caller) -> None:
    """Its result is delivered by callback; 501 says so, where waiting would be for ever."""
    answer = await probe.request("POST", "probe.v1/handmade")
    assert set() == {"Location", "Retry-After"} & answer.headers.keys()
    assert 202 == (await probe.cancel("probe.v1/handmade", answer.token)).status
    for looked_up in (
        await probe.result("probe.v1/handmade", answer.token, wait="1s"),
        await probe.result("probe.v1/handmade", answer.token, wait=None),
        await probe.info("probe.v1/handmade", answer.token),
    ):
        assert (501, "NOT_IMPLEMENTED") == (looked_up.status, looked_up.error_type)


async def test_a_callers_links_are_kept_with_the_workflow_and_the_workflow_is_linked_back(
    probe: Caller, handlers: Client, name: str
) -> None:
    """Several, also in one field and with a comma in a URL; one that no engine knows harms nothing."""
    path = "temporal:///namespaces/checkout/workflows"
    query = "history?eventID=5&eventType=NexusOperationScheduled&referenceType=EventReference"
    kind = 'type="temporal.api.common.v1.Link.WorkflowEvent"'
    links = [
        f'<{path}/a%2Cb/run-1/{query}>; {kind}, <https://example.test/x,y>; type="example"',
        f"<{path}/second/run-2/{query}>; {kind}",
    ]
    headers = [("Nexus-Link", link) for link in links] + [("Content-Type", "application/json")]
    answer = await probe.request("POST", WAIT, headers=headers, body=b'{"id": "%s"}' % name.encode())
    (back,) = answer.headers.getall("Nexus-Link")
    handle = workflow_of(handlers, name)
    description = await handle.describe()
    assert f"<temporal:///namespaces/orders/workflows/{name}/{description.run_id}/history" in back
    assert kind in back
    started = (await handle.fetch_history()).events[0]
    assert ["a,b", "second"] == [link.workflow_event.workflow_id for link in started.links]
    await probe.cancel(WAIT, answer.token)


def as_handlers_see(answer: Answer) -> Mapping[str, str]:
    """The headers that reached the handler of ``echo.v1/headers``."""
    seen: Mapping[str, str] = answer.json["headers"]
    return seen


async def test_a_handler_gets_the_callers_headers_without_credentials_and_transport(echo: Caller) -> None:
    """What the caller means for it reaches it; what was for the gateway, or looks like it, does not."""
    sent = {
        "X-Custom": "yes",
        "Nexus-Request-Id": "chosen",
        "Operation-Timeout": "60s",
        "Cookie": "session=1",
        "X-Forwarded-For": "10.0.0.1",
        "Temporal-Namespace": "orders",
        "Nexus-Gateway-Tenant": "rivals",
        "Proxy-Authorization": "Basic QQ==",
    }
    answer = await echo.request("POST", "echo.v1/headers", headers=sent)
    seen = as_handlers_see(answer)
    assert {"x-custom", "nexus-request-id", "operation-timeout", "traceparent"} == seen.keys() - {"user-agent"}
    assert ("yes", "60s") == (seen["x-custom"], seen["operation-timeout"])
    assert ("dev", "checkout") == (answer.json["caller"]["subject"], answer.json["caller"]["namespace"])
