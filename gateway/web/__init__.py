"""The HTTP edge: routes, limits, health; it decides nothing."""

from gateway.web._admin import admin_app
from gateway.web._edge import Edge
from gateway.web._listener import listening

__all__ = ("Edge", "admin_app", "listening")
