"""Settings turned into what the rest of the gateway works with."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from gateway.auth import KeyDiscovery, KeyFile, KeyUrl, generate_dev_issuer
from gateway.model import Endpoint, Reach, Rule, Verb
from gateway.settings import SettingsError, endpoints, issuer_policies, token_keys, token_minter
from gateway.tokens import TokenKey
from tests.unit.settings.files import EXAMPLE, changed, load

if TYPE_CHECKING:
    from pathlib import Path

SECRET = bytes(range(32))
PADDED = base64.urlsafe_b64encode(SECRET).decode()


def test_endpoints_keep_their_rules_in_order(tmp_path: Path) -> None:
    rule = Rule(
        namespaces=("checkout",),
        operations=("orders.v1/*",),
        verbs=frozenset({Verb.START, Verb.CANCEL, Verb.RESULT}),
    )
    expected = Endpoint(
        name="orders", engine="main", namespace="orders", task_queue="orders", services=("orders.v1",), allow=(rule,)
    )
    assert (expected,) == endpoints(load(tmp_path, EXAMPLE))


@pytest.mark.parametrize(("text", "reach"), [("own", Reach.OWN), ("all", Reach.ALL)])
def test_a_rule_says_whose_operations_it_is_about(tmp_path: Path, text: str, reach: Reach) -> None:
    settings = load(tmp_path, changed(("verbs: [start, cancel, result]", f"tenants: {text}")))
    assert [reach] == [rule.tenants for rule in endpoints(settings)[0].allow]


@pytest.mark.parametrize("text", [PADDED, PADDED.rstrip("="), f" {PADDED}\n"])
def test_a_token_key_is_read_from_its_variable(tmp_path: Path, text: str) -> None:
    keys = token_keys(load(tmp_path, EXAMPLE), {"NEXUS_GATEWAY_TOKEN_KEY": text})
    assert (TokenKey(id="k1", secret=SECRET),) == keys


@pytest.mark.parametrize(
    ("environ", "fault"),
    [
        ({}, "is not set"),
        ({"NEXUS_GATEWAY_TOKEN_KEY": "  "}, "is not set"),
        ({"NEXUS_GATEWAY_TOKEN_KEY": "c2hvcnQ"}, "holds 5 bytes"),
        ({"NEXUS_GATEWAY_TOKEN_KEY": "not base64!"}, "is not base64url"),
        ({"NEXUS_GATEWAY_TOKEN_KEY": "+/" * 21 + "A"}, "is not base64url"),
    ],
)
def test_a_wrong_token_key_names_its_variable_and_not_its_value(
    tmp_path: Path, environ: dict[str, str], fault: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        token_keys(load(tmp_path, EXAMPLE), environ)
    [line] = raised.value.faults
    assert line.startswith(f"environment: NEXUS_GATEWAY_TOKEN_KEY: {fault}")
    assert "it must hold 32 random bytes in base64url" in line
    assert not [value for value in environ.values() if value.strip() and value in line]


@pytest.mark.parametrize(
    ("key", "source"),
    [
        ("jwks_uri: https://keys.test/jwks", KeyUrl("https://keys.test/jwks")),
        ("jwks_uri: http://127.0.0.1:99/jwks", KeyUrl("http://127.0.0.1:99/jwks")),
        ("discovery: true", KeyDiscovery()),
    ],
)
def test_an_issuers_keys_come_from_where_it_says(tmp_path: Path, key: str, source: object) -> None:
    [policy] = issuer_policies(load(tmp_path, changed(("jwks_file: jwks.json", key))))
    assert source == policy.keys


def test_an_issuers_demands_reach_its_policy(tmp_path: Path) -> None:
    more = (
        "typ: at+jwt\n    leeway: 0s\n    max_lifetime: 1h\n    subject_claim: client_id\n    require_permissions: true"
    )
    [policy] = issuer_policies(load(tmp_path, changed(("require_permissions: false", more))))
    assert KeyFile(tmp_path / "jwks.json") == policy.keys
    assert (policy.type, policy.leeway, policy.max_lifetime) == ("at+jwt", 0.0, 3600.0)
    assert (policy.subject_claim, policy.require_permissions) == ("client_id", True)
    assert policy.refresh.cooldown == 10.0


def test_tokens_are_minted_by_the_first_issuer_that_can(tmp_path: Path) -> None:
    generate_dev_issuer(tmp_path)
    settings = load(tmp_path, changed(("jwks_file:", "dev_signing_key_file: dev-signing-key.json\n    jwks_file:")))
    assert len(token_minter(settings).mint(subject="s", namespace="n").split(".")) == 3


@pytest.mark.parametrize("issuer", [None, "https://issuer.test", "https://unknown.test"])
def test_no_token_is_minted_without_a_signing_key(tmp_path: Path, issuer: str | None) -> None:
    with pytest.raises(SettingsError, match="issuers: no"):
        token_minter(load(tmp_path, EXAMPLE), issuer)
