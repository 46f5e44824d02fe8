"""Metadata and the request id in both its spellings."""

import pytest

from gateway.protocol import Headers, RemoteProtocolError, StartOperation, decode_request, encode_request


def start(*headers: tuple[str, str]) -> StartOperation:
    """The start that these headers make."""
    request = decode_request("POST", "/s/o", Headers(headers))
    assert isinstance(request, StartOperation)
    return request


def test_metadata_reach_the_request_and_not_the_handler() -> None:
    """Keys have no case; a handler gets its input, and nothing that is for finding it."""
    request = start(("Nexus-Gateway-Metadata-Team", "blue"), ("nexus-gateway-metadata-Run-7", "it's"))
    assert {"team": "blue", "run-7": "it's"} == request.metadata
    assert {} == request.headers
    assert ("Nexus-Gateway-Metadata-team", "blue") in encode_request(request).headers


@pytest.mark.parametrize(
    "headers",
    [
        [(f"Nexus-Gateway-Metadata-{number}", "x") for number in range(17)],
        [("Nexus-Gateway-Metadata-", "x")],
        [("Nexus-Gateway-Metadata-" + "k" * 65, "x")],
        [("Nexus-Gateway-Metadata-K", "x" * 513)],
        [("Nexus-Gateway-Metadata-K", "x\x01")],
        [("Nexus-Gateway-Metadata-K", "x"), ("nexus-gateway-metadata-k", "y")],
        [("Nexus-Request-Id", "a"), ("Idempotency-Key", "b")],
        [("Idempotency-Key", "")],
        [("Idempotency-Key", "a"), ("Idempotency-Key", "a")],
    ],
)
def test_too_much_or_too_odd_is_named(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(RemoteProtocolError, match=r"^(Nexus-Gateway-Metadata|Idempotency-Key)"):
        start(*headers)


def test_the_request_id_goes_by_either_name() -> None:
    assert "a" == start(("Idempotency-Key", "a")).request_id
    assert "a" == start(("Nexus-Request-Id", "a"), ("Idempotency-Key", "a")).request_id
