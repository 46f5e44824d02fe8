"""Tokens that must be accepted, over every algorithm and every liberty that a policy leaves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from gateway.auth import AuthenticationFailed, Authenticator, Reason
from gateway.model import Principal, Tenant
from tests.unit.auth.signing import DELETE, ISSUER, Signer, key_set, policy

if TYPE_CHECKING:
    from pathlib import Path

NOW = int(time.time())


async def authenticated(keys_file: Path, token: str, **changes: Any) -> Principal:
    async with Authenticator([policy(keys_file, **changes)]) as authenticator:
        return await authenticator.authenticate([f"Bearer {token}"])


@pytest.mark.parametrize(
    ("algorithm", "accepted"),
    [
        ("ES256", {"ES256"}),
        ("RS256", {"RS256"}),
        ("EdDSA", {"EdDSA"}),
        ("Ed25519", {"Ed25519"}),
        ("Ed25519", {"EdDSA"}),
        ("EdDSA", {"EdDSA", "Ed25519"}),
    ],
)
@pytest.mark.parametrize("named", [True, False])
async def test_every_algorithm_verifies(tmp_path: Path, algorithm: str, accepted: set[str], named: bool) -> None:
    """Whether or not the key names its algorithm and use."""
    signer = Signer.create(algorithm=algorithm)
    keys_file = tmp_path / "jwks.json"
    keys_file.write_text(key_set(signer.jwk() if named else signer.jwk(alg=DELETE, use=DELETE, key_ops=["verify"])))
    principal = await authenticated(keys_file, signer.token(), algorithms=frozenset(accepted))
    assert principal.tenant == Tenant(ISSUER, "checkout")


@pytest.mark.parametrize("algorithm", ["RS256", "EdDSA"])
async def test_an_issuer_is_held_to_its_own_algorithm(tmp_path: Path, algorithm: str) -> None:
    """Also where the key of the other family is in its key set."""
    other, expected = Signer.create("other", algorithm), Signer.create("k1")
    keys_file = tmp_path / "jwks.json"
    keys_file.write_text(key_set(other.jwk(), expected.jwk()))
    with pytest.raises(AuthenticationFailed) as refused:
        await authenticated(keys_file, other.token())
    assert refused.value.reason is Reason.ALGORITHM
    assert (await authenticated(keys_file, expected.token())).subject == "svc-checkout"


async def test_a_principal_holds_what_the_token_says(keys_file: Path, signer: Signer) -> None:
    token = signer.token(jti="id-1", permissions=["a:read", "b:write", "a:read"], team="payments", exp=NOW + 90_000)
    principal = await authenticated(keys_file, token)
    assert principal == Principal(
        issuer=ISSUER,
        subject="svc-checkout",
        namespace="checkout",
        permissions=frozenset({"a:read", "b:write"}),
        token_id="id-1",
        expires_at=NOW + 90_000.0,
    )
    assert principal.claims["team"] == "payments"


@pytest.mark.parametrize(
    ("claim", "permissions"),
    [
        (DELETE, set()),
        (None, set()),
        ("", set()),
        ([], set()),
        ("temporal:*", {"temporal:*"}),
        ("orders:read  temporal:workflow:start ", {"orders:read", "temporal:workflow:start"}),
        (["nexus:orders/a b/c:start"], {"nexus:orders/a b/c:start"}),
    ],
)
async def test_permissions_are_a_list_or_one_text_or_absent(
    keys_file: Path, signer: Signer, claim: object, permissions: set[str]
) -> None:
    assert permissions == (await authenticated(keys_file, signer.token(permissions=claim))).permissions


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": ["other", "nexus-gateway"]},
        {"aud": "second"},
        {"iat": DELETE},
        {"nbf": NOW - 10},
        {"exp": NOW + 90_000.5},
        {"iat": 1.5e9},
        {"exp": NOW - 3},
        {"iat": NOW + 3, "nbf": NOW + 3},
        {"exp": 253_402_300_799},
        {"namespace": "ü" * 500},
        {"sub": "auth0|ünï 💳"},
        {"nested": {"a": [{"b": None}, "\ud83d\ude00"]}},
    ],
)
async def test_what_a_policy_does_not_forbid_is_accepted(
    keys_file: Path, signer: Signer, claims: dict[str, object]
) -> None:
    await authenticated(keys_file, signer.token(**claims), audiences=("nexus-gateway", "second"), leeway=3600.0)


@pytest.mark.parametrize("typ", [DELETE, "JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt"])
async def test_ordinary_types_are_accepted(keys_file: Path, signer: Signer, typ: object) -> None:
    await authenticated(keys_file, signer.sign(signer.header(typ=typ), signer.claims()))


@pytest.mark.parametrize(
    ("typ", "accepted"), [("at+jwt", True), ("application/at+jwt", True), ("JWT", False), (DELETE, False)]
)
async def test_a_policy_can_demand_a_type(keys_file: Path, signer: Signer, typ: object, accepted: bool) -> None:
    token = signer.sign(signer.header(typ=typ), signer.claims())
    if accepted:
        await authenticated(keys_file, token, type="at+jwt")
    else:
        with pytest.raises(AuthenticationFailed, match="this type of token is not accepted"):
            await authenticated(keys_file, token, type="at+jwt")


@pytest.mark.parametrize(
    ("claims", "accepted"),
    [
        ({"iat": NOW, "exp": NOW + 90_000}, True),
        ({"iat": NOW - 60, "exp": NOW + 89_941}, False),
        ({"iat": DELETE, "exp": NOW + 3600}, False),
    ],
)
async def test_a_policy_can_bound_the_lifetime(
    keys_file: Path, signer: Signer, claims: dict[str, object], accepted: bool
) -> None:
    if accepted:
        await authenticated(keys_file, signer.token(**claims), max_lifetime=90_000.0)
    else:
        with pytest.raises(AuthenticationFailed) as refused:
            await authenticated(keys_file, signer.token(**claims), max_lifetime=90_000.0)
        assert refused.value.reason is Reason.LIFETIME


async def test_claims_can_have_other_names(keys_file: Path, signer: Signer) -> None:
    token = signer.token(client_id="c-1", **{"https://x.test/ns": "billing"}, scope="orders:read", namespace=7)
    principal = await authenticated(
        keys_file,
        token,
        subject_claim="client_id",
        namespace_claim="https://x.test/ns",
        permissions_claim="scope",
    )
    assert ("c-1", "billing", frozenset({"orders:read"})) == (
        principal.subject,
        principal.namespace,
        principal.permissions,
    )


async def test_a_token_without_kid_needs_a_key_set_of_one(tmp_path: Path, signer: Signer) -> None:
    token = signer.sign(signer.header(kid=DELETE), signer.claims())
    keys_file = tmp_path / "jwks.json"
    keys_file.write_text(key_set(signer.jwk()))
    await authenticated(keys_file, token)
    keys_file.write_text(key_set(signer.jwk(), Signer.create("k2").jwk()))
    with pytest.raises(AuthenticationFailed) as refused:
        await authenticated(keys_file, token)
    assert refused.value.reason is Reason.UNKNOWN_KEY


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER  "])
async def test_the_scheme_has_no_case(keys_file: Path, signer: Signer, scheme: str) -> None:
    async with Authenticator([policy(keys_file)]) as authenticator:
        token = signer.token()
        assert await authenticator.authenticate([scheme + token]) is await authenticator.authenticate([scheme + token])


@pytest.mark.parametrize("algorithms", [set(), {"ES256", "RS256"}, {"HS256"}, {"none"}, {"ES256", "none"}])
def test_a_policy_has_algorithms_of_exactly_one_family(tmp_path: Path, algorithms: set[str]) -> None:
    with pytest.raises(ValueError, match="exactly one family"):
        policy(tmp_path, algorithms=frozenset(algorithms))


def test_issuers_differ_and_have_audiences(keys_file: Path) -> None:
    with pytest.raises(ValueError, match="an audience"):
        policy(keys_file, audiences=())
    with pytest.raises(ValueError, match="given twice"):
        Authenticator([policy(keys_file), policy(keys_file)])
