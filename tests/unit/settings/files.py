"""Configuration files for tests: the contract's example, and what one test changes in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.settings import Settings, SettingsError, load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

EXAMPLE = """
server:
  host: 127.0.0.1
  port: 8080
  admin_port: 8081                      # health, readiness, metrics; null turns the listener off
  public_url: http://127.0.0.1:8080     # where the engine reaches this gateway with completions
issuers:
  - issuer: https://issuer.test
    audiences: [nexus-gateway]
    algorithms: [ES256]
    jwks_file: jwks.json                # or jwks_uri: https://… , or discovery: true
    namespace_claim: namespace          # the caller's namespace
    permissions_claim: permissions
    require_permissions: false
engines:
  main:
    type: temporal
    address: 127.0.0.1:7233             # api_key_env, tls: {ca_file, cert_file, key_file, server_name} are optional
endpoints:
  orders:
    engine: main
    namespace: orders                   # the Temporal namespace its workflows run in
    task_queue: orders
    services: [orders.v1]               # installed is not exposed: only what is listed is mounted
    allow:
      - namespaces: [checkout]          # selectors: issuers, namespaces, subjects, operations, verbs; globs
        operations: ["orders.v1/*"]
        verbs: [start, cancel, result]
tokens:
  keys:                                 # first seals, all open; 32 bytes, base64url
    - {id: k1, secret_env: NEXUS_GATEWAY_TOKEN_KEY}
callbacks:
  allow: ["http://127.0.0.1:*"]         # URL patterns callers may name; default none
telemetry:
  service_name: nexus-gateway           # exporter and endpoint by the standard OTEL_* variables
plugins: ["my_package.plugin:plugin"]   # beside the installed entry points
"""

SMALLEST = """
issuers:
  - {issuer: "https://issuer.test", audiences: [nexus-gateway], jwks_file: jwks.json}
engines:
  main: {address: "127.0.0.1:7233"}
endpoints:
  orders: {engine: main, namespace: orders, task_queue: orders, services: [orders.v1]}
tokens:
  keys: [{id: k1, secret_env: NEXUS_GATEWAY_TOKEN_KEY}]
"""


def changed(*changes: tuple[str, str], text: str = EXAMPLE) -> str:
    """The example with pieces of its text replaced; each has to be there."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def load(directory: Path, text: str, environ: Mapping[str, str] | None = None) -> Settings:
    """Settings of a file with that text."""
    file = directory / "gateway.yaml"
    file.write_text(text, encoding="utf-8")
    return load_settings(file, environ or {})


def faults_of(directory: Path, text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """The fault lines of a file that must be refused, with its directory cut off."""
    with pytest.raises(SettingsError) as raised:
        load(directory, text, environ)
    return [fault.replace(f"{directory}/", "") for fault in raised.value.faults]
