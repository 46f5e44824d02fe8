"""From method, target and headers to a request: the server's half."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from nexusrpc import HandlerErrorType

from gateway.protocol._callbacks import check_callback_headers, check_callback_size, check_callback_url
from gateway.protocol._content import decode_content_headers
from gateway.protocol._durations import decode_duration
from gateway.protocol._errors import RemoteProtocolError, shown
from gateway.protocol._failures import FailureForm
from gateway.protocol._headers import Headers, check_received, header_title, refuse_repeated, sort_headers, utf8_length
from gateway.protocol._limits import DEFAULT_LIMITS, Limits
from gateway.protocol._links import decode_links
from gateway.protocol._metadata import decode_metadata
from gateway.protocol._preferences import decode_wait
from gateway.protocol._requests import CancelOperation, FetchInfo, FetchResult, NexusRequest, StartOperation
from gateway.protocol._targets import decode_path, decode_query
from gateway.protocol._trace_context import check_trace_context

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta

# Of each of these a request means one; of all others, a list.
_SINGLETONS: Final = frozenset(
    {
        "authorization",
        "content-encoding",
        "content-length",
        "content-type",
        "host",
        "idempotency-key",
        "nexus-operation-token",
        "nexus-request-id",
        "operation-timeout",
        "request-timeout",
        "temporal-nexus-failure-support",
        "traceparent",
        "user-agent",
    }
)
_NO_PARAMETERS: Final[Mapping[str, str]] = MappingProxyType({})
_FAILURE_SUPPORT: Final = "temporal-nexus-failure-support"
_FAILURE_FORMS: Final = {"true": FailureForm.CURRENT, "false": FailureForm.OLDER}
# Temporal's servers from before they knew the specification's form do not say so, but they say who they are.
_SILENT_OLDER_AGENT: Final = "temporalio/server"


class _Received(NamedTuple):
    """A request taken apart, but not yet understood."""

    service: str
    operation: str
    parameters: Mapping[str, str]
    headers: Headers
    limits: Limits


def decode_request(method: str, target: str, headers: Headers, limits: Limits = DEFAULT_LIMITS) -> NexusRequest:
    """The request that these make, its body apart.

    Args:
        method: as on the wire; methods are case-sensitive.
        target: raw path and query, relative to the endpoint's services (see ``split_target``).
        headers: all headers of the request.
        limits: how much of each part is taken.

    Raises:
        RemoteProtocolError: NOT_FOUND for a path that is none of the four, NOT_IMPLEMENTED for a method that the path
            does not have, BAD_REQUEST naming the header or part that is malformed.
    """
    path, _, query = target.partition("?")
    service, operation, verb = decode_path(path, limits)
    decode = _DECODERS.get((method, verb))
    if decode is None:
        raise RemoteProtocolError(f"no method {shown(method)} here", error_type=HandlerErrorType.NOT_IMPLEMENTED)
    refuse_repeated(headers, _SINGLETONS)
    return decode(_Received(service, operation, decode_query(query) if query else _NO_PARAMETERS, headers, limits))


def decode_failure_form(headers: Headers) -> FailureForm:
    """The form of failure that the sender understands: what it says, else what is known of its kind.

    Raises:
        RemoteProtocolError: ``Temporal-Nexus-Failure-Support`` neither true nor false.
    """
    text = headers.get(_FAILURE_SUPPORT)
    if text is None:
        older = headers.get("user-agent", "").lower().startswith(_SILENT_OLDER_AGENT)
        return FailureForm.OLDER if older else FailureForm.CURRENT
    form = _FAILURE_FORMS.get(text.strip().lower())
    if form is None:
        raise RemoteProtocolError(f"{header_title(_FAILURE_SUPPORT)}: {shown(text)} is neither true nor false")
    return form


def _start(received: _Received) -> StartOperation:
    handler, callback, content = sort_headers(received.headers)
    check_trace_context(handler)
    callback_url = received.parameters.get("callback")
    if callback_url is not None:
        check_callback_url(callback_url)
    check_callback_headers(callback)
    check_callback_size(callback_url, callback, received.limits.callback_bytes)
    return StartOperation(
        service=received.service,
        operation=received.operation,
        request_id=_request_id(handler, received.limits),
        callback_url=callback_url,
        callback_headers=callback,
        links=decode_links(received.headers.get_all("nexus-link"), received.limits.links),
        request_timeout=_timeout(received.headers, "Request-Timeout"),
        operation_timeout=_timeout(received.headers, "Operation-Timeout"),
        prefer_wait=decode_wait(received.headers.get_all("prefer")),
        failure_form=decode_failure_form(received.headers),
        metadata=decode_metadata(received.headers),
        content_headers=decode_content_headers(content),
        headers=handler,
    )


def _cancel(received: _Received) -> CancelOperation:
    return CancelOperation(
        service=received.service,
        operation=received.operation,
        token=_token(received),
        request_timeout=_timeout(received.headers, "Request-Timeout"),
        failure_form=decode_failure_form(received.headers),
        headers=_checked_headers(received.headers),
    )


def _fetch_result(received: _Received) -> FetchResult:
    wait = received.parameters.get("wait")
    return FetchResult(
        service=received.service,
        operation=received.operation,
        token=_token(received),
        wait=None if wait is None else decode_duration(wait, "query parameter wait", zero=True),
        request_timeout=_timeout(received.headers, "Request-Timeout"),
        failure_form=decode_failure_form(received.headers),
        headers=_checked_headers(received.headers),
    )


def _fetch_info(received: _Received) -> FetchInfo:
    return FetchInfo(
        service=received.service,
        operation=received.operation,
        token=_token(received),
        request_timeout=_timeout(received.headers, "Request-Timeout"),
        failure_form=decode_failure_form(received.headers),
        headers=_checked_headers(received.headers),
    )


_DECODERS: Final[Mapping[tuple[str, str | None], Callable[[_Received], NexusRequest]]] = {
    ("POST", None): _start,
    ("POST", "cancel"): _cancel,
    ("GET", "result"): _fetch_result,
    ("GET", None): _fetch_info,
}


def _checked_headers(headers: Headers) -> dict[str, str]:
    handler = sort_headers(headers).handler
    check_trace_context(handler)
    return handler


def _timeout(headers: Headers, title: str) -> timedelta | None:
    text = headers.get(title)
    return None if text is None else decode_duration(text, title)


def _request_id(headers: Mapping[str, str], limits: Limits) -> str | None:
    request_id, key = headers.get("nexus-request-id"), headers.get("idempotency-key")
    if request_id is not None and key is not None and request_id != key:
        raise RemoteProtocolError("Idempotency-Key: not the same as Nexus-Request-Id; send one of them")
    title = "Idempotency-Key" if request_id is None else "Nexus-Request-Id"
    given = key if request_id is None else request_id
    if given is None:
        return None
    if not given:
        raise RemoteProtocolError(f"{title}: empty; leave it out to have one made")
    if utf8_length(given) > limits.request_id_bytes:
        raise RemoteProtocolError(f"{title}: longer than {limits.request_id_bytes} bytes; shorten it")
    return given


def _token(received: _Received) -> str:
    token = received.headers.get("nexus-operation-token") or received.parameters.get("token")
    if not token:
        raise RemoteProtocolError("Nexus-Operation-Token: missing; send the token that start returned")
    if utf8_length(token) > received.limits.token_bytes:
        raise RemoteProtocolError(f"Nexus-Operation-Token: longer than {received.limits.token_bytes} bytes")
    check_received("nexus-operation-token", token)
    return token
