"""Where callbacks may go: URL patterns from the configuration, none by default."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

if TYPE_CHECKING:
    from collections.abc import Sequence

_DEFAULT_PORTS = {"http": 80, "https": 443}


class DestinationPolicy:
    """An allow-list of ``scheme://host:port/path`` patterns, in which ``*`` stands for any text.

    A pattern is compared part by part, so that a ``*`` in one part never reaches into the next: ``https://*.example.com``
    does not allow ``https://evil.test/.example.com``. Without a port it means the scheme's own, without a path any.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = tuple(map(_compile, patterns))

    def allows(self, url: str) -> bool:
        """Whether a pattern lets the gateway call this URL."""
        try:
            parts = urlsplit(url)
            return any(pattern.fullmatch(_canonical(parts)) for pattern in self._patterns)
        except ValueError:
            return False


def _compile(pattern: str) -> re.Pattern[str]:
    scheme, _, rest = pattern.partition("://")
    authority, slash, path = rest.partition("/")
    host, colon, port = authority.rpartition(":")
    if not colon or authority.endswith("]"):
        host, port = authority, str(_DEFAULT_PORTS.get(scheme, ""))
    return re.compile(
        rf"{_glob(scheme.lower(), '[a-z]')}://{_glob(host.lower(), '[^/:@]')}:{_glob(port, '[0-9]')}"
        rf"/{_glob(path, '.') if slash else '.*'}",
        re.DOTALL,
    )


def _glob(text: str, any_character: str) -> str:
    return f"{any_character}*".join(map(re.escape, text.split("*")))


def _canonical(parts: SplitResult) -> str:
    host = parts.hostname or ""
    if parts.username is not None or parts.password is not None or not host or parts.scheme not in _DEFAULT_PORTS:
        raise ValueError("not a URL that can be called")
    port = parts.port if parts.port is not None else _DEFAULT_PORTS[parts.scheme]
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}{path}"
