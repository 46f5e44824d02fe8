"""Key sets over HTTP; the only place of this room that opens connections.

Whatever the other side does costs at most ``timeout`` seconds and ``MAX_DOCUMENT_BYTES`` of memory. No redirects are
followed and no proxy, cookie or credential of the environment is used.
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

MAX_DOCUMENT_BYTES = 256 << 10
"""Largest key set or discovery document."""

_MAX_AGE = re.compile(r"(?:^|,)\s*(?:max-age\s*=\s*\"?(\d{1,9})\"?|(no-store|no-cache))\s*(?=,|$)", re.IGNORECASE)
_DISCOVERY_PATH = "/.well-known/openid-configuration"


class CannotFetch(Exception):
    """A document could not be had; the text is fit for a log and holds nothing that the other side sent."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document and for how many seconds its sender calls it fresh, where it says so."""

    content: bytes
    fresh_for: float | None


class HttpDocuments:
    """Fetches small documents from one provider."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Get ready to fetch; nothing is connected yet."""
        self._session = aiohttp.ClientSession(
            # Fetches are minutes apart: a kept connection would only go stale.
            connector=aiohttp.TCPConnector(force_close=True, limit=2),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            auto_decompress=False,
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close what is open."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def fetch(self, url: str) -> Document:
        """The document at ``url``.

        Raises:
            CannotFetch: when it cannot be had within the bounds.
        """
        try:
            async with asyncio.timeout(self._timeout):
                return await self._fetch(url)
        except TimeoutError:
            raise CannotFetch("the provider did not answer in time") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise CannotFetch(f"the provider cannot be reached ({type(error).__name__})") from None

    async def discover(self, issuer: str) -> Document:
        """The key set that the issuer's discovery document names (OpenID Connect Discovery 1.0, section 4).

        Raises:
            CannotFetch: also when the document is another issuer's.
        """
        found = await self.fetch(issuer.rstrip("/") + _DISCOVERY_PATH)
        try:
            description = json.loads(found.content)
        except (ValueError, RecursionError):
            raise CannotFetch("the discovery document is not JSON") from None
        if not isinstance(description, dict) or description.get("issuer") != issuer:
            raise CannotFetch("the discovery document is not this issuer's")
        url = description.get("jwks_uri")
        if not isinstance(url, str):
            raise CannotFetch("the discovery document names no key set")
        return await self.fetch(url)

    async def _fetch(self, url: str) -> Document:
        if self._session is None:
            raise CannotFetch("the gateway is not running")
        if not _may_be_fetched(url):
            raise CannotFetch("the URL is not https")
        async with self._session.get(url, allow_redirects=False) as response:
            if response.status != HTTPStatus.OK:
                raise CannotFetch(f"the provider answered {response.status}")
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise CannotFetch("the provider sent a compressed document that was not asked for")
            content = bytearray()
            async for chunk in response.content.iter_any():
                content += chunk
                if len(content) > MAX_DOCUMENT_BYTES:
                    raise CannotFetch(f"the document is larger than {MAX_DOCUMENT_BYTES} bytes")
            return Document(bytes(content), fresh_for(response.headers))


def fresh_for(headers: Mapping[str, str]) -> float | None:
    """Seconds for which a response stays fresh (RFC 9111 section 4.2), or None where it does not say."""
    found = [match.groups() for match in _MAX_AGE.finditer(headers.get("Cache-Control", ""))]
    if any(no_store for _, no_store in found):
        return 0.0
    ages = [float(seconds) for seconds, _ in found]
    age = headers.get("Age", "0")
    return max(0.0, min(ages) - (float(age) if re.fullmatch(r"[0-9]{1,9}", age) else 0.0)) if ages else None


def _may_be_fetched(url: str) -> bool:
    parts = urlsplit(url)
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(str(parts.hostname)))
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
