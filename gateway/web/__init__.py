"""The HTTP edge: routes, limits, health; it decides nothing."""

from gateway.web._admin import admin_app
from gateway.web._edge import Edge
from gateway.web._listener import listening
from gateway.web._protocol import ConnectionLimits

__all__ = ("ConnectionLimits", "Edge", "admin_app", "listening")
