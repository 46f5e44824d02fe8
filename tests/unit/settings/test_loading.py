"""A file in, settings out; or every fault at once, each in one line that says where and what to do."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from gateway.model import Verb
from gateway.settings import SettingsError, load_settings
from tests.unit.settings.files import EXAMPLE, SMALLEST, changed, faults_of, load

CHECKED_IN = Path(__file__).parents[3] / "config" / "gateway.yaml"


def test_the_example_of_the_contract_is_accepted_as_it_stands(tmp_path: Path) -> None:
    settings = load(tmp_path, EXAMPLE)
    [issuer] = settings.issuers
    [rule] = settings.endpoints["orders"].allow
    assert settings.server.port == 8080
    assert tmp_path / "jwks.json" == issuer.jwks_file
    assert settings.engines["main"].address == "127.0.0.1:7233"
    assert frozenset({Verb.START, Verb.CANCEL, Verb.RESULT}) == rule.verbs
    assert settings.plugins == ("my_package.plugin:plugin",)


def test_the_checked_in_configuration_says_the_same_as_the_contract() -> None:
    """It may explain more, and leaves out the plugin that nobody has installed."""
    settings = load_settings(CHECKED_IN, {})
    assert settings.endpoints["orders"].services == ("orders.v1",)
    assert settings.tokens.keys[0].secret_env == "NEXUS_GATEWAY_TOKEN_KEY"
    assert settings.plugins == ()


def test_what_is_optional_has_defaults(tmp_path: Path) -> None:
    settings = load(tmp_path, SMALLEST)
    assert settings.server.host == "127.0.0.1"
    assert settings.server.admin_port == 8081
    assert settings.callbacks.allow == ()
    assert settings.endpoints["orders"].allow == ()
    assert settings.limits.body == 2 * 1024 * 1024
    assert settings.limits.header_timeout == timedelta(seconds=10)
    assert settings.limits.long_polls == 10_000
    assert settings.issuers[0].algorithms == ("ES256",)


def test_a_section_whose_keys_are_all_commented_out_is_not_there(tmp_path: Path) -> None:
    settings = load(tmp_path, SMALLEST + "limits:\n#  body: 1MiB\nplugins:\n")
    assert settings.limits.body == 2 * 1024 * 1024


def test_relative_paths_start_at_the_file_and_absolute_ones_stay(tmp_path: Path) -> None:
    settings = load(tmp_path, changed(("jwks.json", "/etc/keys/jwks.json")))
    assert Path("/etc/keys/jwks.json") == settings.issuers[0].jwks_file


def test_the_admin_listener_can_be_turned_off(tmp_path: Path) -> None:
    assert load(tmp_path, changed(("admin_port: 8081", "admin_port: null"))).server.admin_port is None


def test_command_line_options_change_the_listener_only(tmp_path: Path) -> None:
    settings = load(tmp_path, EXAMPLE)
    moved = settings.listening_on(host="127.0.0.2", port=0)
    assert (moved.server.host, moved.server.port) == ("127.0.0.2", 0)
    assert settings.server.public_url == moved.server.public_url
    assert settings.issuers == moved.issuers


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("port: 8080", "prot: 8080", "server.prot: unknown key; the nearest valid one is port"),
        ("engines:", "engine:", "engine: unknown key; the nearest valid one is engines"),
        ("task_queue:", "taskqueue:", "endpoints.orders.taskqueue: unknown key; the nearest valid one is task_queue"),
        ("verbs:", "verb:", "endpoints.orders.allow.0.verb: unknown key; the nearest valid one is verbs"),
        (
            "allow:\n      - namespaces: [checkout]",
            "deny:\n      - tenants: all",
            "endpoints.orders.deny.0.tenants: unknown key; the nearest valid one is operations",
        ),
        ("secret_env", "secret", "tokens.keys.0.secret: unknown key; the nearest valid one is secret_env"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_valid_one(tmp_path: Path, old: str, new: str, fault: str) -> None:
    assert f"gateway.yaml: {fault}" in faults_of(tmp_path, changed((old, new)))


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("port: 8080", "port: 70000", "server.port: must be a port from 1 to 65535, or 0 for any free one"),
        ("port: 8080", "port: yes", "server.port: must be a whole number"),
        ("host: 127.0.0.1", "host: 127", "server.host: must be text; put it in quotes"),
        (
            "verbs: [start, cancel, result]",
            "tenants: everybody",
            "endpoints.orders.allow.0.tenants: must be one of own or all",
        ),
        (
            "verbs: [start, cancel, result]",
            "verbs: [start, result]\n        tenants: all",
            (
                "endpoints.orders.allow.0: tenants: all needs a verb that reaches other tenants: "
                "describe, list, cancel, terminate, signal, retry"
            ),
        ),
        ("admin_port: 8081", "admin_port: 8080", "server.admin_port: must not be the same as server.port"),
        (
            "public_url: http://127.0.0.1:8080",
            "public_url: ftp://x",
            "server.public_url: must be a URL with http:// or https:// and a host",
        ),
        (
            "public_url: http://127.0.0.1:8080",
            "public_url: http://x/?a=b",
            "server.public_url: must not hold a query or a fragment",
        ),
        (
            "public_url: http://127.0.0.1:8080",
            "public_url: http://me:pass@x/",
            "server.public_url: must not hold a user name or password",
        ),
        (
            "public_url: http://127.0.0.1:8080",
            "public_url: https://nexus.example.com./",
            "server.public_url: must have a host name or an IP address as its host, with no dot at its end",
        ),
        (
            "public_url: http://127.0.0.1:8080",
            "public_url: https://nexus.example.127",
            "server.public_url: must have a host name or an IP address as its host, with no dot at its end",
        ),
        ("audiences: [nexus-gateway]", "audiences: []", "issuers.0.audiences: must not be empty"),
        ("algorithms: [ES256]", "algorithms: [HS256]", "issuers.0.algorithms.0: must be one of ES256, RS256, EdDSA or"),
        (
            "algorithms: [ES256]",
            "algorithms: [ES256, RS256]",
            "issuers.0.algorithms: must all be of one family: either ES256, or RS256",
        ),
        ("require_permissions: false", "require_permissions: maybe", "issuers.0.require_permissions: must be true or"),
        (
            "    jwks_file: jwks.json ",
            "    jwks_uri: http://keys.test/jwks #",
            "issuers.0.jwks_uri: must use https://: keys fetched in the clear can be replaced on the way",
        ),
        ("    jwks_file: jwks.json ", "    # ", "issuers.0: needs its keys: set one of jwks_file, jwks_uri, discovery"),
        (
            "    jwks_file: jwks.json ",
            "    discovery: true\n    jwks_file: jwks.json ",
            "issuers.0: must have one source of keys, not jwks_file and discovery",
        ),
        (
            "issuer: https://issuer.test\n    audiences: [nexus-gateway]\n    algorithms: [ES256]\n    jwks_file:",
            "issuer: http://issuer.test\n    audiences: [a]\n    discovery: true\n    #",
            "issuers.0.issuer: must be an https:// URL for discovery, or http:// on loopback",
        ),
        ("engine: main", "engine: mein", "endpoints.orders.engine: names no engine of this file; the nearest one is"),
        (
            "telemetry:",
            "bulk: {task_queue: orders}\ntelemetry:",
            "bulk.task_queue: must not be that of an endpoint or of callbacks.delivery",
        ),
        ("telemetry:", "bulk: {chunk: 1001}\ntelemetry:", "bulk.chunk: must be at most 1000: the engine finds no"),
        ("type: temporal", "type: cadence", "engines.main.type: must be one of temporal"),
        ("address: 127.0.0.1:7233", "address: 127.0.0.1", "engines.main.address: must be HOST:PORT, such as 127.0.0.1"),
        (
            "    type: temporal",
            "    tls: {cert_file: a.pem}",
            "engines.main.tls: needs both of cert_file and key_file, or none",
        ),
        (
            "  port: 8080",
            "  tls: {cert_file: a.pem, key_file: a.key, client_cert: required}\n  port: 8080",
            "server.tls.client_ca_file: is required where client certificates are asked for",
        ),
        (
            "  port: 8080",
            "  tls: {cert_file: a.pem, key_file: a.key, client_ca_file: ca.pem}\n  port: 8080",
            "server.tls.client_cert: must be optional or required where client_ca_file is set",
        ),
        ("callbacks:", "audit: {file: a.log, stdout: true}\ncallbacks:", "audit: needs either file or stdout: true"),
        ("  orders:\n    engine", "  or/ders:\n    engine", "endpoints.or/ders: is no endpoint name: only letters"),
        (
            "services: [orders.v1]",
            "services: [orders.v1, orders.v1]",
            "endpoints.orders.services: must not list a service",
        ),
        ("services: [orders.v1]", "services: orders.v1", "endpoints.orders.services: must be a list"),
        ("verbs: [start,", "verbs: [begin,", "endpoints.orders.allow.0.verbs.0: must be one of start, cancel, result"),
        ("namespaces: [checkout]", "namespaces: []", "endpoints.orders.allow.0.namespaces: must not be empty"),
        ("id: k1", "id: k.1", "tokens.keys.0.id: must be 1 to 32 letters, digits, _ or -"),
        ('["http://127.0.0.1:*"]', '["127.0.0.1:*"]', "callbacks.allow.0: must be a URL pattern that starts with http"),
        ('["my_package.plugin:plugin"]', "[plugin]", "plugins.0: must be package.module:attribute"),
        ("callbacks:", "limits: {body: 2MB}\ncallbacks:", "limits.body: must be a size in bytes, or with a unit, such"),
        ("callbacks:", "limits: {drain: 30}\ncallbacks:", "limits.drain: must be a duration with its unit, such as"),
        ("callbacks:", "limits: {drain: 0s}\ncallbacks:", "limits.drain: must be longer than zero"),
        ("callbacks:", "limits: {long_polls: 0}\ncallbacks:", "limits.long_polls: must be more than zero"),
    ],
)
def test_a_wrong_value_gets_one_line_that_says_what_to_write(tmp_path: Path, old: str, new: str, fault: str) -> None:
    [line] = faults_of(tmp_path, changed((old, new)))
    assert line.startswith(f"gateway.yaml: {fault}")


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    text = changed(("  port: 8080", "  prot: 1"), ("engine: main", "engine: x"), ("id: k1", "id: k."))
    assert faults_of(tmp_path, text) == [
        "gateway.yaml: server.prot: unknown key; the nearest valid one is port",
        "gateway.yaml: tokens.keys.0.id: must be 1 to 32 letters, digits, _ or -",
        "gateway.yaml: endpoints.orders.engine: names no engine of this file; the nearest one is main",
    ]


def test_an_empty_file_lists_what_is_required(tmp_path: Path) -> None:
    expected = [f"gateway.yaml: {key}: is required" for key in ("issuers", "engines", "endpoints", "tokens")]
    assert expected == faults_of(tmp_path, "")


def test_two_issuers_of_one_name_and_two_keys_of_one_id_are_faults(tmp_path: Path) -> None:
    twice = (
        "engines:",
        "  - {issuer: 'https://issuer.test', audiences: [a], jwks_file: b.json}\nengines:",
    )
    keys = ("    - {id: k1,", "    - {id: k1, secret_env: OTHER}\n    - {id: k1,")
    assert faults_of(tmp_path, changed(twice, keys)) == [
        "gateway.yaml: issuers.1.issuer: is the same as that of issuers.0",
        "gateway.yaml: tokens.keys.1.id: is the same as that of keys.0",
    ]


def test_a_key_given_twice_is_a_fault_that_names_both_lines(tmp_path: Path) -> None:
    [fault] = faults_of(tmp_path, changed(("  port: 8080", "  port: 8080\n  port: 8082")))
    assert fault == "gateway.yaml: server.port: is given twice, on lines 4 and 5"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("server: [", "line 1, column 10: "),
        ("server: !!python/object/apply:os.system [id]", "line 1, column 9: could not determine a constructor"),
        ("- a\n- b", "must be a mapping of sections such as server, issuers and endpoints"),
        ("a: &a\n  b: *a", "a.b: an alias must not point to what holds it"),
        ("1: x", "1: keys must be text; put the one on line 1 in quotes"),
        ("\x00", ""),
    ],
)
def test_what_is_no_usable_yaml_gets_its_place_named(tmp_path: Path, text: str, fault: str) -> None:
    [line] = faults_of(tmp_path, text)
    assert line.startswith(f"gateway.yaml: {fault}")


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"missing\.yaml: cannot be read: No such file or directory"):
        load_settings(tmp_path / "missing.yaml", {})


def test_no_value_is_repeated_in_a_fault(tmp_path: Path) -> None:
    """Somebody pastes the secret where its variable's name belongs, or a password into a URL."""
    secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMw=="
    text = changed(("NEXUS_GATEWAY_TOKEN_KEY", secret), ("http://127.0.0.1:8080", f"http://me:{secret}@x"))
    faults = faults_of(tmp_path, text)
    assert len(faults) == 2
    assert not [fault for fault in faults if secret in fault]
    assert "gateway.yaml: tokens.keys.0.secret_env: must be the name of an environment variable" in faults[1]
