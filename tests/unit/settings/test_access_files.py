"""Files of stops and revocations: what they mean, and that a bad one is refused with a line for each fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.auth import Revocation
from gateway.model import Rule, Stop, Verb
from gateway.settings import SettingsError, load_revocations, load_stops

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "access.yaml"


def test_stops_say_who_and_what_is_stopped(file: Path) -> None:
    file.write_text("""
stops:
  - {subjects: [mallory], reason: stolen laptop}
  - {endpoints: [orders], operations: ["orders.v1/refund"], verbs: [start], retryable: true}
  - {claims: {team: payments, level: [1, 2], realm: {roles: [admin], org: {unit: x}}}}
""")
    assert (
        Stop(rule=Rule(subjects=("mallory",))),
        Stop(
            rule=Rule(operations=("orders.v1/refund",), verbs=frozenset({Verb.START})),
            endpoints=("orders",),
            retryable=True,
        ),
        Stop(
            rule=Rule(
                claims={
                    ("team",): ("payments",),
                    ("level",): ("1", "2"),
                    ("realm", "roles"): ("admin",),
                    ("realm", "org", "unit"): ("x",),
                }
            )
        ),
    ) == load_stops(file)


def test_revocations_say_which_tokens_count_no_longer(file: Path) -> None:
    file.write_text("""
revocations:
  - {issuer: "https://issuer.test", token_id: t1}
  - {subject: alice, issued_before: 2026-01-31T12:00:00Z}
  - {subject: bob, issued_before: "2026-01-31T13:00:00+01:00"}
""")
    assert (
        Revocation(issuer="https://issuer.test", token_id="t1"),
        Revocation(subject="alice", issued_before=1769860800.0),
        Revocation(subject="bob", issued_before=1769860800.0),
    ) == load_revocations(file)


@pytest.mark.parametrize("text", ["stops: []\n", "stops:\n  []\n"])
def test_a_list_may_be_empty(file: Path, text: str) -> None:
    file.write_text(text)
    assert () == load_stops(file)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "stops: is required"),
        ("stops: null", "stops: is required"),
        ("stops:\n  - {reason: all of it}", "stops.0: needs a selector; to stop everything write operations: ['*']"),
        (
            "stops:\n  - {verbs: [start], retryable: true}",
            "stops.0: needs a selector; to stop everything write operations: ['*']",
        ),
        ("stops:\n  - {subject: [a]}", "stops.0.subject: unknown key; the nearest valid one is subjects"),
        ("stops:\n  - {subjects: a}", "stops.0.subjects: must be a list"),
        ("stops:\n  - {claims: {}}", "stops.0.claims: must not be empty"),
        ("stops:\n  - {claims: {realm: {}}}", "stops.0.claims.realm: must not be empty"),
        ("stops:\n  - {claims: {realm: {roles: []}}}", "stops.0.claims.realm.roles: must not be empty"),
        (
            "stops:\n  - {claims: {realm: {roles: [{a: b}]}}}",
            "stops.0.claims.realm.roles.0: must be text; put it in quotes",
        ),
        ("stops:\n  - {claims: [team]}", "stops.0.claims: must be a mapping of names to settings"),
        ("stops: [", "line 1, column 9: expected the node content, but found '<stream end>'"),
    ],
)
def test_a_bad_file_of_stops_is_refused(file: Path, text: str, fault: str) -> None:
    """An empty one, too: a file that is just being written must not lift every stop."""
    file.write_text(text)
    with pytest.raises(SettingsError) as refused:
        load_stops(file)
    assert (f"{file}: {fault}",) == refused.value.faults


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ("{}", "needs at least one of issuer, namespace, subject, token_id and issued_before"),
        ("{reason: x}", "needs at least one of issuer, namespace, subject, token_id and issued_before"),
        ("{issued_before: yesterday}", None),
        ("{issued_before: 2026-01-31T12:00:00}", None),
        ("{issued_before: 2026-01-31}", None),
        ("{issued_before: 12}", None),
    ],
)
def test_a_bad_revocation_is_refused(file: Path, entry: str, fault: str | None) -> None:
    file.write_text(f"revocations:\n  - {entry}\n")
    with pytest.raises(SettingsError) as refused:
        load_revocations(file)
    moment = "must be a point in time with its zone, in quotes, such as '2026-01-31T12:00:00Z'"
    expected = f"revocations.0: {fault}" if fault else f"revocations.0.issued_before: {moment}"
    assert (f"{file}: {expected}",) == refused.value.faults


def test_a_missing_file_is_a_fault(file: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: No such file or directory"):
        load_stops(file)
