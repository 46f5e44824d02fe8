"""Parameters of lists, counts and actions, read strictly: the unknown, double or malformed is named, not guessed at."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from gateway.model import OperationStatus, PartialAddress
from gateway.operations._errors import invalid
from gateway.protocol import MAX_METADATA, RemoteProtocolError, decode_timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

MAX_PAGE_SIZE: Final = 200
DEFAULT_PAGE_SIZE: Final = 50
_METADATA: Final = "metadata."
_LONGEST: Final = 2000
_LONGEST_REASON: Final = 1000
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NAMES: Final = ("endpoint", "service", "operation", "caller", "query", "since", "until")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which operations a caller asks for, before it is known which of them it may see."""

    names: PartialAddress = field(default_factory=PartialAddress)
    statuses: frozenset[OperationStatus] = frozenset()
    since: datetime | None = None
    until: datetime | None = None
    subject: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    query: str = ""

    def with_statuses(self, statuses: frozenset[OperationStatus]) -> Wanted:
        """The same, of operations in these states."""
        return replace(self, statuses=statuses)

    def digest(self) -> str:
        """What stands for this filter: a page token goes with the filter that it came from."""
        parts = [
            self.names.endpoint,
            self.names.service,
            self.names.operation,
            sorted(self.statuses),
            self.since.isoformat() if self.since else None,
            self.until.isoformat() if self.until else None,
            self.subject,
            sorted(self.metadata.items()),
            self.query,
        ]
        return sha256(json.dumps(parts).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """How much of a list, and from where on."""

    size: int = DEFAULT_PAGE_SIZE
    token: str | None = None


def parse_list(parameters: Iterable[tuple[str, str]]) -> tuple[Wanted, Page]:
    """The filter and the page that a list's query string asks for.

    Raises:
        ApiError: 400, naming the parameter.
    """
    given = _once(parameters)
    page = Page(size=_page_size(given.pop("page_size", None)), token=given.pop("next_page_token", None) or None)
    return _wanted(given), page


def parse_filter(parameters: Iterable[tuple[str, str]]) -> Wanted:
    """The filter that a query string asks for. Raises as ``parse_list`` does."""
    return _wanted(_once(parameters))


def _wanted(given: dict[str, str]) -> Wanted:
    for name, value in given.items():
        # A variable that is not set where a request is put together must not select everything.
        if not value.strip():
            raise invalid(name, "must not be empty; leave it out for no filter")
    metadata = {
        name.removeprefix(_METADATA).lower(): given.pop(name) for name in [*given] if name.startswith(_METADATA)
    }
    if len(metadata) > MAX_METADATA or "" in metadata:
        raise invalid("metadata", f"name 1 to {MAX_METADATA} keys, each as metadata.<key>")
    statuses = _statuses(given.pop("status", None))
    for name in given:
        if name not in _NAMES:
            raise invalid(
                name, f"is not a parameter here; there are {', '.join((*_NAMES, 'status', 'metadata.<key>'))}"
            )
    since, until = (_moment(name, given.get(name)) for name in ("since", "until"))
    return Wanted(
        names=PartialAddress(
            endpoint=given.get("endpoint"), service=given.get("service"), operation=given.get("operation")
        ),
        statuses=statuses,
        since=since,
        until=until,
        subject=given.get("caller"),
        metadata=metadata,
        query=given.get("query", ""),
    )


def parse_reason(body: Mapping[str, Any]) -> str:
    """Why, as a body says it; empty where it does not. Raises ApiError 400."""
    reason = body.get("reason", "")
    if not isinstance(reason, str) or len(reason) > _LONGEST_REASON:
        raise invalid("body.reason", f"must be text of at most {_LONGEST_REASON} characters")
    return reason


def _once(parameters: Iterable[tuple[str, str]]) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in parameters:
        # Several statuses may be given as several parameters; nothing else makes sense twice.
        if name == "status" and name in given:
            given[name] += f",{value}"
            if len(given[name]) > _LONGEST:
                raise invalid(name, f"must be at most {_LONGEST} characters, all together")
            continue
        if name in given:
            raise invalid(name, "is given more than once")
        if len(value) > _LONGEST or _CONTROL.search(value):
            raise invalid(name, f"must be at most {_LONGEST} characters without control characters")
        given[name] = value
    return given


def _statuses(text: str | None) -> frozenset[OperationStatus]:
    if text is None:
        return frozenset()
    try:
        return frozenset(OperationStatus(name.strip()) for name in text.split(","))
    except ValueError:
        raise invalid("status", f"must be of {', '.join(OperationStatus)}; several are separated by commas") from None


def _page_size(text: str | None) -> int:
    if text is None:
        return DEFAULT_PAGE_SIZE
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MAX_PAGE_SIZE):
        raise invalid("page_size", f"must be a whole number from 1 to {MAX_PAGE_SIZE}")
    return int(text)


def _moment(name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return decode_timestamp(text, name)[0]
    except RemoteProtocolError:
        raise invalid(name, "must be an RFC 3339 timestamp such as 2026-11-22T03:12:47Z") from None
