"""From a response to status, headers and body: the server's half."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from gateway.protocol._content import JSON, encode_content_headers
from gateway.protocol._errors import LocalProtocolError
from gateway.protocol._failures import FailureForm, dump_json, encode_failure
from gateway.protocol._headers import checked
from gateway.protocol._links import encode_link
from gateway.protocol._nexus_errors import handler_error_to_failure, operation_error_to_failure
from gateway.protocol._responses import (
    CancelAccepted,
    EncodedResponse,
    HandlerFailed,
    NexusResponse,
    OperationFailed,
    OperationInfo,
    OperationRunning,
    OperationStarted,
    OperationSucceeded,
)
from gateway.protocol._status import STATUS, wire_type

if TYPE_CHECKING:
    from nexusrpc import Link

_JSON_TYPE: Final = ("Content-Type", JSON)
_SUCCEEDED: Final = ("Nexus-Operation-State", "succeeded")
_RETRYABLE: Final = {True: ("Nexus-Request-Retryable", "true"), False: ("Nexus-Request-Retryable", "false")}
_REPLAYED: Final = {True: (("Nexus-Gateway-Replayed", "true"),), False: ()}
_RETRY_NOW: Final = ("Retry-After", "0")


def encode_response(response: NexusResponse, form: FailureForm = FailureForm.CURRENT) -> EncodedResponse:
    """The response for an HTTP server to send; ``form`` is the request's ``failure_form``.

    Raises:
        LocalProtocolError: content, a link, a token or failure details that cannot be sent.
    """
    match response:
        case OperationSucceeded(content, links):
            headers = (*encode_content_headers(content), _SUCCEEDED, *_links(links), *_REPLAYED[response.replayed])
            return EncodedResponse(status=200, headers=headers, body=content.data)
        case OperationStarted():
            return _started(response)
        case OperationFailed(error, links):
            body = dump_json(encode_failure(operation_error_to_failure(error, form)))
            headers = (
                _JSON_TYPE,
                ("Nexus-Operation-State", error.state.value),
                *_links(links),
                *_REPLAYED[response.replayed],
            )
            return EncodedResponse(status=424, headers=headers, body=body)
        case OperationRunning():
            return EncodedResponse(status=412)
        case OperationInfo(token, state):
            return EncodedResponse(status=200, headers=(_JSON_TYPE,), body=_info(token, state.value))
        case CancelAccepted():
            return EncodedResponse(status=202)
        case HandlerFailed(error, details):
            body = dump_json(encode_failure(handler_error_to_failure(error, details)))
            headers = (_JSON_TYPE, _RETRYABLE[error.retryable])
            return EncodedResponse(status=STATUS[wire_type(error.type)], headers=headers, body=body)
    assert_never(response)


def _started(response: OperationStarted) -> EncodedResponse:
    location = () if response.location is None else (checked("Location", response.location), _RETRY_NOW)
    headers = (_JSON_TYPE, *location, *_links(response.links), *_REPLAYED[response.replayed])
    return EncodedResponse(status=201, headers=headers, body=_info(response.token, "running"))


def _info(token: str, state: str) -> bytes:
    if not token:
        raise LocalProtocolError("an operation cannot go by an empty token")
    return dump_json({"token": checked("token", token)[1], "state": state})


def _links(links: tuple[Link, ...]) -> tuple[tuple[str, str], ...]:
    return tuple(("Nexus-Link", encode_link(link)) for link in links) if links else ()
