"""Where an issuer's key set comes from: a file, a URL, discovery. Each loads a document or says why it cannot."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Protocol, Self, assert_never

from gateway.auth._fetching import MAX_DOCUMENT_BYTES, CannotFetch, Document, HttpDocuments
from gateway.auth._policy import IssuerPolicy, KeyDiscovery, KeyFile, KeyRefresh, KeyUrl

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

# A look at a file's date costs nothing: a changed file counts within a second. A bad one leaves the last good in force.
_FILE_REFRESH = KeyRefresh(min_interval=1.0, max_interval=1.0, cooldown=0.25, stale_for=float("inf"))


class KeySource(Protocol):
    """Loads a key set; entered before the first load."""

    @property
    def refresh(self) -> KeyRefresh:
        """How often to load."""
        ...

    async def __aenter__(self) -> Self:
        """Get ready."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of everything."""
        ...

    async def load(self) -> Document:
        """The document as it is now; raises CannotFetch."""
        ...


def source_of(policy: IssuerPolicy) -> KeySource:
    """The source that a policy asks for."""
    match policy.keys:
        case KeyFile(path):
            return FileSource(path)
        case KeyUrl() | KeyDiscovery():
            return HttpSource(policy)
        case _ as never:
            assert_never(never)


class FileSource:
    """A key set in a file, read again when its date, size or identity changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[tuple[int, int, int], Document] | None = None

    @property
    def refresh(self) -> KeyRefresh:
        """Every second."""
        return _FILE_REFRESH

    async def __aenter__(self) -> Self:
        """Nothing to get ready."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to let go of."""

    async def load(self) -> Document:
        """The file's content.

        Raises:
            CannotFetch: when it cannot be read or is too large.
        """
        try:
            return await asyncio.to_thread(self._read)
        except OSError as error:
            raise CannotFetch(f"{self._path.name} cannot be read: {error.strerror}") from None

    def _read(self) -> Document:
        status = self._path.stat()
        identity = (status.st_mtime_ns, status.st_size, status.st_ino)
        if self._seen is not None and self._seen[0] == identity:
            return self._seen[1]
        if status.st_size > MAX_DOCUMENT_BYTES:
            raise CannotFetch(f"{self._path.name} is larger than {MAX_DOCUMENT_BYTES} bytes")
        self._seen = (identity, Document(self._path.read_bytes(), None))
        return self._seen[1]


class HttpSource:
    """A key set at a URL, or where the issuer's discovery document says."""

    def __init__(self, policy: IssuerPolicy) -> None:
        self._policy = policy
        self._documents = HttpDocuments(policy.refresh.timeout)
        self._stack = AsyncExitStack()

    @property
    def refresh(self) -> KeyRefresh:
        """As the issuer's policy says."""
        return self._policy.refresh

    async def __aenter__(self) -> Self:
        """Get ready to fetch."""
        await self._stack.enter_async_context(self._documents)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close connections."""
        await self._stack.aclose()

    async def load(self) -> Document:
        """The provider's answer.

        Raises:
            CannotFetch: when there is none that can be used.
        """
        if isinstance(self._policy.keys, KeyUrl):
            return await self._documents.fetch(self._policy.keys.url)
        return await self._documents.discover(self._policy.issuer)
