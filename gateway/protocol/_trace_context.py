"""Trace headers are passed on as they are; here is only what is well-formed (W3C Trace Context and Baggage)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gateway.protocol._errors import RemoteProtocolError, shown
from gateway.protocol._grammar import WORD

if TYPE_CHECKING:
    from collections.abc import Mapping

# Flags are any two digits: newer SDKs set more than the sampled bit. Later versions may go on behind a dash.
_TRACEPARENT = re.compile(
    r"(?!ff)(?:00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
    r"|(?!00)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-[!-~]*)?)"
)
_TRACESTATE_KEY = r"[a-z0-9][a-z0-9_*/-]{0,255}(?:@[a-z0-9_*/-]{1,14})?"
_TRACESTATE_MEMBER = re.compile(rf"{_TRACESTATE_KEY}=[ -+\--<>-~]{{0,255}}[!-+\--<>-~]")
_TRACESTATE_MEMBERS: Final = 32
# Wider than the W3C grammar by the quotation mark and the backslash, which occur.
_BAGGAGE_VALUE = r"[!-+\--:<-~]*"
_BAGGAGE_MEMBER = re.compile(
    rf"{WORD}[ \t]*=[ \t]*{_BAGGAGE_VALUE}(?:[ \t]*;[ \t]*{WORD}(?:[ \t]*=[ \t]*{_BAGGAGE_VALUE})?)*"
)
# The bounds of the first revision; the later one asks for at least 64 members in 8192 bytes.
_BAGGAGE_MEMBERS: Final = 180
_BAGGAGE_BYTES: Final = 8192

TRACE_HEADERS: Final = re.compile(
    r"traceparent|tracestate|baggage|b3|x-b3-.*|x-ot-.*|x-datadog-.*|uber-trace-id|uberctx-.*|x-amzn-trace-id|sentry-trace"
    r"|x-cloud-trace-context|elastic-apm-traceparent"
)
"""Lower-case names of the headers by which tracers of all kinds know a trace, to be matched in full."""


def check_trace_context(headers: Mapping[str, str]) -> None:
    """Check ``traceparent``, ``tracestate`` and ``baggage`` among lower-case headers, each where it is present.

    Raises:
        RemoteProtocolError: naming the one that is malformed or too large.
    """
    traceparent = headers.get("traceparent")
    if traceparent is not None and not _TRACEPARENT.fullmatch(traceparent):
        raise RemoteProtocolError(
            f"Traceparent: {shown(traceparent)} is not a W3C traceparent; write version-traceid-parentid-flags"
        )
    tracestate = headers.get("tracestate")
    if tracestate:
        _check_list("Tracestate", tracestate, _TRACESTATE_MEMBER, _TRACESTATE_MEMBERS)
    baggage = headers.get("baggage")
    if baggage:
        if len(baggage) > _BAGGAGE_BYTES:
            raise RemoteProtocolError(f"Baggage: larger than {_BAGGAGE_BYTES} bytes; send less")
        _check_list("Baggage", baggage, _BAGGAGE_MEMBER, _BAGGAGE_MEMBERS)


def _check_list(title: str, value: str, member: re.Pattern[str], limit: int) -> None:
    members = [stripped for part in value.split(",") if (stripped := part.strip(" \t"))]
    if len(members) > limit:
        raise RemoteProtocolError(f"{title}: {len(members)} members; at most {limit} may be sent")
    for number, text in enumerate(members, start=1):
        if not member.fullmatch(text):
            # Not quoted: baggage may be about people.
            raise RemoteProtocolError(f"{title}: member {number} is not key=value as W3C defines it")
