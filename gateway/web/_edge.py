"""HTTP in, HTTP out: sizes, spans and the codec. No policy lives here."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import re
import uuid
from typing import TYPE_CHECKING, Any, Final

from aiohttp import HttpVersion10, HttpVersion11, web
from multidict import CIMultiDict
from nexusrpc import HandlerError, HandlerErrorType

from gateway.completions import CALLBACK_KEYS_PATH, CALLBACK_PATH, COMPLETION_BYTES, Relay
from gateway.dispatch import Dispatcher, Incoming, internal
from gateway.protocol import (
    CancelAccepted,
    CancelOperation,
    EncodedResponse,
    FailureForm,
    FetchInfo,
    FetchResult,
    HandlerFailed,
    Headers,
    Limits,
    LocalProtocolError,
    NexusResponse,
    OperationFailed,
    OperationInfo,
    OperationRunning,
    OperationStarted,
    OperationSucceeded,
    RemoteProtocolError,
    StartOperation,
    decode_request,
    encode_response,
    split_target,
)
from gateway.telemetry import OTHER, RequestSpan, Telemetry
from gateway.web._bodies import BodyTooLate, BodyTooLong, UnreadableBody, not_yet, read_body

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.web._proxies import TrustedProxies

_logger = logging.getLogger("gateway.web")

_VERSIONS: Final = frozenset({HttpVersion10, HttpVersion11})
_NOT_IN_DESCRIPTIONS: Final = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")
_VERBS: Final[Mapping[type, str]] = {
    StartOperation: "start",
    CancelOperation: "cancel",
    FetchResult: "result",
    FetchInfo: "describe",
}
# /nexus/endpoints/{endpoint}/services/{service}/{operation}
_SEGMENTS_OF_OPERATION: Final = 6
_METHODS: Final[Mapping[str | None, str]] = {None: "GET, POST", "cancel": "POST", "result": "GET"}
_OUTCOMES: Final[Mapping[type, str]] = {
    OperationSucceeded: "succeeded",
    OperationStarted: "started",
    OperationRunning: "running",
    OperationInfo: "succeeded",
    CancelAccepted: "succeeded",
}


class Edge:
    """The views of the gateway's public listener. ``header_bytes`` and ``body_bytes`` cap what a request may hold.

    The engine's completions are no requests of callers: they have a cap of their own.
    """

    def __init__(
        self,
        *,
        dispatcher: Dispatcher,
        relay: Relay,
        callback_keys: Mapping[str, Any],
        telemetry: Telemetry,
        limits: Limits,
        header_bytes: int,
        body_bytes: int,
        proxies: TrustedProxies,
    ) -> None:
        self._dispatcher = dispatcher
        self._relay = relay
        self._callback_keys = json.dumps(callback_keys)
        self._telemetry = telemetry
        self._header_bytes = header_bytes
        self._proxies = proxies
        self.put_in_force(limits, body_bytes=body_bytes)

    def put_in_force(self, limits: Limits, *, body_bytes: int) -> None:
        """Hold every request from now on to these limits."""
        self._limits = limits
        self._body_bytes = body_bytes

    def application(self, *more: Callable[[web.Application], None]) -> web.Application:
        """The routes, those that ``more`` adds before them. Paths are taken raw: a name may hold an encoded slash."""
        app = web.Application()
        for add_routes in more:
            add_routes(app)
        app.router.add_route("POST", CALLBACK_PATH, self.completion, expect_handler=not_yet)
        app.router.add_get(CALLBACK_KEYS_PATH, self.callback_keys)
        # Also with an encoded line feed, which a plain dot would not match.
        app.router.add_route("*", "/{tail:(?s:.*)}", self.operation, expect_handler=not_yet)
        return app

    async def operation(self, request: web.Request) -> web.Response:
        """One Nexus request."""
        headers = Headers(request.headers.items())
        form = FailureForm.CURRENT
        with self._telemetry.request_span(OTHER, headers, method=request.method) as span:
            request_id = str(uuid.uuid4())
            span.request_id(request_id)
            try:
                check_head(request, self._header_bytes)
                endpoint, target = split_target(request.raw_path)
                parsed = decode_request(request.method, target, headers, self._limits)
            except RemoteProtocolError as error:
                refusal = _answer(HandlerFailed(error.to_handler_error()), form, span)
                if isinstance(error, UnsafeHead):
                    # Whoever stands in front may see other requests in these bytes than we do.
                    refusal.force_close()
                return _method_refused(request, refusal, span) if _is_about_method(error) else refusal
            form = parsed.failure_form
            request_id = (parsed.request_id if isinstance(parsed, StartOperation) else None) or request_id
            span.verb(_VERBS[type(parsed)])
            span.request_id(request_id)
            incoming = Incoming(
                endpoint=endpoint,
                request=parsed,
                request_id=request_id,
                authorization=headers.get_all("authorization"),
                body=_Body(request, self._body_bytes),
                span=span,
                certificate=thumbprint(request),
                peer=self._proxies.client(request.remote or "", headers.get_all("x-forwarded-for")),
            )
            response = await self._dispatcher.dispatch(incoming)
            try:
                return _answer(response, form, span)
            except LocalProtocolError:
                # A handler's result, link or failure that no Nexus message can carry.
                _logger.exception("an answer could not be encoded")
                return _answer(internal(incoming.correlation), form, span)

    async def completion(self, request: web.Request) -> web.Response:
        """One completion from the engine."""
        headers = Headers(request.headers.items())
        with self._telemetry.request_span("completion", headers, method=request.method) as span:
            span.request_id(str(uuid.uuid4()))
            try:
                error = await self._relay.relay(headers, _Body(request, COMPLETION_BYTES), span)
            except Exception:
                # Whatever it is, the engine keeps the completion and brings it again.
                _logger.exception("a completion could not be dealt with")
                error = HandlerError("internal error", type=HandlerErrorType.UNAVAILABLE)
            if error is not None:
                return _answer(HandlerFailed(error), FailureForm.CURRENT, span)
            span.outcome("succeeded")
            span.status(200)
            return web.Response()

    async def callback_keys(self, request: web.Request) -> web.Response:
        """The public keys of callback signatures (RFC 7517, section 8.5.1); everybody may have them."""
        del request
        headers = {"Content-Type": "application/jwk-set+json", "Cache-Control": "public, max-age=300"}
        return web.Response(text=self._callback_keys, headers=headers)


def check_head(request: web.Request, header_bytes: int) -> None:
    """Raise UnsafeHead for a head that is too long, or that another server could read differently."""
    lines = sum(len(name) + len(value) + 4 for name, value in request.headers.items())
    if len(request.method) + len(request.raw_path) + lines > header_bytes:
        raise UnsafeHead(f"the headers are longer than {header_bytes} bytes")
    if request.version not in _VERSIONS:
        raise UnsafeHead("the request must be HTTP/1.1")
    if request.headers.get("Transfer-Encoding", "chunked").lower() != "chunked":
        raise UnsafeHead("header Transfer-Encoding: must be chunked, alone")


class UnsafeHead(RemoteProtocolError):
    """A head after which the connection is not used again."""


class _Body:
    def __init__(self, request: web.Request, limit: int) -> None:
        self._request = request
        self._limit = limit

    async def read(self) -> bytes:
        """All of the body, unless it is longer than the limit; nothing is kept beyond that."""
        try:
            return await read_body(self._request, self._limit)
        except BodyTooLong as error:
            # 400 and not 413, which Temporal takes for a passing fault and repeats for ever.
            raise RemoteProtocolError(f"the body {error}") from None
        except BodyTooLate as error:
            raise HandlerError(f"the body {error}", type=HandlerErrorType.REQUEST_TIMEOUT) from None
        except UnreadableBody as error:
            raise HandlerError(f"the body {error}", type=HandlerErrorType.BAD_REQUEST) from None


def _answer(response: NexusResponse, form: FailureForm, span: RequestSpan) -> web.Response:
    encoded: EncodedResponse = encode_response(response, form)
    span.status(encoded.status)
    span.outcome(_outcome(response))
    headers = CIMultiDict(encoded.headers)
    if isinstance(response, HandlerFailed) and response.error.type is HandlerErrorType.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = challenge(response.error.message)
    return web.Response(status=encoded.status, headers=headers, body=encoded.body)


def challenge(message: str) -> str:
    # RFC 6750, section 3, says what an error_description may hold; a handler's message may hold anything.
    return f'Bearer error="invalid_token", error_description="{_NOT_IN_DESCRIPTIONS.sub("?", message)}"'


def _is_about_method(error: RemoteProtocolError) -> bool:
    return error.error_type is HandlerErrorType.NOT_IMPLEMENTED


def _method_refused(request: web.Request, refused: web.Response, span: RequestSpan) -> web.Response:
    """As HTTP has it, 405 and not 501 (RFC 9110, section 15.5.6); a Nexus caller goes by the body, which stays."""
    path = request.raw_path.partition("?")[0]
    verb = path.rpartition("/")[2] if path.count("/") > _SEGMENTS_OF_OPERATION else None
    refused.set_status(405)
    refused.headers["Allow"] = _METHODS.get(verb, "GET, POST")
    span.status(405)
    return refused


def _outcome(response: NexusResponse) -> str:
    match response:
        case HandlerFailed():
            return response.error.type.value
        case OperationFailed():
            return response.error.state.value
        case _:
            return _OUTCOMES[type(response)]


def thumbprint(request: web.Request) -> str | None:
    """The SHA-256 thumbprint of the client's certificate (RFC 8705 section 3.1), where it has shown one."""
    connection = request.get_extra_info("ssl_object")
    certificate = connection.getpeercert(binary_form=True) if connection is not None else None
    if certificate is None:
        return None
    return base64.urlsafe_b64encode(hashlib.sha256(certificate).digest()).rstrip(b"=").decode("ascii")
