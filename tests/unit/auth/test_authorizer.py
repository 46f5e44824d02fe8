"""Who may do what, who may know that it is there, and what that costs."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from gateway.auth import Authorizer, rules_about
from gateway.model import Decision, Endpoint, OperationAddress, Principal, Reach, Rule, Stop, Verb

ISSUER = "https://issuer.test"
PROCESS = OperationAddress("orders", "orders.v1", "process")
START_PROCESS = Rule(operations=("orders.v1/process",), verbs=frozenset({Verb.START}))


def caller(namespace: str = "checkout", subject: str = "svc", *permissions: str, issuer: str = ISSUER) -> Principal:
    return Principal(issuer=issuer, subject=subject, namespace=namespace, permissions=frozenset(permissions))


def endpoint(*rules: Rule, name: str = "orders", services: tuple[str, ...] = ("orders.v1", "admin.v1")) -> Endpoint:
    return Endpoint(name=name, engine="main", namespace="orders-target", task_queue="q", services=services, allow=rules)


def decide(
    rules: list[Rule],
    principal: Principal,
    address: OperationAddress = PROCESS,
    verb: Verb = Verb.START,
    *,
    require: bool = False,
    anothers: bool = False,
) -> Decision:
    mounted = endpoint(*rules)
    authorizer = Authorizer([mounted], [ISSUER] if require else [])
    return authorizer.authorize(principal, mounted, address, verb, anothers=anothers)


def test_without_a_rule_nobody_may_do_or_see_anything() -> None:
    decision = decide([], caller("checkout", "svc", "temporal:*"))
    assert (decision.allowed, decision.visible) == (False, False)


@pytest.mark.parametrize(
    ("rule", "allowed"),
    [
        (Rule(), True),
        (Rule(issuers=(ISSUER,)), True),
        (Rule(issuers=("https://*.test",)), True),
        (Rule(issuers=("https://other.test",)), False),
        (Rule(namespaces=("checkout",)), True),
        (Rule(namespaces=("billing", "check*")), True),
        (Rule(namespaces=("billing",)), False),
        (Rule(namespaces=()), False),
        (Rule(subjects=("svc",)), True),
        (Rule(subjects=("svc-*",)), False),
        (Rule(operations=("orders.v1/*",)), True),
        (Rule(operations=("orders.v1/process",)), True),
        (Rule(operations=("orders.v1/approve",)), False),
        (Rule(operations=("orders.v2/*",)), False),
        (Rule(verbs=frozenset({Verb.START})), True),
        (Rule(verbs=frozenset({Verb.CANCEL, Verb.RESULT})), False),
        (Rule(verbs=frozenset()), False),
        (Rule(namespaces=("checkout",), subjects=("svc",), operations=("*",), verbs=frozenset(Verb)), True),
        (Rule(namespaces=("checkout",), subjects=("other",)), False),
        (Rule(namespaces=("billing",), subjects=("svc",)), False),
    ],
)
def test_every_selector_that_is_given_must_match(rule: Rule, allowed: bool) -> None:
    assert allowed is decide([rule], caller()).allowed


def test_the_first_rule_that_matches_is_the_reason() -> None:
    assert decide([Rule(namespaces=("billing",)), Rule(), Rule()], caller()).reason == "allow.1"


@pytest.mark.parametrize(
    ("rules", "principal", "address", "verb", "visible"),
    [
        ([START_PROCESS], caller(), PROCESS, Verb.CANCEL, True),
        ([START_PROCESS], caller(), OperationAddress("orders", "orders.v1", "approve"), Verb.START, True),
        ([START_PROCESS], caller(), OperationAddress("orders", "orders.v1", "no such"), Verb.START, True),
        ([START_PROCESS], caller(), OperationAddress("orders", "admin.v1", "wipe"), Verb.START, False),
        ([START_PROCESS], caller(), OperationAddress("orders", "nothing.v1", "process"), Verb.START, False),
        ([Rule(namespaces=("billing",))], caller(), PROCESS, Verb.START, False),
        ([Rule(verbs=frozenset())], caller(), PROCESS, Verb.START, False),
        ([Rule(namespaces=("billing",)), START_PROCESS], caller(), PROCESS, Verb.CANCEL, True),
    ],
)
def test_who_may_do_something_with_a_service_may_know_of_it(
    rules: list[Rule], principal: Principal, address: OperationAddress, verb: Verb, visible: bool
) -> None:
    """Visible and not allowed is a 403; invisible is the same 404 as for what does not exist."""
    decision = decide(rules, principal, address, verb)
    assert (decision.allowed, decision.visible) == (False, visible)


@pytest.mark.parametrize(
    ("permissions", "allowed", "visible"),
    [
        (["temporal:*"], True, True),
        (["orders-target:write"], True, True),
        (["nexus:orders/orders.v1/process:start"], True, True),
        (["nexus:orders/orders.v1/process:cancel"], False, True),
        (["nexus:orders/orders.v1/approve:start"], False, True),
        (["temporal:workflow:read"], False, True),
        (["nexus:orders/admin.v1/*:start"], False, True),
        (["orders:admin"], False, True),
        ([], False, True),
    ],
)
def test_where_permissions_are_required_one_must_cover_the_request_beside_a_rule(
    permissions: list[str], allowed: bool, visible: bool
) -> None:
    decision = decide([Rule(operations=("orders.v1/*",))], caller("checkout", "svc", *permissions), require=True)
    assert (decision.allowed, decision.visible) == (allowed, visible)


def test_a_permission_opens_nothing_without_a_rule() -> None:
    decision = decide([Rule(namespaces=("billing",))], caller("checkout", "svc", "temporal:*"), require=True)
    assert (decision.allowed, decision.visible) == (False, False)


def test_permissions_count_only_for_issuers_that_require_them() -> None:
    mounted = endpoint(Rule())
    authorizer = Authorizer([mounted], [ISSUER])
    other = caller(issuer="https://other.test")
    assert authorizer.authorize(other, mounted, PROCESS, Verb.START).allowed
    assert not authorizer.authorize(caller(), mounted, PROCESS, Verb.START).allowed


def test_a_rule_alone_makes_a_service_visible_whatever_permissions_are_missing() -> None:
    """The caller learns that a permission is missing, not that there is nothing."""
    principal = caller("checkout", "svc", "nexus:orders/orders.v1/approve:start")
    decision = decide([START_PROCESS], principal, OperationAddress("orders", "orders.v1", "status"), require=True)
    assert (decision.allowed, decision.visible) == (False, True)


EVERY_TENANT = Rule(operations=("orders.v1/process",), tenants=Reach.ALL)


@pytest.mark.parametrize("verb", Verb)
def test_a_rule_that_reaches_every_tenant_starts_and_hands_out_nothing_of_anothers(verb: Verb) -> None:
    """Of its own tenant it does both."""
    across = {Verb.DESCRIBE, Verb.LIST, Verb.CANCEL, Verb.TERMINATE, Verb.SIGNAL, Verb.RETRY}
    assert (verb in across) is decide([EVERY_TENANT], caller(), verb=verb, anothers=True).allowed
    assert decide([EVERY_TENANT], caller(), verb=verb).allowed


@pytest.mark.parametrize(
    ("rules", "verb", "allowed", "visible"),
    [
        ([Rule()], Verb.LIST, False, False),
        ([Rule(verbs=frozenset({Verb.START}), tenants=Reach.ALL)], Verb.LIST, False, False),
        ([Rule(verbs=frozenset({Verb.LIST}), tenants=Reach.ALL)], Verb.LIST, True, True),
        ([Rule(verbs=frozenset({Verb.LIST}), tenants=Reach.ALL)], Verb.TERMINATE, False, True),
        ([Rule(verbs=frozenset({Verb.LIST}), tenants=Reach.ALL), Rule()], Verb.TERMINATE, False, True),
        ([Rule(namespaces=("billing",), tenants=Reach.ALL), Rule()], Verb.LIST, False, False),
        ([Rule(operations=("admin.v1/*",), tenants=Reach.ALL), Rule()], Verb.LIST, False, False),
        ([Rule(operations=("orders.v1/approve",), tenants=Reach.ALL), Rule()], Verb.LIST, False, True),
        ([Rule(tenants=Reach.ALL, shadow=True), Rule()], Verb.LIST, False, False),
    ],
)
def test_another_tenants_operations_are_decided_about_by_rules_that_reach_every_tenant_alone(
    rules: list[Rule], verb: Verb, allowed: bool, visible: bool
) -> None:
    """What a caller may do with its own says nothing about them."""
    decision = decide(rules, caller(), verb=verb, anothers=True)
    assert (allowed, visible) == (decision.allowed, decision.visible)


def test_a_deny_rule_and_a_stop_keep_a_caller_from_every_tenants_operations() -> None:
    mounted = replace(endpoint(EVERY_TENANT), deny=(Rule(verbs=frozenset({Verb.TERMINATE})),))
    stop = Stop(rule=Rule(verbs=frozenset({Verb.RETRY}), operations=("*",)), retryable=True)
    authorizer = Authorizer([mounted], stops=[stop])
    outcomes = {
        verb: authorizer.authorize(caller(), mounted, PROCESS, verb, anothers=True)
        for verb in (Verb.LIST, Verb.TERMINATE, Verb.RETRY)
    }
    assert (True, False, False) == tuple(decision.allowed for decision in outcomes.values())
    assert ("deny.0", "stops.0") == (outcomes[Verb.TERMINATE].rule, outcomes[Verb.RETRY].rule)
    assert outcomes[Verb.RETRY].paused


def test_a_permission_must_cover_what_is_done_with_anothers_operation_too() -> None:
    allowed = [
        decide([EVERY_TENANT], caller("ops", "svc", permission), verb=Verb.LIST, require=True, anothers=True).allowed
        for permission in ("temporal:workflow:list", "temporal:workflow:read")
    ]
    assert [True, False] == allowed


def test_an_explanation_says_which_rules_reach_no_other_tenant() -> None:
    mounted = replace(endpoint(Rule(), EVERY_TENANT), deny=(Rule(),))
    findings = Authorizer([mounted]).explain(caller(), PROCESS, Verb.LIST, anothers=True)
    assert {"deny.0": [], "allow.0": ["tenants"], "allow.1": []} == {
        finding.rule: [miss.selector for miss in finding.misses] for finding in findings
    }


def test_an_endpoint_that_is_not_mounted_is_like_one_that_is_not_there() -> None:
    decision = Authorizer([]).authorize(caller(), endpoint(Rule()), PROCESS, Verb.START)
    assert (decision.allowed, decision.visible) == (False, False)


def test_rules_of_one_endpoint_say_nothing_about_another() -> None:
    open_one, closed_one = endpoint(Rule(), name="open"), endpoint(name="closed")
    authorizer = Authorizer([open_one, closed_one])
    address = OperationAddress("closed", "orders.v1", "process")
    assert not authorizer.authorize(caller(), closed_one, address, Verb.START).visible


def test_a_service_with_a_slash_in_its_name_is_not_reached_by_a_glob_for_another() -> None:
    mounted = endpoint(Rule(operations=("a/*",)), services=("a", "a/b"))
    authorizer = Authorizer([mounted])
    assert authorizer.authorize(caller(), mounted, OperationAddress("orders", "a", "b/c"), Verb.START).allowed
    assert not authorizer.authorize(caller(), mounted, OperationAddress("orders", "a/b", "c"), Verb.START).visible


def test_the_rules_about_an_operation_can_be_listed() -> None:
    rules = (START_PROCESS, Rule(operations=("orders.v1/approve",)), Rule(namespaces=("billing",)))
    assert (rules[0], rules[2]) == rules_about(endpoint(*rules), PROCESS)


def test_what_permissions_mean_is_remembered_for_a_bounded_number_of_sets() -> None:
    mounted = endpoint(Rule())
    authorizer = Authorizer([mounted], [ISSUER])
    for index in range(5000):
        authorizer.authorize(caller("checkout", "svc", f"other-{index}:read"), mounted, PROCESS, Verb.START)
    assert len(authorizer._read) == 4096
    assert authorizer.authorize(caller("checkout", "svc", "temporal:*"), mounted, PROCESS, Verb.START).allowed


def test_the_cost_of_a_decision_does_not_grow_with_the_number_of_endpoints() -> None:
    """1,000 rules over 100 endpoints beside 10 rules on one: the same ten are looked at."""
    rules = (*(Rule(namespaces=(f"n{index}",)) for index in range(9)), Rule(namespaces=("check*",)))
    many = [endpoint(*rules, name=f"e{index}") for index in range(100)]

    def cost(endpoints: list[Endpoint]) -> float:
        authorizer = Authorizer(endpoints)
        principal, target = caller(), endpoints[-1]
        address = OperationAddress(target.name, "orders.v1", "process")
        assert authorizer.authorize(principal, target, address, Verb.START).allowed
        return min(_timed(authorizer, principal, target, address) for _ in range(20))

    assert cost(many) < 3 * cost(many[:1])


def _timed(authorizer: Authorizer, principal: Principal, target: Endpoint, address: OperationAddress) -> float:
    started = time.perf_counter()
    for _ in range(50):
        authorizer.authorize(principal, target, address, Verb.START)
    return time.perf_counter() - started
