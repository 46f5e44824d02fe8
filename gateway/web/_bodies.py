"""Request bodies of ``/api/v1``: JSON, read up to the limit and not beyond."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from gateway.operations import invalid
from gateway.web._protocol import BODY_ERRORS

if TYPE_CHECKING:
    from aiohttp import web


async def read_body(request: web.Request, limit: int) -> bytes:
    """The whole body. Raises ApiError 400 where it is longer than ``limit`` bytes or declared as anything but JSON."""
    if (request.content_length or 0) > limit:
        raise invalid("body", f"is longer than {limit} bytes")
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.content.iter_any():
            size += len(chunk)
            if size > limit:
                raise invalid("body", f"is longer than {limit} bytes")
            chunks.append(chunk)
    except BODY_ERRORS:
        raise invalid("body", "ended early or is malformed") from None
    body = b"".join(chunks)
    if body and request.content_type != "application/json":
        raise invalid("Content-Type", "must be application/json")
    if "Content-Encoding" in request.headers:
        raise invalid("Content-Encoding", "is not supported; send the body as it is")
    return body


async def read_object(request: web.Request, limit: int, *known: str) -> dict[str, Any]:
    """The JSON object in the body, empty where there is none, with no member that is not ``known``.

    Raises:
        ApiError: 400, naming the member.
    """
    body = await read_body(request, limit)
    if not body:
        return {}
    try:
        value = json.loads(body)
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
