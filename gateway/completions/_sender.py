"""One attempt to hand a completion to its destination."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Self

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

_MAX_ANSWER = 4096


class Attempt(Enum):
    """What came of an attempt: it arrived, it was refused for good, or it may be repeated."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    FAILED = "failed"


class Sender:
    """Posts completions; an async context manager that owns its connections. ``timeout`` is in seconds."""

    def __init__(self, timeout: float = 8.0) -> None:
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._timeout),
            auto_decompress=False,
            trust_env=False,
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

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> tuple[Attempt, str]:
        """Post once, following no redirect; the text says what happened, for the log."""
        if self._session is None:
            raise RuntimeError("the sender is not open")
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                await response.content.read(_MAX_ANSWER)
                return _judge(response.status), f"status {response.status}"
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            return Attempt.FAILED, type(error).__name__


def _judge(status: int) -> Attempt:
    if 200 <= status < 300:  # noqa: PLR2004 - the class of successful statuses
        return Attempt.DELIVERED
    return Attempt.REFUSED if status in _PERMANENT else Attempt.FAILED


_PERMANENT = frozenset({400, 401, 403, 404, 405, 409, 410, 413, 415, 422, 501})
