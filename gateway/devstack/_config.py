"""The configuration of a development gateway, and the secrets it needs, in a directory of their own."""

from __future__ import annotations

import base64
import os
import secrets
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import yaml

from gateway.auth import generate_dev_issuer
from gateway.devstack._ports import HOST

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from gateway.devstack._ports import Port

CALLER_NAMESPACE: Final = "checkout"
"""The namespace that development tokens are made for, and that calling workflows run in."""

HANDLER_NAMESPACE: Final = "orders"
"""The namespace that the operations' workflows run in, unless there is reason for another."""

_TOKEN_KEY_VARIABLE: Final = "NEXUS_GATEWAY_TOKEN_KEY"  # noqa: S105 - the name of a variable, not what it holds
_CONFIG_FILE: Final = "gateway.yaml"
_KEY_FILE: Final = "token-key"
_SHIPPED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"orders": ("orders.v1",), "echo": ("echo.v1", "Ser/vic e")}
)
# Whoever tries a development gateway out, or lets a fuzzer loose on it, would take these failures for the gateway's.
_FAILING_ON_DEMAND: Final = ("echo.v1/fail", "echo.v1/sleep")


def development_config(
    *,
    port: Port,
    admin_port: Port,
    temporal_address: str,
    namespace: str,
    services: Iterable[str],
    plugins: Iterable[str] = (),
) -> dict[str, Any]:
    """A configuration that lets tokens of its own issuer call ``services``, of ``plugins`` or of those installed.

    Those that this project ships have endpoints of their own; all others are behind the endpoint ``plugins``. What is
    made to fail is denied.
    """
    shipped = {service for together in _SHIPPED.values() for service in together}
    others = tuple(sorted(set(services) - shipped))
    endpoints = {name: together for name, together in {**_SHIPPED, "plugins": others}.items() if together}
    return {
        "server": {
            "host": HOST,
            "port": port.number,
            "admin_port": admin_port.number,
            "public_url": f"http://{port.address}",
        },
        "issuers": [
            {
                "issuer": "https://issuer.test",
                "audiences": ["nexus-gateway"],
                "algorithms": ["ES256"],
                "jwks_file": "jwks.json",
                "dev_signing_key_file": "dev-signing-key.json",
            }
        ],
        "engines": {"main": {"type": "temporal", "address": temporal_address}},
        "endpoints": {name: _endpoint(namespace, name, together) for name, together in endpoints.items()},
        "tokens": {"keys": [{"id": "dev", "secret_env": _TOKEN_KEY_VARIABLE}]},
        "callbacks": {"allow": [f"http://{HOST}:*"]},
        "telemetry": {"service_name": "nexus-gateway"},
        "plugins": list(plugins),
    }


def _endpoint(namespace: str, task_queue: str, services: Iterable[str]) -> dict[str, Any]:
    return {
        "engine": "main",
        "namespace": namespace,
        "task_queue": task_queue,
        "services": list(services),
        "allow": [{"namespaces": [CALLER_NAMESPACE]}],
        "deny": [{"operations": list(_FAILING_ON_DEMAND)}],
    }


def write_config(directory: Path, config: Mapping[str, Any]) -> Path:
    """Write ``config`` into ``directory`` beside its issuer's keys, which are made unless they are there; its path."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (directory / "dev-signing-key.json").exists():
        generate_dev_issuer(directory)
    path = directory / _CONFIG_FILE
    path.write_text(yaml.safe_dump(dict(config), sort_keys=False))
    return path


def child_environ(directory: Path, *, collector_url: str, service_name: str) -> dict[str, str]:
    """The environment for a process that runs with the configuration in ``directory``.

    Our own settings of these kinds are taken out: a development gateway is what its configuration says it is.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "NEXUS_GATEWAY_"))}
    return {
        **inherited,
        _TOKEN_KEY_VARIABLE: _token_key(directory / _KEY_FILE),
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector_url,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_SERVICE_NAME": service_name,
        "OTEL_BSP_SCHEDULE_DELAY": "100",  # milliseconds: somebody waits for the trace
    }


def _token_key(file: Path) -> str:
    """The key that seals operation tokens: kept, so that tokens survive a restart on the same data."""
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
    return file.read_text()
