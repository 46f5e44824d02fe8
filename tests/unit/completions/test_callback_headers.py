"""Which headers a caller may have sent with its completion."""

import pytest

from gateway.completions import header_fault

REFUSED = [
    "host",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "transfer_encoding",
    "upgrade",
    "expect",
    "via",
    "proxy-authorization",
    "proxy-connection",
    "http2-settings",
    "content-length",
    "content_length",
    "content-type",
    "content-encoding",
    "content-md5",
    "content-security-policy",
    "accept",
    "accept-encoding",
    "authorization",
    "cookie",
    "set-cookie",
    "forwarded",
    "x-forwarded-for",
    "x_forwarded_for",
    "x-forwarded-host",
    "x-real-ip",
    "true-client-ip",
    "x-auth-user",
    "remote-user",
    "nexus-operation-state",
    "nexus-operation-token",
    "nexus-link",
    "nexus-gateway-callback",
    "nexus-gateway-hops",
    "nexus_gateway_callback",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
    "temporal-nexus-failure-support",
    "temporal-namespace",
    "traceparent",
    "tracestate",
    "baggage",
    "b3",
    "x-b3-traceid",
    "x-amzn-trace-id",
    "user-agent",
    "date",
    "range",
    "if-none-match",
    "x-http-method-override",
    "x-original-url",
    "x-rewrite-url",
    "metadata-flavor",
    "metadata",
    "x-aws-ec2-metadata-token",
    "x-google-metadata-request",
    "sec-fetch-site",
    "origin",
    "x-envoy-internal",
    "x-amz-security-token",
    "signature",
    "client-cert",
]


@pytest.mark.parametrize("name", REFUSED)
def test_a_header_that_somebody_on_the_way_understands_is_refused(name: str) -> None:
    assert header_fault(name)


def test_there_are_enough_of_them() -> None:
    assert 40 <= len(REFUSED) == len(set(REFUSED))


@pytest.mark.parametrize(
    "name",
    ["token", "temporal-callback-token", "x-req", "x-request-id", "x-correlation-id", "order-id", "x_custom", "source"],
)
def test_a_header_of_the_receivers_own_is_let_through(name: str) -> None:
    assert header_fault(name) is None
