"""What ``nexus-gateway setup`` does: makes the engines' namespaces ready for operations to be found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.app._connections import clients_at
from gateway.engines.temporal import SetUpFailed, register_attributes
from gateway.settings import Settings, SettingsError, endpoints
from gateway.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


async def set_up(settings: Settings, environ: Mapping[str, str]) -> Sequence[str]:
    """Register what operations are listed by in each target namespace, and say in a line for each what was done.

    Raises:
        SettingsError: an engine cannot be reached, or a namespace cannot be set up.
    """
    lines: list[str] = []
    places = {(endpoint.engine, endpoint.namespace) for endpoint in endpoints(settings)}
    async with (
        Telemetry.from_environment(settings.telemetry.service_name, {}) as telemetry,
        clients_at(places, settings, environ, telemetry, lazy=False) as clients,
    ):
        for (engine, namespace), client in sorted(clients.items(), key=lambda item: item[0]):
            try:
                added = await register_attributes(client)
            except SetUpFailed as error:
                raise SettingsError([f"engines.{engine}: {error}"]) from None
            done = f"registered {', '.join(added)}" if added else "has all search attributes already"
            lines.append(f"engine {engine} namespace {namespace}: {done}")
    return lines
