"""Completions as a plain HTTP receiver gets them, to the header and to the byte (contract, section 3 and 5)."""

import asyncio
import base64
import re
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import quote

import pytest
import pytest_asyncio
from google.protobuf.wrappers_pb2 import StringValue
from temporalio.client import Client
from temporalio.service import RPCError
from yarl import URL

from gateway.devstack import Stack
from tests.integration.callback_receiver import Arrival, Receiver, receiving
from tests.integration.caller import Caller
from tests.integration.ordering import DECLINED, PROCESS, approve, large_order, small_order

FORM = "probe.v1/form"
WAIT = "probe.v1/wait"
STRING_VALUE = "google.protobuf.StringValue"
OF_EVERY_COMPLETION = {
    "host",
    "user-agent",
    "connection",
    "content-length",
    "nexus-link",
    "nexus-operation-close-time",
    "nexus-operation-start-time",
    "nexus-operation-state",
    "nexus-operation-token",
    "traceparent",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
}


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Somebody who waits for completions."""
    async with receiving() as running:
        yield running


def to(url: str) -> str:
    """The query that names a callback."""
    return f"?callback={quote(url, safe='')}"


async def arrived(receiver: Receiver, path: str = "done") -> Arrival:
    """The one completion at a path."""
    (arrival,) = await receiver.wait(path)
    return arrival


async def test_a_completion_has_the_callers_headers_and_its_own_and_no_others(
    orders: Caller, receiver: Receiver
) -> None:
    """The prefix is gone, the values are as they were; the query of the URL is the caller's business, and kept."""
    sent = {"Nexus-Callback-Token": "s3cret", "Nexus-Callback-X-Custom": 'a, b;c="d"', "X-Other": "not for it"}
    began = datetime.now(UTC) - timedelta(seconds=1)
    url = f"{receiver.url('done')}?key=a%2Fb&key=c"
    answer = await orders.start(PROCESS, small_order(), query=to(url), headers=sent)
    arrival = await arrived(receiver)
    assert "/done?key=a%2Fb&key=c" == arrival.target
    received = {name.lower(): value for name, value in arrival.headers.items()}
    own = {name for name in received if name.startswith("nexus-gateway-")}
    assert {"token", "x-custom", "content-type"} == received.keys() - OF_EVERY_COMPLETION - own
    assert ("s3cret", 'a, b;c="d"') == (received["token"], received["x-custom"])
    assert ("succeeded", answer.token) == (received["nexus-operation-state"], received["nexus-operation-token"])
    started = parsedate_to_datetime(received["nexus-operation-start-time"])
    closed = datetime.fromisoformat(re.sub(r"(\.\d{6})\d*Z", r"\1+00:00", received["nexus-operation-close-time"]))
    assert began <= started <= closed <= datetime.now(UTC)
    assert answer.headers["Nexus-Link"] == received["nexus-link"]
    assert not any("seal" in name or "callback" in name for name in received)


@pytest.mark.parametrize(
    ("metadata", "data", "expected"),
    [
        ({"encoding": "json/plain"}, b'{ "a":\n1.0}', "application/json"),
        ({"encoding": "binary/null"}, b"", None),
        ({"encoding": "binary/plain"}, bytes(range(256)), "application/octet-stream"),
        (
            {"encoding": "json/protobuf", "messageType": STRING_VALUE},
            b' "a"',
            f"application/json; format=protobuf; message-type={STRING_VALUE}",
        ),
        (
            {"encoding": "binary/protobuf", "messageType": STRING_VALUE},
            StringValue(value="a").SerializeToString(),
            f"application/x-protobuf; message-type={STRING_VALUE}",
        ),
    ],
)
async def test_a_result_arrives_to_the_byte_in_the_form_it_has(
    probe: Caller, receiver: Receiver, metadata: dict[str, str], data: bytes, expected: str | None
) -> None:
    """What was delivered is what a poll would have fetched, its type spelled the same."""
    form = {"metadata": metadata, "data": base64.b64encode(data).decode()}
    token = (await probe.start(FORM, form, query=to(receiver.url("done")))).token
    arrival = await arrived(receiver)
    assert (expected, data) == (arrival.headers.get("Content-Type"), arrival.body)
    fetched = await probe.result(FORM, token)
    assert (arrival.headers.get("Content-Type"), arrival.body) == (fetched.headers.get("Content-Type"), fetched.body)
    assert {"content-length", "content-type"} >= {
        name.lower() for name in arrival.headers if name.lower().startswith("content-")
    }


@pytest.mark.parametrize("end", ["failed", "canceled", "terminated", "timed out"])
async def test_each_end_without_a_result_says_its_state_and_no_stack_trace(
    orders: Caller, probe: Caller, handlers: Client, receiver: Receiver, end: str
) -> None:
    """A failure as JSON, with type and details where it has them, and nothing of the code that raised it."""
    name, query = uuid.uuid4().hex, to(receiver.url("done"))
    if end == "failed":
        answer = await orders.start(PROCESS, small_order(DECLINED), query=query)
    else:
        seconds = 1 if end == "timed out" else 60
        answer = await probe.start(WAIT, {"id": name, "seconds": seconds}, query=query)
    if end == "canceled":
        await probe.cancel(WAIT, answer.token)
    if end == "terminated":
        await handlers.get_workflow_handle(name).terminate("for a test")
    arrival = await arrived(receiver)
    expected = {
        "failed": ("failed", b"the card was declined"),
        "canceled": ("canceled", b"operation canceled"),
        "terminated": ("failed", b"operation terminated"),
        "timed out": ("failed", b"operation exceeded internal timeout"),
    }
    state, message = expected[end]
    assert (state, answer.token) == (arrival.headers["Nexus-Operation-State"], arrival.headers["Nexus-Operation-Token"])
    assert "application/json" == arrival.headers["Content-Type"]
    assert message in arrival.body
    assert (end == "failed") == (b'"CardDeclined"' in arrival.body)
    for internal in (b"stackTrace", b".py", b"for a test"):
        assert internal not in arrival.body


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:9/",
        "https://127.0.0.1:9/",
        "http://127.0.0.1.example.test:9/",
        "http://example.test/127.0.0.1:9/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]:9/",
        "http://2130706433:9/",
    ],
)
async def test_a_destination_that_is_not_allowed_is_refused_at_the_start(
    probe: Caller, handlers: Client, url: str
) -> None:
    """400 names the callback, and nothing was started."""
    name = uuid.uuid4().hex
    answer = await probe.start(WAIT, {"id": name, "seconds": 60}, query=to(url))
    assert (400, "BAD_REQUEST") == (answer.status, answer.error_type)
    assert "callback" in answer.message
    with pytest.raises(RPCError):
        await handlers.get_workflow_handle(name).describe()


async def test_a_sync_operation_completes_in_its_answer_alone(orders: Caller, receiver: Receiver) -> None:
    """Nobody is called for what the caller has in its hands."""
    answer = await orders.start("orders.v1/quote", {"lines": [{"sku": "tea"}]}, query=to(receiver.url("done")))
    assert 200 == answer.status
    await asyncio.sleep(0.5)
    assert [] == receiver.arrivals


async def test_a_repeated_start_keeps_the_first_callback(orders: Caller, receiver: Receiver) -> None:
    """The same request is the same start, callback included; it is delivered once."""
    order, same = large_order(), {"Nexus-Request-Id": uuid.uuid4().hex}
    tokens = {
        (await orders.start(PROCESS, order, query=to(receiver.url(path)), headers=same)).token
        for path in ("first", "first", "second")
    }
    assert 1 == len(tokens)
    await approve(orders, order)
    assert tokens == {(await arrived(receiver, "first")).headers["Nexus-Operation-Token"]}
    await asyncio.sleep(0.5)
    assert 1 == len(receiver.arrivals)


@pytest.mark.parametrize("seal", [None, "", "nonsense", "ng1.dev.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"])
async def test_nobody_but_the_engine_can_complete_an_operation(stack: Stack, orders: Caller, seal: str | None) -> None:
    """Where completions come in, whoever has no seal of the gateway's gets a 404, even with a good token."""
    token = (await orders.start(PROCESS, large_order())).token
    headers = {"Nexus-Operation-State": "succeeded", "Nexus-Operation-Token": token, "Content-Type": "application/json"}
    if seal is not None:
        headers["Nexus-Gateway-Callback"] = seal
    answer = await orders.request("POST", f"{stack.gateway.url}/nexus/callback", headers=headers, body=b'"forged"')
    assert (404, "NOT_FOUND") == (answer.status, answer.error_type)
    assert "running" == (await orders.info(PROCESS, token)).json["state"]
    await orders.cancel(PROCESS, token)


@pytest.mark.parametrize("seal", ["", "Nexus-Gateway-Callback: ng1.k1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n"])
async def test_of_a_completion_without_a_good_seal_not_a_byte_of_its_body_is_waited_for(
    stack: Stack, seal: str
) -> None:
    """Anybody can post completions: what they send may cost no memory."""
    url = URL(stack.gateway.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    try:
        writer.write(f"POST /nexus/callback HTTP/1.1\r\nHost: g\r\nContent-Length: 2000000\r\n{seal}\r\n".encode())
        async with asyncio.timeout(2):
            assert b"HTTP/1.1 404 Not Found\r\n" == await reader.readline()
    finally:
        writer.close()
