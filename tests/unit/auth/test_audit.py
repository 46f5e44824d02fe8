"""The audit log: a line for each decision, never waiting, and one id for one decision."""

from __future__ import annotations

import asyncio
import json
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.auth import AuditLog, Auditor, AuthenticationFailed, Reason, id_of
from gateway.model import Decision, OperationAddress, PartialAddress, Principal, Reach, Tenant, Verb

CALLER = Principal(issuer="https://issuer.test", subject="svc\n{}", namespace="checkout", token_id="t1")
PROCESS = OperationAddress("orders", "orders.v1", "process")
ALLOWED = Decision(allowed=True, visible=True, reason="allow.0", rule="allow.0")
REFUSED = Decision(allowed=False, visible=True, reason="deny.0 matches", rule="deny.0")


def entries(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


async def test_each_decision_is_one_line_whatever_stands_in_it(tmp_path: Path) -> None:
    file = tmp_path / "audit.log"
    async with AuditLog(file) as log:
        auditor = Auditor(log)
        auditor.decided(CALLER, PROCESS, Verb.START, ALLOWED, target="orders", trace_id="a" * 32, request_id="r1")
        auditor.decided(CALLER, PROCESS, Verb.CANCEL, REFUSED, target="orders")
        auditor.unauthenticated(AuthenticationFailed(Reason.EXPIRED), PROCESS, Verb.START)
    allowed, refused, unknown = entries(file)
    assert (True, "svc\n{}", "t1", "orders", "a" * 32, "r1", "start") == tuple(
        allowed[name]
        for name in ("allowed", "subject", "token_id", "target_namespace", "trace_id", "request_id", "verb")
    )
    assert (False, "deny.0 matches", "deny.0", "cancel") == tuple(
        refused[name] for name in ("allowed", "reason", "rule", "verb")
    )
    assert (False, "token refused: expired") == (unknown["allowed"], unknown["reason"])
    assert 0o600 == stat.S_IMODE(file.stat().st_mode)


async def test_whose_operation_it_was_is_said_where_it_is_anothers(tmp_path: Path) -> None:
    """And that many were shown of every tenant, where they were."""
    file = tmp_path / "audit.log"
    other = Tenant("https://issuer.test", "billing")
    async with AuditLog(file) as log:
        auditor = Auditor(log)
        auditor.decided(CALLER, PROCESS, Verb.TERMINATE, ALLOWED, target="orders", owner=CALLER.tenant)
        auditor.decided(CALLER, PROCESS, Verb.TERMINATE, ALLOWED, target="orders", owner=other)
        auditor.decided(CALLER, PartialAddress(endpoint="orders"), Verb.LIST, ALLOWED)
        auditor.decided(CALLER, PartialAddress(), Verb.LIST, ALLOWED, reach=Reach.ALL)
    own, anothers, listed, every = entries(file)
    assert {"issuer": "https://issuer.test", "namespace": "billing"} == anothers["owner"]
    assert own["decision"] != anothers["decision"]
    assert not {"owner", "tenants"} & (own.keys() | listed.keys())
    assert ("list", "orders", None, None) == tuple(
        listed[name] for name in ("verb", "endpoint", "service", "operation")
    )
    assert ("all", None) == (every["tenants"], every["endpoint"])


async def test_a_file_that_is_rotated_is_opened_anew(tmp_path: Path) -> None:
    file = tmp_path / "audit.log"
    async with AuditLog(file) as log:
        log.write({"n": 1})
        while not await asyncio.to_thread(file.read_text):  # noqa: ASYNC110 - a thread writes it
            await asyncio.sleep(0.05)
        await asyncio.to_thread(file.rename, tmp_path / "audit.log.1")
        log.write({"n": 2})
    assert [{"n": 1}] == entries(tmp_path / "audit.log.1")
    assert [{"n": 2}] == entries(file)


async def test_lines_wait_while_a_rotated_file_cannot_be_opened_anew(tmp_path: Path) -> None:
    """A directory that is gone for a moment costs no line, and the log goes on when it is back."""
    file = tmp_path / "logs" / "audit.log"
    await asyncio.to_thread(file.parent.mkdir)
    async with AuditLog(file) as log:
        await asyncio.to_thread(file.parent.rename, tmp_path / "away")
        log.write({"n": 1})
        await asyncio.sleep(0.2)
        await asyncio.to_thread(file.parent.mkdir)
        log.write({"n": 2})
    assert [{"n": 1}, {"n": 2}] == entries(file)
    assert 0 == log.dropped


async def test_each_file_that_follows_another_is_its_owners_only(tmp_path: Path) -> None:
    file = tmp_path / "audit.log"
    async with AuditLog(file) as log:
        await asyncio.to_thread(file.rename, tmp_path / "audit.log.1")
        log.write({"n": 1})
    assert 0o600 == stat.S_IMODE(file.stat().st_mode)


async def test_what_does_not_fit_is_dropped_and_counted_and_nobody_waits(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.log", capacity=10)
    started = time.perf_counter()
    for number in range(1000):
        log.write({"n": number})
    assert time.perf_counter() - started < 0.1
    assert 990 == log.dropped
    async with log:
        pass
    assert 10 == len(entries(tmp_path / "audit.log"))


async def test_a_disk_that_is_full_is_counted_and_raises_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    async with AuditLog(Path("/dev/full")) as log:
        log.write({"n": 1})
    assert 1 == log.dropped
    assert "" == capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_an_error_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file or directory"):
        AuditLog(tmp_path / "nowhere" / "audit.log")


async def test_standard_output_is_the_other_place(capsys: pytest.CaptureFixture[str]) -> None:
    async with AuditLog() as log:
        log.write({"n": 1})
    assert '{"n":1}\n' == capsys.readouterr().out


def test_an_allowed_request_without_an_audit_log_leaves_no_trace(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    Auditor().decided(CALLER, PROCESS, Verb.START, ALLOWED, target="orders")
    assert not caplog.records


def test_a_refusal_and_what_a_shadow_rule_would_do_are_logged_with_their_id(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    watched = Decision(allowed=True, visible=True, reason="allow.0", rule="allow.0", shadow="deny.0 would deny it")
    Auditor().decided(CALLER, PROCESS, Verb.START, REFUSED, target="orders")
    Auditor().decided(CALLER, PROCESS, Verb.START, watched, target="orders")
    assert ["refused: deny.0 matches", "allowed: allow.0; shadow: deny.0 would deny it"] == [
        record.getMessage() for record in caplog.records
    ]
    assert [id_of(CALLER, PROCESS, Verb.START, decision) for decision in (REFUSED, watched)] == [
        vars(record)["decision_id"] for record in caplog.records
    ]


def test_whatever_a_decision_is_made_of_makes_its_id() -> None:
    other_caller = Principal(issuer="https://issuer.test", subject="other", namespace="checkout")
    other_address = OperationAddress("orders", "orders.v1", "approve")
    ids = {
        id_of(CALLER, PROCESS, Verb.START, REFUSED),
        id_of(other_caller, PROCESS, Verb.START, REFUSED),
        id_of(CALLER, other_address, Verb.START, REFUSED),
        id_of(CALLER, PROCESS, Verb.CANCEL, REFUSED),
        id_of(CALLER, PROCESS, Verb.START, ALLOWED),
    }
    assert 5 == len(ids)
