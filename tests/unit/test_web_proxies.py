"""Where a request comes from, when something stands in between."""

from __future__ import annotations

import pytest

from gateway.web import TrustedProxies

PROXIES = TrustedProxies(["10.0.0.0/24", "192.0.2.7/32", "fd00::/8"])
PROXY = "10.0.0.1"


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        # Nobody who is not a proxy can say where it comes from.
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1", PROXY], "203.0.113.9"),
        ("10.0.1.1", ["198.51.100.1"], "10.0.1.1"),
        ("", ["198.51.100.1"], ""),
        # A proxy says it, and what stands further left was sent by whoever stands there.
        (PROXY, ["198.51.100.1"], "198.51.100.1"),
        (PROXY, ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
        (PROXY, ["1.1.1.1", "198.51.100.1"], "198.51.100.1"),
        (PROXY, ["1.1.1.1,198.51.100.1 "], "198.51.100.1"),
        (PROXY, ["nonsense, 198.51.100.1"], "198.51.100.1"),
        ("fd00::1", ["2001:DB8::0001"], "2001:db8::1"),
        # Through several proxies.
        (PROXY, ["1.1.1.1, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        (PROXY, ["198.51.100.1, 192.0.2.7, fd00::2, 10.0.0.2"], "198.51.100.1"),
        (PROXY, ["198.51.100.1", "fd00::2, 10.0.0.2"], "198.51.100.1"),
        # With a port, in brackets, mapped: one address has one form.
        (PROXY, ["198.51.100.1:50000"], "198.51.100.1"),
        (PROXY, ["[2001:db8::1]:443"], "2001:db8::1"),
        (PROXY, ["[2001:db8::1]"], "2001:db8::1"),
        (PROXY, ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("::ffff:10.0.0.1", ["198.51.100.1, ::ffff:10.0.0.2"], "198.51.100.1"),
        # Where there is no address, it is the proxy's.
        (PROXY, [], PROXY),
        (PROXY, [""], PROXY),
        (PROXY, ["198.51.100.1,"], PROXY),
        (PROXY, ["198.51.100.1, unknown"], PROXY),
        (PROXY, ["198.51.100.1, _hidden, 10.0.0.2"], PROXY),
        (PROXY, ["198.51.100.256"], PROXY),
        (PROXY, ["198.51.100.01"], PROXY),
        (PROXY, ["198.51.100.1/32"], PROXY),
        (PROXY, ["fe80::1%eth0"], PROXY),
        (PROXY, ["2001:db8::1:443]"], PROXY),
        (PROXY, ["for=198.51.100.1"], PROXY),
        (PROXY, ["10.0.0.2"], PROXY),
        (PROXY, ["1" * 10_000], PROXY),
    ],
)
def test_only_a_trusted_proxy_says_where_a_request_comes_from(peer: str, forwarded: list[str], client: str) -> None:
    assert client == PROXIES.client(peer, forwarded)


@pytest.mark.parametrize(("address", "trusted"), [(PROXY, True), ("10.0.1.1", False), ("", False), ("proxy", False)])
def test_a_proxy_is_known_by_its_address(address: str, *, trusted: bool) -> None:
    assert trusted is PROXIES.trusts(address)


def test_without_proxies_every_peer_speaks_for_itself() -> None:
    assert PROXY == TrustedProxies().client(PROXY, ["198.51.100.1"])
    assert not TrustedProxies().trusts(PROXY)
