"""Deny rules, stops, claims and shadow rules: which of them decides, and what is said of it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from gateway.auth import Authorizer
from gateway.model import Decision, Endpoint, OperationAddress, Principal, Rule, Stop, Verb

ISSUER = "https://issuer.test"
PROCESS = OperationAddress("orders", "orders.v1", "process")
EVERYBODY = Rule()


def caller(namespace: str = "checkout", subject: str = "svc", *permissions: str, **claims: Any) -> Principal:
    return Principal(
        issuer=ISSUER, subject=subject, namespace=namespace, claims=claims, permissions=frozenset(permissions)
    )


def endpoint(allow: list[Rule], deny: list[Rule] | None = None, name: str = "orders") -> Endpoint:
    return Endpoint(
        name=name,
        engine="main",
        namespace="target",
        task_queue="q",
        services=("orders.v1", "admin.v1"),
        allow=tuple(allow),
        deny=tuple(deny or ()),
    )


def decide(
    allow: list[Rule],
    deny: list[Rule] | None = None,
    principal: Principal | None = None,
    address: OperationAddress = PROCESS,
    *,
    verb: Verb = Verb.START,
    stops: list[Stop] | None = None,
) -> Decision:
    mounted = endpoint(allow, deny)
    return Authorizer([mounted], stops=stops or ()).authorize(principal or caller(), mounted, address, verb)


def test_a_deny_rule_wins_over_every_allow_rule() -> None:
    decision = decide(
        [EVERYBODY, Rule(namespaces=("checkout",))], [Rule(subjects=("svc",), verbs=frozenset({Verb.START}))]
    )
    assert Decision(allowed=False, visible=True, reason="deny.0 matches", rule="deny.0") == decision


@pytest.mark.parametrize(
    ("deny", "allowed", "visible"),
    [
        (Rule(), False, False),
        (Rule(namespaces=("billing",)), True, True),
        (Rule(operations=("orders.v1/process",)), False, True),
        (Rule(operations=("orders.v1/approve",)), True, True),
        (Rule(operations=("orders.v1/*",)), False, False),
        (Rule(operations=("admin.v1/*",)), True, True),
        (Rule(verbs=frozenset({Verb.CANCEL})), True, True),
        (Rule(verbs=frozenset({Verb.START})), False, True),
        (Rule(verbs=frozenset(Verb)), False, False),
    ],
)
def test_who_is_denied_all_of_a_service_does_not_see_it(deny: Rule, allowed: bool, visible: bool) -> None:
    decision = decide([EVERYBODY], [deny])
    assert (decision.allowed, decision.visible) == (allowed, visible)


@pytest.mark.parametrize(
    ("wanted", "claims", "allowed"),
    [
        ({("team",): ("payments",)}, {"team": "payments"}, True),
        ({("team",): ("payments",)}, {"team": "support"}, False),
        ({("team",): ("payments",)}, {}, False),
        ({("team",): ("pay*",)}, {"team": "payments"}, True),
        ({("groups",): ("admins",)}, {"groups": ["users", "admins"]}, True),
        ({("groups",): ("admins",)}, {"groups": [["admins"]]}, False),
        ({("groups",): ("admins",)}, {"groups": {"admins": True}}, False),
        ({("level",): ("3",)}, {"level": 3}, True),
        ({("level",): ("3",)}, {"level": 3.0}, False),
        ({("verified",): ("true",)}, {"verified": True}, True),
        ({("verified",): ("1",)}, {"verified": True}, False),
        ({("team",): ("*",)}, {"team": None}, False),
        ({("team",): ("payments",), ("verified",): ("true",)}, {"team": "payments", "verified": False}, False),
        ({("realm_access", "roles"): ("admin",)}, {"realm_access": {"roles": ["user", "admin"]}}, True),
        ({("realm_access", "roles"): ("admin",)}, {"realm_access": {"roles": ["user"]}}, False),
        ({("realm_access", "roles"): ("admin",)}, {"realm_access": {}}, False),
        ({("realm_access", "roles"): ("admin",)}, {"realm_access": [{"roles": ["admin"]}]}, False),
        ({("realm_access", "roles"): ("admin",)}, {"realm_access": "roles"}, False),
        ({("realm_access", "roles"): ("admin",)}, {"realm_access.roles": ["admin"]}, False),
        ({("realm_access.roles",): ("admin",)}, {"realm_access": {"roles": ["admin"]}}, False),
        ({("a", "b", "c"): ("1",), ("a", "d"): ("x*",)}, {"a": {"b": {"c": 1}, "d": "xy"}}, True),
    ],
)
def test_a_claim_is_matched_by_its_text_or_by_one_of_its_items(
    wanted: dict[tuple[str, ...], tuple[str, ...]], claims: dict[str, Any], allowed: bool
) -> None:
    assert allowed is decide([Rule(claims=wanted)], principal=caller(**claims)).allowed


def test_a_shadow_rule_decides_nothing_and_is_noted_where_it_would_have() -> None:
    watched = Rule(namespaces=("checkout",), shadow=True)
    assert Decision(
        allowed=False, visible=False, reason="no allow rule matches", shadow="allow.0 would allow it"
    ) == decide([watched])
    denied = decide([EVERYBODY], [watched])
    assert (True, "allow.0", "deny.0 would deny it") == (denied.allowed, denied.rule, denied.shadow)
    assert decide([EVERYBODY, watched]).shadow is None
    assert decide([EVERYBODY], [Rule(namespaces=("billing",), shadow=True)]).shadow is None


def test_a_stop_is_a_refusal_or_where_it_says_so_a_pause() -> None:
    of_caller = Stop(rule=Rule(subjects=("svc",)))
    of_operation = Stop(rule=Rule(operations=("orders.v1/process",)), retryable=True)
    refused = decide([EVERYBODY], stops=[of_caller])
    assert (False, True, False, "stops.0") == (refused.allowed, refused.visible, refused.paused, refused.rule)
    paused = decide([EVERYBODY], stops=[of_operation])
    assert (False, True, True, "stops.0") == (paused.allowed, paused.visible, paused.paused, paused.rule)
    assert decide([EVERYBODY], address=OperationAddress("orders", "orders.v1", "other"), stops=[of_operation]).allowed


def test_what_may_not_be_started_may_not_be_retried_either() -> None:
    of_start = Rule(verbs=frozenset({Verb.START}), operations=("*",))
    for deny, stops in ([of_start], []), ([], [Stop(rule=of_start)]):
        assert not decide([EVERYBODY], deny, verb=Verb.RETRY, stops=stops).allowed
        assert decide([EVERYBODY], deny, verb=Verb.CANCEL, stops=stops).allowed
    assert not decide([of_start], verb=Verb.RETRY).allowed


def test_a_stop_of_everything_hides_nothing_from_those_who_may_see_it() -> None:
    """Unlike a deny rule: a 404 would end for good what is only put off."""
    everything = Rule(operations=("*",))
    assert not decide([EVERYBODY], [everything]).visible
    put_off = decide([EVERYBODY], stops=[Stop(rule=everything, retryable=True)])
    assert (False, True, True) == (put_off.allowed, put_off.visible, put_off.paused)


def test_a_stop_reaches_the_endpoints_that_it_names() -> None:
    elsewhere = Stop(rule=Rule(operations=("*",)), endpoints=("billing", "other-*"))
    assert decide([EVERYBODY], stops=[elsewhere]).allowed
    assert not decide([EVERYBODY], stops=[Stop(rule=Rule(operations=("*",)), endpoints=("ord*",))]).allowed


def test_who_may_not_see_a_service_does_not_learn_that_it_is_stopped() -> None:
    decision = decide([Rule(namespaces=("billing",))], stops=[Stop(rule=Rule(operations=("*",)))])
    assert (False, False) == (decision.allowed, decision.visible)


def test_rules_are_replaced_as_a_whole() -> None:
    before, after = endpoint([EVERYBODY]), endpoint([], [])
    authorizer = Authorizer([before])
    assert authorizer.authorize(caller(), before, PROCESS, Verb.START).allowed
    authorizer.replace([after])
    assert not authorizer.authorize(caller(), before, PROCESS, Verb.START).visible


def test_an_explanation_names_what_does_not_match_in_each_rule() -> None:
    rules = [
        Rule(namespaces=("billing",), claims={("team",): ("a",), ("org", "unit"): ("b",)}),
        Rule(verbs=frozenset({Verb.CANCEL})),
        EVERYBODY,
    ]
    mounted = endpoint(rules, [Rule(operations=("orders.v1/approve",), shadow=True)])
    authorizer = Authorizer([mounted], stops=[Stop(rule=Rule(subjects=("x*",)))])
    findings = authorizer.explain(caller(org={"unit": "c"}), PROCESS, Verb.START)
    assert [
        ("stops.0", [("subjects", "svc")]),
        ("deny.0", [("operations", "process")]),
        ("allow.0", [("namespaces", "checkout"), ("claims.team", None), ("claims.org.unit", "c")]),
        ("allow.1", [("verbs", "start")]),
        ("allow.2", []),
    ] == [(finding.rule, [(miss.selector, miss.value) for miss in finding.misses]) for finding in findings]
    assert ["deny.0"] == [finding.rule for finding in findings if finding.shadow]


def test_a_thousand_rules_over_a_hundred_endpoints_cost_what_one_rule_costs() -> None:
    """Also a thousand rules of one endpoint, as long as they name the namespaces that they are about."""
    about_others = [Rule(namespaces=(f"n{index}",)) for index in range(999)]
    mine = Rule(namespaces=("checkout",))
    spread = [endpoint([*about_others[:9], mine], name=f"e{index}") for index in range(100)]

    def cost(endpoints: list[Endpoint]) -> float:
        authorizer, principal, target = Authorizer(endpoints), caller(), endpoints[-1]
        address = OperationAddress(target.name, "orders.v1", "process")
        assert authorizer.authorize(principal, target, address, Verb.START).allowed
        return min(_timed(authorizer, principal, target, address) for _ in range(20))

    alone = cost([endpoint([mine])])
    assert cost(spread) < 2 * alone
    assert cost([endpoint([*about_others, mine])]) < 2 * alone


def _timed(authorizer: Authorizer, principal: Principal, target: Endpoint, address: OperationAddress) -> float:
    started = time.perf_counter()
    for _ in range(100):
        authorizer.authorize(principal, target, address, Verb.START)
    return time.perf_counter() - started
