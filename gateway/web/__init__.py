"""The HTTP edge: routes, limits, health; it decides nothing."""

from gateway.web._admin import Readiness, admin_app
from gateway.web._api import ApiLimits, api_middleware, with_version
from gateway.web._discovery import DiscoveryViews
from gateway.web._edge import Edge
from gateway.web._listener import listening
from gateway.web._operations import OperationsViews
from gateway.web._protocol import ConnectionLimits
from gateway.web._proxies import TrustedProxies

__all__ = (
    "ApiLimits",
    "ConnectionLimits",
    "DiscoveryViews",
    "Edge",
    "OperationsViews",
    "Readiness",
    "TrustedProxies",
    "admin_app",
    "api_middleware",
    "listening",
    "with_version",
)
