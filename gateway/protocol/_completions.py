"""Completions: the request that brings an operation's end to its callback URL (specification: Callback URLs)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from nexusrpc import Content, Link, OperationErrorState

from gateway.model import OperationState
from gateway.protocol._content import JSON, check_body, decode_content_headers, encode_content_headers, media_type
from gateway.protocol._errors import LocalProtocolError, RemoteProtocolError, shown
from gateway.protocol._failures import decode_failure
from gateway.protocol._headers import (
    COMPLETION_FIELDS,
    CONTENT_PREFIX,
    Headers,
    check_received,
    checked,
    is_own,
    passed_on,
    refuse_repeated,
    utf8_length,
)
from gateway.protocol._limits import DEFAULT_LIMITS, Limits
from gateway.protocol._links import decode_links, encode_link
from gateway.protocol._nexus_errors import operation_error_from_failure
from gateway.protocol._times import decode_http_date, decode_timestamp, encode_http_date, encode_timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_STATE: Final = "Nexus-Operation-State"
_TOKEN: Final = "Nexus-Operation-Token"  # noqa: S105 - a header's name
_START_TIME: Final = "Nexus-Operation-Start-Time"
_CLOSE_TIME: Final = "Nexus-Operation-Close-Time"
_LINK: Final = "Nexus-Link"
_SINGLETONS: Final = COMPLETION_FIELDS - {_LINK.lower()} | {
    "content-type",
    "content-encoding",
    "content-length",
    "host",
}
_STATES: Final = {state.value: state for state in OperationState if state is not OperationState.RUNNING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """How an operation ended.

    ``state`` is never running. ``content`` is the result, or the Failure as JSON where it is failed or canceled, its
    bytes as they came. ``start_time`` is to the second, all that its header can say; ``close_time_nanoseconds`` (0 to
    999) is what a datetime cannot hold of ``close_time``. ``headers`` are the further ones, names in lower case: those
    that the start asked for with ``Nexus-Callback-``.
    """

    state: OperationState
    content: Content
    token: str | None = field(default=None, repr=False)
    start_time: datetime | None = None
    close_time: datetime | None = None
    close_time_nanoseconds: int = 0
    links: tuple[Link, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedCompletion:
    """A completion as it goes to any HTTP client, by POST."""

    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)


def decode_completion(headers: Headers, body: bytes, limits: Limits = DEFAULT_LIMITS) -> Completion:
    """The completion that a callback request brings.

    A failure that is a ``nexus.OperationError`` says its own state, which wins over the header's.

    Raises:
        RemoteProtocolError: naming the header that is missing or malformed, or a body that is no Failure.
    """
    refuse_repeated(headers, _SINGLETONS)
    content = _content(headers, body)
    close_time, nanoseconds = _close_time(headers)
    start_time = headers.get(_START_TIME)
    return Completion(
        state=_state(headers, content),
        content=content,
        token=_token(headers, limits),
        start_time=None if start_time is None else decode_http_date(start_time, _START_TIME),
        close_time=close_time,
        close_time_nanoseconds=nanoseconds,
        links=decode_links(headers.get_all(_LINK), limits.links),
        headers=passed_on(headers, COMPLETION_FIELDS),
    )


def encode_completion(completion: Completion) -> EncodedCompletion:
    """The completion for an HTTP client to send.

    Raises:
        LocalProtocolError: an operation that still runs, a failure that is not JSON, or a header that cannot be sent.
    """
    if completion.state is OperationState.RUNNING:
        raise LocalProtocolError("an operation that still runs has not completed")
    content_headers = encode_content_headers(completion.content)
    if completion.state is not OperationState.SUCCEEDED and content_headers != (("Content-Type", JSON),):
        raise LocalProtocolError("a failure is sent as application/json")
    headers = [*content_headers, (_STATE, completion.state.value)]
    if completion.token is not None:
        headers.append(checked(_TOKEN, completion.token))
    if completion.start_time is not None:
        headers.append((_START_TIME, encode_http_date(completion.start_time)))
    if completion.close_time is not None:
        headers.append((_CLOSE_TIME, encode_timestamp(completion.close_time, completion.close_time_nanoseconds)))
    headers.extend((_LINK, encode_link(link)) for link in completion.links)
    headers.extend(_passed(name, value) for name, value in completion.headers.items())
    return EncodedCompletion(headers=tuple(headers), body=completion.content.data)


def _content(headers: Headers, body: bytes) -> Content:
    received = {name: value for name, value in headers.items() if name.startswith(CONTENT_PREFIX)}
    for name, value in received.items():
        check_received(name, value)
    content_headers = decode_content_headers(received)
    check_body(content_headers, body)
    return Content(headers=content_headers, data=body)


def _state(headers: Headers, content: Content) -> OperationState:
    text = headers.get(_STATE)
    if text is None:
        raise RemoteProtocolError(f"{_STATE}: missing; send succeeded, failed or canceled")
    state = _STATES.get(text)
    if state is None:
        raise RemoteProtocolError(f"{_STATE}: {shown(text)} is neither succeeded, failed nor canceled")
    if state is OperationState.SUCCEEDED:
        return state
    if media_type(content.headers.get("content-type", "")) != JSON:
        raise RemoteProtocolError("Content-Type: a failure must be application/json")
    error = operation_error_from_failure(decode_failure(content.data), OperationErrorState(state.value))
    return OperationState(error.state.value)


def _token(headers: Headers, limits: Limits) -> str | None:
    token = headers.get(_TOKEN)
    if token:
        if utf8_length(token) > limits.token_bytes:
            raise RemoteProtocolError(f"{_TOKEN}: longer than {limits.token_bytes} bytes")
        check_received(_TOKEN, token)
    return token or None


def _close_time(headers: Headers) -> tuple[datetime | None, int]:
    text = headers.get(_CLOSE_TIME)
    return (None, 0) if text is None else decode_timestamp(text, _CLOSE_TIME)


def _passed(name: str, value: str) -> tuple[str, str]:
    if is_own(name.lower()):
        raise LocalProtocolError(f"{shown(name)} is not a header to set by hand")
    return checked(name, value)
