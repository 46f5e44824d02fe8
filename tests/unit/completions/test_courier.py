"""Attempts: signed, traced, kept to the configuration and to their destination's lane."""

from collections.abc import Sequence

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from gateway.completions import (
    Attempt,
    Courier,
    DestinationPolicy,
    Envelopes,
    Lanes,
    Sender,
    Shipment,
    Signer,
    derived_signing_keys,
)
from gateway.telemetry import Telemetry
from gateway.tokens import TokenKey
from tests.unit.completions.senders import ADDRESS, OK, TENANT, listening, policy
from tests.unit.otlp_sink import Sink, collecting, plain

KEYS = (TokenKey(id="k1", secret=bytes(32)),)
START = f"00-{'1' * 32}-{'2' * 16}-01"
LOOPBACK = policy("http://127.0.0.1:*")
GONE = b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"
BUSY = b"HTTP/1.1 503 Busy\r\nRetry-After: 9\r\nContent-Length: 0\r\n\r\n"


def telemetry(sink: Sink) -> Telemetry:
    return Telemetry.from_environment("gateway-test", sink.environ)


def a_courier(sender: Sender, subject: Telemetry, allowed: DestinationPolicy = LOOPBACK, patience: int = 5) -> Courier:
    return Courier(
        policy=allowed,
        lanes=Lanes(patience=patience),
        sender=sender,
        signer=Signer(derived_signing_keys(KEYS)),
        envelopes=Envelopes(KEYS),
        telemetry=subject,
    )


def a_shipment(port: int, headers: Sequence[tuple[str, str]] = ()) -> Shipment:
    return Shipment(
        id="ngd_1",
        tenant=TENANT,
        address=ADDRESS,
        url=f"http://127.0.0.1:{port}/done?key=secret",
        traceparent=START,
        headers=(("Nexus-Operation-State", "succeeded"), *headers),
        body=b"1",
        hops=1,
    )


async def test_each_attempt_is_a_span_that_is_linked_to_the_start() -> None:
    """The third one says that there were two before; where it goes is said, and nothing of the path."""
    async with collecting() as sink:
        async with telemetry(sink) as subject, listening(answer=GONE) as receiver, Sender() as sender:
            report = await a_courier(sender, subject).attempt(a_shipment(receiver.port), 2)
        (span,) = sink.spans
    assert Attempt.REFUSED is report.attempt
    assert ("nexus.callback orders.v1/process", Span.SPAN_KIND_CLIENT) == (span.name, span.kind)
    assert [("1" * 32, "2" * 16)] == [(link.trace_id.hex(), link.span_id.hex()) for link in span.links]
    assert Status.STATUS_CODE_ERROR == span.status.code
    assert {
        "http.request.method": "POST",
        "http.request.resend_count": 2,
        "http.response.status_code": 410,
        "error.type": "410",
        "server.address": "127.0.0.1",
        "server.port": receiver.port,
        "nexus.endpoint": "orders",
        "nexus.service": "orders.v1",
        "nexus.operation": "process",
        "nexus.callback.id": "ngd_1",
    } == plain(span.attributes)
    assert b"secret" not in span.SerializeToString()
    assert f"traceparent: 00-{span.trace_id.hex()}-{span.span_id.hex()}-" in receiver.requests[0].decode()


async def test_what_is_sent_is_signed_and_counts_its_hops() -> None:
    """A header that comes twice is sent twice."""
    links = (("Nexus-Link", "<a>"), ("Nexus-Link", "<b>"))
    subject = Telemetry.from_environment("test", {})
    async with listening() as receiver, Sender() as sender:
        await a_courier(sender, subject).attempt(a_shipment(receiver.port, links), 0)
    head = receiver.requests[0].decode()
    for line in ("webhook-id: ngd_1", "nexus-gateway-hops: 2", "Nexus-Link: <a>", "Nexus-Link: <b>"):
        assert f"\r\n{line}\r\n" in head
    assert "webhook-signature: v1a," in head


async def test_what_the_configuration_no_longer_allows_is_not_sent() -> None:
    subject = Telemetry.from_environment("test", {})
    async with listening() as receiver, Sender() as sender:
        report = await a_courier(sender, subject, policy("https://a.test")).attempt(a_shipment(receiver.port), 0)
    assert (Attempt.REFUSED, 0) == (report.attempt, receiver.connections)


async def test_a_destination_that_fails_is_left_alone_and_then_heard_again() -> None:
    """After so many failures nothing is sent; the report says when to come back."""
    subject = Telemetry.from_environment("test", {})
    async with listening(answer=BUSY) as receiver, Sender() as sender:
        courier = a_courier(sender, subject, patience=2)
        reports = [await courier.attempt(a_shipment(receiver.port), 0) for _ in range(4)]
        assert 2 == receiver.connections
    assert [Attempt.FAILED] * 2 + [Attempt.DEFERRED] * 2 == [report.attempt for report in reports]
    assert 9.0 == reports[0].retry_after
    assert 0 < (reports[3].retry_after or 0) <= 5


@pytest.mark.parametrize(
    ("answer", "delivered", "refused"), [(OK, True, False), (GONE, False, True), (BUSY, False, False)]
)
async def test_what_had_to_wait_is_opened_and_tried(answer: bytes, delivered: bool, refused: bool) -> None:
    subject = Telemetry.from_environment("test", {})
    async with listening(answer=answer) as receiver, Sender() as sender:
        envelope = Envelopes(KEYS).seal(a_shipment(receiver.port))
        tried = await a_courier(sender, subject).deliver("ngd_1", envelope, 1)
    assert (delivered, refused, True) == (tried.delivered, tried.refused, tried.made)


async def test_what_was_sealed_by_others_is_not_tried() -> None:
    subject = Telemetry.from_environment("test", {})
    async with listening() as receiver, Sender() as sender:
        foreign = Envelopes([TokenKey(id="k1", secret=bytes(range(32)))]).seal(a_shipment(receiver.port))
        with pytest.raises(ValueError, match="a key that this process has not"):
            await a_courier(sender, subject).deliver("ngd_1", foreign, 1)
        assert 0 == receiver.connections
