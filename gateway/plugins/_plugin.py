"""The two values a plugin author deals with: what a plugin offers, and what it may know about the gateway."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gateway.plugins._exposed import Exposed


@dataclass(frozen=True, kw_only=True)
class HandlerPlugin:
    """What one plugin offers.

    ``services`` are *instances* of classes decorated with ``@nexusrpc.handler.service_handler``; the gateway serves
    those of them that an endpoint lists. ``workflows`` and ``activities`` are what ``nexus-gateway worker`` registers.
    ``exposes`` says, by service and operation, what callers may do with that operation's running workflow.
    """

    services: Sequence[object]
    workflows: Sequence[type[Any]] = ()
    activities: Sequence[Callable[..., Any]] = ()
    exposes: Mapping[tuple[str, str], Sequence[Exposed]] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, kw_only=True)
class PluginContext:
    """What a plugin that is a callable is called with.

    ``service_name`` is the gateway's own name in telemetry, ``endpoints`` the names of the configured endpoints in the
    order of the file, ``environ`` the environment of the process: a plugin reads its own settings from there.
    """

    service_name: str = "nexus-gateway"
    endpoints: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
