"""What there is to call: services with their schemas, and the OpenAPI document, each for its caller."""

from gateway.discovery._openapi import OpenApi
from gateway.discovery._schemas import schema_of
from gateway.discovery._services import Services

__all__ = ("OpenApi", "Services", "schema_of")
