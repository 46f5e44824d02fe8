"""Whose word is taken for where a request comes from: that of the proxies in front of the gateway, and nobody else's.

Each proxy adds the address that it was connected from to the right of ``X-Forwarded-For``. So the list is read from
the right, and only for as long as those who wrote it are known: what a client itself has sent is to the left of that.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_Address = IPv4Address | IPv6Address

# With a port, as some proxies write it; an IPv6 address is then in brackets.
_ENTRY: Final = re.compile(r"([0-9.]+)(?::[0-9]{1,5})?|\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?|([0-9A-Fa-f:.]+)")


class TrustedProxies:
    """The proxies in ``networks`` (CIDR), or none."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks = tuple(ip_network(network) for network in networks)

    def trusts(self, address: str) -> bool:
        """Whether this is the address of one of them."""
        if not self._networks:
            return False
        parsed = _parsed(address)
        return parsed is not None and self._is_ours(parsed)

    def client(self, peer: str, forwarded: Sequence[str]) -> str:
        """Where a request comes from that ``peer`` has sent, with these values of ``X-Forwarded-For``.

        It is the peer itself unless that is a trusted proxy. Then it is the last address of the list that is not
        another trusted proxy; the peer again where there is none, or where what stands there is no address.
        """
        if not self.trusts(peer):
            return peer
        for entry in reversed(",".join(forwarded).split(",")):
            address = _parsed(entry.strip(" \t"))
            if address is None:
                return peer
            if not self._is_ours(address):
                return str(address)
        return peer

    def _is_ours(self, address: _Address) -> bool:
        return any(address in network for network in self._networks)


def _parsed(text: str) -> _Address | None:
    """The address, in the one form that it counts by; None for what is none."""
    found = _ENTRY.fullmatch(text)
    if found is None:
        return None
    try:
        address = ip_address(found[1] or found[2] or found[3])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
