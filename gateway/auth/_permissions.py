"""The three spellings of a permission, and what each covers.

- ``nexus:<endpoint>/<service>/<operation>:<verb>``: each part may be ``*``; a slash inside a name is written ``%2F``
- ``temporal:*``, ``temporal:workflow:*``, ``temporal:workflow:<verb>``: the verb at every endpoint; ``read`` is result
  and describe
- ``<namespace>:read``, ``:write``, ``:admin``: the endpoints whose target namespace is that one

What is spelled in no such way covers nothing: tokens carry permissions for other systems, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import unquote

from gateway.model import OperationAddress, Verb

if TYPE_CHECKING:
    from collections.abc import Iterable

Verbs = frozenset[Verb]

_ALL: Verbs = frozenset(Verb)
_READ: Verbs = frozenset({Verb.RESULT, Verb.DESCRIBE})
_TEMPORAL = MappingProxyType(
    {
        "temporal:*": _ALL,
        "temporal:workflow:*": _ALL,
        "temporal:workflow:start": frozenset({Verb.START}),
        "temporal:workflow:signal": frozenset({Verb.SIGNAL}),
        # A query is put to a workflow, never to an operation: known, and without effect here.
        "temporal:workflow:query": frozenset(),
        "temporal:workflow:read": _READ,
        "temporal:workflow:list": frozenset({Verb.LIST}),
        "temporal:workflow:terminate": frozenset({Verb.TERMINATE}),
        "temporal:workflow:cancel": frozenset({Verb.CANCEL}),
    }
)
_NAMESPACE_READ: Verbs = _READ | {Verb.LIST}
_NAMESPACE_WRITE: Verbs = _NAMESPACE_READ | {Verb.START, Verb.CANCEL, Verb.SIGNAL, Verb.RETRY}
_NAMESPACE = MappingProxyType(
    {"read": _NAMESPACE_READ, "write": _NAMESPACE_WRITE, "admin": _NAMESPACE_WRITE | {Verb.TERMINATE}}
)
_NEXUS_PREFIX = "nexus:"


@dataclass(frozen=True, slots=True)
class _Named:
    """One ``nexus:`` permission; None stands for ``*``."""

    endpoint: str | None
    service: str | None
    operation: str | None
    verbs: Verbs

    def about(self, endpoint: str, service: str) -> bool:
        return self.endpoint in (None, endpoint) and self.service in (None, service)


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a token's permissions cover, all of them together."""

    anywhere: Verbs
    by_namespace: MappingProxyType[str, Verbs]
    named: tuple[_Named, ...]

    def cover(self, address: OperationAddress, target_namespace: str, verb: Verb) -> bool:
        """Whether one of them covers doing ``verb`` there."""
        if verb in self._at(target_namespace):
            return True
        return any(
            verb in named.verbs
            and named.about(address.endpoint, address.service)
            and named.operation in (None, address.operation)
            for named in self.named
        )

    def _at(self, namespace: str) -> Verbs:
        return self.anywhere | self.by_namespace.get(namespace, frozenset())


def read_permissions(spelled: Iterable[str]) -> Permissions:
    """What a token's permissions mean here; anything else in the list is passed over."""
    anywhere: Verbs = frozenset()
    by_namespace: dict[str, Verbs] = {}
    named: list[_Named] = []
    for permission in spelled:
        scope, _, level = permission.rpartition(":")
        if permission in _TEMPORAL:
            anywhere |= _TEMPORAL[permission]
        elif scope and ":" not in scope and level in _NAMESPACE:
            by_namespace[scope] = by_namespace.get(scope, frozenset()) | _NAMESPACE[level]
        elif permission.startswith(_NEXUS_PREFIX) and (one := _named(permission)) is not None:
            named.append(one)
    return Permissions(anywhere, MappingProxyType(by_namespace), tuple(named))


def covers_something(permission: str) -> bool:
    """Whether a permission that is spelled so covers anything here."""
    return read_permissions([permission]) != read_permissions([])


def _named(permission: str) -> _Named | None:
    target, _, verb = permission.removeprefix(_NEXUS_PREFIX).rpartition(":")
    match target.split("/"):
        case [endpoint, service, operation] if endpoint and service and operation:
            verbs = _ALL if verb == "*" else frozenset(known for known in Verb if known == verb)
            return _Named(_part(endpoint), _part(service), _part(operation), verbs) if verbs else None
        case _:
            return None


def _part(spelled: str) -> str | None:
    return None if spelled == "*" else unquote(spelled)
