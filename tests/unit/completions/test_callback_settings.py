"""The section ``callbacks`` of the configuration, and what is made of it."""

import base64
from pathlib import Path

import pytest

from gateway.app._deliveries import delivering_places, delivery_places, outbound
from gateway.completions import DestinationRefused, parse_address
from gateway.settings import SettingsError, signing_seeds
from gateway.telemetry import Telemetry
from tests.unit.completions.senders import ADDRESS, TENANT
from tests.unit.settings.files import SMALLEST, faults_of, load

RULES = """
callbacks:
  rules:
    - {allow: ["https://*.corp.example"], networks: [10.20.0.0/16], namespaces: [check*], endpoints: [orders]}
"""
KEY = base64.urlsafe_b64encode(bytes(32)).decode()
ENVIRON = {"NEXUS_GATEWAY_TOKEN_KEY": KEY, "SEED": KEY}


async def test_a_rule_of_the_file_is_a_rule_of_the_policy(tmp_path: Path) -> None:
    settings = load(tmp_path, SMALLEST + RULES)
    async with outbound(settings, ENVIRON, Telemetry.from_environment("test", {})) as outgoing:
        destination = outgoing.policy.admit("https://a.corp.example/x", TENANT, ADDRESS)
        with pytest.raises(DestinationRefused):
            outgoing.policy.admit("https://a.example/x", TENANT, ADDRESS)
    assert parse_address("10.20.1.2") in destination.opened[0]
    assert ["token-k1"] == [key["kid"] for key in outgoing.signer.key_set()["keys"]]


async def test_signing_keys_of_the_file_sign(tmp_path: Path) -> None:
    settings = load(tmp_path, SMALLEST + "callbacks: {signing_keys: [{id: s1, seed_env: SEED}]}\n")
    async with outbound(settings, ENVIRON, Telemetry.from_environment("test", {})) as outgoing:
        assert ["s1"] == [key["kid"] for key in outgoing.signer.key_set()["keys"]]


@pytest.mark.parametrize("seed", [None, "", "short", "not base64 at all!"])
def test_a_seed_that_is_none_is_named_and_not_shown(tmp_path: Path, seed: str | None) -> None:
    settings = load(tmp_path, SMALLEST + "callbacks: {signing_keys: [{id: s1, seed_env: SEED}]}\n")
    with pytest.raises(SettingsError) as caught:
        signing_seeds(settings, {} if seed is None else {"SEED": seed})
    [fault] = caught.value.faults
    assert fault.startswith("environment: SEED: ")
    assert fault.endswith("(callbacks.signing_keys.0, id s1)")
    assert not seed or seed not in fault


@pytest.mark.parametrize(
    ("section", "fault"),
    [
        ("rules: [{allow: []}]", "callbacks.rules.0.allow: must not be empty"),
        ("rules: [{allow: [evil.test]}]", "callbacks.rules.0.allow.0: must be a URL pattern"),
        ('rules: [{allow: ["https://a"], networks: [10.0.0.1/8]}]', "callbacks.rules.0.networks.0: must be a network"),
        ('rules: [{allow: ["https://a"], networks: [inside]}]', "callbacks.rules.0.networks.0: must be a network"),
        ('rules: [{allow: ["https://a"], network: ["::1/128"]}]', "the nearest valid one is networks"),
        ("attempt_timeout: 6s", "callbacks.attempt_timeout: must be at most 5s"),
        ("concurrency: 0", "callbacks.concurrency: must be more than zero"),
        ("delivery: {engine: mein}", "callbacks.delivery.engine: names no engine"),
        ("delivery: {max_age: 0s}", "callbacks.delivery.max_age: must be longer than zero"),
        ("signing_keys: [{id: s1, seed_env: A}, {id: s1, seed_env: B}]", "callbacks.signing_keys.1.id: is the same as"),
        ("signing_keys: [{id: s1, seed_env: 'a b'}]", "must be the name of an environment variable, not the seed"),
    ],
)
def test_a_fault_is_named_with_its_key(tmp_path: Path, section: str, fault: str) -> None:
    [found] = faults_of(tmp_path, f"{SMALLEST}callbacks: {{{section}}}\n")
    assert fault in found


@pytest.mark.parametrize(
    ("delivery", "places"),
    [
        ("{}", [("main", "orders")]),
        ("{namespace: callbacks}", [("main", "callbacks")]),
        ("{engine: main, namespace: callbacks}", [("main", "callbacks")]),
    ],
)
def test_deliveries_wait_with_their_operations_or_all_in_one_place(
    tmp_path: Path, delivery: str, places: list[tuple[str, str]]
) -> None:
    assert places == delivery_places(load(tmp_path, f"{SMALLEST}callbacks: {{delivery: {delivery}}}\n"))


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("{}", False),
        ('{allow: ["https://a"]}', True),
        ('{rules: [{allow: ["https://a"]}]}', True),
        ('{allow: ["https://a"], delivery: {worker: false}}', False),
    ],
)
def test_only_who_has_callbacks_delivers_them(tmp_path: Path, section: str, expected: bool) -> None:
    assert expected is bool(delivering_places(load(tmp_path, f"{SMALLEST}callbacks: {section}\n")))
