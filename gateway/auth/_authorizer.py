"""May this caller do that? Rules are compiled once; a decision looks at those of one service of one endpoint only.

A deny rule wins over every allow rule, and a stop over both. Where an issuer requires permissions, one has to cover the
request beside an allow rule. Operations of another tenant than the caller's are decided about by the allow rules that
reach every tenant, and by no other.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.auth._permissions import Permissions, read_permissions
from gateway.auth._rules import Miss, MountedRules, ServiceRule, compile_rules
from gateway.model import Decision, Endpoint, OperationAddress, Principal, Stop, Verb

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class _Policy:
    """Everything that decisions are made by; replaced as a whole."""

    endpoints: Mapping[str, MountedRules]
    require_permissions: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What came of one rule: it matches, unless ``misses`` names the selectors that do not."""

    rule: str
    shadow: bool
    misses: tuple[Miss, ...]


class Authorizer:
    """Decides by the rules of endpoints and, for issuers that require it, by the permissions in the token."""

    def __init__(
        self,
        endpoints: Iterable[Endpoint],
        require_permissions: Iterable[str] = (),
        stops: Sequence[Stop] = (),
    ) -> None:
        """Compile the rules.

        Args:
            endpoints: all that are mounted.
            require_permissions: issuers whose callers need a permission that covers the request, beside a rule.
            stops: what is stopped for now, whatever the endpoints' own rules say.
        """
        self._policy = _compiled(endpoints, require_permissions, stops)
        self._read: OrderedDict[frozenset[str], Permissions] = OrderedDict()

    def replace(
        self, endpoints: Iterable[Endpoint], require_permissions: Iterable[str] = (), stops: Sequence[Stop] = ()
    ) -> None:
        """Decide by other rules from now on; a decision is made by the old ones or by the new ones, never by both."""
        self._policy = _compiled(endpoints, require_permissions, stops)

    def authorize(
        self,
        principal: Principal,
        endpoint: Endpoint,
        address: OperationAddress,
        verb: Verb,
        *,
        anothers: bool = False,
    ) -> Decision:
        """Whether ``principal`` may do ``verb`` on the operation at ``address`` (contract section 4).

        The operation is one of the principal's own tenant, or ``anothers``.
        """
        policy = self._policy
        mounted = policy.endpoints.get(endpoint.name)
        if mounted is None:
            return Decision(allowed=False, visible=False, reason="no such endpoint")
        rules = mounted.services.get(address.service)
        if rules is None:
            return Decision(allowed=False, visible=False, reason="no such service")
        allowing, denying = rules.allowing(anothers=anothers).about(principal), rules.deny.about(principal)
        permissions = self._permissions(policy, principal)
        covered = permissions is None or permissions.cover(address, mounted.namespace, verb)
        return _decide(allowing, denying, address.operation, verb, covered=covered)

    def explain(
        self, principal: Principal, address: OperationAddress, verb: Verb, *, anothers: bool = False
    ) -> tuple[Finding, ...]:
        """What each rule about the service says of a request: stops, then deny rules, then allow rules."""
        mounted = self._policy.endpoints.get(address.endpoint)
        rules = mounted.services.get(address.service) if mounted is not None else None
        if rules is None:
            return ()
        # A deny rule keeps a caller from every tenant's operations, whoever's they are.
        considered = (*((rule, False) for rule in rules.deny), *((rule, anothers) for rule in rules.allow))
        return tuple(
            Finding(
                rule=rule.name,
                shadow=rule.shadow,
                misses=rule.misses(principal, address.operation, verb, anothers=reaching),
            )
            for rule, reaching in considered
        )

    def _permissions(self, policy: _Policy, principal: Principal) -> Permissions | None:
        """What the caller's permissions cover; None where none is required."""
        if principal.issuer not in policy.require_permissions:
            return None
        # A caller comes often and always with the same set, whose hash Python keeps.
        read = self._read.get(principal.permissions)
        if read is None:
            read = self._read[principal.permissions] = read_permissions(principal.permissions)
            if len(self._read) > _REMEMBERED:
                self._read.popitem(last=False)
        return read


def _compiled(endpoints: Iterable[Endpoint], require_permissions: Iterable[str], stops: Sequence[Stop]) -> _Policy:
    return _Policy(
        {endpoint.name: compile_rules(endpoint, stops) for endpoint in endpoints}, frozenset(require_permissions)
    )


def _decide(
    allowing: Sequence[ServiceRule], denying: Sequence[ServiceRule], operation: str, verb: Verb, *, covered: bool
) -> Decision:
    allowed_by = [rule for rule in allowing if rule.covers(operation, verb)]
    denied_by = [rule for rule in denying if rule.covers(operation, verb)]
    allow, deny = _first(allowed_by), _first(denied_by)
    if allow and covered and not deny:
        return Decision(
            allowed=True, visible=True, reason=allow.name, rule=allow.name, shadow=_shadow(denied_by, "deny")
        )
    visible = any(not rule.shadow and not _silenced(rule, denying) for rule in allowing)
    if deny:
        return Decision(
            allowed=False, visible=visible, reason=f"{deny.name} matches", rule=deny.name, paused=deny.paused
        )
    if allow:
        reason = f"{allow.name} matches, but no permission covers it"
        return Decision(allowed=False, visible=visible, reason=reason, rule=allow.name)
    shadow = _shadow(allowed_by, "allow") if covered else None
    # Permissions hide nothing: where a rule lets the caller in, 403 says that something is missing.
    return Decision(allowed=False, visible=visible, reason="no allow rule matches", shadow=shadow)


def _first(rules: Iterable[ServiceRule]) -> ServiceRule | None:
    return next((rule for rule in rules if not rule.shadow), None)


def _shadow(rules: Iterable[ServiceRule], effect: str) -> str | None:
    rule = next((rule for rule in rules if rule.shadow), None)
    return None if rule is None else f"{rule.name} would {effect} it"


def _silenced(rule: ServiceRule, denying: Iterable[ServiceRule]) -> bool:
    """Whether nothing is left of an allow rule: it has no verbs, or a deny rule takes all that it gives."""
    return not rule.verbs or any(
        deny.hides and rule.verbs <= deny.verbs and deny.operations.includes(rule.operations) for deny in denying
    )
