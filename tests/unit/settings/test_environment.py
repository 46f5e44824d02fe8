"""Every value of the file can come from the environment instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.settings.files import EXAMPLE, SMALLEST, changed, faults_of, load

if TYPE_CHECKING:
    from pathlib import Path


def test_a_variable_overrides_the_file(tmp_path: Path) -> None:
    settings = load(tmp_path, EXAMPLE, {"NEXUS_GATEWAY__SERVER__PORT": "9000", "PATH": "/bin"})
    assert settings.server.port == 9000


@pytest.mark.parametrize(
    "name",
    ["NEXUS_GATEWAY__SERVER__HOST", "nexus_gateway__server__host", "NEXUS_GATEWAY__Server__hosT"],
)
def test_names_have_no_case(tmp_path: Path, name: str) -> None:
    assert load(tmp_path, EXAMPLE, {name: "0.0.0.0"}).server.host == "0.0.0.0"


def test_items_of_lists_are_counted_from_zero_and_the_next_one_is_added(tmp_path: Path) -> None:
    environ = {
        "NEXUS_GATEWAY__ISSUERS__0__ISSUER": "https://other.test",
        "NEXUS_GATEWAY__ISSUERS__1__ISSUER": "https://second.test",
        "NEXUS_GATEWAY__ISSUERS__1__AUDIENCES": "[a, b]",
        "NEXUS_GATEWAY__ISSUERS__1__DISCOVERY": "true",
    }
    first, second = load(tmp_path, EXAMPLE, environ).issuers
    assert first.issuer == "https://other.test"
    assert (second.issuer, second.audiences, second.discovery) == ("https://second.test", ("a", "b"), True)


def test_a_whole_list_or_section_is_yaml_or_json(tmp_path: Path) -> None:
    environ = {
        "NEXUS_GATEWAY__CALLBACKS__ALLOW": '["https://a.test/*"]',
        "NEXUS_GATEWAY__TELEMETRY": "{service_name: other}",
        "NEXUS_GATEWAY__ENDPOINTS__ORDERS__ALLOW": "- {verbs: [start]}",
    }
    settings = load(tmp_path, EXAMPLE, environ)
    assert settings.callbacks.allow == ("https://a.test/*",)
    assert settings.telemetry.service_name == "other"
    assert settings.endpoints["orders"].allow[0].namespaces is None


def test_a_claim_is_set_by_its_name_with_what_is_in_it_as_a_whole(tmp_path: Path) -> None:
    prefix = "NEXUS_GATEWAY__ENDPOINTS__ORDERS__ALLOW__0__CLAIMS__"
    environ = {f"{prefix}TEAM": "payments", f"{prefix}LEVEL__0": "3", f"{prefix}REALM": "{roles: [admin]}"}
    [rule] = load(tmp_path, EXAMPLE, environ).endpoints["orders"].allow
    assert rule.claims is not None
    assert {("team",): ("payments",), ("level",): ("3",), ("realm", "roles"): ("admin",)} == rule.claims.by_path()


def test_an_inner_key_refines_a_whole_section_that_is_set_too(tmp_path: Path) -> None:
    environ = {
        "NEXUS_GATEWAY__ENGINES__MAIN__TLS__SERVER_NAME": "inner.test",
        "NEXUS_GATEWAY__ENGINES__MAIN__TLS": "{server_name: outer.test, ca_file: ca.pem}",
    }
    tls = load(tmp_path, EXAMPLE, environ).engines["main"].tls
    assert tls is not None
    assert (tls.server_name, tls.ca_file) == ("inner.test", tmp_path / "ca.pem")


def test_text_stays_text_whatever_yaml_would_make_of_it(tmp_path: Path) -> None:
    environ = {
        "NEXUS_GATEWAY__ENDPOINTS__ORDERS__TASK_QUEUE": "007",
        "NEXUS_GATEWAY__ENGINES__MAIN__ADDRESS": "[::1]:1",
    }
    settings = load(tmp_path, EXAMPLE, environ)
    assert settings.endpoints["orders"].task_queue == "007"
    assert settings.engines["main"].address == "[::1]:1"


@pytest.mark.parametrize("text", ["null", ""])
def test_null_turns_an_optional_value_off(tmp_path: Path, text: str) -> None:
    environ = {"NEXUS_GATEWAY__SERVER__ADMIN_PORT": text, "NEXUS_GATEWAY__SERVER__PUBLIC_URL": text}
    server = load(tmp_path, EXAMPLE, environ).server
    assert (server.admin_port, server.public_url) == (None, None)


def test_names_that_a_shell_cannot_spell_are_written_with_underscores(tmp_path: Path) -> None:
    text = changed(("  orders:\n    engine", "  my-orders.eu:\n    engine"))
    settings = load(tmp_path, text, {"NEXUS_GATEWAY__ENDPOINTS__MY_ORDERS_EU__NAMESPACE": "eu"})
    assert settings.endpoints["my-orders.eu"].namespace == "eu"


def test_sections_that_the_file_leaves_out_can_be_set(tmp_path: Path) -> None:
    environ = {"NEXUS_GATEWAY__LIMITS__BODY": "1MiB", "NEXUS_GATEWAY__PLUGINS__0": "a.b:c"}
    settings = load(tmp_path, SMALLEST, environ)
    assert settings.limits.body == 1024 * 1024
    assert settings.plugins == ("a.b:c",)


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        (
            "NEXUS_GATEWAY__SERVER__PROT",
            "1",
            "unknown key; the nearest valid one is NEXUS_GATEWAY__SERVER__PORT",
        ),
        ("NEXUS_GATEWAY__SEVER", "{}", "unknown key; the nearest valid one is NEXUS_GATEWAY__SERVER"),
        ("NEXUS_GATEWAY__SERVER__PORT__X", "1", "unknown key; the nearest valid one is NEXUS_GATEWAY__SERVER__PORT"),
        ("NEXUS_GATEWAY__ISSUERS__2__ISSUER", "x", "2 is no item of the list; the next free one is 1"),
        ("NEXUS_GATEWAY__ISSUERS__FIRST__ISSUER", "x", "FIRST is no item of the list; the next free one is 1"),
        ("NEXUS_GATEWAY__ENDPOINTS____ENGINE", "x", "a name is missing between the underscores"),
        ("NEXUS_GATEWAY__SERVER__PORT", "http", "must be a whole number"),
        ("NEXUS_GATEWAY__ISSUERS__0__AUDIENCES", "[a", "must be a list"),
        ("NEXUS_GATEWAY__ENDPOINTS__ORDERS__ENGINE", "other", "names no engine of this file; the nearest one is main"),
        (
            "NEXUS_GATEWAY__ENDPOINTS__ORDERS__ALLOW",
            "[{verb: [start]}]",
            "0.verb: unknown key; the nearest valid one is",
        ),
    ],
)
def test_a_fault_from_the_environment_names_the_variable(tmp_path: Path, name: str, value: str, fault: str) -> None:
    [line] = faults_of(tmp_path, EXAMPLE, {name: value})
    assert line.startswith(f"environment: {name}: {fault}")


def test_one_key_set_by_two_spellings_is_a_fault(tmp_path: Path) -> None:
    environ = {"NEXUS_GATEWAY__SERVER__PORT": "1", "nexus_gateway__server__port": "2"}
    [line] = faults_of(tmp_path, EXAMPLE, environ)
    assert "sets the same key as" in line


def test_a_name_that_could_mean_two_keys_is_a_fault(tmp_path: Path) -> None:
    endpoint = "{engine: main, namespace: n, task_queue: t, services: [s]}"
    text = changed(("tokens:", f"  a-b: {endpoint}\n  a.b: {endpoint}\ntokens:"))
    [line] = faults_of(tmp_path, text, {"NEXUS_GATEWAY__ENDPOINTS__A_B__ENGINE": "main"})
    assert line.endswith("could mean a-b or a.b; set the whole section instead")
