"""What a process is observed by: telemetry and, where it is configured, the audit log."""

from __future__ import annotations

from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from gateway.auth import AuditLog
from gateway.settings import SettingsError
from gateway.telemetry import Telemetry, configure_logging

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from gateway.settings import Settings

VERSION: Final = version("nexus-gateway")
"""Of the installed distribution."""

_LEVEL: Final = "NEXUS_GATEWAY_LOG_LEVEL"
_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@asynccontextmanager
async def observed(settings: Settings, environ: Mapping[str, str]) -> AsyncIterator[Telemetry]:
    """Telemetry by the standard variables, and logging, which takes its ids from it.

    Raises:
        SettingsError: a variable asks for what cannot be done.
    """
    level = environ.get(_LEVEL, "INFO").strip().upper()
    if level not in _LEVELS:
        raise SettingsError([f"environment: {_LEVEL}: must be one of {', '.join(_LEVELS)}"])
    try:
        telemetry = Telemetry.from_environment(settings.telemetry.service_name, environ, version=VERSION)
    except ValueError as error:
        raise SettingsError([f"environment: {error}"]) from error
    async with telemetry:
        configure_logging(level, also=telemetry.log_handler)
        yield telemetry


@asynccontextmanager
async def audited(settings: Settings, telemetry: Telemetry) -> AsyncIterator[AuditLog | None]:
    """The audit log; None where none is configured.

    Raises:
        SettingsError: its file cannot be opened.
    """
    file = settings.audit.file
    if file is None and not settings.audit.stdout:
        yield None
        return
    try:
        log = AuditLog(file)
    except OSError as error:
        raise SettingsError([f"audit.file: {file}: {error.strerror}"]) from None
    async with log:
        telemetry.watch_counter("nexus_audit_dropped", "Audit lines not written", lambda: {(): log.dropped})
        yield log
