"""One connection, with a time limit on each of its phases.

aiohttp reads a request's head for as long as its sender takes; here every phase ends. Invariants:

- head: from the connection's first moment, or from the first byte after a request, wherever that comes, to the end of
  the headers; what is late is answered 408, what is too long 400, and the connection is closed;
- body: from the end of the headers to the body's last byte; whoever reads it gets a ``TimeoutError``;
- answer: from the moment the client does not take what is sent; the connection is cut;
- idle: between two requests; the connection is closed without a word.

What is no HTTP gets one short answer that repeats nothing of it, and one line in the log. Whose request it would have
been, a Nexus caller's or one of ``/api/v1``, is not known yet, so such an answer has the failures of both.

The phases are told apart by what aiohttp's parser has made of the bytes so far: ``data_received`` is where this class
looks.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from aiohttp import ClientPayloadError, http_exceptions, web
from nexusrpc import HandlerError, HandlerErrorType

from gateway.operations import api_error
from gateway.protocol import EncodedResponse, HandlerFailed, encode_response
from gateway.web._pieces import Pieces

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import StreamReader

    from gateway.web._proxies import TrustedProxies

    _Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_logger = logging.getLogger("gateway.web")

BODY_ERRORS: Final = (web.RequestPayloadError, http_exceptions.HttpProcessingError, ClientPayloadError)
"""What reading a body raises when its sender broke off, or broke the rules of its encoding."""

_INTERNAL: Final = 500
_SECONDS_BETWEEN_WARNINGS: Final = 10.0
_SECONDS_TO_UNWIND: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """What a connection may take; times are in seconds, ``per_address`` is connections of one address at a time."""

    header_bytes: int = 16 << 10
    header_timeout: float = 10.0
    body_timeout: float = 30.0
    write_timeout: float = 30.0
    idle_timeout: float = 120.0
    per_address: int = 12_000


class Connections:
    """How many connections each address has; those of ``proxies``, which many share, are not counted."""

    def __init__(self, limit: int, clock: Callable[[], float], proxies: TrustedProxies) -> None:
        self._limit = limit
        self._clock = clock
        self._proxies = proxies
        self._open: Counter[str] = Counter()
        self._warned_at = float("-inf")

    def enter(self, address: str) -> bool:
        """Count one more, unless the address has all it may have."""
        if self._proxies.trusts(address):
            return True
        if self._open[address] >= self._limit:
            self._warn(address)
            return False
        self._open[address] += 1
        return True

    def leave(self, address: str) -> None:
        """Count one less."""
        if self._proxies.trusts(address):
            return
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]

    def _warn(self, address: str) -> None:
        now = self._clock()
        if now - self._warned_at >= _SECONDS_BETWEEN_WARNINGS:
            self._warned_at = now
            _logger.warning("refused a connection: %s has %d of them already", address, self._limit)


class GuardedProtocol(web.RequestHandler):
    """A connection of the public or the admin listener."""

    __slots__ = (
        "_address",
        "_body",
        "_body_at_most",
        "_connections",
        "_head_bytes",
        "_limits",
        "_phase_timer",
        "_pieces",
        "_write_timer",
    )

    def __init__(
        self,
        manager: web.Server,
        *,
        loop: asyncio.AbstractEventLoop,
        limits: ConnectionLimits,
        connections: Connections,
    ) -> None:
        super().__init__(
            manager,
            loop=loop,
            keepalive_timeout=limits.idle_timeout,
            access_log=None,  # type: ignore[arg-type] # as the runner has it
            # A field may fill the whole head, and so may any number of them: the sum is what counts.
            max_line_size=limits.header_bytes,
            max_field_size=limits.header_bytes,
            max_headers=limits.header_bytes,
            auto_decompress=False,
        )
        self._limits = limits
        self._connections = connections
        self._address: str | None = None
        self._body: StreamReader | None = None
        self._body_at_most = 0
        self._head_bytes = 0
        self._pieces = Pieces()
        self._phase_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the head's time, or refuse the connection."""
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if isinstance(peer, tuple) else ""
        if not self._connections.enter(address):
            transport.abort()  # type: ignore[attr-defined] # every transport of a server has it
            return
        self._address = address
        super().connection_made(transport)
        # With this a client that takes nothing is noticed at the first byte that it does not take.
        transport.set_write_buffer_limits(high=0)  # type: ignore[attr-defined] # the same
        self._start_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop every timer and make room for another connection."""
        self._stop_phase()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
        if self._address is not None:
            self._connections.leave(self._address)
            self._address = None
        super().connection_lost(exc)

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109 - aiohttp's own signature
        """Give the request under way so many seconds to end, then cut it off.

        aiohttp would wait for as long once more after that.
        """
        self.close()
        if self._task_handler is not None:
            _, late = await asyncio.wait({self._task_handler}, timeout=timeout)
            for task in late:
                task.cancel()
        await super().shutdown(_SECONDS_TO_UNWIND)

    def data_received(self, data: bytes) -> None:
        """Let the parser read, and see which phase it has come to."""
        if self._force_close or (self._close and not self._body_is_under_way()):
            return
        if not data:
            # This is how aiohttp lets a parser go on that it has held back.
            self._parse(b"", ends_blank=False)
        self._pieces.put(data)
        while self._pieces and not self._parser_is_held_back():
            piece, ends_blank = self._pieces.take()
            self._parse(piece, ends_blank=ends_blank)

    def pause_writing(self) -> None:
        """The client does not take what was sent: give it a while."""
        super().pause_writing()
        self._write_timer = self._loop.call_later(self._limits.write_timeout, self._cut)

    def resume_writing(self) -> None:
        """The client has taken everything."""
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
        super().resume_writing()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = _INTERNAL,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what is no HTTP, or to what a view raised; nothing of either is in it."""
        del message, request
        if status < _INTERNAL or isinstance(exc, http_exceptions.HttpProcessingError):
            _logger.info("refused what is not HTTP/1.1: %s", type(exc).__name__)
            too_long = isinstance(exc, http_exceptions.LineTooLong)
            text = self._too_long() if too_long else "the request is not well-formed HTTP/1.1"
            encoded = _unrouted(text, HandlerErrorType.BAD_REQUEST)
        elif isinstance(exc, ConnectionError):
            _logger.info("a client went away: %s", type(exc).__name__)
            encoded = _unrouted("the connection is gone", HandlerErrorType.INTERNAL)
        else:
            _logger.error("a request failed in the HTTP server", exc_info=exc)
            encoded = _unrouted("internal error", HandlerErrorType.INTERNAL)
        response = _Unsigned(status=encoded.status, headers=dict(encoded.headers), body=encoded.body)
        response.force_close()
        return response

    def log_exception(self, *args: object, **keywords: object) -> None:
        """One line for what a client broke off; a traceback for what is ours."""
        error = keywords.get("exc_info")
        if isinstance(error, BODY_ERRORS):
            _logger.info("a request's body ended early or was not well-formed: %s", type(error).__name__)
        else:
            super().log_exception(*args, **keywords)

    def _parse(self, piece: bytes, *, ends_blank: bool) -> None:
        seen, body = self._request_count, self._body
        in_body = self._body_is_under_way()
        if piece:
            # With all that came before it is parsed, only what it holds beyond its body can be the next head.
            read = body.total_bytes if in_body and body is not None else 0
            self._body_at_most = 0 if ends_blank else read + len(piece)
        closing, self._close = self._close, False
        # A connection that is to close takes no further request; the body of the last one may still arrive.
        super().data_received(piece)
        self._close = self._close or closing
        if self._request_count != seen:
            self._head_is_complete()
        elif in_body and body is not None:
            if body.is_eof():
                self._stop_phase()
                if self._body_at_most > body.total_bytes:
                    self._head_goes_on(self._body_at_most - body.total_bytes)
        elif piece:
            self._head_goes_on(len(piece))

    def _body_is_under_way(self) -> bool:
        return self._body is not None and not self._body.is_eof()

    def _parser_is_held_back(self) -> bool:
        return self._reading_paused or len(self._messages) >= self._max_msg_queue_size

    def _start_head(self) -> None:
        self._stop_phase()
        self._head_bytes = 0
        if self._keepalive_handle is not None:
            # To aiohttp a half-sent head is still a connection at rest.
            self._keepalive_handle.cancel()
            self._keepalive_handle = None
        self._phase_timer = self._loop.call_later(self._limits.header_timeout, self._head_is_late)

    def _head_goes_on(self, size: int) -> None:
        if self._phase_timer is None:
            self._start_head()
        self._head_bytes += size
        if self._head_bytes > self._limits.header_bytes:
            self._give_up(_unrouted(self._too_long(), HandlerErrorType.BAD_REQUEST))

    def _too_long(self) -> str:
        return f"the headers are longer than {self._limits.header_bytes} bytes"

    def _head_is_complete(self) -> None:
        self._stop_phase()
        self._head_bytes = 0
        self._body = self._messages[-1][1] if self._messages else None
        if self._body_is_under_way():
            self._phase_timer = self._loop.call_later(self._limits.body_timeout, self._body_is_late)

    def _head_is_late(self) -> None:
        self._phase_timer = None
        if self._head_bytes:
            self._give_up(_unrouted("the headers did not arrive in time", HandlerErrorType.REQUEST_TIMEOUT))
        else:
            self.force_close()

    def _body_is_late(self) -> None:
        self._phase_timer = None
        if self._body is not None and not self._body.is_eof():
            self._body.set_exception(TimeoutError())

    def _give_up(self, answer: EncodedResponse) -> None:
        """Answer and close; where an earlier request is still under way its answer is the last one."""
        self._stop_phase()
        if self._request_in_progress or self._messages or self.transport is None:
            self.close()
            return
        _logger.info("refused a request before its headers were complete: status %d", answer.status)
        self.transport.write(_message(answer))
        self.force_close()

    def _cut(self) -> None:
        self._write_timer = None
        if self.transport is not None:
            self.transport.abort()

    def _stop_phase(self) -> None:
        if self._phase_timer is not None:
            self._phase_timer.cancel()
            self._phase_timer = None


def routed(handler: _Handler) -> _Handler:
    """``handler``, but for the words of the answer where it has no route: those of the protocol, and not aiohttp's."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPMethodNotAllowed as error:
            allowed = ", ".join(sorted(error.allowed_methods))
            encoded = _refusal(f"the method must be one of {allowed}", HandlerErrorType.NOT_IMPLEMENTED)
            headers = {**dict(encoded.headers), "Allow": allowed}
            return _Unsigned(status=error.status, headers=headers, body=encoded.body)
        except web.HTTPNotFound:
            encoded = _refusal("there is nothing here", HandlerErrorType.NOT_FOUND)
            return _Unsigned(status=encoded.status, headers=dict(encoded.headers), body=encoded.body)
        except web.HTTPExpectationFailed as error:
            # aiohttp's text would repeat what was sent.
            encoded = _unrouted("header Expect: must be 100-continue", HandlerErrorType.BAD_REQUEST)
            return _Unsigned(status=error.status, headers=dict(encoded.headers), body=encoded.body)

    return handle


async def without_server_header(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Do not say which software sent this."""
    del request
    response.headers.popall("Server", None)


class _Unsigned(web.Response):
    """A response that an application's signal does not see; it is without the header all the same."""

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.popall("Server", None)


def _refusal(text: str, kind: HandlerErrorType) -> EncodedResponse:
    return encode_response(HandlerFailed(HandlerError(text, type=kind)))


def _unrouted(text: str, kind: HandlerErrorType) -> EncodedResponse:
    """A refusal of what came to no route: with the members of both interfaces' failures, which do not meet."""
    refusal = _refusal(text, kind)
    body = {**json.loads(refusal.body), **api_error(HandlerError(text, type=kind), None, {}).body()}
    return replace(refusal, body=json.dumps(body).encode("ascii"))


def _message(answer: EncodedResponse) -> bytes:
    headers = (*answer.headers, ("Content-Length", str(len(answer.body))), ("Connection", "close"))
    lines = [f"HTTP/1.1 {answer.status} ", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("ascii") + answer.body
