"""The composition root: the only room that knows every other.

``run`` and ``run_worker`` are what the commands call. ``_gateway`` is the gateway as a whole, ``_core`` what its two
interfaces share, ``_nexus`` and ``_api`` the interfaces; the rest are parts that these put together, a file for each.
"""

from gateway.app._certificates import ServerCertificate
from gateway.app._deliveries import delivery_books
from gateway.app._live import ConfigSource
from gateway.app._observing import VERSION
from gateway.app._plugins import load_plugins
from gateway.app._processes import run, run_worker
from gateway.app._set_up import set_up

__all__ = (
    "VERSION",
    "ConfigSource",
    "ServerCertificate",
    "delivery_books",
    "load_plugins",
    "run",
    "run_worker",
    "set_up",
)
