"""Completions beyond the table: who is believed about the state, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from nexusrpc import Content, Link

from gateway.model import OperationState
from gateway.protocol import (
    Completion,
    Headers,
    Limits,
    LocalProtocolError,
    RemoteProtocolError,
    decode_completion,
    encode_completion,
)

JSON = ("Content-Type", "application/json")
SUCCEEDED = ("Nexus-Operation-State", "succeeded")
FAILED = ("Nexus-Operation-State", "failed")
NULL = Content({}, b"")


def refusal(*headers: tuple[str, str], body: bytes = b"", limits: Limits | None = None) -> str:
    with pytest.raises(RemoteProtocolError) as caught:
        decode_completion(Headers(headers), body, limits or Limits())
    assert caught.value.message.isprintable()
    return caught.value.message


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ((), "Nexus-Operation-State: missing"),
        ((("Nexus-Operation-State", ""),), "Nexus-Operation-State: "),
        ((("Nexus-Operation-State", "running"),), "Nexus-Operation-State: 'running'"),
        ((("Nexus-Operation-State", "Succeeded"),), "Nexus-Operation-State: "),
        ((SUCCEEDED, FAILED), "Nexus-Operation-State: sent more than once"),
        ((SUCCEEDED, ("Nexus-Operation-Start-Time", "now")), "Nexus-Operation-Start-Time: "),
        ((SUCCEEDED, ("Nexus-Operation-Close-Time", "now")), "Nexus-Operation-Close-Time: "),
        ((SUCCEEDED, ("Nexus-Link", "x")), "Nexus-Link: "),
        ((SUCCEEDED, ("Nexus-Operation-Token", "a\x00")), "Nexus-Operation-Token: "),
        ((SUCCEEDED, ("Nexus-Operation-Token", "x" * 4097)), "Nexus-Operation-Token: longer"),
        ((SUCCEEDED, JSON), "Content-Type: "),
        ((SUCCEEDED, ("Content-Encoding", "br")), "Content-Encoding: "),
        ((SUCCEEDED, ("Content-Language", "\x01")), "Content-Language: "),
        ((SUCCEEDED, ("Token", "a\x1b")), "Token: "),
        ((FAILED,), "Content-Type: a failure must be application/json"),
        ((FAILED, ("Content-Type", "text/plain")), "Content-Type: a failure must be application/json"),
    ],
)
def test_a_malformed_completion_is_refused_by_what_is_wrong(headers: tuple[tuple[str, str], ...], named: str) -> None:
    assert refusal(*headers).startswith(named)


def test_a_body_without_a_type_is_refused() -> None:
    assert refusal(SUCCEEDED, body=b"x").startswith("Content-Type: missing")


@pytest.mark.parametrize("body", [b"x", b"[]", b'{"message":1}', b"[" * 100_000])
def test_a_failed_completion_brings_a_failure(body: bytes) -> None:
    refusal(FAILED, JSON, body=body)


def test_limits_can_be_set() -> None:
    refusal(SUCCEEDED, ("Nexus-Operation-Token", "abc"), limits=Limits(token_bytes=2))
    refusal(SUCCEEDED, ("Nexus-Link", "<a>;type=t,<b>;type=t"), limits=Limits(links=1))


def test_the_state_that_the_failure_says_wins() -> None:
    body = b'{"metadata":{"type":"nexus.OperationError"},"message":"m","details":{"state":"canceled"}}'
    assert OperationState.CANCELED is decode_completion(Headers([FAILED, JSON]), body).state


def test_a_failure_with_a_charset_is_a_failure() -> None:
    completion = decode_completion(
        Headers([FAILED, ("Content-Type", "application/json; charset=UTF-8")]), b'{"message":"m"}'
    )
    assert Content({"content-type": "application/json"}, b'{"message":"m"}') == completion.content


def test_an_empty_token_is_none() -> None:
    assert None is decode_completion(Headers([SUCCEEDED, ("Nexus-Operation-Token", "")]), b"").token


def test_the_transports_headers_end_here_and_the_callbacks_own_go_on() -> None:
    headers = Headers(
        [
            SUCCEEDED,
            ("Host", "gateway.test"),
            ("Accept-Encoding", "gzip"),
            ("Connection", "close, X-Hop"),
            ("X-Hop", "1"),
            ("Transfer-Encoding", "chunked"),
            ("Content-Length", "0"),
            ("Authorization", "what the caller asked for"),
            ("Temporal-Callback-Token", "t"),
        ]
    )
    assert {
        "authorization": "what the caller asked for",
        "temporal-callback-token": "t",
    } == decode_completion(headers, b"").headers


@pytest.mark.parametrize(
    "completion",
    [
        Completion(state=OperationState.RUNNING, content=NULL),
        Completion(state=OperationState.FAILED, content=NULL),
        Completion(state=OperationState.CANCELED, content=Content({"content-type": "text/plain"}, b"m")),
        Completion(state=OperationState.SUCCEEDED, content=Content({}, b"x")),
        Completion(state=OperationState.SUCCEEDED, content=NULL, token="a\nb"),
        Completion(state=OperationState.SUCCEEDED, content=NULL, start_time=datetime(2026, 1, 1)),  # noqa: DTZ001 - the point
        Completion(
            state=OperationState.SUCCEEDED, content=NULL, close_time=datetime.now(UTC), close_time_nanoseconds=1000
        ),
        Completion(state=OperationState.SUCCEEDED, content=NULL, links=(Link(url="", type="t"),)),
        Completion(state=OperationState.SUCCEEDED, content=NULL, headers={"a": "b\r\nc: d"}),
        Completion(state=OperationState.SUCCEEDED, content=NULL, headers={"a:": "b"}),
        Completion(state=OperationState.SUCCEEDED, content=NULL, headers={"Nexus-Operation-State": "failed"}),
        Completion(state=OperationState.SUCCEEDED, content=NULL, headers={"content-type": "text/plain"}),
        Completion(state=OperationState.SUCCEEDED, content=NULL, headers={"Transfer-Encoding": "chunked"}),
    ],
)
def test_a_completion_that_nobody_could_read_is_not_sent(completion: Completion) -> None:
    with pytest.raises(LocalProtocolError):
        encode_completion(completion)


def test_no_secret_is_in_a_completions_repr() -> None:
    completion = Completion(state=OperationState.SUCCEEDED, content=NULL, token="s3cr3t", headers={"token": "s3cr3t"})
    assert "s3cr3t" not in repr(completion)
    assert "s3cr3t" not in repr(encode_completion(completion))
