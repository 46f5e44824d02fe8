"""``Prefer: wait=10``: how long a caller would rather wait than be answered at once (RFC 7240)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from gateway.protocol._durations import LONGEST, bounded
from gateway.protocol._errors import LocalProtocolError, RemoteProtocolError, shown
from gateway.protocol._grammar import parse_pair, parse_parameters, skip_gap

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME: Final = "Prefer"
_SECOND: Final = timedelta(seconds=1)
_SECONDS = re.compile(r"[0-9]{1,12}")


def decode_wait(values: Iterable[str]) -> timedelta | None:
    """The first ``wait`` preference of one or more ``Prefer`` fields, None without one; zero is a wait like any other.

    Raises:
        RemoteProtocolError: a field that is no list of preferences, or a wait that is no number of seconds.
    """
    waits = [wait for value in values for wait in _decode_field(value)]
    if not waits:
        return None
    text = waits[0]
    if not _SECONDS.fullmatch(text):
        raise RemoteProtocolError(f"{_NAME}: wait={shown(text)} is not a whole number of seconds; write wait=10")
    return bounded(int(text) * 1_000_000, f"wait={text}", _NAME, zero=True)


def encode_wait(wait: timedelta) -> str:
    """The preference to send; LocalProtocolError for what is not a whole number of seconds."""
    if wait % _SECOND or not timedelta(0) <= wait <= LONGEST:
        raise LocalProtocolError(f"{_NAME}: {wait} is not a whole number of seconds that can be sent")
    return f"wait={wait // _SECOND}"


def _decode_field(text: str) -> Iterable[str]:
    position = skip_gap(text, 0)
    while position < len(text):
        preference = parse_pair(text, position)
        end = position if preference is None else parse_parameters(text, preference[1])[1]
        if preference is None or (end < len(text) and text[end] != ","):
            raise RemoteProtocolError(f"{_NAME}: cannot read {shown(text[position:])}; write wait=10")
        (name, value), _ = preference
        if name == "wait":
            yield value
        position = skip_gap(text, end)
