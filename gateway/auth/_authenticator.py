"""From the Authorization header to a verified Principal.

1. one Bearer token, of the exact compact form (``_compact``); nothing in it is believed yet
2. its issuer is one of ours, its algorithm and type are that issuer's
3. it is of the present: an expired token costs no signature check
4. a key of that issuer, by ``kid``, verifies it (``_keyring``, PyJWT)
5. its claims make a Principal (``_claims``)
6. which is remembered until the token expires or a key changes (``_verified``)
7. and is asked each time whether the token was revoked, and whether it is bound to another's certificate
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Self

from gateway.auth._algorithms import FAMILIES
from gateway.auth._audit import decision_id
from gateway.auth._claims import check_binding, check_dates, check_type, principal_of
from gateway.auth._compact import CompactToken, bearer_token, parse_compact
from gateway.auth._keyring import Keyring
from gateway.auth._printable import printable
from gateway.auth._reasons import AuthenticationFailed, KeysUnavailable, Reason
from gateway.auth._revocations import Revocations
from gateway.auth._sources import source_of
from gateway.auth._turns import Turns
from gateway.auth._verified import VerifiedTokens

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
    from types import TracebackType

    from gateway.auth._keyset import VerificationKey
    from gateway.auth._policy import IssuerPolicy
    from gateway.auth._sources import KeySource
    from gateway.model import Principal

_REMEMBERED_PER_ISSUER = 10_000


@dataclass(frozen=True, slots=True)
class _Keys:
    """Where an issuer's keys come from, and what they are; it outlives changes of the policy that do not touch it."""

    source: KeySource
    keyring: Keyring
    lifetime: AsyncExitStack


@dataclass(frozen=True, slots=True)
class _Issuer:
    policy: IssuerPolicy
    keys: _Keys


class KeysNotLoaded(Exception):
    """An issuer that is to be taken on has no keys that can be loaded; the text names it and says why."""


class Authenticator:
    """Verifies tokens of the issuers it is given. Enter it before use: that loads keys and keeps them fresh.

    A provider that cannot be reached neither stops it from starting nor touches other issuers; ``status`` tells.
    """

    def __init__(
        self,
        issuers: Iterable[IssuerPolicy],
        *,
        revocations: Revocations | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        remembered: int = _REMEMBERED_PER_ISSUER,
    ) -> None:
        self.revocations = Revocations() if revocations is None else revocations
        """What is revoked; may be replaced at any time."""
        self._clock = clock
        self._monotonic = monotonic
        self._verified = VerifiedTokens(per_issuer=remembered, clock=clock)
        self._turns = Turns()
        self._issuers = self._kept_or_made(issuers, {})

    def _kept_or_made(self, policies: Iterable[IssuerPolicy], kept: Mapping[str, _Issuer]) -> dict[str, _Issuer]:
        issuers: dict[str, _Issuer] = {}
        for policy in policies:
            if policy.issuer in issuers:
                raise ValueError("an issuer is given twice")
            known = kept.get(policy.issuer)
            keys = known.keys if known is not None and _same_keys(known.policy, policy) else self._keys(policy)
            issuers[policy.issuer] = _Issuer(policy, keys)
        return issuers

    def _keys(self, policy: IssuerPolicy) -> _Keys:
        source = source_of(policy)
        keyring = Keyring(
            policy.issuer,
            policy.family,
            source,
            clock=self._monotonic,
            on_change=lambda: self._verified.forget(policy.issuer),
        )
        return _Keys(source, keyring, AsyncExitStack())

    async def __aenter__(self) -> Self:
        """Load every issuer's keys, each at most for its own time limit, and go on loading them."""
        await asyncio.gather(*(_open(name, issuer.keys) for name, issuer in self._issuers.items()))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop loading keys."""
        for issuer in self._issuers.values():
            await issuer.keys.lifetime.aclose()

    @asynccontextmanager
    async def replacing(self, policies: Iterable[IssuerPolicy]) -> AsyncIterator[Callable[[], None]]:
        """Get other issuers ready; what is yielded puts them in force, at once and for every request after it.

        Keys whose source stays the same are kept. An issuer that is gone or whose policy is another has its verified
        tokens forgotten.

        Raises:
            KeysNotLoaded: the keys of an issuer cannot be had from where its new policy says; nothing has changed then.
        """
        before = self._issuers
        after = self._kept_or_made(policies, before)
        ours = {id(issuer.keys) for issuer in before.values()}
        made = {name: issuer.keys for name, issuer in after.items() if id(issuer.keys) not in ours}
        try:
            await asyncio.gather(*(_open(name, keys) for name, keys in made.items()))
            for name, keys in made.items():
                if keys.keyring.status is not None:
                    raise KeysNotLoaded(f"the keys of issuer {printable(name)} cannot be loaded: {keys.keyring.status}")
            yield partial(self._put_in_force, after)
        finally:
            in_force = {id(issuer.keys) for issuer in self._issuers.values()}
            for keys in (*made.values(), *(issuer.keys for issuer in before.values())):
                if id(keys) not in in_force:
                    await keys.lifetime.aclose()

    def _put_in_force(self, after: dict[str, _Issuer]) -> None:
        before, self._issuers = self._issuers, after
        for name, issuer in before.items():
            if after.get(name) != issuer:
                self._verified.forget(name)

    def status(self) -> Mapping[str, str | None]:
        """For each issuer None while its tokens can be verified, else why they cannot."""
        return {name: issuer.keys.keyring.status for name, issuer in self._issuers.items()}

    def key_ages(self) -> Mapping[str, float]:
        """Seconds since each issuer's keys were last known to be right; issuers without keys so far are left out."""
        ages = ((name, issuer.keys.keyring.age) for name, issuer in self._issuers.items())
        return {name: age for name, age in ages if age is not None}

    async def authenticate(
        self, authorization: Sequence[str], certificate: str | None = None, *, peer: str = ""
    ) -> Principal:
        """The caller that the values of the Authorization header prove.

        Args:
            authorization: the values, as they came.
            certificate: the thumbprint (RFC 8705 section 3.1) of the client certificate of the connection.
            peer: the address it came from; addresses take turns where many tokens have to be verified.

        Raises:
            AuthenticationFailed: UNAUTHENTICATED, with a message that the client can act on.
            KeysUnavailable: UNAVAILABLE, while the issuer's keys cannot be had.
        """
        token: CompactToken | None = None
        try:
            text = bearer_token(authorization)
            principal = self._verified.find(text)
            if principal is None:
                await self._turns.take(peer)
                with self._turns.spending():
                    token = parse_compact(text)
                    issuer = self._issuer_of(token)
                    key = issuer.keys.keyring.find(token.key_id)
                if key is None:
                    key = await _fetched_key(issuer.keys.keyring, token)
                # From here on nothing waits: what is remembered was verified with keys that still count.
                with self._turns.spending():
                    principal = self._verified_by(key, token, issuer.policy)
                if self._issuers.get(principal.issuer) is issuer:
                    self._verified.remember(text, principal)
            self._check_still_good(principal, certificate)
        except (AuthenticationFailed, KeysUnavailable) as error:
            _describe(error, token)
            raise
        return principal

    def counts_still(self, principal: Principal) -> bool:
        """Whether the token of a caller that was verified before is in time, not revoked, and of an issuer of ours."""
        issuer = self._issuers.get(principal.issuer)
        if issuer is None or not self.trusts_still(principal):
            return False
        try:
            check_dates(principal.claims, issuer.policy, self._clock())
        except AuthenticationFailed:
            return False
        return True

    def trusts_still(self, principal: Principal) -> bool:
        """The same, in time or not: for what a caller began in time, and what takes longer than its token lasts."""
        return principal.issuer in self._issuers and not self.revocations.covers(principal)

    def _check_still_good(self, principal: Principal, certificate: str | None) -> None:
        if self.revocations.covers(principal):
            raise AuthenticationFailed(Reason.REVOKED)
        check_binding(principal.claims, certificate)

    def _issuer_of(self, token: CompactToken) -> _Issuer:
        name = token.claims.get("iss")
        issuer = self._issuers.get(name) if isinstance(name, str) else None
        if issuer is None:
            raise AuthenticationFailed(Reason.ISSUER)
        if FAMILIES.get(token.algorithm) is not issuer.policy.family:
            raise AuthenticationFailed(Reason.ALGORITHM)
        check_type(token.type, issuer.policy)
        check_dates(token.claims, issuer.policy, self._clock())
        return issuer

    def _verified_by(self, key: VerificationKey, token: CompactToken, policy: IssuerPolicy) -> Principal:
        if not key.verifies(token.signing_input, token.signature):
            raise AuthenticationFailed(Reason.SIGNATURE)
        return principal_of(token.claims, policy, check_dates(token.claims, policy, self._clock()))


async def _open(name: str, keys: _Keys) -> None:
    """Load keys, and go on loading them for as long as they live."""
    await keys.lifetime.enter_async_context(keys.source)
    keys.lifetime.push_async_callback(keys.keyring.stop)
    await keys.keyring.first_load()
    task = asyncio.create_task(keys.keyring.keep_fresh(), name=f"fresh keys of {name}")
    keys.lifetime.push_async_callback(_end, task)


def _same_keys(one: IssuerPolicy, other: IssuerPolicy) -> bool:
    def keys(policy: IssuerPolicy) -> tuple[object, ...]:
        return policy.keys, policy.refresh, policy.family

    return keys(one) == keys(other)


async def _fetched_key(keyring: Keyring, token: CompactToken) -> VerificationKey:
    key = await keyring.fetch(token.key_id)
    if key is None:
        raise AuthenticationFailed(Reason.UNKNOWN_KEY)
    return key


def _describe(error: AuthenticationFailed | KeysUnavailable, token: CompactToken | None) -> None:
    if token is not None:
        error.issuer, error.key_id = printable(token.claims.get("iss")), printable(token.key_id)
    error.decision_id = decision_id(error.reason, error.issuer, error.key_id)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
