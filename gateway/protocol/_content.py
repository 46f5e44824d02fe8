"""Content headers: the forms a body comes in (specification: Content Types), spelled one way only.

Temporal takes a JSON type with any parameter, or any further ``Content-*`` header, for an encoding that it does not
know, and a workflow that waits for such a result never gets on. So what comes in is brought to the one spelling, and
nothing but ``Content-Type`` goes out.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from gateway.protocol._errors import LocalProtocolError, RemoteProtocolError, shown
from gateway.protocol._grammar import WORD, parse_parameters
from gateway.protocol._headers import CONTENT_PREFIX, checked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nexusrpc import Content

JSON: Final = "application/json"
OCTETS: Final = "application/octet-stream"
PROTOBUF: Final = "application/x-protobuf"
PAYLOAD: Final = "application/x-temporal-payload"

# The media types with a form of their own, and their forms by the parameters that make them.
_FORMS: Final[Mapping[str, frozenset[tuple[str, ...]]]] = {
    JSON: frozenset({(), ("format", "message-type")}),
    OCTETS: frozenset({()}),
    PROTOBUF: frozenset({("message-type",)}),
    PAYLOAD: frozenset({()}),
}
_MEDIA_TYPE = re.compile(rf"[ \t]*({WORD}/{WORD})")
_CONSTANTS = re.compile(rb"NaN|Infinity")
_MESSAGE_TYPE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")


def decode_content_headers(received: Mapping[str, str]) -> dict[str, str]:
    """The content headers a body keeps, given all that came, by lower-case names.

    The type is in its one spelling, a UTF-8 charset of JSON dropped; the length and the identity encoding are gone.

    Raises:
        RemoteProtocolError: an encoding, charset or parameter that none of the forms has.
    """
    kept = {name: value for name, value in received.items() if name != "content-length"}
    encoding = kept.pop("content-encoding", "identity")
    if encoding.strip().lower() != "identity":
        raise RemoteProtocolError(f"Content-Encoding: {shown(encoding)} is not supported; send the body as it is")
    content_type = kept.get("content-type")
    if content_type is not None:
        kept["content-type"] = _normalize(content_type)
    return kept


def check_body(content_headers: Mapping[str, str], body: bytes) -> None:
    """Check that a body and the headers that came with it are one of the forms.

    Raises:
        RemoteProtocolError: a body without a type, which only null, an empty body, may lack; or empty JSON.
    """
    fault = _mismatch(content_headers.get("content-type"), body)
    if fault is not None:
        raise RemoteProtocolError(f"Content-Type: {fault}")


def check_json(content_headers: Mapping[str, str], body: bytes) -> None:
    """Check that JSON holds no NaN and no Infinity: many parsers take them, but to JSON they are no numbers (RFC 8259).

    Raises:
        RemoteProtocolError: it does.
    """
    if not _CONSTANTS.search(body) or media_type(content_headers.get("content-type", "")) != JSON:
        return
    # Within a text they may stand. What is no JSON at all is told by whoever reads it.
    with suppress(ValueError, RecursionError):
        json.loads(body, parse_constant=_no_number)


def _no_number(name: str) -> None:
    raise RemoteProtocolError(f"{name} is no number in JSON; send null or a text in its place")


def encode_content_headers(content: Content) -> tuple[tuple[str, str], ...]:
    """The headers of a result: its type in the one spelling, or none for null.

    Raises:
        LocalProtocolError: a form that the protocol does not have, or one that does not fit the body.
    """
    headers = {name.lower(): value for name, value in content.headers.items()}
    try:
        content_type = decode_content_headers(headers).get("content-type")
    except RemoteProtocolError as error:
        raise LocalProtocolError(error.message) from None
    fault = _mismatch(content_type, content.data)
    if fault is not None:
        raise LocalProtocolError(f"Content-Type: {fault}")
    return () if content_type is None else (checked("Content-Type", content_type),)


def sent_content_headers(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Content headers of a request whose body comes later, titled, as they are given.

    Raises:
        LocalProtocolError: a header of another kind among them, or one that cannot be sent.
    """
    for name in headers:
        if not name.lower().startswith(CONTENT_PREFIX):
            raise LocalProtocolError(f"{shown(name)} is not a content header")
    return tuple(checked(name.title(), value) for name, value in headers.items())


def media_type(content_type: str) -> str:
    """The media type in lower case, without parameters; empty where there is none to read."""
    match = _MEDIA_TYPE.match(content_type)
    return match[1].lower() if match else ""


def _mismatch(content_type: str | None, body: bytes) -> str | None:
    if content_type is None:
        return "missing; name the type of the body, for example application/json" if body else None
    if not body and media_type(content_type) == JSON:
        return "application/json with an empty body; leave the type out for null"
    return None


def _normalize(content_type: str) -> str:
    if () in _FORMS.get(content_type, ()):
        return content_type
    match = _MEDIA_TYPE.match(content_type)
    if match is None:
        raise RemoteProtocolError(f"Content-Type: {shown(content_type)} is not a media type")
    media = match[1].lower()
    forms = _FORMS.get(media)
    if forms is None:
        return content_type
    parameters, end = parse_parameters(content_type, match.end())
    if end != len(content_type):
        raise RemoteProtocolError(f"Content-Type: cannot read {shown(content_type[end:])}")
    named = dict(sorted(parameters))
    if len(named) != len(parameters):
        raise RemoteProtocolError("Content-Type: a parameter is there twice; send it once")
    if media == JSON and named.pop("charset", "utf-8").lower() not in {"utf-8", "utf8"}:
        raise RemoteProtocolError("Content-Type: JSON is sent in UTF-8 only; leave the charset out")
    if tuple(named) not in forms:
        raise RemoteProtocolError(f"Content-Type: {media} does not come with the parameters {shown(', '.join(named))}")
    return "; ".join((media, *(f"{name}={_parameter(name, value)}" for name, value in named.items())))


def _parameter(name: str, value: str) -> str:
    if name == "format" and value.lower() == "protobuf":
        return "protobuf"
    if name == "message-type" and _MESSAGE_TYPE.fullmatch(value):
        return value
    raise RemoteProtocolError(f"Content-Type: {name} cannot be {shown(value)}")
