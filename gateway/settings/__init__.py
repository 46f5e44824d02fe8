"""The configuration: one YAML file, environment variables over it, and the gateway's own values out of it."""

from gateway.settings._access import load_revocations, load_stops
from gateway.settings._border import (
    endpoints,
    issuer_policies,
    permission_issuers,
    signing_seeds,
    token_keys,
    token_minter,
    trace_policies,
)
from gateway.settings._endpoints import EndpointSettings, EngineSettings, TlsSettings
from gateway.settings._faults import SettingsError
from gateway.settings._loading import load_document, load_settings
from gateway.settings._models import Settings
from gateway.settings._schema import settings_schema
from gateway.settings._selectors import Section
from gateway.settings._server import LimitSettings, ListenerTlsSettings
from gateway.settings._values import ConfigPath, Name, parse_duration

__all__ = (
    "ConfigPath",
    "EndpointSettings",
    "EngineSettings",
    "LimitSettings",
    "ListenerTlsSettings",
    "Name",
    "Section",
    "Settings",
    "SettingsError",
    "TlsSettings",
    "endpoints",
    "issuer_policies",
    "load_document",
    "load_revocations",
    "load_settings",
    "load_stops",
    "parse_duration",
    "permission_issuers",
    "settings_schema",
    "signing_seeds",
    "token_keys",
    "token_minter",
    "trace_policies",
)
