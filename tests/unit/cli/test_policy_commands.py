"""``explain`` and ``policy test``: the decision of the running gateway, with its reason, on the command line."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from gateway.auth import generate_dev_issuer
from gateway.cli import main
from tests.unit.cli.test_main import CONFIG

if TYPE_CHECKING:
    from pathlib import Path

RULES = {
    "allow": [
        {"namespaces": ["checkout"], "operations": ["orders.v1/*"], "verbs": ["start", "result"]},
        {"claims": {"team": "payments", "realm_access": {"roles": ["admin"]}}},
        {"namespaces": ["ops"], "verbs": ["list", "terminate"], "tenants": "all"},
    ],
    "deny": [{"subjects": ["mallory"], "verbs": ["start"]}, {"subjects": ["alice"], "shadow": True}],
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    generate_dev_issuer(tmp_path)
    orders = {**CONFIG["endpoints"]["orders"], **RULES, "services": ["orders.v1", "Ser/vic e"]}  # type: ignore[index]
    content = {
        **CONFIG,
        "endpoints": {"orders": orders},
        "access": {"stops_file": "stops.yaml", "revocations_file": "revocations.yaml"},
    }
    write(tmp_path / "stops.yaml", {"stops": []})
    write(tmp_path / "revocations.yaml", {"revocations": []})
    return write(tmp_path / "gateway.yaml", content)


def write(path: Path, content: object) -> Path:
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def token(config: Path, capsys: pytest.CaptureFixture[str], subject: str = "alice", namespace: str = "checkout") -> str:
    assert 0 == main(["token", "--config", str(config), "--subject", subject, "--namespace", namespace])
    return capsys.readouterr().out.strip()


def explain(
    config: Path, capsys: pytest.CaptureFixture[str], given: str, *more: str, operation: str = "orders.v1/process"
) -> tuple[int, list[str]]:
    arguments = ["--token", given, "--endpoint", "orders", "--operation", operation, *more]
    code = main(["explain", "--config", str(config), *arguments])
    return code, capsys.readouterr().out.splitlines()


def test_what_is_allowed_names_its_rule(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = explain(config, capsys, token(config, capsys))
    assert 0 == code
    assert lines[0].endswith(": allowed")
    assert [
        "  because: allow.0",
        "  shadow: deny.1 would deny it",
        "  caller: subject alice, namespace checkout, issuer https://issuer.test",
        "  target: orders.v1/process at the endpoint orders, which runs in the namespace orders",
        "  permissions: not required",
        "  deny.0: does not match by subjects (alice)",
        "  deny.1 (shadow): matches",
        "  allow.0: matches",
        "  allow.1: does not match by claims.team (none in the token), claims.realm_access.roles (none in the token)",
        "  allow.2: does not match by namespaces (checkout), verbs (start)",
    ] == lines[1:]


@pytest.mark.parametrize(
    ("subject", "namespace", "verb", "outcome", "because"),
    [
        ("mallory", "checkout", "start", "refused (403)", "deny.0 matches"),
        ("alice", "checkout", "cancel", "refused (403)", "no allow rule matches"),
        ("alice", "billing", "start", "hidden (404)", "no allow rule matches"),
    ],
)
def test_what_is_refused_says_why_and_what_the_caller_sees(
    config: Path,
    capsys: pytest.CaptureFixture[str],
    subject: str,
    *,
    namespace: str,
    verb: str,
    outcome: str,
    because: str,
) -> None:
    code, lines = explain(config, capsys, token(config, capsys, subject, namespace), "--verb", verb)
    assert (1, f"  because: {because}") == (code, lines[1])
    assert lines[0].endswith(f": {outcome}")


def test_it_is_told_what_a_caller_may_do_with_another_tenants_operation(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the rules that reach every tenant; it is another decision than the one about its own."""
    given = token(config, capsys, "olga", "ops")
    across = explain(config, capsys, given, "--verb", "terminate", "--of-another-tenant")
    own = explain(config, capsys, given, "--verb", "terminate")
    assert (0, 0, "  because: allow.2") == (across[0], own[0], across[1][1])
    assert across[1][0] != own[1][0]
    assert "  allow.0: does not match by namespaces (ops), verbs (terminate), tenants (another tenant's)" in across[1]
    refused = explain(config, capsys, token(config, capsys), "--verb", "result", "--of-another-tenant")
    assert refused[1][0].endswith(": hidden (404)")


def test_the_same_request_has_the_same_id_and_another_has_another(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whichever of the caller's tokens it comes with."""
    one = explain(config, capsys, token(config, capsys, "mallory"))[1][0]
    again = explain(config, capsys, token(config, capsys, "mallory"))[1][0]
    other = explain(config, capsys, token(config, capsys, "mallory", "billing"))[1][0]
    assert one == again
    assert one.split(":")[0] != other.split(":")[0]


def test_a_token_that_is_refused_is_explained_too(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("no.good.token\n"))
    code, lines = explain(config, capsys, "@-")
    assert (1, "  token refused: form: the token is not a signed JWT in compact form") == (code, lines[1])
    assert lines[0].endswith(": refused (401)")


def test_stops_and_revocations_count(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = token(config, capsys)
    write(config.parent / "stops.yaml", {"stops": [{"operations": ["orders.v1/process"], "retryable": True}]})
    code, lines = explain(config, capsys, given)
    assert (1, "  because: stops.0 matches") == (code, lines[1])
    assert lines[0].endswith(": paused (503)")
    write(config.parent / "revocations.yaml", {"revocations": [{"subject": "alice"}]})
    assert "  token refused: revoked: the token has been revoked" == explain(config, capsys, given)[1][1]


def test_a_service_with_a_slash_in_its_name_is_known_by_it(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, lines = explain(config, capsys, token(config, capsys), operation="Ser/vic e/o/p")
    assert "  target: Ser/vic e/o/p at the endpoint orders, which runs in the namespace orders" in lines


def cases(beside: Path, *given: dict[str, Any], **more: object) -> Path:
    return write(beside.parent / "cases.yaml", {"cases": list(given), **more})


PAYMENTS_ADMIN = {"team": ["payments"], "realm_access": {"roles": ["admin", "user"]}}
START = {"endpoint": "orders", "operation": "orders.v1/process", "caller": {"namespace": "checkout"}}


def test_a_table_of_cases_passes_when_all_come_out_as_expected(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = cases(
        config,
        {**START, "expect": "allowed", "name": "checkout starts"},
        {**START, "verb": "cancel", "expect": "refused"},
        {**START, "caller": {"namespace": "billing"}, "expect": "hidden"},
        {**START, "caller": {"namespace": "x", "claims": PAYMENTS_ADMIN}, "expect": "allowed"},
        {**START, "endpoint": "nowhere", "expect": "hidden"},
        {**START, "caller": {"namespace": "ops"}, "verb": "list", "of_another_tenant": True, "expect": "allowed"},
        {**START, "verb": "result", "of_another_tenant": True, "expect": "hidden"},
        config="gateway.yaml",
    )
    assert 0 == main(["policy", "test", str(file)])
    assert [
        "ok   checkout starts: allowed: allow.0",
        "ok   cases.1: refused (403): no allow rule matches",
        "ok   cases.2: hidden (404): no allow rule matches",
        "ok   cases.3: allowed: allow.1",
        "ok   cases.4: hidden (404): no such endpoint",
        "ok   cases.5: allowed: allow.2",
        "ok   cases.6: hidden (404): no allow rule matches",
        "7 cases, 0 came out otherwise",
    ] == capsys.readouterr().out.splitlines()


def test_a_case_that_comes_out_otherwise_fails_the_command(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = cases(config, {**START, "expect": "hidden"}, {**START, "expect": "allowed"})
    assert 1 == main(["policy", "test", str(file), "--config", str(config)])
    assert [
        "FAIL cases.0: allowed, expected hidden: allow.0",
        "ok   cases.1: allowed: allow.0",
        "2 cases, 1 came out otherwise",
    ] == capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("case", "fault"),
    [
        ({**START}, "cases.0.expect: is required"),
        ({**START, "expect": "yes"}, "cases.0.expect: must be one of allowed, refused, hidden or paused"),
        (
            {**START, "expect": "allowed", "verbs": ["start"]},
            "cases.0.verbs: unknown key; the nearest valid one is verb",
        ),
    ],
)
def test_a_bad_table_is_refused_in_one_line(
    config: Path, capsys: pytest.CaptureFixture[str], case: dict[str, Any], fault: str
) -> None:
    file = cases(config, case)
    assert 1 == main(["policy", "test", str(file), "--config", str(config)])
    assert f"nexus-gateway: {file}: {fault}\n" == capsys.readouterr().err


def test_a_table_has_to_say_of_which_configuration(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = cases(config, {**START, "expect": "allowed"})
    assert 1 == main(["policy", "test", str(file)])
    assert f"nexus-gateway: {file}: config: is required, or --config\n" == capsys.readouterr().err


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_token_that_cannot_be_read_is_wrong_usage(
    content: bytes | None, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line that names the argument and the file."""
    file = config.parent / "token.txt"
    if content is not None:
        file.write_bytes(content)
    given = ["--token", f"@{file}", "--endpoint", "orders", "--operation", "orders.v1/process"]
    assert 2 == main(["explain", "--config", str(config), *given])
    (line,) = capsys.readouterr().err.splitlines()
    why = "cannot be read: No such file or directory" if content is None else "holds no token"
    assert line.startswith(f"nexus-gateway explain: argument --token: {str(file)!r} {why}")
