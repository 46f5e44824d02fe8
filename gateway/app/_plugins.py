"""The plugins of a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.engines.temporal import unfit_for_workers
from gateway.plugins import LoadedPlugin, PluginContext, PluginError, discover_plugins

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.settings import Settings


def load_plugins(settings: Settings, environ: Mapping[str, str]) -> tuple[LoadedPlugin, ...]:
    """The plugins that are installed, as far as the configuration takes them, and those that it names.

    Raises:
        PluginError: with a line for each that does not load, or holds what the workers of the engine would not take.
    """
    context = PluginContext(
        service_name=settings.telemetry.service_name, endpoints=tuple(settings.endpoints), environ=environ
    )
    plugins = discover_plugins(settings.plugins, context, installed=settings.installed_plugins)
    faults = [
        f"{loaded.origin}: {fault}"
        for loaded in plugins
        for fault in unfit_for_workers(loaded.plugin.workflows, loaded.plugin.activities)
    ]
    if faults:
        raise PluginError(faults)
    return plugins
