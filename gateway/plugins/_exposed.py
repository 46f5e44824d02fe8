"""What callers may do with a running operation of a plugin, beside canceling it: declared, or not possible at all."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

AWAITING_MEMO: Final = "NexusAwaiting"
"""Memo key under which a workflow publishes the names of the updates it waits for, as a list; None for none."""

PROGRESS_MEMO: Final = "NexusProgress"
"""Memo key under which a workflow publishes how far it is: any JSON value, small and fit for the caller's eyes."""


class ExposedKind(StrEnum):
    """How the operation is spoken to: with an answer, without one, or without any effect."""

    UPDATE = "update"
    SIGNAL = "signal"
    QUERY = "query"


@dataclass(frozen=True, kw_only=True)
class Exposed:
    """One update, signal or query of an operation's workflow that callers of the operation may use.

    ``name`` is the workflow's. ``input`` and ``output`` are the types of the bodies, None for an empty one: what is
    sent is validated against them before anything reaches the workflow. ``argument`` makes the workflow's argument of
    the input, where it is not the input itself; ``gateway.plugins.caller()`` works in it, so that who approves is taken
    from the verified caller and not from the body.
    """

    kind: ExposedKind
    name: str
    input: Any = None
    output: Any = None
    argument: Callable[[Any], object] | None = None
    summary: str = ""


def exposed_update(
    name: str,
    *,
    input: Any = None,  # noqa: A002, ANN401 - as in nexusrpc; any annotation
    output: Any = None,  # noqa: ANN401
    argument: Callable[[Any], object] | None = None,
    summary: str = "",
) -> Exposed:
    """An update, which changes the operation and has an answer; an approval, for one."""
    return Exposed(kind=ExposedKind.UPDATE, name=name, input=input, output=output, argument=argument, summary=summary)


def exposed_signal(
    name: str,
    *,
    input: Any = None,  # noqa: A002, ANN401
    argument: Callable[[Any], object] | None = None,
    summary: str = "",
) -> Exposed:
    """A signal, which changes the operation and has no answer."""
    return Exposed(kind=ExposedKind.SIGNAL, name=name, input=input, argument=argument, summary=summary)


def exposed_query(
    name: str,
    *,
    input: Any = None,  # noqa: A002, ANN401
    output: Any = None,  # noqa: ANN401
    argument: Callable[[Any], object] | None = None,
    summary: str = "",
) -> Exposed:
    """A query, which changes nothing; it is answered also after the operation's end."""
    return Exposed(kind=ExposedKind.QUERY, name=name, input=input, output=output, argument=argument, summary=summary)
