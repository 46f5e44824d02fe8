"""W3C trace context and baggage in and out of plain header mappings.

What arrives here was written by a caller who may be anybody, so everything is capped, and what does not parse is as if
it had not been sent: the request then starts a trace of its own (W3C Trace Context, section 4.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from opentelemetry import baggage, trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway.protocol import TRACE_HEADERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, MutableMapping

_MAX_TRACEPARENT = 128
_MAX_TRACESTATE = 512
_MAX_BAGGAGE = 4096
_MAX_BAGGAGE_MEMBERS = 64

_TRACE_CONTEXT = TraceContextTextMapPropagator()


def extract(headers: Mapping[str, str]) -> Context:
    """The context that ``headers`` describe, on top of nothing.

    ``headers`` is case-insensitive or has lower-case names. A missing, malformed or oversized ``traceparent`` gives a
    context without a parent; an oversized ``tracestate`` or ``baggage`` is left out.
    """
    context = Context()
    traceparent = headers.get("traceparent")
    if traceparent and len(traceparent) <= _MAX_TRACEPARENT:
        carrier = {"traceparent": traceparent}
        tracestate = headers.get("tracestate")
        if tracestate and len(tracestate) <= _MAX_TRACESTATE:
            carrier["tracestate"] = tracestate
        context = _TRACE_CONTEXT.extract(carrier, context)
    members = headers.get("baggage")
    if members and len(members) <= _MAX_BAGGAGE:
        for key, value in _baggage_members(members):
            context = baggage.set_baggage(key, value, context)
    return context


def _baggage_members(header: str) -> Iterator[tuple[str, str]]:
    # The SDK's own parser logs what it drops, contents included; a caller's baggage has no business in our log.
    for member in header.split(",")[:_MAX_BAGGAGE_MEMBERS]:
        key, separator, value = member.partition(";")[0].partition("=")
        key, value = key.strip(" \t"), unquote(value.strip(" \t"))
        if separator and key.isascii() and key.isprintable() and value.isprintable() and " " not in key and key:
            yield key, value


def without_trace_context(headers: Mapping[str, str]) -> dict[str, str]:
    """``headers`` without those by which this or any other tracer knows a trace; names in lower case."""
    return {name: value for name, value in headers.items() if not TRACE_HEADERS.fullmatch(name)}


def inject(headers: MutableMapping[str, str]) -> None:
    """Write ``traceparent`` and ``tracestate`` of the current span into ``headers``.

    Baggage is not written: it is the caller's, and where these headers go is not for the caller to see.
    """
    _TRACE_CONTEXT.inject(headers)


def links_from(traceparents: Iterable[str]) -> list[trace.Link]:
    """Span links to the spans that ``traceparents`` name; malformed ones are left out."""
    contexts = (trace.get_current_span(extract({"traceparent": each})).get_span_context() for each in traceparents)
    return [trace.Link(context) for context in contexts if context.is_valid]
