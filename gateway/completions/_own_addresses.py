"""Where the gateway itself listens.

Nothing is delivered there: completions would go round in circles, and whoever may name a callback could reach the admin
listener.
"""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.completions._addresses import Address


class OwnAddresses:
    """Addresses and ports of listening sockets; one on every address of the machine (``0.0.0.0``, ``::``) counts so."""

    def __init__(self, bound: Iterable[tuple[str, int]] = ()) -> None:
        self._bound = frozenset(bound)
        self._everywhere = frozenset(port for host, port in self._bound if ip_address(host).is_unspecified)

    def include(self, address: Address, port: int) -> bool:
        """Whether whoever connects there is connected to this gateway."""
        return (str(address), port) in self._bound or (port in self._everywhere and _is_of_this_machine(address))


def _is_of_this_machine(address: Address) -> bool:
    if address.is_loopback:
        return True
    # The system lets a socket have the machine's own addresses and no others; no packet is sent for that.
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004 - IPv4
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True
