"""What keys must agree on with each other.

The checks read the plain tree and not the models, so that they report even where some other key is wrong; values of the
wrong type are passed over here, the models have said so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from gateway.settings._faults import Fault, nearest
from gateway.settings._values import is_loopback

Tree = Mapping[str, Any]
_SOURCES = ("jwks_file", "jwks_uri", "discovery")


def cross_faults(tree: Tree) -> Iterator[Fault]:
    """Every disagreement between keys that are fine each by itself."""
    for check in _CHECKS:
        yield from check(tree)


def _engines_exist(tree: Tree) -> Iterator[Fault]:
    engines = _mapping(tree.get("engines"))
    for name, endpoint in _mapping(tree.get("endpoints")).items():
        engine = _mapping(endpoint).get("engine")
        if isinstance(engine, str) and engine not in engines:
            guess = nearest(engine, [str(key) for key in engines])
            hint = f"; the nearest one is {guess}" if guess else ""
            yield Fault(("endpoints", name, "engine"), f"names no engine of this file{hint}")


def _one_key_source(tree: Tree) -> Iterator[Fault]:
    for index, issuer in _items(tree.get("issuers")):
        # `discovery: false` is no source; an empty text is a mistake that the model reports.
        given = [key for key in _SOURCES if issuer.get(key) not in (None, False)]
        match given:
            case [_]:
                pass
            case []:
                yield Fault(("issuers", index), f"needs its keys: set one of {', '.join(_SOURCES)}")
            case _:
                yield Fault(("issuers", index), f"must have one source of keys, not {' and '.join(given)}")


def _discovery_is_safe(tree: Tree) -> Iterator[Fault]:
    for index, issuer in _items(tree.get("issuers")):
        url = issuer.get("issuer")
        if issuer.get("discovery") is True and isinstance(url, str) and not _fetchable(url):
            yield Fault(("issuers", index, "issuer"), "must be an https:// URL for discovery, or http:// on loopback")


def _fetchable(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))


def _issuers_differ(tree: Tree) -> Iterator[Fault]:
    yield from _repeated(tree.get("issuers"), "issuers", "issuer")


def _token_keys_differ(tree: Tree) -> Iterator[Fault]:
    keys = _mapping(tree.get("tokens")).get("keys")
    for fault in _repeated(keys, "keys", "id"):
        yield Fault(("tokens", *fault.path), fault.message)


def _repeated(items: object, section: str, key: str) -> Iterator[Fault]:
    seen: dict[str, int] = {}
    for index, item in _items(items):
        value = item.get(key)
        if isinstance(value, str) and seen.setdefault(value, index) != index:
            yield Fault((section, index, key), f"is the same as that of {section}.{seen[value]}")


def _client_certificate_is_whole(tree: Tree) -> Iterator[Fault]:
    for name, engine in _mapping(tree.get("engines")).items():
        tls = _mapping(_mapping(engine).get("tls"))
        if (tls.get("cert_file") is None) != (tls.get("key_file") is None):
            yield Fault(("engines", name, "tls"), "needs both of cert_file and key_file, or none")


def _client_certificates_can_be_checked(tree: Tree) -> Iterator[Fault]:
    tls = _mapping(_mapping(tree.get("server")).get("tls"))
    asked = tls.get("client_cert") in ("optional", "required")
    if asked and tls.get("client_ca_file") is None:
        yield Fault(("server", "tls", "client_ca_file"), "is required where client certificates are asked for")
    if not asked and tls.get("client_ca_file") is not None:
        yield Fault(("server", "tls", "client_cert"), "must be optional or required where client_ca_file is set")


def _one_audit_log(tree: Tree) -> Iterator[Fault]:
    audit = _mapping(tree.get("audit"))
    if audit.get("file") is not None and audit.get("stdout") is True:
        yield Fault(("audit",), "needs either file or stdout: true, not both")


def _listeners_differ(tree: Tree) -> Iterator[Fault]:
    server = _mapping(tree.get("server"))
    port, admin_port = server.get("port", 8080), server.get("admin_port", 8081)
    if port == admin_port != 0:
        yield Fault(("server", "admin_port"), "must not be the same as server.port")


def _delivery_engine_exists(tree: Tree) -> Iterator[Fault]:
    engine = _mapping(_mapping(tree.get("callbacks")).get("delivery")).get("engine")
    engines = _mapping(tree.get("engines"))
    if isinstance(engine, str) and engine not in engines:
        yield Fault(("callbacks", "delivery", "engine"), "names no engine of this file")


def _bulk_has_its_own_queue(tree: Tree) -> Iterator[Fault]:
    task_queue = _mapping(tree.get("bulk")).get("task_queue", "nexus-gateway-bulk")
    delivery = _mapping(_mapping(tree.get("callbacks")).get("delivery"))
    of_endpoints = [_mapping(endpoint).get("task_queue") for endpoint in _mapping(tree.get("endpoints")).values()]
    # A worker that is handed what it does not know fails it, again and again.
    if task_queue in [delivery.get("task_queue", "nexus-gateway-callbacks"), *of_endpoints]:
        yield Fault(("bulk", "task_queue"), "must not be that of an endpoint or of callbacks.delivery")


def _signing_keys_differ(tree: Tree) -> Iterator[Fault]:
    for fault in _repeated(_mapping(tree.get("callbacks")).get("signing_keys"), "signing_keys", "id"):
        yield Fault(("callbacks", *fault.path), fault.message)


def _mapping(value: object) -> Tree:
    return value if isinstance(value, Mapping) else {}


def _items(value: object) -> Iterator[tuple[int, Tree]]:
    if isinstance(value, list):
        yield from ((index, item) for index, item in enumerate(value) if isinstance(item, Mapping))


_CHECKS: tuple[Callable[[Tree], Iterator[Fault]], ...] = (
    _engines_exist,
    _one_key_source,
    _discovery_is_safe,
    _issuers_differ,
    _token_keys_differ,
    _client_certificate_is_whole,
    _client_certificates_can_be_checked,
    _one_audit_log,
    _listeners_differ,
    _delivery_engine_exists,
    _bulk_has_its_own_queue,
    _signing_keys_differ,
)
