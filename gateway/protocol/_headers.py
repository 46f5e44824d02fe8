"""Header fields: an immutable case-insensitive mapping, what may stand in a value, and which of them travel on.

The table of what never reaches a handler is here and nowhere else: credentials end at the edge, the hops' own headers
end at the hop, and what looks like the gateway's or the engine's own is not taken from a caller.
"""

from __future__ import annotations

import re
from collections.abc import ItemsView, Iterable, Iterator, Mapping
from typing import Final, NamedTuple, TypeVar, overload

from gateway.protocol._errors import LocalProtocolError, RemoteProtocolError, printable, shown

HeaderItems = Iterable[tuple[str, str]]
_T = TypeVar("_T")

CALLBACK_PREFIX: Final = "nexus-callback-"
CONTENT_PREFIX: Final = "content-"

WITHHELD_HEADERS: Final = frozenset(
    {
        # Credentials: the verified caller travels instead.
        "authorization",
        "cookie",
        "set-cookie",
        # Of this connection alone (RFC 9110, section 7.6.1), or of this request's transport.
        "accept-encoding",
        "connection",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        # Identity that some proxy may have vouched for, but not to a handler.
        "forwarded",
        "x-real-ip",
        # Fields of the request with a place of their own.
        "nexus-link",
        "nexus-operation-token",
    }
)
WITHHELD_PREFIXES: Final = (
    CALLBACK_PREFIX,
    CONTENT_PREFIX,
    "nexus-gateway-",
    "proxy-",
    "temporal-",
    "x-forwarded-",
)
TRANSPORT_HEADERS: Final = frozenset(
    {
        "accept-encoding",
        "connection",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
COMPLETION_FIELDS: Final = frozenset(
    {
        "nexus-link",
        "nexus-operation-close-time",
        "nexus-operation-start-time",
        "nexus-operation-state",
        "nexus-operation-token",
    }
)

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Tab is the one control character that a field value may hold (RFC 9110, section 5.5).
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")


class Headers(Mapping[str, str]):
    """Header fields of one message: immutable, names case-insensitive and lower-case when listed.

    A field that came several times reads as its values joined by a comma and a space, which is what RFC 9110 (section
    5.3) lets any recipient do; ``get_all`` has them apart, in their order. Its repr shows no values: they hold secrets.
    """

    __slots__ = ("_repeated", "_values")

    def __init__(self, items: HeaderItems = ()) -> None:
        values: dict[str, str] = {}
        repeated: dict[str, list[str]] = {}
        for given, value in items:
            name = given.lower()
            if name in values:
                repeated.setdefault(name, [values[name]]).append(value)
            else:
                values[name] = value
        for name, several in repeated.items():
            values[name] = ", ".join(several)
        self._values = values
        self._repeated = {name: tuple(several) for name, several in repeated.items()}

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def __repr__(self) -> str:
        return f"Headers({', '.join(self._values)})"

    @overload
    def get(self, name: str, /) -> str | None: ...
    @overload
    def get(self, name: str, /, default: str | _T) -> str | _T: ...
    def get(self, name: str, /, default: object = None) -> object:
        """The field's value, or ``default``; without the exception that Mapping would raise and catch on each miss."""
        return self._values.get(name.lower(), default)

    def items(self) -> ItemsView[str, str]:
        """Lower-case names and their (joined) values, in the order in which the names first came."""
        return self._values.items()

    def get_all(self, name: str) -> tuple[str, ...]:
        """Every value of the field, one for each time it came; empty where it did not."""
        name = name.lower()
        if name in self._repeated:
            return self._repeated[name]
        return (self._values[name],) if name in self._values else ()

    @property
    def repeated(self) -> frozenset[str]:
        """Lower-case names of the fields that came more than once."""
        return frozenset(self._repeated)


class SortedHeaders(NamedTuple):
    """The headers of a request by whom they are for; callback headers without their prefix."""

    handler: dict[str, str]
    callback: dict[str, str]
    content: dict[str, str]


def sort_headers(headers: Headers) -> SortedHeaders:
    """Part the handler's headers from the callback's and the content's, leaving out what is withheld.

    Raises:
        RemoteProtocolError: a value with control characters or bytes that are not UTF-8.
    """
    sorted_headers = SortedHeaders({}, {}, {})
    handler, callback, content = sorted_headers
    hop = _named_by_connection(headers)
    for name, value in headers.items():
        if name in WITHHELD_HEADERS or name in hop:
            continue
        if name.startswith(WITHHELD_PREFIXES):
            if name.startswith(CONTENT_PREFIX):
                content[name] = value
            elif name.startswith(CALLBACK_PREFIX):
                callback[name.removeprefix(CALLBACK_PREFIX)] = value
            else:
                continue
        else:
            handler[name] = value
        if not (value.isascii() and value.isprintable()):
            check_received(name, value)
    return sorted_headers


def passed_on(headers: Headers, own: frozenset[str]) -> dict[str, str]:
    """The headers of a message without the transport's, the content's and ``own``, which have a place of their own.

    Raises:
        RemoteProtocolError: a value with control characters or bytes that are not UTF-8.
    """
    out = TRANSPORT_HEADERS | own | _named_by_connection(headers)
    kept = {name: value for name, value in headers.items() if name not in out and not name.startswith(CONTENT_PREFIX)}
    for name, value in kept.items():
        check_received(name, value)
    return kept


def refuse_repeated(headers: Headers, singletons: frozenset[str]) -> None:
    """Refuse a message that sends twice what it may send once: which of the two is meant would be a guess.

    Raises:
        RemoteProtocolError: naming the header.
    """
    for name in headers.repeated:
        if name in singletons or name.startswith(CALLBACK_PREFIX):
            raise RemoteProtocolError(f"{header_title(name)}: sent more than once; send it once")


def check_received(name: str, value: str) -> None:
    """Raise RemoteProtocolError for a value that a header may not have."""
    fault = value_fault(value)
    if fault is not None:
        raise RemoteProtocolError(f"{header_title(name)}: the value {fault}; remove or encode it")


def is_own(name: str) -> bool:
    """Whether a message's own transport, content or completion fields go by this lower-case name."""
    return name in TRANSPORT_HEADERS or name in COMPLETION_FIELDS or name.startswith(CONTENT_PREFIX)


def is_token(name: str) -> bool:
    """Whether this can be a header's name (RFC 9110, section 5.1)."""
    return _NAME.fullmatch(name) is not None


def checked(name: str, value: str) -> tuple[str, str]:
    """A header to send; LocalProtocolError for a name or value that would not arrive as it is."""
    if not is_token(name):
        raise LocalProtocolError(f"header name {shown(name)} is not an HTTP token")
    fault = value_fault(value)
    if fault is None and value != value.strip(" \t"):
        fault = "begins or ends with white space"
    if fault is not None:
        raise LocalProtocolError(f"{name}: the value {fault}")
    return name, value


def value_fault(value: str) -> str | None:
    """What forbids this text as a header value, or None (RFC 9110, section 5.5; UTF-8 is allowed as in practice)."""
    if value.isascii() and value.isprintable():
        return None
    if _CONTROL.search(value):
        return "holds a control character"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "holds bytes that are not UTF-8"
    return None


def header_title(name: str) -> str:
    """The name as people write it: ``nexus-request-id`` is Nexus-Request-Id; safe in a message."""
    return printable(name).title()


def utf8_length(text: str) -> int:
    """Length in bytes, counting what is not UTF-8 as the bytes it came from."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _named_by_connection(headers: Headers) -> frozenset[str]:
    """Headers that this connection's hop declares its own."""
    value = headers.get("connection")
    if value is None:
        return frozenset()
    return frozenset(name.strip().lower() for name in value.split(","))
