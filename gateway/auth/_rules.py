"""Rules as they concern one service, compiled: who a rule is about, what it covers, and which of many can matter."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gateway.auth._globs import EVERYTHING, Texts, operations_of, texts
from gateway.model import OperationAddress, Principal, Rule, Stop, Verb

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from gateway.auth._permissions import Verbs
    from gateway.model import ClaimPath, Endpoint

ALL_VERBS: Verbs = frozenset(Verb)


@dataclass(frozen=True, slots=True)
class ClaimRule:
    """What one claim of the token must hold."""

    path: ClaimPath
    texts: Texts

    @property
    def name(self) -> str:
        """As it is told of, such as ``claims.realm_access.roles``."""
        return ".".join(("claims", *self.path))

    def value(self, principal: Principal) -> Any:  # noqa: ANN401 - whatever JSON holds
        """What the caller's token has there; None for nothing."""
        outermost, *inner = self.path
        value = principal.claims.get(outermost)
        for name in inner:
            value = value.get(name) if isinstance(value, dict) else None
        return value

    def concerns(self, principal: Principal) -> bool:
        """Whether it is what the rule wants, or has it among its items."""
        return _claims(self.value(principal), self.texts)


@dataclass(frozen=True, slots=True)
class Miss:
    """A selector that does not match, by its name in the configuration, and what the request has there instead."""

    selector: str
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRule:
    """A rule as it concerns one service. ``name`` is its place in the configuration, such as ``allow.0``.

    A deny rule that ``hides`` and leaves nothing of an allow rule makes the service unknown to the caller.
    """

    name: str
    issuers: Texts
    namespaces: Texts
    subjects: Texts
    claims: tuple[ClaimRule, ...]
    operations: Texts
    verbs: Verbs
    across_tenants: Verbs
    shadow: bool
    hides: bool
    paused: bool

    def concerns(self, principal: Principal) -> bool:
        """Whether the rule is about this caller."""
        return (
            principal.namespace in self.namespaces
            and principal.subject in self.subjects
            and principal.issuer in self.issuers
            and all(claim.concerns(principal) for claim in self.claims)
        )

    def covers(self, operation: str, verb: Verb) -> bool:
        """Whether it is about doing this with that operation of the service."""
        return verb in self.verbs and operation in self.operations

    def misses(self, principal: Principal, operation: str, verb: Verb, *, anothers: bool) -> tuple[Miss, ...]:
        """The selectors that do not match a request about an operation of the caller's tenant, or of another one."""
        compared = (
            ("issuers", principal.issuer, principal.issuer in self.issuers),
            ("namespaces", principal.namespace, principal.namespace in self.namespaces),
            ("subjects", principal.subject, principal.subject in self.subjects),
            *((claim.name, claim.value(principal), claim.concerns(principal)) for claim in self.claims),
            ("operations", operation, operation in self.operations),
            ("verbs", verb.value, verb in self.verbs),
            ("tenants", "another tenant's", not anothers or verb in self.across_tenants),
        )
        return tuple(Miss(name, value) for name, value, matches in compared if not matches)


def _claims(value: Any, wanted: Texts) -> bool:  # noqa: ANN401 - whatever JSON holds
    match value:
        case str():
            return value in wanted
        case bool():
            return str(value).lower() in wanted
        case int():
            return str(value) in wanted
        case list():
            return any(_claims(item, wanted) for item in value if not isinstance(item, list))
        case _:
            return False


class RuleTable:
    """Rules in their order, found by the caller's namespace, which nearly all of them name."""

    def __init__(self, rules: Sequence[ServiceRule]) -> None:
        self._all = tuple(rules)
        named = {text for rule in rules if _only_named(rule.namespaces) for text in rule.namespaces.named}
        self._by_namespace = {name: tuple(rule for rule in rules if name in rule.namespaces) for name in named}
        self._others = tuple(rule for rule in rules if not _only_named(rule.namespaces))

    def about(self, principal: Principal) -> tuple[ServiceRule, ...]:
        """The rules that concern a caller."""
        candidates = self._by_namespace.get(principal.namespace, self._others)
        return tuple(rule for rule in candidates if rule.concerns(principal))

    def __iter__(self) -> Iterator[ServiceRule]:
        return iter(self._all)


@dataclass(frozen=True, slots=True)
class ServiceRules:
    """All rules about one service of one endpoint; stops are deny rules that somebody else wrote.

    ``allow`` is about operations of the caller's own tenant, ``allow_across`` about those of others: the allow rules
    that reach them, with the verbs that do. ``deny`` is about both.
    """

    allow: RuleTable
    allow_across: RuleTable
    deny: RuleTable

    def allowing(self, *, anothers: bool) -> RuleTable:
        """The allow rules that count."""
        return self.allow_across if anothers else self.allow


@dataclass(frozen=True, slots=True)
class MountedRules:
    """An endpoint's target namespace and its services' rules."""

    namespace: str
    services: Mapping[str, ServiceRules]


def compile_rules(endpoint: Endpoint, stops: Sequence[Stop]) -> MountedRules:
    """The rules of one endpoint, with the stops that reach it."""
    here = [(index, stop) for index, stop in enumerate(stops) if endpoint.name in texts(stop.endpoints)]
    services = {service: _service_rules(service, endpoint, here) for service in endpoint.services}
    return MountedRules(endpoint.namespace, services)


def _service_rules(service: str, endpoint: Endpoint, stops: Sequence[tuple[int, Stop]]) -> ServiceRules:
    allow = _about(service, "allow", endpoint.allow)
    return ServiceRules(
        allow=RuleTable(allow),
        allow_across=RuleTable([replace(rule, verbs=rule.across_tenants) for rule in allow if rule.across_tenants]),
        deny=RuleTable([*_stopped(service, stops), *_about(service, "deny", endpoint.deny)]),
    )


def rules_about(endpoint: Endpoint, address: OperationAddress) -> tuple[Rule, ...]:
    """The allow rules of an endpoint that let somebody do something with one operation; for listings."""
    return _those_about(endpoint.allow, address)


def denials_about(endpoint: Endpoint, address: OperationAddress) -> tuple[Rule, ...]:
    """The deny rules of an endpoint that keep somebody from doing something with one operation; for listings."""
    return _those_about(endpoint.deny, address)


def _those_about(rules: Iterable[Rule], address: OperationAddress) -> tuple[Rule, ...]:
    return tuple(rule for rule in rules if address.operation in _operations(rule, address.service))


def _about(service: str, kind: str, rules: Iterable[Rule]) -> list[ServiceRule]:
    denies = kind == "deny"
    compiled = (_compiled(f"{kind}.{index}", rule, service, denies=denies) for index, rule in enumerate(rules))
    return [rule for rule in compiled if not rule.operations.empty]


def _stopped(service: str, stops: Iterable[tuple[int, Stop]]) -> list[ServiceRule]:
    compiled = (_compiled(f"stops.{index}", stop.rule, service, denies=True, stop=stop) for index, stop in stops)
    return [rule for rule in compiled if not rule.operations.empty]


def _compiled(name: str, rule: Rule, service: str, *, denies: bool, stop: Stop | None = None) -> ServiceRule:
    verbs = ALL_VERBS if rule.verbs is None else rule.verbs
    if denies and Verb.START in verbs:
        # What may not be started may not be started once more either.
        verbs |= {Verb.RETRY}
    return ServiceRule(
        name=name,
        issuers=texts(rule.issuers),
        namespaces=texts(rule.namespaces),
        subjects=texts(rule.subjects),
        claims=tuple(ClaimRule(path, texts(globs)) for path, globs in (rule.claims or {}).items()),
        operations=_operations(rule, service),
        verbs=verbs,
        across_tenants=rule.verbs_across_tenants,
        shadow=rule.shadow,
        # What is stopped for now is still there: whoever may see it is told so.
        hides=stop is None and not rule.shadow,
        paused=stop is not None and stop.retryable,
    )


def _operations(rule: Rule, service: str) -> Texts:
    if rule.operations is None:
        return EVERYTHING
    return texts(left for glob in rule.operations for left in operations_of(glob, service))


def _only_named(these: Texts) -> bool:
    return not these.everything and these.described is None
