"""Request bodies: asked for only by who reads them, and read up to a limit and not beyond."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from aiohttp import HttpVersion11

from gateway.operations import ApiError, ErrorDetail, invalid
from gateway.web._protocol import BODY_ERRORS

if TYPE_CHECKING:
    from aiohttp import web


_SURROGATE: Final = re.compile(rb"\\u[dD]")


class UnreadableBody(Exception):
    """A body that broke off or is not well-formed; its text is what is wrong with it."""


class BodyTooLong(UnreadableBody):
    """A body that stays refused however often it is sent."""


class BodyTooLate(UnreadableBody):
    """A body that took longer than its connection lets it."""


async def read_body(request: web.Request, limit: int) -> bytes:
    """The whole body. Raises UnreadableBody; BodyTooLong as soon as it is known to exceed ``limit`` bytes."""
    if (request.content_length or 0) > limit:
        raise _too_long(limit)
    chunks: list[bytes] = []
    size = 0
    try:
        await _ask_for(request)
        while not request.content.at_eof():
            chunk = await request.content.readany()
            size += len(chunk)
            if size > limit:
                raise _too_long(limit)
            chunks.append(chunk)
    except BODY_ERRORS:
        raise UnreadableBody("ended early or is malformed") from None
    except TimeoutError:
        raise BodyTooLate("did not arrive in time") from None
    return b"".join(chunks)


async def read_json(request: web.Request, limit: int) -> bytes:
    """The whole body of a request to ``/api/v1``, as it is.

    Raises:
        ApiError: 400 where it is longer than ``limit`` bytes or declared as anything but JSON, 408 where it is late.
    """
    try:
        body = await read_body(request, limit)
    except BodyTooLate as error:
        detail = ErrorDetail(field="body", description=str(error))
        raise ApiError("UNAVAILABLE", f"body: {error}", detail, status=408) from None
    except UnreadableBody as error:
        raise invalid("body", str(error)) from None
    if body and request.content_type != "application/json":
        raise invalid("Content-Type", "must be application/json")
    if "Content-Encoding" in request.headers:
        raise invalid("Content-Encoding", "is not supported; send the body as it is")
    return body


async def read_object(request: web.Request, limit: int, *known: str) -> dict[str, Any]:
    """The JSON object in the body, empty where there is none, with no member that is not ``known``.

    Raises:
        ApiError: as ``read_json``, and 400 that names the member.
    """
    body = await read_json(request, limit)
    if not body:
        return {}
    try:
        value = json.loads(body)
        if _SURROGATE.search(body):
            # Half a surrogate pair is no text that could be passed on.
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise invalid("body", "is not valid JSON") from None
    if not isinstance(value, dict):
        raise invalid("body", "must be a JSON object")
    for name in value:
        if name not in known:
            raise invalid(f"body.{name}"[:200], f"is not known here; there are {', '.join(known) or 'none'}")
    return value


async def not_yet(request: web.Request) -> None:
    """Leave ``Expect: 100-continue`` to whoever reads the body: it is not asked for before its sender is known."""
    del request


def _too_long(limit: int) -> BodyTooLong:
    return BodyTooLong(f"is longer than {limit} bytes")


async def _ask_for(request: web.Request) -> None:
    """Let the body come where its sender waits for that (RFC 9110, section 10.1.1)."""
    if request.version == HttpVersion11 and request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # What was written so far is no part of the answer.
        request.writer.output_size = 0
