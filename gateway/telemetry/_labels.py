"""What a finished request is called, in spans and in metrics: names of the registry and words from closed sets only.

What a caller writes never becomes a label; that also bounds whatever is kept for each label.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from nexusrpc import HandlerErrorType

AttributeValue = str | bool | int | float

OTHER: Final = "_OTHER"
"""Stands for a name that is not in the registry, or a word that is not in its table."""

ABORTED: Final = "aborted"
"""Outcome of a request whose client went away before there was an answer."""

ERROR_TYPES: Final = frozenset(kind.value for kind in HandlerErrorType)
OUTCOMES: Final = ERROR_TYPES | {"succeeded", "started", "failed", "canceled", "running", ABORTED}
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

# The outcomes that are the gateway's or the engine's fault: the ones that answer with a status of 500 or more.
_SERVER_FAULTS: Final = frozenset({"UNKNOWN", "INTERNAL", "NOT_IMPLEMENTED", "UNAVAILABLE", "UPSTREAM_TIMEOUT"})
_CONSTANT: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class RequestLabel(NamedTuple):
    """Where a request went and how it ended; ``status`` is 0 where there was no answer."""

    endpoint: str
    service: str
    operation: str
    verb: str
    outcome: str
    method: str
    status: int

    @property
    def span_name(self) -> str:
        """Such as ``nexus.start orders.v1/quote``."""
        return f"nexus.{self.verb} {self.service}/{self.operation}"

    @property
    def server_fault(self) -> bool:
        """Whether the outcome makes the span an error."""
        return self.outcome in _SERVER_FAULTS

    def attributes(self) -> dict[str, AttributeValue]:
        """The span's attributes, but for the request's id."""
        attributes: dict[str, AttributeValue] = {
            "rpc.system.name": "nexus",
            "rpc.method": f"{self.service}/{self.operation}",
            "nexus.endpoint": self.endpoint,
            "nexus.service": self.service,
            "nexus.operation": self.operation,
            "nexus.outcome": self.outcome,
            "http.request.method": self.method,
        }
        if self.status:
            attributes["http.response.status_code"] = self.status
        if self.server_fault:
            attributes["error.type"] = self.outcome
        return attributes


UNKNOWN_LABEL: Final = RequestLabel(OTHER, OTHER, OTHER, OTHER, OTHER, OTHER, 0)


def constant(word: str) -> str:
    """``word`` if it looks like a constant of the code, else ``_OTHER``."""
    return word if _CONSTANT.fullmatch(word) else OTHER
