"""Content headers: one spelling in, nothing but the type out."""

from __future__ import annotations

import pytest
from nexusrpc import Content

from gateway.protocol import (
    Headers,
    LocalProtocolError,
    OperationSucceeded,
    RemoteProtocolError,
    StartOperation,
    check_body,
    check_json,
    decode_request,
    encode_response,
)


def received(*headers: tuple[str, str]) -> dict[str, str]:
    request = decode_request("POST", "/s/o", Headers(headers))
    assert isinstance(request, StartOperation)
    return dict(request.content_headers)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("application/json", "application/json"),
        ("Application/JSON", "application/json"),
        ("application/json;", "application/json"),
        ("application/json; charset=utf-8", "application/json"),
        ('application/json;charset="UTF-8"', "application/json"),
        ("application/json ; Charset=utf8", "application/json"),
        ("application/octet-stream", "application/octet-stream"),
        ("application/x-temporal-payload", "application/x-temporal-payload"),
        ("application/x-protobuf;message-type=a.B_1", "application/x-protobuf; message-type=a.B_1"),
        ('application/x-protobuf; message-type="a.B"', "application/x-protobuf; message-type=a.B"),
        (
            "application/json; message-type=a.B; charset=utf-8; format=Protobuf",
            "application/json; format=protobuf; message-type=a.B",
        ),
        ("text/plain; charset=iso-8859-1", "text/plain; charset=iso-8859-1"),
        ("multipart/form-data; boundary=x", "multipart/form-data; boundary=x"),
    ],
)
def test_a_content_type_is_brought_to_its_one_spelling(given: str, kept: str) -> None:
    assert {"content-type": kept} == received(("Content-Type", given))


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "json",
        "/json",
        "application/",
        "application/json; charset=latin-1",
        "application/json; charset",
        "application/json; version=1",
        "application/json; format=protobuf",
        "application/json; message-type=a.B",
        "application/json; format=avro; message-type=a.B",
        "application/json; format=protobuf; message-type=",
        "application/json; format=protobuf; message-type=a b",
        "application/json; format=protobuf; message-type=a.B; message-type=a.C",
        "application/json; charset=utf-8; charset=utf-8",
        "application/json, application/json",
        'application/json; charset="utf-8',
        "application/octet-stream; x=y",
        "application/x-protobuf",
        "application/x-protobuf; message-type=1a",
        "application/x-protobuf; message-type=a.B; charset=utf-8",
        "application/x-temporal-payload; x=y",
    ],
)
def test_a_content_type_that_is_none_of_the_forms_is_refused(content_type: str) -> None:
    with pytest.raises(RemoteProtocolError, match=r"^Content-Type: "):
        received(("Content-Type", content_type))


def test_length_and_identity_are_the_transports() -> None:
    kept = received(("Content-Length", "2"), ("Content-Encoding", "Identity"), ("Content-Language", "de"))
    assert {"content-language": "de"} == kept


@pytest.mark.parametrize(
    ("content_type", "body"),
    [(None, b""), ("application/json", b"1"), ("application/octet-stream", b""), ("text/plain", b"")],
)
def test_a_body_that_fits_its_type_passes(content_type: str | None, body: bytes) -> None:
    check_body({} if content_type is None else {"content-type": content_type}, body)


@pytest.mark.parametrize(("content_type", "body"), [(None, b"x"), ("application/json", b"")])
def test_a_body_without_a_type_and_json_without_a_body_are_refused(content_type: str | None, body: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match=r"^Content-Type: "):
        check_body({} if content_type is None else {"content-type": content_type}, body)


def test_nothing_but_the_type_goes_out() -> None:
    content = Content({"Content-Type": "application/json; charset=utf-8", "Content-Language": "de", "x": "y"}, b"1")
    headers = Headers(encode_response(OperationSucceeded(content)).headers)
    assert {"content-type": "application/json", "nexus-operation-state": "succeeded"} == dict(headers)


@pytest.mark.parametrize(
    ("headers", "data"),
    [
        ({}, b"x"),
        ({"content-type": "application/json"}, b""),
        ({"content-type": "application/json; charset=latin-1"}, b"1"),
        ({"content-type": "text/plain\r\nx: y"}, b"1"),
        ({"content-type": "text/plain", "content-encoding": "gzip"}, b"1"),
    ],
)
def test_a_result_that_callers_could_not_read_is_not_sent(headers: dict[str, str], data: bytes) -> None:
    with pytest.raises(LocalProtocolError):
        encode_response(OperationSucceeded(Content(headers, data)))


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b'["NaN", "-Infinity", "\\"NaN"]'),
        ("application/json", b'{"NaN": 1e999}'),
        ("application/json", b"Not JSON at all, no NaN"),
        ("application/octet-stream", b"NaN"),
        (None, b""),
    ],
)
def test_a_text_may_say_what_a_number_may_not(content_type: str | None, body: bytes) -> None:
    """What is broken otherwise is left to whoever reads it."""
    check_json({} if content_type is None else {"content-type": content_type}, body)


@pytest.mark.parametrize("name", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("content_type", ["application/json", "application/json; format=protobuf; message-type=a.B"])
def test_a_number_that_json_does_not_have_is_refused(content_type: str, name: str) -> None:
    with pytest.raises(RemoteProtocolError, match=f"^{name} is no number in JSON"):
        check_json({"content-type": content_type}, b'{"text": "NaN", "number": [1, %s]}' % name.encode())
