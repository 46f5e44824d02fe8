"""Bodies to payloads and back: the bytes stay what they are."""

from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import pytest
from google.protobuf.duration_pb2 import Duration
from nexusrpc import Content, HandlerError, HandlerErrorType
from pydantic import BaseModel
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.contrib.pydantic import pydantic_data_converter

from gateway.engines import InvalidInput
from gateway.engines.temporal._content import PayloadSerializer, content_of, payload_of


class ManyLines(BaseModel):
    lines: list[str]


_FORMS: list[tuple[dict[str, str], bytes, dict[str, bytes]]] = [
    ({}, b"", {"encoding": b"binary/null"}),
    ({"content-type": "application/json"}, b'{"a": 1 }', {"encoding": b"json/plain"}),
    ({"content-type": "application/octet-stream"}, b"\x00\xff", {"encoding": b"binary/plain"}),
    ({"content-type": "application/octet-stream"}, b"", {"encoding": b"binary/plain"}),
    (
        {"content-type": "application/x-protobuf; message-type=google.protobuf.Duration"},
        b"\x08\x01",
        {"encoding": b"binary/protobuf", "messageType": b"google.protobuf.Duration"},
    ),
    (
        {"content-type": "application/json; format=protobuf; message-type=google.protobuf.Duration"},
        b'"1s"',
        {"encoding": b"json/protobuf", "messageType": b"google.protobuf.Duration"},
    ),
]


class Line(BaseModel):
    article: str
    quantity: int


class Basket(BaseModel):
    lines: list[Line]


class Named(TypedDict):
    name: str


@dataclass
class Delivery:
    to: Named


@pytest.fixture
def serializer() -> PayloadSerializer:
    return PayloadSerializer(pydantic_data_converter.payload_converter)


@pytest.mark.parametrize(("headers", "data", "metadata"), _FORMS)
def test_a_body_becomes_the_payload_of_its_type(
    headers: dict[str, str], data: bytes, metadata: dict[str, bytes]
) -> None:
    payload = payload_of(Content(headers=headers, data=data))
    assert metadata == dict(payload.metadata)
    assert data == payload.data


@pytest.mark.parametrize(("headers", "data", "metadata"), _FORMS)
def test_a_payload_becomes_the_body_of_its_encoding(
    headers: dict[str, str], data: bytes, metadata: dict[str, bytes]
) -> None:
    content = content_of(Payload(metadata=metadata, data=data))
    assert headers == content.headers
    assert data == content.data


def test_a_payload_that_has_no_content_type_of_its_own_travels_whole() -> None:
    payload = Payload(metadata={"encoding": b"binary/encrypted", "key": b"k1"}, data=b"secret")
    content = content_of(payload)
    assert content.headers == {"content-type": "application/x-temporal-payload"}
    assert payload == payload_of(content)


def test_a_payload_with_further_metadata_travels_whole() -> None:
    payload = Payload(metadata={"encoding": b"json/plain", "compressed": b"yes"}, data=b"1")
    assert payload == payload_of(content_of(payload))


def test_junk_that_calls_itself_a_payload_is_refused() -> None:
    with pytest.raises(HandlerError) as raised:
        payload_of(Content(headers={"content-type": "application/x-temporal-payload"}, data=b"\xff\xff\xff"))
    assert HandlerErrorType.BAD_REQUEST is raised.value.type


async def test_input_that_does_not_fit_names_its_field_and_not_its_value(serializer: PayloadSerializer) -> None:
    body = b'{"lines": [{"article": "tea", "quantity": "s3cret"}]}'
    with pytest.raises(HandlerError) as raised:
        await serializer.deserialize(Content(headers={"content-type": "application/json"}, data=body), Basket)
    assert HandlerErrorType.BAD_REQUEST is raised.value.type
    assert "lines.0.quantity" in raised.value.message
    assert "s3cret" not in raised.value.message
    assert isinstance(raised.value, InvalidInput)
    assert ["lines.0.quantity"] == [path for path, _ in raised.value.faults]


@pytest.mark.parametrize(
    ("headers", "data", "as_type"),
    [
        ({}, b"", Basket),
        ({"content-type": "application/octet-stream"}, b"{}", Basket),
        ({"content-type": "application/octet-stream"}, b"text", str),
        ({"content-type": "application/json"}, b"{", Basket),
        ({"content-type": "application/json"}, b"[" * 100_000, Any),
        ({"content-type": "application/x-protobuf; message-type=no.such.Message"}, b"", Any),
        ({"content-type": "application/x-protobuf; message-type=google.protobuf.Duration"}, b"\xff", Duration),
        ({"content-type": "application/json"}, b'"7"', int),
        ({"content-type": "application/json"}, b'{"to": {"name": 5}}', Delivery),
        ({"content-type": "application/json"}, b"{", Delivery),
        ({"content-type": "application/json"}, b"{}", Duration),
        ({"content-type": "text/plain"}, b"hello", str),
    ],
)
async def test_input_of_another_kind_is_a_bad_request(
    serializer: PayloadSerializer, headers: dict[str, str], data: bytes, as_type: Any
) -> None:
    with pytest.raises(HandlerError) as raised:
        await serializer.deserialize(Content(headers=headers, data=data), as_type)
    assert HandlerErrorType.BAD_REQUEST is raised.value.type


@pytest.mark.parametrize(
    ("headers", "data", "as_type", "value"),
    [
        ({}, b"", type(None), None),
        ({}, b"", Basket | None, None),
        ({}, b"", Any, None),
        ({"content-type": "application/octet-stream"}, b"\x00", bytes, b"\x00"),
        ({"content-type": "application/octet-stream"}, b"\x00", Any, b"\x00"),
        ({"content-type": "application/json"}, b'"text"', str, "text"),
        ({"content-type": "application/json"}, b'{"name": "x"}', Named, {"name": "x"}),
        ({"content-type": "application/json"}, b'{"to": {"name": "x"}}', Delivery, Delivery(to={"name": "x"})),
        ({"content-type": "application/json"}, b"5", Annotated[int, ["unhashable"]], 5),
        (
            {"content-type": "application/json; format=protobuf; message-type=google.protobuf.Duration"},
            b'"1s"',
            Duration,
            Duration(seconds=1),
        ),
    ],
)
async def test_input_arrives_as_the_declared_type(
    serializer: PayloadSerializer, headers: dict[str, str], data: bytes, as_type: Any, value: object
) -> None:
    assert value == await serializer.deserialize(Content(headers=headers, data=data), as_type)


async def test_an_operation_on_content_takes_and_returns_any_type_untouched(serializer: PayloadSerializer) -> None:
    content = Content(headers={"content-type": "text/csv"}, data=b"a;b")
    assert content is await serializer.deserialize(content, Content)
    assert content is await serializer.serialize(content)


@pytest.mark.parametrize(("headers", "data"), [(headers, data) for headers, data, _ in _FORMS])
async def test_an_operation_on_raw_values_takes_and_returns_any_type_untouched(
    serializer: PayloadSerializer, headers: dict[str, str], data: bytes
) -> None:
    content = Content(headers=headers, data=data)
    assert content == await serializer.serialize(await serializer.deserialize(content, RawValue))


async def test_a_raw_value_of_a_type_that_temporal_does_not_know_is_what_its_server_makes_of_it(
    serializer: PayloadSerializer,
) -> None:
    content = Content(headers={"content-type": "text/csv"}, data=b"a;b")
    value = await serializer.deserialize(content, RawValue)
    assert {"encoding": b"unknown/nexus-content", "content-type": b"text/csv"} == dict(value.payload.metadata)
    assert content == await serializer.serialize(value)


async def test_a_type_that_only_content_can_hold_reaches_an_untyped_operation_as_content(
    serializer: PayloadSerializer,
) -> None:
    content = Content(headers={"content-type": "text/csv"}, data=b"a;b")
    assert content is await serializer.deserialize(content, Any)


async def test_what_does_not_fit_in_too_many_places_is_counted_only() -> None:
    """To tell of each would take longer than to read it."""
    body = b'{"lines": [' + b",".join([b"0"] * 1000) + b"]}"
    serializer = PayloadSerializer(pydantic_data_converter.payload_converter)
    with pytest.raises(InvalidInput, match="does not fit the operation's type in 1000 places") as caught:
        await serializer.deserialize(Content(headers={"content-type": "application/json"}, data=body), ManyLines)
    assert 1 == len(caught.value.faults)


async def test_a_number_that_json_does_not_have_is_refused_in_a_whole_payload_too() -> None:
    payload = Payload(metadata={"encoding": b"json/plain"}, data=b'{"a": NaN}')
    content = Content(headers={"content-type": "application/x-temporal-payload"}, data=payload.SerializeToString())
    with pytest.raises(HandlerError, match="NaN is no number in JSON"):
        await PayloadSerializer(pydantic_data_converter.payload_converter).deserialize(content, RawValue)
