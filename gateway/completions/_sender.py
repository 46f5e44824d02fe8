"""One attempt to hand a completion to its destination.

The name is looked up once, every address it stands for is checked, and the connection goes to a checked address and to
nothing else: the URL that the HTTP client gets has the address in it, so that it looks nothing up, and name and port go
into ``Host``, SNI and the certificate's check. Every attempt has a connection of its own; none is found open that was
checked long ago.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, Self

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from gateway.completions._addresses import address_fault, parse_address
from gateway.completions._own_addresses import OwnAddresses

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable
    from types import TracebackType

    from gateway.completions._addresses import Address
    from gateway.completions._destinations import Destination

_MAX_ANSWER: Final = 4096
_MAX_ADDRESSES: Final = 4
_ANSWER_SECONDS: Final = 1.0
_LOOK_UP_THREADS: Final = 32

LookUp = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host, as texts. Raises OSError where it has none."""


class Attempt(Enum):
    """What came of an attempt: it arrived, it was refused for good, it may be repeated, or it was not made yet."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    FAILED = "failed"
    DEFERRED = "deferred"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """An attempt's end. ``reason`` is for logs and operators, from a closed set: a status, or what went wrong.

    ``retry_after`` is how many seconds to leave the destination alone, where there is reason to name them.
    """

    attempt: Attempt
    reason: str
    status: int | None = None
    retry_after: float | None = None


class Sender:
    """Posts completions; an async context manager that owns its connections.

    ``timeout`` is in seconds and covers everything: look-up, connecting, sending and the answer. ``own`` is where the
    gateway listens, which it never calls.
    """

    def __init__(
        self,
        timeout: float = 5.0,
        *,
        own: OwnAddresses | None = None,
        look_up: LookUp | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._timeout = timeout
        self._own = own or OwnAddresses()
        self._look_up = look_up or self._ask_system
        self._tls = tls
        self._threads: ThreadPoolExecutor | None = None
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._threads = ThreadPoolExecutor(_LOOK_UP_THREADS, thread_name_prefix="look-up")
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                force_close=True, limit=0, use_dns_cache=False, ssl=True if self._tls is None else self._tls
            ),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            trust_env=False,
            read_bufsize=_MAX_ANSWER,
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type"),
            headers={"User-Agent": "nexus-gateway"},
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
        if self._threads is not None:
            # A look-up that hangs in the system's resolver cannot be ended, only left behind.
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def send(self, destination: Destination, headers: Iterable[tuple[str, str]], body: bytes) -> Report:
        """Post once, following no redirect."""
        session = self._session
        if session is None:
            raise RuntimeError("the sender is not open")
        try:
            async with asyncio.timeout(self._timeout):
                addresses = await self._addresses(destination)
                if fault := self._fault(destination, addresses):
                    return Report(attempt=Attempt.REFUSED, reason=fault)
                return await _post(session, destination, addresses[:_MAX_ADDRESSES], CIMultiDict(headers), body)
        except TimeoutError:
            return Report(attempt=Attempt.FAILED, reason="timeout")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Report(attempt=Attempt.FAILED, reason=type(error).__name__)

    async def _addresses(self, destination: Destination) -> Sequence[Address]:
        literal = parse_address(destination.host)
        if literal is not None:
            return [literal]
        found = [parse_address(text) for text in await self._look_up(destination.host, destination.port)]
        if not found or None in found:
            # One with a scope among them, say: no public host has such an address.
            raise OSError("no usable address")
        return [address for address in dict.fromkeys(found) if address is not None]

    def _fault(self, destination: Destination, addresses: Sequence[Address]) -> str | None:
        # One bad address among good ones is enough: whoever controls the name chooses which is connected to.
        for address in addresses:
            if self._own.include(address, destination.port):
                return "address: the gateway's own"
            if fault := address_fault(address, destination.opened):
                return f"address: {fault}"
        return None

    async def _ask_system(self, host: str, port: int) -> Sequence[str]:
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return [str(address[0]) for *_, address in found]


async def _post(
    session: aiohttp.ClientSession,
    destination: Destination,
    addresses: Sequence[Address],
    headers: CIMultiDict[str],
    body: bytes,
) -> Report:
    headers["Host"] = destination.authority
    *first, last = addresses
    for address in first:
        with suppress(aiohttp.ClientConnectorError):
            return await _post_to(session, destination, address, headers, body)
    return await _post_to(session, destination, last, headers, body)


async def _post_to(
    session: aiohttp.ClientSession, destination: Destination, address: Address, headers: CIMultiDict[str], body: bytes
) -> Report:
    host = f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004 - IPv6
    url = URL(f"{destination.scheme}://{host}:{destination.port}{destination.target}", encoded=True)
    name = destination.host if destination.scheme == "https" else None
    response = await session.post(url, data=body, headers=headers, allow_redirects=False, server_hostname=name)
    try:
        # The status has decided. The rest is read a little, so that an honest server need not see a broken connection.
        with suppress(TimeoutError, aiohttp.ClientError, OSError):
            async with asyncio.timeout(_ANSWER_SECONDS):
                await response.content.readexactly(_MAX_ANSWER)
    except asyncio.IncompleteReadError:
        pass
    finally:
        response.close()
    return _judge(response)


def _judge(response: aiohttp.ClientResponse) -> Report:
    status = response.status
    attempt = Attempt.REFUSED if status in _PERMANENT else Attempt.FAILED
    if 200 <= status < 300:  # noqa: PLR2004 - the class of successful statuses
        attempt = Attempt.DELIVERED
    return Report(attempt=attempt, reason=f"status {status}", status=status, retry_after=_retry_after(response))


def _retry_after(response: aiohttp.ClientResponse) -> float | None:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 8 else None  # noqa: PLR2004 - digits


_PERMANENT: Final = frozenset({400, 401, 403, 404, 405, 409, 410, 413, 414, 415, 422, 431, 501})
