"""What callers experience while the provider of their issuer's keys rotates, hangs, lies or is away."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from nexusrpc import HandlerErrorType

from gateway.auth import (
    AuthenticationFailed,
    Authenticator,
    IssuerPolicy,
    KeyDiscovery,
    KeyRefresh,
    KeysUnavailable,
    KeyUrl,
)
from gateway.auth._fetching import fresh_for
from tests.unit.auth.provider import BROKEN, QUICK, Provider, running
from tests.unit.auth.signing import ISSUER, Signer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FIRST = Signer.create("first")
SECOND = Signer.create("second")
PATIENCE = 4.0
"""Seconds: several times the limit of ``QUICK``, and less than a provider takes that hangs."""


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with running(FIRST) as started:
        yield started


async def outcome(authenticator: Authenticator, token: str) -> str:
    """What a caller with that token experiences, in a word."""
    try:
        await authenticator.authenticate([f"Bearer {token}"])
    except AuthenticationFailed as error:
        return error.reason
    except KeysUnavailable:
        return "unavailable"
    return "ok"


async def eventually(authenticator: Authenticator, token: str, wanted: str, within: float = 5.0) -> None:
    async with asyncio.timeout(within):
        while await outcome(authenticator, token) != wanted:  # noqa: ASYNC110 - there is no event for what a caller sees
            await asyncio.sleep(0.02)


async def test_keys_are_there_when_the_authenticator_is(provider: Provider) -> None:
    async with Authenticator([provider.policy()]) as authenticator:
        assert authenticator.status() == {ISSUER: None}
        assert authenticator.key_ages()[ISSUER] < 5
        assert await outcome(authenticator, FIRST.token()) == "ok"
    assert provider.fetches == 1


async def test_a_new_key_counts_with_the_first_token_that_names_it(provider: Provider) -> None:
    async with Authenticator([provider.policy()]) as authenticator:
        provider.signers.append(SECOND)
        assert await outcome(authenticator, SECOND.token()) == "ok"
        assert await outcome(authenticator, FIRST.token()) == "ok"
    assert provider.fetches == 2


async def test_a_withdrawn_key_stops_counting_also_for_tokens_that_were_verified_before(provider: Provider) -> None:
    provider.signers.append(SECOND)
    provider.headers = {"Cache-Control": "max-age=0"}
    first, second = FIRST.token(), SECOND.token()
    async with Authenticator([provider.policy()]) as authenticator:
        assert await outcome(authenticator, first) == "ok"
        provider.signers.remove(FIRST)
        await eventually(authenticator, first, "unknown_key")
        assert await outcome(authenticator, second) == "ok"


async def test_a_key_that_is_exchanged_under_its_old_id_counts_at_once_for_the_new_token(provider: Provider) -> None:
    other = Signer.create("first")
    provider.headers = {"Cache-Control": "max-age=0"}
    old = FIRST.token()
    async with Authenticator([provider.policy()]) as authenticator:
        assert await outcome(authenticator, old) == "ok"
        provider.signers[:] = [other]
        await eventually(authenticator, other.token(), "ok")
        assert await outcome(authenticator, old) == "signature"


async def test_one_fetch_serves_all_that_wait_for_it(provider: Provider) -> None:
    async with Authenticator([provider.policy()]) as authenticator:
        provider.mode = "slow"
        provider.signers.append(SECOND)
        tokens = [SECOND.token(jti=str(index)) for index in range(50)]
        outcomes = await asyncio.gather(*(outcome(authenticator, token) for token in tokens))
    assert outcomes == ["ok"] * 50
    assert provider.fetches == 2


async def test_a_caller_that_goes_away_does_not_end_the_fetch_for_the_others(provider: Provider) -> None:
    async with Authenticator([provider.policy()]) as authenticator:
        provider.mode = "slow"
        provider.signers.append(SECOND)
        impatient = asyncio.create_task(outcome(authenticator, SECOND.token()))
        patient = asyncio.create_task(outcome(authenticator, SECOND.token(jti="2")))
        await asyncio.sleep(0.03)
        impatient.cancel()
        assert await patient == "ok"
    assert provider.fetches == 2


async def test_the_authenticator_stops_while_a_fetch_is_under_way(provider: Provider) -> None:
    """And what waited for it is told, too."""
    async with Authenticator([provider.policy()]) as authenticator:
        provider.mode = "hang"
        waiting = asyncio.create_task(outcome(authenticator, SECOND.token()))
        await asyncio.sleep(0.05)
        started = time.monotonic()
    assert time.monotonic() - started < PATIENCE
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_ten_thousand_requests_with_unknown_keys_cause_one_fetch_a_cooldown(provider: Provider) -> None:
    """Each with another kid, which nothing that is remembered could catch."""
    started = time.monotonic()
    async with Authenticator([provider.policy()]) as authenticator:
        tokens = [FIRST.sign(FIRST.header(kid=f"unknown-{index}"), FIRST.claims()) for index in range(100)]
        for _ in range(100):
            outcomes = await asyncio.gather(*(outcome(authenticator, token) for token in tokens))
            assert set(outcomes) == {"unknown_key"}
        assert await outcome(authenticator, FIRST.token()) == "ok"
    elapsed = time.monotonic() - started
    assert provider.fetches <= 2 + elapsed / QUICK.cooldown


async def test_an_unknown_key_is_not_asked_for_again_each_time_the_cooldown_ends(provider: Provider) -> None:
    async with Authenticator([provider.policy()]) as authenticator:
        token = FIRST.sign(FIRST.header(kid="unknown"), FIRST.claims())
        assert await outcome(authenticator, token) == "unknown_key"
        known = time.monotonic()
        await asyncio.sleep(QUICK.cooldown * 1.5)
        assert await outcome(authenticator, token) == "unknown_key"
        assert provider.fetches == 2 or time.monotonic() - known > QUICK.cooldown * 2.9
        await asyncio.sleep(QUICK.cooldown * 2)
        assert await outcome(authenticator, token) == "unknown_key"
        assert provider.fetches >= 3


@pytest.mark.parametrize("mode", BROKEN)
async def test_a_broken_provider_changes_nothing_for_those_whose_keys_are_known(
    provider: Provider, caplog: pytest.LogCaptureFixture, mode: str
) -> None:
    """Their tokens are verified without a wait; only a token with a new key is refused, within the time limit."""
    async with Authenticator([provider.policy()]) as authenticator:
        provider.mode = mode
        provider.signers.append(SECOND)
        started = time.monotonic()
        waiting = asyncio.create_task(outcome(authenticator, SECOND.token()))
        await asyncio.sleep(0)
        assert await outcome(authenticator, FIRST.token()) == "ok"
        assert not waiting.done()
        assert await waiting == "unknown_key"
        assert time.monotonic() - started < PATIENCE
        assert await outcome(authenticator, FIRST.token(jti="2")) == "ok"
        assert authenticator.status() == {ISSUER: None}
        assert "the last good ones serve" in caplog.text
        provider.mode = "good"
        await eventually(authenticator, SECOND.token(), "ok")


@pytest.mark.parametrize("mode", BROKEN)
async def test_an_issuer_without_keys_is_unavailable_and_no_other_notices(mode: str) -> None:
    """503 and not 401: the token may be good, and a retry may succeed."""
    neighbour = Signer.create("first", issuer="https://neighbour.test")
    async with running(FIRST) as broken, running(neighbour) as good:
        broken.mode = mode
        policies = [broken.policy(), good.policy(neighbour.issuer)]
        started = time.monotonic()
        async with Authenticator(policies) as authenticator:
            assert time.monotonic() - started < PATIENCE
            status = authenticator.status()
            assert status[neighbour.issuer] is None
            assert status[ISSUER]
            assert await outcome(authenticator, FIRST.token()) == "unavailable"
            assert await outcome(authenticator, neighbour.token()) == "ok"
            broken.mode = "good"
            await eventually(authenticator, FIRST.token(), "ok")
            assert authenticator.status()[ISSUER] is None


async def test_unavailable_keys_are_an_error_that_may_be_retried(provider: Provider) -> None:
    provider.mode = "500"
    async with Authenticator([provider.policy()]) as authenticator:
        with pytest.raises(KeysUnavailable) as raised:
            await authenticator.authenticate([f"Bearer {FIRST.token()}"])
    assert raised.value.type is HandlerErrorType.UNAVAILABLE
    assert raised.value.retryable


async def test_a_provider_that_cannot_be_connected_to_is_like_one_that_is_down() -> None:
    async with running(FIRST) as gone:
        policy = gone.policy()
    async with Authenticator([policy]) as authenticator:
        assert authenticator.status() == {ISSUER: "the provider cannot be reached (ClientConnectorError)"}
        assert authenticator.key_ages() == {}


async def test_old_keys_serve_up_to_their_age_limit_and_no_longer(provider: Provider) -> None:
    refresh = KeyRefresh(min_interval=0.1, max_interval=0.2, cooldown=0.1, stale_for=3.0, timeout=1.0)
    token = FIRST.token()
    async with Authenticator([provider.policy(refresh=refresh)]) as authenticator:
        provider.mode = "500"
        await asyncio.sleep(0.5)
        assert await outcome(authenticator, token) == "ok"
        await eventually(authenticator, token, "unavailable", within=10.0)
        assert authenticator.status() == {ISSUER: "the provider answered 500"}
        provider.mode = "good"
        await eventually(authenticator, token, "ok")


async def test_a_limit_on_age_that_is_shorter_than_the_refresh_does_not_drop_good_keys(provider: Provider) -> None:
    refresh = KeyRefresh(min_interval=30.0, max_interval=30.0, cooldown=0.1, stale_for=0.3, timeout=2.0)
    async with Authenticator([provider.policy(refresh=refresh)]) as authenticator:
        for _ in range(20):
            await asyncio.sleep(0.05)
            assert await outcome(authenticator, FIRST.token()) == "ok"
    assert provider.fetches >= 3


async def test_a_known_bad_answer_is_logged_once(provider: Provider, caplog: pytest.LogCaptureFixture) -> None:
    provider.mode = "junk keys"
    refresh = KeyRefresh(min_interval=0.05, max_interval=0.05, cooldown=0.05, stale_for=60.0, timeout=2.0)
    async with Authenticator([provider.policy(refresh=refresh)]), asyncio.timeout(10):
        while provider.fetches <= 3:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.05)
    assert len([line for line in caplog.messages if "cannot load" in line]) == 1
    assert len([line for line in caplog.messages if "passed over" in line]) == 5


async def test_a_provider_is_sent_nothing_but_a_plain_request(provider: Provider) -> None:
    async with Authenticator([provider.policy()]):
        pass
    [headers] = provider.requests
    assert not {"Authorization", "Cookie"} & headers.keys()
    assert headers["Accept-Encoding"] == "identity"


class TestDiscovery:
    async def test_keys_are_found_where_the_discovery_document_says(self, provider: Provider) -> None:
        signer = Signer("first", "ES256", provider.url, FIRST.key)
        async with Authenticator([provider.policy(provider.url, keys=KeyDiscovery())]) as authenticator:
            assert await outcome(authenticator, signer.token()) == "ok"

    @pytest.mark.parametrize(
        ("document", "trouble"),
        [
            ({"issuer": "https://other.test"}, "the discovery document is not this issuer's"),
            ({"issuer": None}, "the discovery document is not this issuer's"),
            ({"jwks_uri": None}, "the discovery document names no key set"),
            ({"jwks_uri": "http://keys.test/jwks"}, "the URL is not https"),
            ({"jwks_uri": "file:///etc/passwd"}, "the URL is not https"),
            ({"jwks_uri": "http://[broken"}, "the provider cannot be reached (ValueError)"),
        ],
    )
    async def test_a_document_that_is_not_the_issuers_or_leads_astray_is_refused(
        self, provider: Provider, document: dict[str, Any], trouble: str
    ) -> None:
        provider.discovered = document
        async with Authenticator([provider.policy(provider.url, keys=KeyDiscovery())]) as authenticator:
            assert authenticator.status() == {provider.url: trouble}
        assert provider.fetches == 0


@pytest.mark.parametrize("url", ["http://keys.test/jwks", "ftp://127.0.0.1/jwks", "http://127.0.0.1.keys.test/jwks"])
async def test_keys_are_never_fetched_in_the_clear_from_another_machine(provider: Provider, url: str) -> None:
    async with Authenticator([provider.policy(keys=KeyUrl(url))]) as authenticator:
        assert authenticator.status() == {ISSUER: "the URL is not https"}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Cache-Control": "max-age=600"}, 600.0),
        ({"Cache-Control": "public, max-age=600, must-revalidate"}, 600.0),
        ({"Cache-Control": 'max-age="600"'}, 600.0),
        ({"Cache-Control": "MAX-AGE=600"}, 600.0),
        ({"Cache-Control": "max-age=600", "Age": "100"}, 500.0),
        ({"Cache-Control": "max-age=600", "Age": "900"}, 0.0),
        ({"Cache-Control": "max-age=600", "Age": "-1"}, 600.0),
        ({"Cache-Control": "no-store"}, 0.0),
        ({"Cache-Control": "no-cache, max-age=600"}, 0.0),
        ({"Cache-Control": "max-age=-1"}, None),
        ({"Cache-Control": "s-maxage=600"}, None),
        ({"Cache-Control": "max-age=99999999999999"}, None),
    ],
)
def test_freshness_is_what_the_provider_says(headers: dict[str, str], seconds: float | None) -> None:
    assert seconds == fresh_for(headers)


@pytest.mark.parametrize(("max_age", "least", "a_second"), [(0, 3, 12), (3600, 1, 0)])
async def test_keys_are_refreshed_ahead_of_time_within_bounds(
    provider: Provider, max_age: int, least: int, a_second: int
) -> None:
    """Where nothing is ever fresh the provider is asked every 0.2 s at most; an hour is cut to 30 s."""
    provider.headers = {"Cache-Control": f"max-age={max_age}"}
    started = time.monotonic()
    async with Authenticator([provider.policy()]), asyncio.timeout(10):
        await asyncio.sleep(1.0)
        while provider.fetches < least:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.05)
    assert provider.fetches <= 1 + a_second * (time.monotonic() - started)


async def test_many_issuers_start_at_the_pace_of_the_slowest(provider: Provider) -> None:
    provider.mode = "hang"
    policies: list[IssuerPolicy] = [provider.policy(f"https://issuer-{index}.test") for index in range(10)]
    started = time.monotonic()
    async with Authenticator(policies):
        assert time.monotonic() - started < PATIENCE
