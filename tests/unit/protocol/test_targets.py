"""Paths are routed raw: what is percent-encoded is a name's, not the path's."""

from __future__ import annotations

import pytest
from nexusrpc import HandlerErrorType

from gateway.model import OperationAddress
from gateway.protocol import (
    Headers,
    LocalProtocolError,
    RemoteProtocolError,
    StartOperation,
    decode_name,
    decode_request,
    encode_name,
    join_target,
    result_location,
    split_target,
)


@pytest.mark.parametrize(
    ("target", "endpoint", "rest"),
    [
        ("/nexus/endpoints/orders/services/s/o", "orders", "/s/o"),
        ("/nexus/endpoints/a%2Fb/services/s/o?x=/nexus", "a/b", "/s/o?x=/nexus"),
        ("/nexus/endpoints/services/services/services/services", "services", "/services/services"),
        ("http://gateway.test:80/nexus/endpoints/e/services/s/o", "e", "/s/o"),
        ("HTTPS://gateway.test/nexus/endpoints/e/services/", "e", "/"),
    ],
)
def test_a_target_is_split_into_endpoint_and_rest(target: str, endpoint: str, rest: str) -> None:
    assert (endpoint, rest) == split_target(target)


@pytest.mark.parametrize(
    "target",
    [
        "",
        "/",
        "*",
        "/nexus",
        "/nexus/endpoints",
        "/nexus/endpoints/",
        "/nexus/endpoints/e",
        "/nexus/endpoints/e/",
        "/nexus/endpoints/e/services",
        "/nexus/endpoints/e/services?x=/services/",
        "/nexus/endpoints/e?x/services/s/o",
        "/nexus/endpoints/e/service/s/o",
        "/nexus/endpoints/e/servicesx/s/o",
        "/Nexus/endpoints/e/services/s/o",
        "/other?/nexus/endpoints/e/services/s/o",
        "//nexus/endpoints/e/services/s/o",
        "http://nexus/endpoints/e/services/s/o",
    ],
)
def test_a_path_outside_the_endpoints_is_not_found(target: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        split_target(target)
    assert HandlerErrorType.NOT_FOUND is caught.value.error_type


@pytest.mark.parametrize(
    "path", ["", "/", "/s", "s/o", "s/o/cancel", "/s/o/", "/s/o/info", "/s/o/t/cancel", "/s/o/Cancel"]
)
def test_a_path_that_is_no_operations_is_not_found(path: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode_request("POST", path, Headers())
    assert HandlerErrorType.NOT_FOUND is caught.value.error_type


@pytest.mark.parametrize(
    ("segment", "name"),
    [
        ("payments.v1", "payments.v1"),
        ("Ser%2Fvic%20e", "Ser/vic e"),
        ("%C3%BC", "ü"),
        ("ü", "ü"),
        ("%61%2b+", "a++"),
        ("%2E", "."),
        ("%2e%2E", ".."),
        (".%2e", ".."),
        ("...", "..."),
        ("%25", "%"),
        ("%F0%9F%92%B3", "\U0001f4b3"),
        ("a" * 1000, "a" * 1000),
    ],
)
def test_a_segment_is_one_name(segment: str, name: str) -> None:
    assert name == decode_name(segment, "service")


@pytest.mark.parametrize(
    "segment",
    [
        "",
        ".",
        "..",
        "a#b",
        "%",
        "%2",
        "%zz",
        "a%",
        "%00",
        "a%0Ab",
        "%7F",
        "%C2%85",
        "\x01",
        "a\x9bb",
        "%FF",
        "%C0%AF",
        "%ED%A0%80",
        "\udc80",
        "a" * 1001,
        "%C3%BC" * 501,
    ],
)
def test_a_segment_that_cannot_be_a_name_is_refused(segment: str) -> None:
    for path in (f"/{segment}/o", f"/s/{segment}"):
        with pytest.raises(RemoteProtocolError) as caught:
            decode_request("POST", path, Headers())
        assert HandlerErrorType.BAD_REQUEST is caught.value.error_type
        assert "name in the path" in caught.value.message
        assert caught.value.message.isprintable()


def test_two_spellings_of_one_name_are_one_name() -> None:
    plain = decode_request("POST", "/orders/quote", Headers())
    assert plain == decode_request("POST", "/%6Frder%73/%71uote", Headers())
    assert isinstance(plain, StartOperation)


@pytest.mark.parametrize("name", [".", "..", "a/b", "?", "ü", "%2F", "a b", "~-_."])
def test_a_name_comes_back_from_its_segment(name: str) -> None:
    segment = encode_name(name, "operation")
    assert name == decode_name(segment, "operation")
    assert not set("/?# ") & set(segment)


def test_an_endpoint_and_a_target_are_joined_again() -> None:
    joined = join_target("a/b", "/s/o?x=1")
    assert "/nexus/endpoints/a%2Fb/services/s/o?x=1" == joined
    assert ("a/b", "/s/o?x=1") == split_target(joined)


def test_an_endpoint_that_is_no_name_is_not_joined() -> None:
    with pytest.raises(LocalProtocolError):
        join_target("", "/s/o")


@pytest.mark.parametrize("base", ["http://gateway.test:8080", "http://gateway.test:8080/"])
def test_a_result_has_an_address_of_its_own(base: str) -> None:
    address = OperationAddress("orders", "Ser/vic e", "o")
    assert (
        "http://gateway.test:8080/nexus/endpoints/orders/services/Ser%2Fvic%20e/o/result?token=a%2Bb"
        == result_location(base, address, "a+b")
    )
