"""Which network addresses a callback may reach: public ones, and those that the configuration opens.

``ipaddress`` knows the registries; the tables here add what they call global although it leads inside, and what each
range is called in a message. An address that carries another one in itself (mapped, translated, tunnelled) is refused
as such: whoever resolves names honestly has no need of it.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_METADATA: Final = frozenset(
    map(
        ip_address,
        (
            "169.254.169.254",  # most clouds
            "169.254.170.2",  # AWS, containers
            "169.254.170.23",  # AWS, pods
            "100.100.100.200",  # Alibaba
            "168.63.129.16",  # Azure; in a public range
            "192.0.0.192",  # Oracle
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",  # Google
        ),
    )
)

_NEVER: Final = tuple(
    (ip_network(network), kind)
    for network, kind in (
        ("0.0.0.0/8", "unspecified"),
        ("255.255.255.255/32", "broadcast"),
        ("224.0.0.0/4", "multicast"),
        ("::/128", "unspecified"),
        ("ff00::/8", "multicast"),
    )
)

_INSIDE: Final = tuple(
    (ip_network(network), kind)
    for network, kind in (
        ("127.0.0.0/8", "loopback"),
        ("10.0.0.0/8", "private"),
        ("172.16.0.0/12", "private"),
        ("192.168.0.0/16", "private"),
        ("169.254.0.0/16", "link-local"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("192.88.99.0/24", "6to4 relay"),
        ("::1/128", "loopback"),
        ("::ffff:0:0/96", "IPv4-mapped"),
        ("::ffff:0:0:0/96", "IPv4-translated"),
        ("::/96", "IPv4-compatible"),
        ("64:ff9b::/96", "NAT64"),
        ("64:ff9b:1::/48", "NAT64"),
        ("2002::/16", "6to4"),
        ("2001::/32", "Teredo"),
        ("fc00::/7", "unique local"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("5f00::/16", "segment routing"),
    )
)
# Interface identifiers that embed an IPv4 address (ISATAP, RFC 5214).
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})


def address_fault(address: Address, opened: Sequence[Network] = ()) -> str | None:
    """What kind of address this is, where a callback must not go there; None where it may.

    ``opened`` are networks that the configuration opens. A metadata service, which hands out credentials to whoever
    asks, is only opened by its own address and never by a network around it.
    """
    if kind := _kind(address, _NEVER):
        return kind
    opening = [network for network in opened if network.version == address.version and address in network]
    if address in _METADATA:
        alone = any(network.prefixlen == network.max_prefixlen for network in opening)
        return None if alone else "a metadata service's"
    if opening:
        return None
    return _kind(address, _INSIDE) or _embedding(address) or (None if address.is_global else "not public")


def parse_address(text: str) -> Address | None:
    """The address that this text spells in its one usual form, or None; a scope (``%eth0``) is no part of one."""
    try:
        return None if "%" in text else ip_address(text)
    except ValueError:
        return None


def _kind(address: Address, table: Sequence[tuple[Network, str]]) -> str | None:
    return next((kind for network, kind in table if network.version == address.version and address in network), None)


def _embedding(address: Address) -> str | None:
    if isinstance(address, IPv6Address) and (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
        return "ISATAP"
    return None
