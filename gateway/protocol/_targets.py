"""Paths and queries, read raw: a name is one percent-encoded segment (specification: Operation Addressability)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote_to_bytes

from nexusrpc import HandlerErrorType

from gateway.protocol._errors import LocalProtocolError, RemoteProtocolError
from gateway.protocol._headers import utf8_length
from gateway.protocol._limits import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    from gateway.model import OperationAddress

ENDPOINTS_PREFIX: Final = "/nexus/endpoints/"
"""What the path of every endpoint begins with."""

SERVICES_INFIX: Final = "/services"
"""What stands between an endpoint and the service; it and what is before it are a Nexus client's base URL."""

# Beyond C0 and DEL, the C1 controls: terminals and logs obey them.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ORIGIN = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
# As they stand, these two are the path's own; every client and proxy on the way resolves them.
_DOTS: Final = {".": "%2E", "..": "%2E%2E"}
_SINGLE_PARAMETERS: Final = frozenset({"callback", "token", "wait"})
_VERB_DEPTH: Final = 3


def split_target(raw_target: str, limits: Limits = DEFAULT_LIMITS) -> tuple[str, str]:
    """The endpoint's name and the rest of the target, relative to its services, query included.

    Raises:
        RemoteProtocolError: NOT_FOUND for a path outside ``/nexus/endpoints/{endpoint}/services/``; BAD_REQUEST for an
            endpoint name that cannot be one.
    """
    origin = _ORIGIN.match(raw_target)
    path = raw_target[origin.end() :] if origin else raw_target
    if path.startswith(ENDPOINTS_PREFIX):
        endpoint, slash, rest = path[len(ENDPOINTS_PREFIX) :].partition("/")
        rest = slash + rest
        if rest.startswith(f"{SERVICES_INFIX}/") and "?" not in endpoint:
            return decode_name(endpoint, "endpoint", limits), rest[len(SERVICES_INFIX) :]
    raise _unknown_path()


def join_target(endpoint: str, target: str) -> str:
    """The inverse of ``split_target``: the whole path and query of a relative target at an endpoint."""
    return f"{ENDPOINTS_PREFIX}{encode_name(endpoint, 'endpoint')}{SERVICES_INFIX}{target}"


def result_location(public_url: str, address: OperationAddress, token: str) -> str:
    """The absolute URL at which the result of an operation can be waited for, for ``Location``."""
    target = f"{encode_path(address.service, address.operation)}/result{encode_query({'token': token})}"
    return f"{public_url.rstrip('/')}{join_target(address.endpoint, target)}"


def decode_path(path: str, limits: Limits) -> tuple[str, str, str | None]:
    """Service, operation and the verb behind them, None where there is none.

    Raises:
        RemoteProtocolError: NOT_FOUND where that is not what the path looks like; BAD_REQUEST for a malformed name.
    """
    root, *segments = path.split("/")
    if root or not _VERB_DEPTH - 1 <= len(segments) <= _VERB_DEPTH:
        raise _unknown_path()
    verb = segments[2] if len(segments) == _VERB_DEPTH else None
    if verb is not None and verb not in {"cancel", "result"}:
        raise _unknown_path()
    return decode_name(segments[0], "service", limits), decode_name(segments[1], "operation", limits), verb


def encode_path(service: str, operation: str) -> str:
    """The relative path of an operation; LocalProtocolError for a name that ``decode_path`` would not take."""
    return f"/{encode_name(service, 'service')}/{encode_name(operation, 'operation')}"


def decode_name(segment: str, what: str, limits: Limits = DEFAULT_LIMITS) -> str:
    """The name that one path segment holds; ``what`` is the part that errors name.

    Raises:
        RemoteProtocolError: empty, too long, a bad escape, not UTF-8, or with control characters.
    """
    if segment in _DOTS:
        raise RemoteProtocolError(f"{what} name in the path: dots alone must be percent-encoded")
    if "#" in segment:
        raise RemoteProtocolError(f"{what} name in the path: write # as %23")
    name = segment
    if "%" in segment or not segment.isascii():
        name = _unquote(segment, f"{what} name in the path")
    fault = _name_fault(name, limits)
    if fault is not None:
        raise RemoteProtocolError(f"{what} name in the path: {fault}")
    return name


def encode_name(name: str, what: str, limits: Limits = DEFAULT_LIMITS) -> str:
    """The name as one path segment; LocalProtocolError for one that ``decode_name`` would not take."""
    try:
        fault = _name_fault(name, limits)
        segment = quote(name, safe="")
    except UnicodeEncodeError:
        raise LocalProtocolError(f"{what} name: not Unicode text") from None
    if fault is not None:
        raise LocalProtocolError(f"{what} name: {fault}")
    return _DOTS.get(segment, segment)


def decode_query(query: str) -> dict[str, str]:
    """The parameters of a query; of one that came several times and is not ours, the last.

    Raises:
        RemoteProtocolError: a bad escape, text that is not UTF-8, or one of our parameters twice.
    """
    parameters: dict[str, str] = {}
    for pair in query.split("&"):
        raw_name, _, raw_value = pair.replace("+", " ").partition("=")
        name, value = _unquote(raw_name, "query"), _unquote(raw_value, "query")
        if name in _SINGLE_PARAMETERS and name in parameters:
            raise RemoteProtocolError(f"query parameter {name}: sent more than once; send it once")
        parameters[name] = value
    return parameters


def encode_query(parameters: dict[str, str]) -> str:
    """The parameters as a query, its question mark included; nothing for none."""
    pairs = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())
    return f"?{pairs}" if pairs else ""


def _unquote(text: str, part: str) -> str:
    if _BAD_ESCAPE.search(text):
        raise RemoteProtocolError(f"{part}: a % without two hexadecimal digits behind it; write % as %25")
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeError:
        raise RemoteProtocolError(f"{part}: not UTF-8; percent-encode its UTF-8 bytes") from None


def _name_fault(name: str, limits: Limits) -> str | None:
    if not name:
        return "empty; it must have at least one character"
    if utf8_length(name) > limits.name_bytes:
        return f"longer than {limits.name_bytes} bytes; shorten it"
    if _CONTROL.search(name):
        return "holds a control character; remove it"
    return None


def _unknown_path() -> RemoteProtocolError:
    return RemoteProtocolError("no such path", error_type=HandlerErrorType.NOT_FOUND)
