"""Sealed tokens: deterministic, bound, of one spelling, and silent about why they do not open."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.engines import MAX_ENGINE_TOKEN_BYTES
from gateway.model import OperationAddress, Tenant
from gateway.tokens import (
    MAX_TOKEN_CHARACTERS,
    InvalidToken,
    OpenedOperation,
    TokenKey,
    TokenSealer,
    TokenTooLong,
    digest_of,
)

OLD = TokenKey(id="old", secret=b"o" * 32)
NEW = TokenKey(id="new", secret=b"n" * 32)
SEALER = TokenSealer([OLD])
TENANT = Tenant("https://issuer.test", "checkout")
OWNER = Tenant("https://other.test", "billing")
ADDRESS = OperationAddress("orders", "orders.v1", "process")
ENGINE_TOKEN = (
    base64.urlsafe_b64encode(json.dumps({"t": 1, "ns": "orders", "wid": "w-1"}).encode()).decode().rstrip("=")
)

texts = st.text(st.characters(codec="utf-8"), max_size=60)


@settings(deadline=None)
@given(st.lists(texts, max_size=6), st.lists(st.binary(max_size=20), max_size=4))
def test_what_is_sealed_opens_again_in_its_context(fields: list[str], context: list[bytes]) -> None:
    token = SEALER.seal("callback", fields, context=context)
    assert tuple(fields) == SEALER.open("callback", token, context)


@settings(deadline=None)
@given(st.lists(st.from_regex(r"[A-Za-z0-9_-]{0,40}", fullmatch=True), max_size=4))
def test_text_that_looks_like_base64url_opens_to_the_same_characters(fields: list[str]) -> None:
    assert tuple(fields) == SEALER.open("page", SEALER.seal("page", fields))


@settings(deadline=None)
@given(texts, st.lists(texts, min_size=5, max_size=5))
def test_the_same_operation_always_has_the_same_token(engine_token: str, parts: list[str]) -> None:
    """The token in a completion is, character for character, the one that start returned."""
    tenant, address = Tenant(*parts[:2]), OperationAddress(*parts[2:])
    token = SEALER.seal_operation(tenant, address, engine_token)
    assert token == TokenSealer([OLD]).seal_operation(tenant, address, engine_token)
    assert engine_token == SEALER.open_operation(token, tenant, address)


def test_a_token_can_stand_in_a_header_and_in_a_query_as_it_is() -> None:
    token = SEALER.seal("operation", ["Ünï/cødé?&=#%", "\r\n"])
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


def test_an_engine_token_in_base64url_is_not_encoded_twice() -> None:
    token = SEALER.seal_operation(TENANT, ADDRESS, ENGINE_TOKEN)
    assert len(token) < len(ENGINE_TOKEN) + 60


@settings(deadline=None)
@given(texts, texts, texts)
def test_a_token_is_no_longer_for_a_longer_address(endpoint: str, service: str, operation: str) -> None:
    token = SEALER.seal_operation(TENANT, OperationAddress(endpoint, service, operation), ENGINE_TOKEN)
    assert len(SEALER.seal_operation(TENANT, ADDRESS, ENGINE_TOKEN)) == len(token)


def test_addresses_of_equal_text_have_different_digests() -> None:
    spelled = [("ab", "c", ""), ("a", "bc", ""), ("abc", "", ""), ("", "ab", "c"), ("ab", "", "c")]
    assert len(spelled) == len({digest_of(OperationAddress(*parts)) for parts in spelled})


def test_a_token_says_where_its_operation_is_and_whose() -> None:
    """To its tenant, which need not say so itself."""
    own = SEALER.seal_operation(TENANT, ADDRESS, ENGINE_TOKEN)
    assert OpenedOperation(
        place=digest_of(ADDRESS), engine_token=ENGINE_TOKEN, owner=TENANT
    ) == SEALER.open_any_operation(own, TENANT)
    for tenant in (OWNER, Tenant(OWNER.issuer, TENANT.namespace), Tenant(TENANT.issuer, OWNER.namespace)):
        with pytest.raises(InvalidToken):
            SEALER.open_any_operation(own, tenant)


@pytest.mark.parametrize(
    ("tenant", "address"),
    [
        (Tenant("https://other.test", "checkout"), ADDRESS),
        (Tenant("https://issuer.test", "billing"), ADDRESS),
        (Tenant("https://issuer.testc", "heckout"), ADDRESS),
        (Tenant("", "https://issuer.testcheckout"), ADDRESS),
        (TENANT, OperationAddress("orders2", "orders.v1", "process")),
        (TENANT, OperationAddress("orders", "orders.v2", "process")),
        (TENANT, OperationAddress("orders", "orders.v1", "approve")),
        (TENANT, OperationAddress("orders", "orders.v1process", "")),
    ],
)
def test_a_token_opens_only_for_its_tenant_and_operation(tenant: Tenant, address: OperationAddress) -> None:
    token = SEALER.seal_operation(TENANT, ADDRESS, ENGINE_TOKEN)
    with pytest.raises(InvalidToken, match=r"^the token is not valid here$"):
        SEALER.open_operation(token, tenant, address)


@settings(deadline=None)
@given(st.data())
def test_an_altered_token_never_opens(data: st.DataObject) -> None:
    token = SEALER.seal_operation(TENANT, ADDRESS, ENGINE_TOKEN)
    position = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda character: character != token[position]))
    altered = data.draw(st.sampled_from([token[:position] + other + token[position + 1 :], token[:position]]))
    with pytest.raises(InvalidToken):
        SEALER.open_operation(altered, TENANT, ADDRESS)


@settings(deadline=None)
@given(st.one_of(st.text(max_size=200), st.from_regex(r"ng1\.(old|new)\.[A-Za-z0-9_-]{1,120}", fullmatch=True)))
def test_junk_never_opens(junk: str) -> None:
    with pytest.raises(InvalidToken):
        SEALER.open_operation(junk, TENANT, ADDRESS)


@pytest.mark.parametrize("last", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
def test_a_token_has_one_spelling(last: str) -> None:
    """Base64 ignores the last bits of some lengths; another last character must not give a second spelling."""
    token = next(
        sealed for sealed in (SEALER.seal("page", ["x" * length]) for length in range(1, 4)) if len(sealed[8:]) % 4 == 2
    )
    if last == token[-1]:
        assert SEALER.open("page", token)
    else:
        with pytest.raises(InvalidToken):
            SEALER.open("page", token[:-1] + last)


@pytest.mark.parametrize("suffix", ["=", "==", "\n", " ", ".", ".x", "\x00"])
def test_nothing_may_follow_a_token(suffix: str) -> None:
    with pytest.raises(InvalidToken):
        SEALER.open_operation(SEALER.seal_operation(TENANT, ADDRESS, ENGINE_TOKEN) + suffix, TENANT, ADDRESS)


def test_the_engines_own_token_is_not_one_of_ours() -> None:
    with pytest.raises(InvalidToken):
        SEALER.open_operation(ENGINE_TOKEN, TENANT, ADDRESS)


@pytest.mark.parametrize(("sealed_as", "opened_as"), [("callback", "operation"), ("page", "callback"), ("a", "aa")])
def test_a_token_of_one_purpose_does_not_open_as_another(sealed_as: str, opened_as: str) -> None:
    token = SEALER.seal(sealed_as, ["x"])
    with pytest.raises(InvalidToken):
        SEALER.open(opened_as, token)


def test_contexts_of_equal_bytes_are_still_different() -> None:
    token = SEALER.seal("page", ["x"], context=[b"ab", b"c"])
    for context in ([b"a", b"bc"], [b"abc"], [b"ab", b"c", b""], [b"", b"ab", b"c"], []):
        with pytest.raises(InvalidToken):
            SEALER.open("page", token, context)


def test_a_new_key_seals_and_the_old_one_still_opens() -> None:
    before = SEALER.seal_operation(TENANT, ADDRESS, ENGINE_TOKEN)
    rotated = TokenSealer([NEW, OLD])
    after = rotated.seal_operation(TENANT, ADDRESS, ENGINE_TOKEN)
    assert ("old", "new") == (rotated.key_id_of(before), rotated.key_id_of(after))
    assert after != before
    assert rotated.open_operation(before, TENANT, ADDRESS) == ENGINE_TOKEN
    assert rotated.open_operation(after, TENANT, ADDRESS) == ENGINE_TOKEN


def test_an_older_token_can_be_made_again_after_a_rotation() -> None:
    before = SEALER.seal_operation(TENANT, ADDRESS, ENGINE_TOKEN)
    rotated = TokenSealer([NEW, OLD])
    again = rotated.seal_operation(TENANT, ADDRESS, ENGINE_TOKEN, key_id=rotated.key_id_of(before))
    assert before == again


def test_a_token_of_a_key_that_is_gone_does_not_open() -> None:
    token = SEALER.seal_operation(TENANT, ADDRESS, ENGINE_TOKEN)
    only_new = TokenSealer([NEW])
    with pytest.raises(InvalidToken):
        only_new.open_operation(token, TENANT, ADDRESS)
    with pytest.raises(InvalidToken):
        only_new.key_id_of(token)
    with pytest.raises(LookupError):
        only_new.seal("page", ["x"], key_id="old")


def test_the_key_id_of_a_token_cannot_be_exchanged() -> None:
    same_secret = TokenSealer([OLD, TokenKey(id="alias", secret=OLD.secret)])
    token = same_secret.seal("page", ["x"])
    for key_id in ("alias", "unknown"):
        with pytest.raises(InvalidToken):
            same_secret.open("page", token.replace(".old.", f".{key_id}."))


def test_a_token_has_at_most_4096_characters() -> None:
    fitting = max(length for length in range(3000, 3100) if _fits("ü" * (length // 2)))
    assert len(SEALER.seal("page", ["ü" * (fitting // 2)])) <= MAX_TOKEN_CHARACTERS
    with pytest.raises(TokenTooLong, match="longer than 4096 characters"):
        SEALER.seal("page", ["ü" * 1600])
    with pytest.raises(InvalidToken):
        SEALER.open("page", "ng1.old." + "A" * MAX_TOKEN_CHARACTERS)


def _fits(text: str) -> bool:
    try:
        SEALER.seal("page", [text])
    except TokenTooLong:
        return False
    return True


@pytest.mark.parametrize(
    ("key_id", "secret"),
    [("", b"x" * 32), ("a.b", b"x" * 32), ("ä", b"x" * 32), ("a" * 33, b"x" * 32), ("a", b"x" * 31)],
)
def test_a_key_has_a_plain_id_and_32_bytes(key_id: str, secret: bytes) -> None:
    with pytest.raises(ValueError, match="a token key's"):
        TokenKey(id=key_id, secret=secret)


def test_a_sealer_needs_keys_with_different_ids() -> None:
    with pytest.raises(ValueError, match="at least one key"):
        TokenSealer([])
    with pytest.raises(ValueError, match="must differ"):
        TokenSealer([OLD, OLD])


def test_a_keys_secret_is_not_shown() -> None:
    assert "oooo" not in repr(OLD)


def test_another_tenants_operation_has_a_token_that_says_whose_it_is() -> None:
    token = SEALER.seal_anothers_operation(TENANT, ADDRESS, ENGINE_TOKEN, OWNER)
    assert OpenedOperation(
        place=digest_of(ADDRESS), engine_token=ENGINE_TOKEN, owner=OWNER
    ) == SEALER.open_any_operation(token, TENANT)


@pytest.mark.parametrize("tenant", [OWNER, Tenant(OWNER.issuer, TENANT.namespace)])
def test_it_opens_for_the_tenant_that_it_was_sealed_for_only(tenant: Tenant) -> None:
    """Not for the owner either."""
    token = SEALER.seal_anothers_operation(TENANT, ADDRESS, ENGINE_TOKEN, OWNER)
    with pytest.raises(InvalidToken):
        SEALER.open_any_operation(token, tenant)


def test_a_token_for_anothers_operation_is_none_where_operations_are_the_callers_own() -> None:
    anothers = SEALER.seal_anothers_operation(TENANT, ADDRESS, ENGINE_TOKEN, OWNER)
    for tenant in (TENANT, OWNER):
        with pytest.raises(InvalidToken):
            SEALER.open_operation(anothers, tenant, ADDRESS)


def test_whatever_its_owner_is_called_it_has_a_token() -> None:
    """A claim has up to 1000 bytes, an engine's token little more than the longest workflow id."""
    owner = Tenant("i" * 1000, "n" * 1000)
    token = SEALER.seal_anothers_operation(TENANT, ADDRESS, "x" * 3000, owner)
    opened = SEALER.open_any_operation(token, TENANT)
    assert ("x" * 3000, owner) == (opened.engine_token, opened.owner)


def test_a_keyed_digest_is_of_its_key_its_purpose_and_its_parts() -> None:
    sealer = TokenSealer([NEW, OLD])
    assert SEALER.keyed_digest("delivery", ["a", "b"], key_id="old") == sealer.keyed_digest(
        "delivery", ["a", "b"], key_id="old"
    )
    asked = [("delivery", parts) for parts in (["a", "b"], ["ab"], ["ab", ""], ["", "ab"], ["a", "b", ""])]
    digests = {
        sealer.keyed_digest(purpose, parts, key_id=key_id)
        for purpose, parts in (*asked, ("other", ["a", "b"]))
        for key_id in ("old", "new")
    }
    assert 12 == len(digests)
    assert {32} == {len(digest) for digest in digests}
    with pytest.raises(LookupError):
        SEALER.keyed_digest("delivery", [], key_id="new")


def test_the_longest_engine_token_fits_whatever_the_key_is_called_and_whoever_owns_it() -> None:
    sealer = TokenSealer([TokenKey(id="k" * 32, secret=b"k" * 32)])
    engine_token = "{" * MAX_ENGINE_TOKEN_BYTES
    token = sealer.seal_operation(TENANT, ADDRESS, engine_token)
    assert engine_token == sealer.open_operation(token, TENANT, ADDRESS)
    owner = Tenant("ü" * 500, "ü" * 500)
    assert (
        owner
        == sealer.open_any_operation(sealer.seal_anothers_operation(TENANT, ADDRESS, engine_token, owner), TENANT).owner
    )
