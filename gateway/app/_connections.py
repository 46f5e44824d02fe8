"""Clients of the engines that the configuration names, one for each engine and namespace."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from temporalio.service import TLSConfig

from gateway.engines.temporal import TemporalOptions, connected
from gateway.settings import EngineSettings, Settings, SettingsError, TlsSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping
    from pathlib import Path

    from temporalio.client import Client

    from gateway.telemetry import Telemetry

Place = tuple[str, str]
"""An engine's name and a namespace of it."""


@asynccontextmanager
async def clients_at(
    places: Iterable[Place],
    settings: Settings,
    environ: Mapping[str, str],
    telemetry: Telemetry,
    *,
    lazy: bool = True,
) -> AsyncIterator[Mapping[Place, Client]]:
    """A client for each of ``places``, over one connection for each engine; lazy ones connect at their first call.

    Raises:
        SettingsError: an engine's options do not fit, or it cannot be reached and ``lazy`` is false.
    """
    wanted = frozenset(places)
    clients: dict[Place, Client] = {}
    async with AsyncExitStack() as stack:
        for name, engine in settings.engines.items():
            namespaces = sorted(namespace for engine_name, namespace in wanted if engine_name == name)
            if not namespaces:
                continue
            connecting = connected(_options(name, engine, environ), namespaces, telemetry.tracer, lazy=lazy)
            try:
                found = await stack.enter_async_context(connecting)
            except RuntimeError as error:
                raise SettingsError([f"engines.{name}: cannot connect to {engine.address}: {error}"]) from None
            clients.update({(name, namespace): client for namespace, client in found.items()})
        yield clients


def _options(name: str, engine: EngineSettings, environ: Mapping[str, str]) -> TemporalOptions:
    api_key = environ.get(engine.api_key_env) if engine.api_key_env else None
    if engine.api_key_env and not api_key:
        raise SettingsError([f"environment: {engine.api_key_env}: is not set (engines.{name}.api_key_env)"])
    # As everywhere in Temporal, an API key goes over TLS only.
    tls: TLSConfig | bool = _tls(name, engine.tls) if engine.tls else api_key is not None
    return TemporalOptions(address=engine.address, api_key=api_key, tls=tls)


def _tls(name: str, tls: TlsSettings) -> TLSConfig:
    def read(key: str, path: Path | None) -> bytes | None:
        try:
            return None if path is None else path.read_bytes()
        except OSError as error:
            raise SettingsError([f"engines.{name}.tls.{key}: {path}: {error.strerror}"]) from None

    return TLSConfig(
        server_root_ca_cert=read("ca_file", tls.ca_file),
        client_cert=read("cert_file", tls.cert_file),
        client_private_key=read("key_file", tls.key_file),
        domain=tls.server_name,
    )
