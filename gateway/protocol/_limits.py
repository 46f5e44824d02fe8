"""How much of each part the codec takes before it calls the message malformed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Upper bounds of what a peer may send; sizes are in bytes of UTF-8, after percent-decoding.

    ``callback_bytes`` covers the callback URL and the callback headers, names and values, together.
    """

    name_bytes: int = 1000
    callback_bytes: int = 4096
    token_bytes: int = 4096
    request_id_bytes: int = 1000
    links: int = 100


DEFAULT_LIMITS: Final = Limits()
