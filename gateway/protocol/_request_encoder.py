"""From a request to method, target and headers: the client's half."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, assert_never

from gateway.protocol._content import sent_content_headers
from gateway.protocol._durations import encode_duration
from gateway.protocol._errors import LocalProtocolError, shown
from gateway.protocol._failures import FailureForm
from gateway.protocol._headers import CALLBACK_PREFIX, CONTENT_PREFIX, TRANSPORT_HEADERS, checked
from gateway.protocol._links import encode_link
from gateway.protocol._metadata import encode_metadata
from gateway.protocol._preferences import encode_wait
from gateway.protocol._requests import (
    CancelOperation,
    EncodedRequest,
    FetchInfo,
    FetchResult,
    NexusRequest,
    StartOperation,
)
from gateway.protocol._targets import encode_path, encode_query

if TYPE_CHECKING:
    from datetime import timedelta

_Fields = Iterable[tuple[str, str]]

_FAILURE_SUPPORT: Final = {FailureForm.CURRENT: "true", FailureForm.OLDER: "false"}
_OWNED: Final = frozenset({"nexus-link", "nexus-operation-token", "temporal-nexus-failure-support"})
_OWNED_PREFIXES: Final = (CALLBACK_PREFIX, CONTENT_PREFIX)


def encode_request(request: NexusRequest) -> EncodedRequest:
    """The request for an HTTP client to send.

    What a field says is sent from the field: the same name among ``headers`` is passed over.

    Raises:
        LocalProtocolError: a name, header, link or duration that cannot be sent, or a header that only a field may set.
    """
    path = encode_path(request.service, request.operation)
    match request:
        case StartOperation():
            query = {} if request.callback_url is None else {"callback": request.callback_url}
            return _encoded("POST", path + encode_query(query), request, _start_fields(request))
        case CancelOperation():
            return _encoded("POST", f"{path}/cancel", request, _token_fields(request.token))
        case FetchResult():
            query = {} if request.wait is None else {"wait": encode_duration(request.wait, zero=True)}
            return _encoded("GET", f"{path}/result{encode_query(query)}", request, _token_fields(request.token))
        case FetchInfo():
            return _encoded("GET", path, request, _token_fields(request.token))
    assert_never(request)


def _encoded(method: str, target: str, request: NexusRequest, fields: _Fields) -> EncodedRequest:
    own = (
        *fields,
        *_timeout("Request-Timeout", request.request_timeout),
        ("Temporal-Nexus-Failure-Support", _FAILURE_SUPPORT[request.failure_form]),
    )
    governed = {name.lower() for name, _ in own}
    rest = tuple(_passed(name, value) for name, value in request.headers.items() if name.lower() not in governed)
    return EncodedRequest(method=method, target=target, headers=(*own, *rest))


def _start_fields(request: StartOperation) -> _Fields:
    yield from sent_content_headers(request.content_headers)
    for name, value in request.callback_headers.items():
        yield checked(f"Nexus-Callback-{name}", value)
    for link in request.links:
        yield "Nexus-Link", encode_link(link)
    for name, value in encode_metadata(request.metadata):
        yield checked(name, value)
    if request.request_id is not None:
        yield _filled("Nexus-Request-Id", request.request_id)
    yield from _timeout("Operation-Timeout", request.operation_timeout)
    if request.prefer_wait is not None:
        yield "Prefer", encode_wait(request.prefer_wait)


def _token_fields(token: str) -> _Fields:
    yield _filled("Nexus-Operation-Token", token)


def _timeout(title: str, timeout: timedelta | None) -> _Fields:
    if timeout is not None:
        yield title, encode_duration(timeout)


def _filled(title: str, value: str) -> tuple[str, str]:
    if not value:
        raise LocalProtocolError(f"{title}: must not be empty")
    return checked(title, value)


def _passed(name: str, value: str) -> tuple[str, str]:
    lowered = name.lower()
    if lowered in _OWNED or lowered in TRANSPORT_HEADERS or lowered.startswith(_OWNED_PREFIXES):
        raise LocalProtocolError(f"{shown(name)} is not a header to set by hand")
    return checked(name, value)
