"""``Nexus-Gateway-Metadata-<key>: value``: what a caller writes on an operation to find it by.

Keys are header names and so have no case; here they are in lower case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.protocol._errors import RemoteProtocolError
from gateway.protocol._headers import check_received, header_title, utf8_length

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gateway.protocol._headers import Headers

METADATA_PREFIX: Final = "nexus-gateway-metadata-"
"""What the name of such a header begins with."""

MAX_METADATA: Final = 16
"""How many an operation may carry."""

MAX_METADATA_KEY: Final = 64
MAX_METADATA_BYTES: Final = 512


def decode_metadata(headers: Headers) -> dict[str, str]:
    """The metadata of a start, by key.

    Raises:
        RemoteProtocolError: too many, a key sent twice or without a name, or a value too long; names the header.
    """
    metadata: dict[str, str] = {}
    for name, value in headers.items():
        if not name.startswith(METADATA_PREFIX):
            continue
        title = header_title(name)
        key = name.removeprefix(METADATA_PREFIX)
        if not 0 < len(key) <= MAX_METADATA_KEY:
            raise RemoteProtocolError(f"{title}: the key must be 1 to {MAX_METADATA_KEY} characters")
        if name in headers.repeated:
            raise RemoteProtocolError(f"{title}: sent more than once; send it once")
        check_received(name, value)
        if utf8_length(value) > MAX_METADATA_BYTES:
            raise RemoteProtocolError(f"{title}: longer than {MAX_METADATA_BYTES} bytes; shorten it")
        metadata[key] = value
    if len(metadata) > MAX_METADATA:
        raise RemoteProtocolError(
            f"Nexus-Gateway-Metadata: {len(metadata)} of them; an operation carries at most {MAX_METADATA}"
        )
    return metadata


def encode_metadata(metadata: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The headers for it."""
    for key, value in metadata.items():
        yield f"Nexus-Gateway-Metadata-{key}", value
