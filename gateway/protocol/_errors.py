"""The two ways a conversation goes wrong: they broke the protocol, or we did."""

from __future__ import annotations

from nexusrpc import HandlerError, HandlerErrorType

_SHOWN = 100


class ProtocolError(Exception):
    """A message that is not Nexus over HTTP; never raised itself, only as one of its two children."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class LocalProtocolError(ProtocolError):
    """We were asked to send what the protocol cannot carry: a mistake in this program, not in the peer's."""


class RemoteProtocolError(ProtocolError):
    """The peer sent what the protocol does not allow.

    ``message`` names the header or part at fault, says what to fix, and may be shown to the peer. ``error_type`` is the
    status hint: BAD_REQUEST, NOT_FOUND for a path that is none of ours, NOT_IMPLEMENTED for a method that is not.
    """

    def __init__(self, message: str, *, error_type: HandlerErrorType = HandlerErrorType.BAD_REQUEST) -> None:
        super().__init__(message)
        self.error_type = error_type

    def to_handler_error(self) -> HandlerError:
        """The error as the peer is told of it (specification: Predefined Handler Errors)."""
        return HandlerError(self.message, type=self.error_type)


def printable(text: str) -> str:
    """The beginning of the peer's input, safe in a message: one line, no control characters, at most 100 long."""
    return "".join(character if character.isprintable() else "?" for character in text[:_SHOWN])


def shown(text: str) -> str:
    """A quotation of the peer's input, safe in a message; dots behind it say that there was more."""
    return f"'{printable(text)}'" if len(text) <= _SHOWN else f"'{printable(text)}'..."
