"""Spans as a collector receives them."""

from __future__ import annotations

import asyncio

import pytest
from nexusrpc import HandlerErrorType
from opentelemetry import baggage
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from gateway.model import TraceContext
from gateway.telemetry import Telemetry, request_id
from tests.unit.otlp_sink import Sink, collecting, plain

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


CALLERS = {
    "traceparent": TRACEPARENT,
    "tracestate": "vendor=1",
    "baggage": "user=alice",
    "b3": f"{TRACE}-{PARENT}-1",
    "accept": "*/*",
}
TRUSTED, LINKED, STRANGER = "https://trusted.test", "https://linked.test", "https://stranger.test"
TWO = {TRUSTED: TraceContext.CONTINUE, LINKED: TraceContext.LINK}
ALL = {**TWO, STRANGER: TraceContext.RESTART}


def telemetry(sink: Sink) -> Telemetry:
    return Telemetry.from_environment("gateway-test", sink.environ, version="1.2.3", instance_id="one")


async def test_a_request_span_continues_the_callers_trace_and_says_what_was_asked() -> None:
    async with collecting() as sink:
        async with telemetry(sink) as subject:
            with subject.request_span("start", {"traceparent": TRACEPARENT, "tracestate": "vendor=1"}) as span:
                span.request_id("r-1")
                span.name("orders", "orders.v1", "quote")
                span.outcome("succeeded")
                span.status(200)
                assert TRACE == span.trace_id == subject.current_trace_id()
        (exported,) = sink.spans
    assert ("nexus.start orders.v1/quote", Span.SPAN_KIND_SERVER) == (exported.name, exported.kind)
    assert (TRACE, PARENT) == (exported.trace_id.hex(), exported.parent_span_id.hex())
    assert "vendor=1" == exported.trace_state
    assert Status.STATUS_CODE_UNSET == exported.status.code
    assert {
        "rpc.system.name": "nexus",
        "rpc.method": "orders.v1/quote",
        "nexus.endpoint": "orders",
        "nexus.service": "orders.v1",
        "nexus.operation": "quote",
        "nexus.request_id": "r-1",
        "nexus.outcome": "succeeded",
        "http.request.method": "POST",
        "http.response.status_code": 200,
    } == plain(exported.attributes)
    expected = {"service.name": "gateway-test", "service.version": "1.2.3", "service.instance.id": "one"}
    assert expected.items() <= sink.resources[0].items()


async def test_names_that_the_registry_does_not_know_are_other() -> None:
    async with collecting() as sink, telemetry(sink) as subject:
        with subject.request_span("start", {}) as span:
            span.outcome("NOT_FOUND")
        with subject.request_span("cancel", {}) as span:
            span.name("orders", "orders.v1", None)
            span.outcome("NOT_FOUND")
    assert ["nexus.start _OTHER/_OTHER", "nexus.cancel orders.v1/_OTHER"] == [span.name for span in sink.spans]
    assert "_OTHER" == plain(sink.spans[0].attributes)["nexus.endpoint"]


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "junk",
        f"00-{TRACE}-{PARENT}",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01-more",
        f"cc-{TRACE}-{PARENT}-01-{'x' * 200}",
        f"{TRACEPARENT},{TRACEPARENT}",
    ],
)
async def test_a_malformed_traceparent_starts_a_new_trace(traceparent: str) -> None:
    async with Telemetry.from_environment("t", {}) as subject:
        with subject.request_span("start", {"traceparent": traceparent, "tracestate": "a=b"}) as span:
            assert span.trace_id not in {TRACE, "0" * 32}
            assert 32 == len(span.trace_id)


@pytest.mark.parametrize("traceparent", [TRACEPARENT, f"00-{TRACE}-{PARENT}-03", f"cc-{TRACE}-{PARENT}-01-future"])
async def test_other_flags_and_later_versions_are_accepted(traceparent: str) -> None:
    async with Telemetry.from_environment("t", {}) as subject:
        with subject.request_span("start", {"traceparent": traceparent}) as span:
            assert TRACE == span.trace_id


async def test_an_oversized_tracestate_is_left_out_and_the_trace_goes_on() -> None:
    async with Telemetry.from_environment("t", {}) as subject:
        headers = {"traceparent": TRACEPARENT, "tracestate": ",".join(f"k{n}={'v' * 20}" for n in range(30))}
        with subject.request_span("start", headers) as span:
            injected: dict[str, str] = {}
            subject.inject(injected)
            assert TRACE == span.trace_id
    assert {"traceparent"} == injected.keys()


@pytest.mark.parametrize(
    ("header", "members"),
    [
        ("user=alice,team=a%20b;ttl=1", {"user": "alice", "team": "a b"}),
        ("user", {}),
        ("=x, ,b = c ", {"b": "c"}),
        ("a=%0Ab,c=d", {"c": "d"}),
        ("x=" + "y" * 5000, {}),
        (",".join(f"k{n}=v" for n in range(500)), {f"k{n}": "v" for n in range(64)}),
    ],
)
async def test_baggage_is_readable_inside_and_capped(header: str, members: dict[str, str]) -> None:
    async with Telemetry.from_environment("t", {}) as subject:
        with subject.request_span("start", {"baggage": header}):
            assert members == dict(baggage.get_all())


async def test_baggage_is_not_handed_on_to_whoever_gets_the_headers() -> None:
    async with Telemetry.from_environment("t", {}) as subject:
        headers: dict[str, str] = {}
        with subject.request_span("start", {"traceparent": TRACEPARENT, "baggage": "secret=1"}):
            subject.inject(headers)
    assert {"traceparent"} == headers.keys()
    assert f"00-{TRACE}-" == headers["traceparent"][:36]


SERVER_FAULTS = {"UNKNOWN", "INTERNAL", "NOT_IMPLEMENTED", "UNAVAILABLE", "UPSTREAM_TIMEOUT"}


@pytest.mark.parametrize(
    "outcome",
    ["succeeded", "started", "failed", "canceled", "running", *(kind.value for kind in HandlerErrorType)],
)
async def test_only_outcomes_of_500_and_above_are_errors(outcome: str) -> None:
    async with collecting() as sink, telemetry(sink) as subject:
        with subject.request_span("start", {}) as span:
            span.outcome(outcome)
    (exported,) = sink.spans
    expected = Status.STATUS_CODE_ERROR if outcome in SERVER_FAULTS else Status.STATUS_CODE_UNSET
    assert expected == exported.status.code
    assert outcome == plain(exported.attributes)["nexus.outcome"]


async def test_an_outcome_outside_of_the_table_is_other() -> None:
    async with collecting() as sink, telemetry(sink) as subject:
        with subject.request_span("start", {}) as span:
            span.outcome("whatever a plugin made up")
    assert "_OTHER" == plain(sink.spans[0].attributes)["nexus.outcome"]


@pytest.mark.parametrize(
    ("error", "outcome"), [(ValueError("Bearer secret"), "INTERNAL"), (asyncio.CancelledError(), "aborted")]
)
async def test_an_exception_ends_the_span_and_leaves_no_message_behind(error: BaseException, outcome: str) -> None:
    async with collecting() as sink, telemetry(sink) as subject:
        with pytest.raises(type(error)), subject.request_span("start", {}):
            raise error
    (exported,) = sink.spans
    assert outcome == plain(exported.attributes)["nexus.outcome"]
    assert [] == list(exported.events)
    assert b"secret" not in exported.SerializeToString()


async def test_the_request_id_is_current_until_the_span_ends() -> None:
    async with Telemetry.from_environment("t", {}) as subject:
        with subject.request_span("start", {}) as span:
            span.request_id("first")
            span.request_id("second")
            assert "second" == request_id.get()
        assert None is request_id.get()
        assert None is subject.current_trace_id()


async def test_requests_that_run_side_by_side_keep_their_own_trace() -> None:
    async with Telemetry.from_environment("t", {}) as subject:

        async def one() -> tuple[str, str | None]:
            with subject.request_span("start", {}) as span:
                await asyncio.sleep(0.01)
                return span.trace_id, subject.current_trace_id()

        pairs = await asyncio.gather(*(one() for _ in range(20)))
    assert 20 == len({trace for trace, _ in pairs})
    assert all(trace == current for trace, current in pairs)


async def test_a_client_span_is_a_child_and_links_to_what_it_belongs_to() -> None:
    other = f"00-{'1' * 32}-{'2' * 16}-01"
    async with collecting() as sink, telemetry(sink) as subject:
        with (
            subject.request_span("completion", {"traceparent": TRACEPARENT}),
            subject.client_span("nexus.callback", {"server.port": 80}, links=[other, "junk"]) as span,
        ):
            span.attribute("http.request.resend_count", 2)
            span.event("refused", {"status": 410})
            span.fail("410")
    client, server = sink.spans
    assert Span.SPAN_KIND_CLIENT == client.kind
    assert (server.trace_id, server.span_id) == (client.trace_id, client.parent_span_id)
    assert ["1" * 32] == [link.trace_id.hex() for link in client.links]
    assert {"server.port": 80, "http.request.resend_count": 2, "error.type": "410"} == plain(client.attributes)
    assert ["refused"] == [event.name for event in client.events]
    assert Status.STATUS_CODE_ERROR == client.status.code


async def test_a_client_span_that_raises_keeps_the_class_and_not_the_message() -> None:
    async with collecting() as sink, telemetry(sink) as subject:
        with pytest.raises(ConnectionError), subject.client_span("nexus.callback"):
            raise ConnectionError("http://host/?callback=secret")
    (exported,) = sink.spans
    assert "ConnectionError" == plain(exported.attributes)["error.type"]
    assert b"secret" not in exported.SerializeToString()


async def test_a_stored_traceparent_can_be_made_current_again() -> None:
    async with Telemetry.from_environment("t", {}) as subject:
        with subject.request_span("start", {"traceparent": TRACEPARENT}):
            stored = subject.current_traceparent()
        assert stored is not None
        with subject.remote_context({"traceparent": stored}):
            assert TRACE == subject.current_trace_id()
        assert None is subject.current_traceparent()


async def test_an_unsampled_parent_is_respected() -> None:
    async with collecting() as sink, telemetry(sink) as subject:
        with subject.request_span("start", {"traceparent": f"00-{TRACE}-{PARENT}-00"}) as span:
            assert TRACE == span.trace_id
    assert [] == sink.spans


@pytest.mark.parametrize("flags", ["00", "01"])
@pytest.mark.parametrize(
    ("issuer", "continued", "linked"), [(TRUSTED, True, False), (LINKED, False, True), (STRANGER, False, False)]
)
async def test_what_becomes_of_a_callers_trace_is_the_policy_of_its_issuer(
    flags: str, issuer: str, *, continued: bool, linked: bool
) -> None:
    """And with it, what of the caller's reaches others, and whether the caller's sampling counts."""
    traceparent = f"00-{TRACE}-{PARENT}-{flags}"
    async with collecting() as sink, telemetry(sink) as subject:
        subject.believe(ALL)
        with subject.request_span("start", {**CALLERS, "traceparent": traceparent}) as span:
            assert None is subject.current_trace_id()
            await asyncio.sleep(0.02)
            span.caller(issuer)
            assert continued is (TRACE == span.trace_id)
            assert span.trace_id == subject.current_trace_id()
            assert ({"user": "alice"} if continued else {}) == dict(baggage.get_all())
            handed = span.handed_on({**CALLERS, "traceparent": traceparent})
    theirs = {"tracestate", "baggage", "b3"}
    assert {"traceparent", "accept", *(theirs if continued else ())} == handed.keys()
    assert f"00-{span.trace_id}-" == handed["traceparent"][:36]
    assert PARENT not in handed["traceparent"]
    if continued and flags == "00":
        assert [] == sink.spans
        return
    (exported,) = sink.spans
    assert ((PARENT, "vendor=1") if continued else ("", "")) == (exported.parent_span_id.hex(), exported.trace_state)
    assert ([(TRACE, PARENT, "")] if linked else []) == [
        (link.trace_id.hex(), link.span_id.hex(), link.trace_state) for link in exported.links
    ]
    # What it took to know the caller is part of the request.
    assert 20_000_000 < exported.end_time_unix_nano - exported.start_time_unix_nano


@pytest.mark.parametrize(("policies", "linked"), [(TWO, True), (ALL, False)])
async def test_who_is_never_known_is_trusted_as_the_least_trusted(
    policies: dict[str, TraceContext], *, linked: bool
) -> None:
    async with collecting() as sink, telemetry(sink) as subject:
        subject.believe(policies)
        with subject.request_span("start", CALLERS) as span:
            span.outcome("UNAUTHENTICATED")
        with subject.request_span("start", CALLERS) as span:
            asked = span.trace_id
            # Too late: the answer and the log have told that id already.
            span.caller(TRUSTED)
            assert asked == span.trace_id == subject.current_trace_id()
        with subject.request_span("start", CALLERS) as span:
            span.caller("https://gone.test")
    assert 3 == len({span.trace_id for span in sink.spans} - {bytes.fromhex(TRACE)})
    assert [linked] * 3 == [bool(span.links) for span in sink.spans]


async def test_a_malformed_traceparent_is_linked_to_nothing() -> None:
    async with collecting() as sink, telemetry(sink) as subject:
        subject.believe({LINKED: TraceContext.LINK})
        with subject.request_span("start", {"traceparent": "junk"}) as span:
            span.caller(LINKED)
    assert [[]] == [list(span.links) for span in sink.spans]


async def test_what_the_engine_brings_back_is_the_gateways_own_trace() -> None:
    async with Telemetry.from_environment("t", {}) as subject:
        subject.believe(ALL)
        with subject.request_span("completion", CALLERS) as span:
            span.engine()
            assert TRACE == span.trace_id


async def test_where_everybody_is_trusted_the_span_begins_at_once() -> None:
    async with Telemetry.from_environment("t", {}) as subject:
        subject.believe({TRUSTED: TraceContext.CONTINUE})
        with subject.request_span("start", CALLERS):
            assert TRACE == subject.current_trace_id()


async def test_a_tracestate_that_was_too_large_to_take_is_not_handed_on() -> None:
    async with Telemetry.from_environment("t", {}) as subject:
        headers = {"traceparent": TRACEPARENT, "tracestate": ",".join(f"k{n}={'v' * 20}" for n in range(30))}
        with subject.request_span("start", headers) as span:
            assert {"traceparent"} == span.handed_on(headers).keys()
