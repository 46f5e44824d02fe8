"""Handler plugins: what a plugin author imports, and how the gateway finds and checks what is installed.

A plugin module ends in one line, and its distribution names that line as an entry point of the group
``nexus_gateway.plugins``::

    plugin = HandlerPlugin(services=[OrdersHandler()], workflows=[OrderWorkflow], activities=[charge_card])

Inside a running operation handler, :func:`caller` is the verified principal.
"""

from gateway.plugins._caller import NoCallerError, caller, calling
from gateway.plugins._discovery import PLUGIN_GROUP, LoadedPlugin, PluginError, discover_plugins
from gateway.plugins._exposed import (
    AWAITING_MEMO,
    PROGRESS_MEMO,
    Exposed,
    ExposedKind,
    exposed_query,
    exposed_signal,
    exposed_update,
)
from gateway.plugins._plugin import HandlerPlugin, PluginContext

__all__ = (
    "AWAITING_MEMO",
    "PLUGIN_GROUP",
    "PROGRESS_MEMO",
    "Exposed",
    "ExposedKind",
    "HandlerPlugin",
    "LoadedPlugin",
    "NoCallerError",
    "PluginContext",
    "PluginError",
    "caller",
    "calling",
    "discover_plugins",
    "exposed_query",
    "exposed_signal",
    "exposed_update",
)
