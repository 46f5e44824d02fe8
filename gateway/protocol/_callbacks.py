"""What a start says of its callback, as far as form goes (specification: Callback URLs); where it leads is policy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gateway.protocol._errors import RemoteProtocolError
from gateway.protocol._headers import CALLBACK_PREFIX, header_title, is_own, is_token, utf8_length

if TYPE_CHECKING:
    from collections.abc import Mapping

_PART: Final = "query parameter callback"
_LARGEST_PORT: Final = 65_535
# Only what every URL parser reads alike: no userinfo, no backslash, no blank, no fragment, whole escapes.
_URL = re.compile(
    r"https?://(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=-]+)(?::([0-9]{1,5}))?"
    r"(?:[/?](?:[A-Za-z0-9._~!$&'()*+,;=:@/?\[\]-]|%[0-9A-Fa-f]{2})*)?",
    re.IGNORECASE | re.ASCII,
)


def check_callback_url(url: str) -> None:
    """Check that the URL is absolute, http or https, and leaves nothing to the interpretation of who opens it.

    Raises:
        RemoteProtocolError: saying which part is wrong, without the URL, which may hold a secret.
    """
    match = _URL.fullmatch(url)
    if match is None:
        raise RemoteProtocolError(f"{_PART}: {_fault(url)}")
    port = match[1]
    if port is not None and not 0 < int(port) <= _LARGEST_PORT:
        raise RemoteProtocolError(f"{_PART}: the port must be between 1 and {_LARGEST_PORT}")


def check_callback_headers(headers: Mapping[str, str]) -> None:
    """Check that each header, by its lower-case name without the prefix, can be one of a completion's.

    Raises:
        RemoteProtocolError: naming the header that has no name, or that of a field which the completion sets itself.
    """
    for name in headers:
        if not is_token(name) or is_own(name):
            raise RemoteProtocolError(f"{header_title(CALLBACK_PREFIX + name)}: no callback can carry this; remove it")


def check_callback_size(url: str | None, headers: Mapping[str, str], limit: int) -> None:
    """Check that URL and headers, names and values, are together within ``limit`` bytes."""
    size = utf8_length(url or "") + sum(utf8_length(name) + utf8_length(value) for name, value in headers.items())
    if size > limit:
        raise RemoteProtocolError(f"{_PART} and Nexus-Callback-* headers: {size} bytes together; at most {limit}")


def _fault(url: str) -> str:
    if not re.match(r"https?://", url, re.IGNORECASE):
        return "must be an absolute http or https URL"
    authority = re.split(r"[/?#]", url.partition("://")[2], maxsplit=1)[0]
    if "@" in authority:
        return "must not name a user or password"
    if "#" in url:
        return "must not have a fragment"
    return "is not a valid URL; percent-encode every character that is not a URL's own"
