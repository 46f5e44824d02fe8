"""What bodies may be and what becomes of them: types to the letter, results to the byte (contract, section 3)."""

import base64
import uuid
from collections.abc import AsyncIterator
from io import BytesIO

import pytest
from google.protobuf.wrappers_pb2 import StringValue
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from gateway.devstack import CALLER_NAMESPACE, Stack
from gateway.model import Principal
from gateway.plugins import calling
from handlers.orders._identity import workflow_id
from tests.integration.caller import JSON, Caller
from tests.integration.ordering import PROCESS, small_order

ECHO = "echo.v1/echo"
FORM = "probe.v1/form"
STRING_VALUE = "google.protobuf.StringValue"
OCTETS = "application/octet-stream"
JSON_PROTOBUF = f"application/json; format=protobuf; message-type={STRING_VALUE}"
PROTOBUF = f"application/x-protobuf; message-type={STRING_VALUE}"
MESSAGE = StringValue(value="grüße").SerializeToString()
LIMIT = 2 << 20


def content_type(sent: str) -> dict[str, str]:
    """A header field, or none."""
    return {"Content-Type": sent} if sent else {}


@pytest.mark.parametrize(
    ("sent", "body", "expected", "expected_body"),
    [
        (JSON, b'{"a":1}', JSON, b'{"a":1}'),
        (JSON, b' { "a":\n1.0 }', JSON, b' { "a":\n1.0 }'),
        (f"{JSON}; charset=utf-8", b'"gr\xc3\xbc\xc3\x9fe"', JSON, b'"gr\xc3\xbc\xc3\x9fe"'),
        (JSON, b"null", JSON, b"null"),
        (OCTETS, bytes(range(256)), OCTETS, bytes(range(256))),
        (OCTETS, b"", OCTETS, b""),
        ("", b"", "", b""),
        (JSON_PROTOBUF, '"grüße"'.encode(), JSON_PROTOBUF, '"grüße"'.encode()),
        (f"application/json;message-type={STRING_VALUE};format=protobuf", b'"a"', JSON_PROTOBUF, b'"a"'),
        (PROTOBUF, MESSAGE, PROTOBUF, MESSAGE),
        ("text/plain; charset=utf-8", b"anything", "text/plain; charset=utf-8", b"anything"),
        (
            "application/x-gr\u00fc\u00dfe\U0001f600",
            b"anything",
            "application/x-gr\u00fc\u00dfe\U0001f600",
            b"anything",
        ),
    ],
)
async def test_a_sync_result_comes_in_the_form_of_its_input_in_one_spelling(
    echo: Caller, sent: str, body: bytes, expected: str, expected_body: bytes
) -> None:
    """The content type is exact, and there is no other content header but the length."""
    answer = await echo.request("POST", ECHO, headers=content_type(sent), body=body)
    assert (200, expected_body) == (answer.status, answer.body)
    length = {"content-length": str(len(answer.body))}
    assert {**({"content-type": expected} if expected else {}), **length} == answer.content_headers


async def test_null_may_come_in_chunks_as_temporal_sends_it(echo: Caller) -> None:
    """Neither a length nor a type."""

    async def nothing() -> AsyncIterator[bytes]:
        return
        yield b""

    answer = await echo.request("POST", ECHO, body=nothing())
    assert (200, b"") == (answer.status, answer.body)
    assert "content-type" not in answer.content_headers


@pytest.mark.parametrize(
    ("metadata", "data", "expected"),
    [
        ({"encoding": "json/plain"}, b'{ "b" : 1.0,"a":\n"\\u00fc" }', JSON),
        ({"encoding": "json/protobuf", "messageType": STRING_VALUE}, b' "a" ', JSON_PROTOBUF),
        ({"encoding": "binary/protobuf", "messageType": STRING_VALUE}, MESSAGE, PROTOBUF),
        ({"encoding": "binary/plain"}, bytes(range(256)), OCTETS),
        ({"encoding": "binary/plain"}, b"", OCTETS),
        ({"encoding": "binary/null"}, b"", ""),
    ],
)
async def test_a_workflows_result_passes_through_to_the_byte(
    probe: Caller, metadata: dict[str, str], data: bytes, expected: str
) -> None:
    """It is not decoded on its way, so its blanks and escapes are those of whoever wrote it."""
    form = {"metadata": metadata, "data": base64.b64encode(data).decode()}
    token = (await probe.start(FORM, form)).token
    answer = await probe.result(FORM, token)
    assert (200, data) == (answer.status, answer.body)
    length = {"content-length": str(len(data))}
    assert {**({"content-type": expected} if expected else {}), **length} == answer.content_headers


async def test_a_payload_without_a_content_type_of_its_own_travels_whole(probe: Caller) -> None:
    """Such as one that a codec has encrypted, which only its caller can read."""
    metadata = {"encoding": "binary/encrypted", "key": "k7"}
    token = (await probe.start(FORM, {"metadata": metadata, "data": base64.b64encode(b"secret").decode()})).token
    answer = await probe.result(FORM, token)
    assert (200, "application/x-temporal-payload") == (answer.status, answer.headers["Content-Type"])
    expected = Payload(metadata={"encoding": b"binary/encrypted", "key": b"k7"}, data=b"secret")
    assert expected == Payload.FromString(answer.body)


async def test_a_body_may_be_as_long_as_the_limit_and_no_longer(echo: Caller) -> None:
    """Beyond it 400, which Temporal takes for an answer, and never 413, which it repeats for ever."""
    headers = content_type(OCTETS)
    longest = await echo.request("POST", ECHO, headers=headers, body=BytesIO(bytes(LIMIT)))
    assert (200, LIMIT) == (longest.status, len(longest.body))
    too_long = await echo.request("POST", ECHO, headers=headers, body=BytesIO(bytes(LIMIT + 1)))
    assert (400, "BAD_REQUEST") == (too_long.status, too_long.error_type)

    async def in_chunks() -> AsyncIterator[bytes]:
        for _ in range(33):
            yield bytes(LIMIT // 32)

    without_length = await echo.request("POST", ECHO, headers=headers, body=in_chunks())
    assert (400, "BAD_REQUEST") == (without_length.status, without_length.error_type)
    assert str(LIMIT) in too_long.message


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"lines": [{"sku": "tea", "quantity": "many"}]}, "lines.0.quantity"),
        ({"lines": [{"sku": "tea", "quantity": 0}]}, "lines.0.quantity"),
        ({"lines": []}, "lines"),
        ({"card": None}, "card"),
        ({"coupon": "free"}, "coupon"),
    ],
)
async def test_a_body_that_does_not_fit_names_the_field_and_starts_nothing(
    orders: Caller, handlers: Client, stack: Stack, changes: dict[str, object], field: str
) -> None:
    """400, without the value that did not fit; and there is no workflow under the order's id."""
    order = {**small_order(), **changes}
    answer = await orders.start(PROCESS, order)
    assert (400, "BAD_REQUEST") == (answer.status, answer.error_type)
    assert field in answer.message
    assert "many" not in answer.message
    assert "false" == answer.headers["Nexus-Request-Retryable"]
    principal = Principal(issuer=stack.settings.issuers[0].issuer, subject="dev", namespace=CALLER_NAMESPACE)
    with calling(principal):
        identity = workflow_id(str(order["order_id"]))
    with pytest.raises(RPCError) as caught:
        await handlers.get_workflow_handle(identity).describe()
    assert RPCStatusCode.NOT_FOUND is caught.value.status
    fitting = await orders.start(PROCESS, small_order(order_id=str(order["order_id"])))
    assert 201 == fitting.status
    assert (await handlers.get_workflow_handle(identity).describe()).id == identity


@pytest.mark.parametrize(
    ("sent", "body"),
    [
        (JSON, b"{"),
        (JSON, b""),
        (JSON, b"\xff"),
        (JSON, b"[" * 100_000),
        ("", b"{}"),
        ("text/plain", b"{}"),
        (OCTETS, b"{}"),
        (f"{JSON}; charset=latin-1", b"{}"),
        (f"{JSON}; q=1", b"{}"),
        (f"{JSON}; format=protobuf; message-type=no.such.Type", b"{}"),
        ("application/x-protobuf; message-type=no.such.Type", b"{}"),
        (PROTOBUF, b"\xff\xff"),
        ("application/x-temporal-payload", b"\xff\xff"),
        ("json", b"{}"),
    ],
)
async def test_a_body_that_cannot_be_read_is_the_callers_mistake(orders: Caller, sent: str, body: bytes) -> None:
    """400, not retryable, and no word of what read it."""
    answer = await orders.request("POST", PROCESS, headers=content_type(sent), body=body)
    assert (400, "BAD_REQUEST") == (answer.status, answer.error_type)
    assert "false" == answer.headers["Nexus-Request-Retryable"]
    for word in ("Traceback", "Error:", "temporalio", "converter"):
        assert word not in answer.message


async def test_an_encoded_body_is_refused(echo: Caller) -> None:
    """A small one may become a large one; it is not even looked at."""
    headers = {"Content-Type": JSON, "Content-Encoding": "gzip"}
    answer = await echo.request("POST", ECHO, headers=headers, body=b"\x1f\x8b")
    assert (400, "BAD_REQUEST") == (answer.status, answer.error_type)
    assert "Content-Encoding" in answer.message


async def test_a_body_is_not_read_before_its_caller_is_known(stack: Stack, orders: Caller) -> None:
    """One that would not fit is no different for somebody who may not send it."""
    stranger = stack.token(namespace=f"stranger-{uuid.uuid4().hex}")
    headers = {"Content-Type": JSON, "Authorization": f"Bearer {stranger}"}
    assert 404 == (await orders.request("POST", PROCESS, headers=headers, body=b"{")).status
    headers["Authorization"] = "Bearer nothing"
    assert 401 == (await orders.request("POST", PROCESS, headers=headers, body=b"{")).status


@pytest.mark.parametrize("body", [b"NaN", b'{"a": [Infinity]}', b"-Infinity"])
async def test_a_number_that_json_does_not_have_is_refused(echo: Caller, body: bytes) -> None:
    """Python would read it, and nobody else who gets it later."""
    answer = await echo.request("POST", ECHO, headers=content_type(JSON), body=body)
    assert (400, "BAD_REQUEST") == (answer.status, answer.error_type)
    assert "is no number in JSON" in answer.message


async def test_a_message_is_no_input_of_another_type(orders: Caller) -> None:
    """Its sender says what it is, and the operation what it takes."""
    message = "temporal.api.common.v1.WorkflowExecution"
    headers = {"Content-Type": f"application/json; format=protobuf; message-type={message}"}
    for path in (PROCESS, "orders.v1/quote"):
        answer = await orders.request("POST", path, headers=headers, body=b'{"workflowId":"w"}')
        assert (400, "BAD_REQUEST") == (answer.status, answer.error_type)
