"""Foreign text made fit for one line of a log."""

from __future__ import annotations

_LONGEST = 128


def printable(value: object) -> str:
    """``value`` in at most 128 printable ASCII characters; a hyphen for what is no text."""
    if not isinstance(value, str):
        return "-"
    text = value[:_LONGEST].encode("unicode_escape").decode("ascii")
    return text if len(value) <= _LONGEST and len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
