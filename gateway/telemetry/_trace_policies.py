"""Whose trace context is believed, and how far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.model import TraceContext

if TYPE_CHECKING:
    from collections.abc import Mapping

_BY_STRICTNESS: Final = tuple(TraceContext)


class TracePolicies:
    """What becomes of callers' trace context, by the issuer of their tokens."""

    def __init__(self, by_issuer: Mapping[str, TraceContext]) -> None:
        self._by_issuer = dict(by_issuer)
        self.strictest = max(by_issuer.values(), key=_BY_STRICTNESS.index, default=TraceContext.CONTINUE)
        """For those of whom nobody knows who they are."""

    def of(self, issuer: str) -> TraceContext:
        """For callers of this issuer; the strictest for one that is not, or no longer, known."""
        return self._by_issuer.get(issuer, self.strictest)
