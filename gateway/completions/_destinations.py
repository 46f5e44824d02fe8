"""Where callbacks may go: URL patterns from the configuration, none by default."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from gateway.completions._addresses import Network, address_fault, parse_address
from gateway.completions._own_addresses import OwnAddresses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.completions._addresses import Address
    from gateway.model import OperationAddress, Tenant

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_LOOPBACK: Final = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
_LOOPBACK_ADDRESSES: Final = (ip_address("127.0.0.1"), ip_address("::1"))
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_MAX_HOST: Final = 253


class DestinationRefused(Exception):
    """A callback must not go there. The message tells a caller what to change, and repeats nothing of the URL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowRule:
    """URL patterns, and for whom they hold.

    ``issuers``, ``namespaces`` and ``endpoints`` are globs of the caller's issuer and namespace and of the endpoint's
    name; each that is given has to match. ``networks`` are opened for these URLs beside the public addresses. A pattern
    whose host is a literal address opens that address, and one for ``localhost`` opens loopback.
    """

    urls: Sequence[str]
    networks: Sequence[Network] = ()
    issuers: Sequence[str] | None = None
    namespaces: Sequence[str] | None = None
    endpoints: Sequence[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A URL that may be called, taken apart once: nobody parses it a second time, and differently.

    ``target`` is path and query; ``opened`` are the networks its host may resolve to beside public ones.
    """

    scheme: str
    host: str
    port: int
    target: str
    opened: tuple[Network, ...] = ()

    @property
    def origin(self) -> str:
        """Scheme, host and port; what may stand in a log, and what deliveries are kept apart by."""
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        """What goes into ``Host``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole of it, with its port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.target}"


class DestinationPolicy:
    """An allow-list of ``scheme://host:port/path`` patterns, in which ``*`` stands for any text.

    A pattern is compared part by part, so that a ``*`` in one part never reaches into the next: ``https://*.example.com``
    does not allow ``https://evil.test/.example.com``, and ``*`` is no IPv6 address, as ``[*]`` is. Without a port it
    means the scheme's own, without a path any. ``own_urls`` and ``own_addresses`` are the gateway's: nothing
    is delivered to them.
    """

    def __init__(
        self, rules: Sequence[AllowRule], own_urls: Sequence[str] = (), own_addresses: OwnAddresses | None = None
    ) -> None:
        self._rules = tuple(_CompiledRule(rule) for rule in rules)
        self._own = frozenset(_parse(url).origin for url in own_urls)
        self._own_addresses = own_addresses or OwnAddresses()

    def admit(self, url: str, tenant: Tenant, address: OperationAddress) -> Destination:
        """The destination that ``url`` means, when this tenant may have completions of this endpoint sent there.

        Raises:
            DestinationRefused: saying why, for the caller.
        """
        destination = _parse(url)
        matching = [rule for rule in self._rules if rule.covers(tenant, address) and rule.matches(destination)]
        if not matching:
            raise DestinationRefused("the URL matches no pattern of the gateway's callbacks.allow for this caller")
        if destination.origin in self._own or self._is_own_address(destination):
            raise DestinationRefused("the URL is the gateway's own")
        opened = tuple(network for rule in matching for network in rule.opened)
        literal = parse_address(destination.host)
        if literal is not None and (fault := address_fault(literal, opened)):
            raise DestinationRefused(f"the URL's address is {fault}; only public ones and those opened are called")
        return Destination(
            scheme=destination.scheme,
            host=destination.host,
            port=destination.port,
            target=destination.target,
            opened=opened,
        )

    def _is_own_address(self, destination: Destination) -> bool:
        """Of the host's addresses only those that it has without a look-up; the others are seen to at each attempt."""
        literal = parse_address(destination.host)
        addresses = _LOOPBACK_ADDRESSES if destination.host == "localhost" else [literal] if literal else []
        return any(self._own_addresses.include(address, destination.port) for address in addresses)


class _CompiledRule:
    def __init__(self, rule: AllowRule) -> None:
        self._patterns = tuple(map(_compile, rule.urls))
        self._selectors = tuple(
            None if globs is None else tuple(map(_any_text, globs))
            for globs in (rule.issuers, rule.namespaces, rule.endpoints)
        )
        self.opened = (*rule.networks, *(network for url in rule.urls for network in _opened_by(url)))

    def covers(self, tenant: Tenant, address: OperationAddress) -> bool:
        values = (tenant.issuer, tenant.namespace, address.endpoint)
        return all(
            globs is None or any(glob.fullmatch(value) for glob in globs)
            for globs, value in zip(self._selectors, values, strict=True)
        )

    def matches(self, destination: Destination) -> bool:
        return any(pattern.fullmatch(destination.url) for pattern in self._patterns)


def _parse(url: str) -> Destination:
    """The URL's parts, in the one spelling that patterns are compared with.

    Raises:
        DestinationRefused: it is none that can be called, or whose host could be read in two ways.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise DestinationRefused("the URL cannot be called") from None
    if parts.scheme not in _DEFAULT_PORTS or not host or port == 0 or "\\" in url:
        raise DestinationRefused("the URL must be http:// or https:// with a host")
    if "@" in parts.netloc:
        raise DestinationRefused("the URL must not name a user or password")
    return Destination(
        scheme=parts.scheme,
        host=_checked_host(host, bracketed="[" in parts.netloc),
        port=port if port is not None else _DEFAULT_PORTS[parts.scheme],
        target=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
    )


def _checked_host(host: str, *, bracketed: bool) -> str:
    if bracketed:
        literal = parse_address(host)
        if literal is None or literal.version == 4:  # noqa: PLR2004 - brackets are IPv6's
            raise DestinationRefused("the URL's host is no IPv6 address")
        return str(literal)
    labels = host.split(".")
    # As browsers have it: a host that ends in a number is an IPv4 address, and here in its usual spelling only.
    if _NUMBER.fullmatch(labels[-1]) and parse_address(host) is None:
        raise DestinationRefused("the URL's host is an address in an unusual spelling; write four decimal numbers")
    if len(host) > _MAX_HOST or not all(map(_LABEL.fullmatch, labels)):
        raise DestinationRefused("the URL's host is no host name")
    return host


def _opened_by(pattern: str) -> Sequence[Network]:
    host = _split_pattern(pattern)[1]
    address: Address | None = parse_address(host.strip("[]"))
    if address is not None:
        return (ip_network(address),)
    return _LOOPBACK if host == "localhost" else ()


def _split_pattern(pattern: str) -> tuple[str, str, str, str | None]:
    """Scheme, host (an IPv6 address in brackets), port and, where the pattern has one, path without its slash."""
    scheme, _, rest = pattern.partition("://")
    authority, slash, path = rest.partition("/")
    host, colon, port = authority.rpartition(":")
    if not colon or authority.endswith("]"):
        host, port = authority, str(_DEFAULT_PORTS.get(scheme.lower(), ""))
    return scheme.lower(), host.lower(), port, path if slash else None


def _compile(pattern: str) -> re.Pattern[str]:
    scheme, host, port, path = _split_pattern(pattern)
    of_host = "[0-9a-f:.]" if host.startswith("[") else "[^/:@]"
    return re.compile(
        rf"{_glob(scheme, '[a-z]')}://{_glob(_one_spelling(host), of_host)}:{_glob(port, '[0-9]')}"
        rf"/{'.*' if path is None else _glob(path, '.')}",
        re.DOTALL,
    )


def _one_spelling(host: str) -> str:
    address = parse_address(host.strip("[]")) if host.startswith("[") else None
    return host if address is None else f"[{address}]"


def _any_text(glob: str) -> re.Pattern[str]:
    return re.compile(_glob(glob, "."), re.DOTALL)


def _glob(text: str, any_character: str) -> str:
    return f"{any_character}*".join(map(re.escape, text.split("*")))
