"""The configuration file, section by section.

These models, here and in the files of their sections, say what each key may hold by itself; what two keys must agree on
is checked in ``_checks``, so that one wrong key never hides another. The descriptions are what
``nexus-gateway config schema`` shows in an editor.
"""

from typing import Self

from pydantic import Field

from gateway.settings._callbacks import BulkSettings, CallbackSettings
from gateway.settings._endpoints import EndpointSettings, EngineSettings
from gateway.settings._issuers import IssuerSettings, TokenSettings
from gateway.settings._selectors import Section
from gateway.settings._server import LimitSettings, ServerSettings
from gateway.settings._values import ConfigPath, Name, PluginName, SegmentName


class TelemetrySettings(Section):
    """How the gateway names itself to the collector; the exporter is set by the standard OTEL_ variables."""

    service_name: Name = Field(default="nexus-gateway", description="The resource attribute service.name.")


class AccessSettings(Section):
    """Files that take callers' access away while the gateway runs; they are read again when they change."""

    revocations_file: ConfigPath | None = Field(
        default=None, description="A YAML file with the list `revocations` of tokens that count no longer."
    )
    stops_file: ConfigPath | None = Field(
        default=None, description="A YAML file with the list `stops` of callers and operations that are stopped."
    )


class AuditSettings(Section):
    """The audit log: one JSON line for each decision. Without file and stdout there is none."""

    file: ConfigPath | None = Field(default=None, description="File to append to; it is reopened when it is rotated.")
    stdout: bool = Field(default=False, description="Write to standard output; the gateway's own log is elsewhere.")


class Settings(Section):
    """The whole configuration of a Nexus gateway."""

    server: ServerSettings = Field(default=ServerSettings(), description="The listener.")
    issuers: tuple[IssuerSettings, ...] = Field(min_length=1, description="Whose tokens are accepted.")
    engines: dict[Name, EngineSettings] = Field(min_length=1, description="Servers that run operations, by name.")
    endpoints: dict[SegmentName, EndpointSettings] = Field(
        description="Mounted endpoints by name; the name is a segment of the URL."
    )
    tokens: TokenSettings = Field(description="Sealing of operation tokens.")
    callbacks: CallbackSettings = Field(default=CallbackSettings(), description="Where completions may be delivered.")
    access: AccessSettings = Field(default=AccessSettings(), description="Revoked tokens, and what is stopped.")
    audit: AuditSettings = Field(default=AuditSettings(), description="Every decision on record.")
    bulk: BulkSettings = Field(default=BulkSettings(), description="Bulk jobs of the operations API.")
    telemetry: TelemetrySettings = Field(default=TelemetrySettings(), description="Traces, metrics and logs.")
    plugins: tuple[PluginName, ...] = Field(
        default=(),
        description="Handler plugins beside those that installed packages announce.",
        examples=[["my_package.plugin:plugin"]],
    )
    installed_plugins: tuple[Name, ...] = Field(
        default=("*",),
        description="Globs of the entry points whose plugins are loaded; the others may be installed all the same.",
        examples=[["orders", "acme-*"]],
    )
    limits: LimitSettings = Field(default=LimitSettings(), description="Limits, all with sane defaults.")

    def listening_on(self, *, host: str | None = None, port: int | None = None) -> Self:
        """A copy whose listener has another host or port, as command-line options ask for."""
        changes = {"host": host, "port": port}
        server = self.server.model_copy(update={key: value for key, value in changes.items() if value is not None})
        return self.model_copy(update={"server": server})
