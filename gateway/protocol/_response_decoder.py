"""From status, headers and body to a response: the client's half."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from nexusrpc import Content, Failure, HandlerError, HandlerErrorType, Link

from gateway.model import OperationState
from gateway.protocol._content import JSON, check_body, decode_content_headers, media_type
from gateway.protocol._errors import RemoteProtocolError, shown
from gateway.protocol._failures import decode_failure, load_json
from gateway.protocol._headers import CONTENT_PREFIX, Headers, check_received, utf8_length, value_fault
from gateway.protocol._limits import DEFAULT_LIMITS, Limits
from gateway.protocol._links import decode_links
from gateway.protocol._nexus_errors import (
    HANDLER_ERROR,
    decode_error_state,
    handler_error_from_failure,
    is_type,
    operation_error_from_failure,
)
from gateway.protocol._requests import CancelOperation, FetchInfo, FetchResult, NexusRequest, StartOperation
from gateway.protocol._responses import (
    CancelAccepted,
    HandlerFailed,
    NexusResponse,
    OperationFailed,
    OperationInfo,
    OperationRunning,
    OperationStarted,
    OperationSucceeded,
)
from gateway.protocol._status import ERROR_TYPES

_STATE: Final = "Nexus-Operation-State"
_RETRYABLE: Final = "Nexus-Request-Retryable"
_RETRYABLE_VALUES: Final = {"true": True, "false": False}
_STATES: Final = frozenset(OperationState)
_FIRST_ERROR: Final = 400


class _Received(NamedTuple):
    """An answer, not yet understood."""

    headers: Headers
    body: bytes
    limits: Limits


def decode_response(
    request: NexusRequest, status: int, headers: Headers, body: bytes, limits: Limits = DEFAULT_LIMITS
) -> NexusResponse:
    """The response that these make, as an answer to ``request``.

    Where the body is a ``nexus.HandlerError`` its type wins over the status; elsewhere ``Nexus-Request-Retryable``
    counts, and the body's Failure, if there is one, is the error's ``original_failure``.

    Raises:
        RemoteProtocolError: a status that such a request is not answered with, or an answer that is malformed.
    """
    received = _Received(headers, body, limits)
    decode = _DECODERS.get((type(request), status))
    if decode is not None:
        return decode(received)
    return _handler_failed(status, received)


def _succeeded(received: _Received) -> OperationSucceeded:
    content_headers = {name: value for name, value in received.headers.items() if name.startswith(CONTENT_PREFIX)}
    for name, value in content_headers.items():
        check_received(name, value)
    content_headers = decode_content_headers(content_headers)
    check_body(content_headers, received.body)
    content = Content(headers=content_headers, data=received.body)
    return OperationSucceeded(content, links=_links(received), replayed=_replayed(received))


def _started(received: _Received) -> OperationStarted:
    token, state = _token_and_state(received)
    if state is not OperationState.RUNNING:
        raise RemoteProtocolError(f"a started operation is running, not {state.value}")
    location = received.headers.get("location")
    return OperationStarted(token, links=_links(received), location=location, replayed=_replayed(received))


def _failed(received: _Received) -> OperationFailed:
    text = received.headers.get(_STATE)
    failure = _failure(received)
    if failure is None:
        raise RemoteProtocolError("Content-Type: a failed operation must be told as application/json")
    state = None if text is None else decode_error_state(text, _STATE)
    error = operation_error_from_failure(failure, state)
    return OperationFailed(error, links=_links(received), replayed=_replayed(received))


def _running(_: _Received) -> OperationRunning:
    return OperationRunning()


def _info(received: _Received) -> OperationInfo:
    token, state = _token_and_state(received)
    return OperationInfo(token, state)


def _cancel_accepted(_: _Received) -> CancelAccepted:
    return CancelAccepted()


_DECODERS: Final[Mapping[tuple[type[NexusRequest], int], Callable[[_Received], NexusResponse]]] = {
    (StartOperation, 200): _succeeded,
    (StartOperation, 201): _started,
    (StartOperation, 424): _failed,
    (CancelOperation, 202): _cancel_accepted,
    (FetchResult, 200): _succeeded,
    (FetchResult, 412): _running,
    (FetchResult, 424): _failed,
    (FetchInfo, 200): _info,
}


def _handler_failed(status: int, received: _Received) -> HandlerFailed:
    failure = _lenient_failure(received) if status >= _FIRST_ERROR else None
    error_type = ERROR_TYPES.get(status)
    if failure is not None and is_type(failure, HANDLER_ERROR):
        error = handler_error_from_failure(failure, error_type or HandlerErrorType.UNKNOWN)
        return HandlerFailed(error, details=_further_details(failure))
    if error_type is None:
        raise RemoteProtocolError(f"unexpected response status {status}")
    message = failure.message if failure is not None and failure.message else f"the peer answered {status}"
    override = _RETRYABLE_VALUES.get(received.headers.get(_RETRYABLE, "").lower())
    error = HandlerError(message, type=error_type, retryable_override=override, original_failure=failure)
    return HandlerFailed(error)


def _further_details(failure: Failure) -> dict[str, str]:
    details = failure.details if isinstance(failure.details, Mapping) else {}
    return {name: value for name, value in details.items() if name != "type" and isinstance(value, str)}


def _failure(received: _Received) -> Failure | None:
    """The Failure in the body; None for a body that does not say it is JSON."""
    is_json = media_type(received.headers.get("content-type", "")) == JSON
    return decode_failure(received.body) if is_json else None


def _lenient_failure(received: _Received) -> Failure | None:
    """The Failure in the body if there is one: proxies between answer with pages of their own, JSON ones included."""
    try:
        return _failure(received)
    except RemoteProtocolError:
        return None


def _token_and_state(received: _Received) -> tuple[str, OperationState]:
    if media_type(received.headers.get("content-type", "")) != JSON:
        raise RemoteProtocolError("Content-Type: an operation's token and state must be application/json")
    info = load_json(received.body)
    token, state = (info.get("token"), info.get("state")) if isinstance(info, dict) else (None, None)
    if not isinstance(token, str) or not token or value_fault(token) is not None:
        raise RemoteProtocolError("the answer has no token that can be sent back")
    if utf8_length(token) > received.limits.token_bytes:
        raise RemoteProtocolError(f"the answer's token is longer than {received.limits.token_bytes} bytes")
    if not isinstance(state, str) or state not in _STATES:
        raise RemoteProtocolError(f"the answer's state {shown(str(state))} is none that an operation has")
    return token, OperationState(state)


def _replayed(received: _Received) -> bool:
    return received.headers.get("nexus-gateway-replayed") == "true"


def _links(received: _Received) -> tuple[Link, ...]:
    return decode_links(received.headers.get_all("nexus-link"), received.limits.links)
