"""May this caller do that? Rules are compiled once; a decision looks at those of one service of one endpoint only."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.auth._globs import EVERYTHING, Texts, operations_of, texts
from gateway.auth._permissions import Permissions, Verbs, read_permissions
from gateway.model import Decision, Endpoint, OperationAddress, Principal, Rule, Verb

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_ALL_VERBS: Verbs = frozenset(Verb)
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class _ServiceRule:
    """An allow rule as it concerns one service."""

    name: str
    issuers: Texts
    namespaces: Texts
    subjects: Texts
    operations: Texts
    verbs: Verbs

    def concerns(self, principal: Principal) -> bool:
        return (
            principal.namespace in self.namespaces
            and principal.subject in self.subjects
            and principal.issuer in self.issuers
        )


@dataclass(frozen=True, slots=True)
class _Mounted:
    """An endpoint's target namespace and its services' rules."""

    name: str
    namespace: str
    services: Mapping[str, tuple[_ServiceRule, ...]]


class Authorizer:
    """Decides by the allow rules of endpoints and, for issuers that require it, by the permissions in the token."""

    def __init__(self, endpoints: Iterable[Endpoint], require_permissions: Iterable[str] = ()) -> None:
        """Compile the rules.

        Args:
            endpoints: all that are mounted.
            require_permissions: issuers whose callers need a permission that covers the request, beside a rule.
        """
        self._endpoints = {endpoint.name: _mounted(endpoint) for endpoint in endpoints}
        self._require_permissions = frozenset(require_permissions)
        self._read: OrderedDict[frozenset[str], Permissions] = OrderedDict()

    def authorize(
        self, principal: Principal, endpoint: Endpoint, address: OperationAddress | None, verb: Verb
    ) -> Decision:
        """Whether ``principal`` may do ``verb`` on the operation at ``address`` (contract section 4).

        Without an address the question is whether there is anything at the endpoint that it may do ``verb`` on, as for
        a list, whose items are then decided one by one.
        """
        mounted = self._endpoints.get(endpoint.name)
        if mounted is None:
            return Decision(allowed=False, visible=False, reason="no such endpoint")
        permissions = self._permissions(principal)
        if address is None:
            return _decide_any(mounted, principal, permissions, verb)
        rules = mounted.services.get(address.service)
        if rules is None:
            return Decision(allowed=False, visible=False, reason="no such service")
        mine = [rule for rule in rules if rule.concerns(principal)]
        matching = [rule for rule in mine if verb in rule.verbs and address.operation in rule.operations]
        covered = permissions is None or permissions.cover(address, mounted.namespace, verb)
        if matching and covered:
            return Decision(allowed=True, visible=True, reason=matching[0].name)
        # Permissions hide nothing: where a rule lets the caller in, 403 says that something is missing.
        visible = any(rule.verbs for rule in mine)
        reason = f"{matching[0].name} matches, but no permission covers it" if matching else "no allow rule matches"
        return Decision(allowed=False, visible=visible, reason=reason)

    def _permissions(self, principal: Principal) -> Permissions | None:
        """What the caller's permissions cover; None where none is required."""
        if principal.issuer not in self._require_permissions:
            return None
        # A caller comes often and always with the same set, whose hash Python keeps.
        read = self._read.get(principal.permissions)
        if read is None:
            read = self._read[principal.permissions] = read_permissions(principal.permissions)
            if len(self._read) > _REMEMBERED:
                self._read.popitem(last=False)
        return read


def rules_about(endpoint: Endpoint, address: OperationAddress) -> tuple[Rule, ...]:
    """The allow rules of an endpoint that let somebody do something with one operation; for listings."""
    return tuple(rule for rule in endpoint.allow if address.operation in _operations(rule, address.service))


def _decide_any(mounted: _Mounted, principal: Principal, permissions: Permissions | None, verb: Verb) -> Decision:
    mine = [
        (service, rule) for service, rules in mounted.services.items() for rule in rules if rule.concerns(principal)
    ]
    wanted = frozenset({verb})
    for service, rule in mine:
        if _opens(rule, mounted, service, permissions, rule.verbs & wanted):
            return Decision(allowed=True, visible=True, reason=rule.name)
    visible = any(rule.verbs for _, rule in mine)
    return Decision(allowed=False, visible=visible, reason=f"no allow rule matches for {verb}")


def _opens(rule: _ServiceRule, mounted: _Mounted, service: str, permissions: Permissions | None, verbs: Verbs) -> bool:
    """Whether a rule and the permissions together let the caller do one of ``verbs`` on anything of a service."""
    if not verbs:
        return False
    return permissions is None or permissions.overlap(
        mounted.name, service, mounted.namespace, operations=rule.operations, verbs=verbs
    )


def _mounted(endpoint: Endpoint) -> _Mounted:
    rules = [(f"allow.{index}", rule) for index, rule in enumerate(endpoint.allow)]
    services = {service: _service_rules(rules, service) for service in endpoint.services}
    return _Mounted(endpoint.name, endpoint.namespace, services)


def _service_rules(rules: Iterable[tuple[str, Rule]], service: str) -> tuple[_ServiceRule, ...]:
    compiled = (
        _ServiceRule(
            name=name,
            issuers=texts(rule.issuers),
            namespaces=texts(rule.namespaces),
            subjects=texts(rule.subjects),
            operations=_operations(rule, service),
            verbs=_ALL_VERBS if rule.verbs is None else rule.verbs,
        )
        for name, rule in rules
    )
    return tuple(rule for rule in compiled if not rule.operations.empty)


def _operations(rule: Rule, service: str) -> Texts:
    if rule.operations is None:
        return EVERYTHING
    return texts(left for glob in rule.operations for left in operations_of(glob, service))
