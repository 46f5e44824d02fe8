"""Requests that are wrong and requests that fail: what the caller is told, and what it is not (contract, section 3)."""

import json

import pytest
from nexusrpc import HandlerErrorType

from gateway.devstack import Stack
from tests.integration.caller import JSON, Caller
from tests.integration.ordering import DECLINED, PROCESS, small_order
from tests.integration.waiting import eventually

ECHO = "echo.v1/echo"
STATUS = {
    "BAD_REQUEST": 400,
    "UNAUTHENTICATED": 401,
    "UNAUTHORIZED": 403,
    "NOT_FOUND": 404,
    "REQUEST_TIMEOUT": 408,
    "CONFLICT": 409,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "NOT_IMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "UPSTREAM_TIMEOUT": 520,
}
RETRYABLE = {
    "REQUEST_TIMEOUT",
    "RESOURCE_EXHAUSTED",
    "INTERNAL",
    "UNAVAILABLE",
    "UPSTREAM_TIMEOUT",
}
ZEROS = "0" * 32


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Request-Timeout", "soon"),
        ("Request-Timeout", "10"),
        ("Request-Timeout", "-1s"),
        ("Request-Timeout", "0s"),
        ("Request-Timeout", "1h"),
        ("Request-Timeout", "9" * 30 + "m"),
        ("Operation-Timeout", "1 s"),
        ("Operation-Timeout", "\u0663s"),
        ("Nexus-Link", "https://example.test"),
        ("Nexus-Link", '<https://example.test>; type="x'),
        ("Nexus-Link", "<https://example.test>"),
        ("Prefer", "wait=soon"),
        ("Prefer", "wait=1.5"),
        ("Traceparent", "00-1-2-3"),
        ("Traceparent", f"00-{ZEROS}-{'1' * 16}-01"),
        ("Tracestate", "no value"),
        ("Baggage", "no value"),
        ("Temporal-Nexus-Failure-Support", "perhaps"),
        ("Nexus-Request-Id", ""),
        ("Nexus-Request-Id", "x" * 1001),
        ("Nexus-Callback-Host", "example.test"),
        ("Nexus-Callback-Content-Type", "text/plain"),
        ("Nexus-Callback-Transfer-Encoding", "chunked"),
        ("Nexus-Callback-", "nameless"),
    ],
)
async def test_a_malformed_header_of_a_start_is_named(echo: Caller, name: str, value: str) -> None:
    """400; the message says which header to mend."""
    answer = await echo.start(ECHO, 1, headers={name: value})
    assert (400, "BAD_REQUEST") == (answer.status, answer.error_type)
    assert name.lower() in answer.message.lower()


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "ftp://127.0.0.1/",
        "//127.0.0.1/",
        "http://",
        "http://user:word@127.0.0.1/",
        "http://127.0.0.1/%23",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1/a%20b%0Ac",
        "http://127.0.0.1/" + "x" * 4096,
    ],
)
async def test_a_malformed_callback_is_named(orders: Caller, url: str) -> None:
    """400; a URL that leaves open where it leads, or is too long."""
    answer = await orders.start(PROCESS, small_order(), query=f"?callback={url}")
    assert (400, "BAD_REQUEST") == (answer.status, answer.error_type)
    assert "callback" in answer.message


async def test_callback_and_its_headers_have_one_limit_together(orders: Caller) -> None:
    """4096 bytes; it holds for headers without a callback, too."""
    headers = {f"Nexus-Callback-X-{number}": "x" * 1000 for number in range(5)}
    answer = await orders.start(PROCESS, small_order(), headers=headers)
    assert (400, "BAD_REQUEST") == (answer.status, answer.error_type)
    assert "4096" in answer.message


@pytest.mark.parametrize(("method", "path"), [("GET", "/result"), ("GET", ""), ("POST", "/cancel")])
async def test_a_malformed_header_of_the_other_requests_is_named(echo: Caller, method: str, path: str) -> None:
    """Timeouts and trace context mean the same everywhere."""
    for name, value in (("Request-Timeout", "soon"), ("Traceparent", "00-1-2-3")):
        headers = {"Nexus-Operation-Token": "any", name: value}
        answer = await echo.request(method, f"{ECHO}{path}", headers=headers)
        assert (400, "BAD_REQUEST") == (answer.status, answer.error_type)
        assert name in answer.message


@pytest.mark.parametrize("wait", ["", "soon", "10", "-1s", "1h"])
async def test_a_malformed_wait_is_named(echo: Caller, wait: str) -> None:
    """400, before anybody looks at the token."""
    answer = await echo.result(ECHO, "any", wait=wait)
    assert (400, "BAD_REQUEST") == (answer.status, answer.error_type)
    assert "wait" in answer.message


@pytest.mark.parametrize(
    "name", ["Nexus-Request-Id", "Request-Timeout", "Operation-Timeout", "Traceparent", "Nexus-Callback-Key"]
)
async def test_a_header_that_means_one_thing_comes_once(echo: Caller, name: str) -> None:
    """Which of two is meant would be a guess."""
    answer = await echo.request("POST", ECHO, headers=[(name, "1s"), (name, "2s")])
    assert (400, "BAD_REQUEST") == (answer.status, answer.error_type)
    assert name in answer.message


@pytest.mark.parametrize(
    "segment", ["%00", "a%0Ab", "a%7Fb", "%C2%85", "%FF", "%C3", "%ED%A0%80", "%zz", "%", "x" * 1001]
)
async def test_a_name_that_cannot_be_one_is_refused(echo: Caller, segment: str) -> None:
    """400: control characters, what is not UTF-8, broken escapes, too long; in the service and in the operation."""
    for target, part in ((f"{segment}/echo", "service"), (f"echo.v1/{segment}", "operation")):
        answer = await echo.start(target, 1)
        assert (400, "BAD_REQUEST") == (answer.status, answer.error_type)
        assert part in answer.message


async def test_headers_beyond_their_limit_are_refused(echo: Caller) -> None:
    """16 KiB, in one field or in many."""
    for headers in ({"X-Long": "x" * 17_000}, {f"X-{number}": "x" * 1000 for number in range(17)}):
        answer = await echo.start(ECHO, 1, headers=headers)
        assert 400 == answer.status


@pytest.mark.parametrize("kind", list(HandlerErrorType))
async def test_each_type_of_handler_error_has_its_status_and_says_whether_to_retry(
    echo: Caller, kind: HandlerErrorType
) -> None:
    """The type is in the body, which is what counts for Temporal; a type of no wire goes as INTERNAL."""
    expected = kind.value if kind.value in STATUS else "INTERNAL"
    failure = {"kind": "handler", "type": kind.value, "message": "as asked"}
    answer = await echo.start("echo.v1/fail", {"failure": failure})
    assert (STATUS[expected], expected, "as asked") == (answer.status, answer.error_type, answer.message)
    assert str(expected in RETRYABLE).lower() == answer.headers["Nexus-Request-Retryable"]
    details = answer.json["details"]
    assert expected == details.pop("type")
    assert ({"requestId", "traceId"} if expected == "INTERNAL" else set()) == set(details)
    assert {"content-type": JSON, "content-length": str(len(answer.body))} == answer.content_headers


@pytest.mark.parametrize("kind", ["BAD_REQUEST", "UNAVAILABLE"])
@pytest.mark.parametrize("retryable", [True, False])
async def test_a_handler_may_say_itself_whether_to_retry(echo: Caller, kind: str, retryable: bool) -> None:
    """In the body, for those who read it, and in the header for the others."""
    failure = {"kind": "handler", "type": kind, "retryable": retryable}
    answer = await echo.start("echo.v1/fail", {"failure": failure})
    assert {"type": kind, "retryableOverride": retryable} == answer.json["details"]
    assert str(retryable).lower() == answer.headers["Nexus-Request-Retryable"]


async def test_an_unforeseen_error_tells_its_caller_two_ids_and_nothing_else(stack: Stack, echo: Caller) -> None:
    """The log line with everything is found by them."""
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    headers = {"Traceparent": f"00-{trace_id}-b7ad6b7169203331-01"}
    ask = {"failure": {"kind": "crash", "message": "the secret is 12345"}}
    answer = await echo.start("echo.v1/fail", ask, headers=headers)
    assert 500 == answer.status
    details = answer.json["details"]
    expected = {
        "message": "internal error",
        "metadata": {"type": "nexus.HandlerError"},
        "details": {"type": "INTERNAL", "requestId": details["requestId"], "traceId": trace_id},
    }
    assert expected == answer.json
    assert b"12345" not in answer.body
    line = await logged(stack, details["requestId"])
    assert ("error", trace_id) == (line["level"], line["trace_id"])
    assert "the secret is 12345" in line["exception"]


@pytest.mark.parametrize(
    ("headers", "current"),
    [
        ({}, True),
        ({"Temporal-Nexus-Failure-Support": "true"}, True),
        ({"Temporal-Nexus-Failure-Support": "false"}, False),
        ({"User-Agent": "temporalio/server"}, False),
        ({"User-Agent": "temporalio/server", "Temporal-Nexus-Failure-Support": "true"}, True),
    ],
)
async def test_a_failed_operation_is_told_in_the_form_its_caller_understands(
    orders: Caller, echo: Caller, headers: dict[str, str], current: bool
) -> None:
    """The specification's, around the cause; or, as it was before, the cause alone with the state in a header."""
    token = (await orders.start(PROCESS, small_order(DECLINED))).token
    answer = await orders.result(PROCESS, token, headers=headers)
    assert (424, "failed") == (answer.status, answer.headers["Nexus-Operation-State"])
    wrapper = {"metadata": {"type": "nexus.OperationError"}, "details": {"state": "failed"}}
    failure = answer.json["cause"] if current else answer.json
    assert current == (wrapper.items() <= answer.json.items())
    assert ("the card was declined", "temporal.api.failure.v1.Failure") == (
        failure["message"],
        failure["metadata"]["type"],
    )
    ask = {"failure": {"kind": "operation", "state": "canceled", "message": "no longer"}}
    synchronous = await echo.start("echo.v1/fail", ask, headers=headers)
    assert (424, "canceled") == (synchronous.status, synchronous.headers["Nexus-Operation-State"])
    assert "no longer" == synchronous.message
    assert current == ("metadata" in synchronous.json)


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer nothing", "Basic QTpC", "bearer a.b.c", "Bearer a.b.c d"]
)
async def test_who_cannot_be_verified_is_told_what_to_mend(echo: Caller, authorization: str) -> None:
    """401 with the challenge of RFC 6750; the same reason in header and body, and no word of how it was verified."""
    answer = await echo.start(ECHO, 1, headers={"Authorization": authorization})
    assert (401, "UNAUTHENTICATED") == (answer.status, answer.error_type)
    challenge = f'Bearer error="invalid_token", error_description="{answer.message}"'
    assert challenge == answer.headers["WWW-Authenticate"]


async def test_a_credential_is_read_from_one_place_only(stack: Stack, echo: Caller) -> None:
    """Never from the query, and never from one of two headers."""
    anonymous = echo.showing(None)
    for query in ("access_token", "token", "authorization", "jwt"):
        assert 401 == (await anonymous.start(ECHO, 1, query=f"?{query}={stack.token()}")).status
    twice = [("Authorization", f"Bearer {stack.token()}")] * 2
    assert (await anonymous.request("POST", ECHO, headers=twice)).status in {400, 401}


async def logged(stack: Stack, request_id: str) -> dict[str, str]:
    """The gateway's log line about a request."""

    async def lines() -> list[str]:
        return [text for text in stack.gateway.process.output if request_id in text]

    line: dict[str, str] = json.loads((await eventually(lines, bool))[0])
    return line
