"""From the Authorization header to a verified Principal.

1. one Bearer token, of the exact compact form (``_compact``); nothing in it is believed yet
2. its issuer is one of ours, its algorithm and type are that issuer's
3. it is of the present: an expired token costs no signature check
4. a key of that issuer, by ``kid``, verifies it (``_keyring``, PyJWT)
5. its claims make a Principal (``_claims``)
6. which is remembered until the token expires or a key changes (``_verified``)
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from gateway.auth._algorithms import FAMILIES
from gateway.auth._claims import check_dates, check_type, principal_of
from gateway.auth._compact import CompactToken, bearer_token, parse_compact
from gateway.auth._keyring import Keyring
from gateway.auth._printable import printable
from gateway.auth._reasons import AuthenticationFailed, KeysUnavailable, Reason
from gateway.auth._sources import source_of
from gateway.auth._verified import VerifiedTokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType

    from gateway.auth._keyset import VerificationKey
    from gateway.auth._policy import IssuerPolicy
    from gateway.auth._sources import KeySource
    from gateway.model import Principal

_log = logging.getLogger("gateway.auth")
_REMEMBERED_PER_ISSUER = 10_000
_PREFIX = "Bearer "


@dataclass(frozen=True, slots=True)
class _Issuer:
    policy: IssuerPolicy
    source: KeySource
    keyring: Keyring


class Authenticator:
    """Verifies tokens of the issuers it is given. Enter it before use: that loads keys and keeps them fresh.

    A provider that cannot be reached neither stops it from starting nor touches other issuers; ``status`` tells.
    """

    def __init__(
        self,
        issuers: Iterable[IssuerPolicy],
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        remembered: int = _REMEMBERED_PER_ISSUER,
    ) -> None:
        self._clock = clock
        self._verified = VerifiedTokens(per_issuer=remembered, clock=clock)
        self._issuers: dict[str, _Issuer] = {}
        for policy in issuers:
            if policy.issuer in self._issuers:
                raise ValueError("an issuer is given twice")
            self._issuers[policy.issuer] = self._issuer(policy, monotonic)
        self._stack = AsyncExitStack()

    def _issuer(self, policy: IssuerPolicy, monotonic: Callable[[], float]) -> _Issuer:
        source = source_of(policy)
        keyring = Keyring(
            policy.issuer,
            FAMILIES[next(iter(policy.algorithms))],
            source,
            clock=monotonic,
            on_change=lambda: self._verified.forget(policy.issuer),
        )
        return _Issuer(policy, source, keyring)

    async def __aenter__(self) -> Self:
        """Load every issuer's keys, each at most for its own time limit, and go on loading them."""
        for issuer in self._issuers.values():
            await self._stack.enter_async_context(issuer.source)
            self._stack.push_async_callback(issuer.keyring.stop)
        await asyncio.gather(*(issuer.keyring.first_load() for issuer in self._issuers.values()))
        for issuer in self._issuers.values():
            task = asyncio.create_task(issuer.keyring.keep_fresh(), name=f"fresh keys of {issuer.policy.issuer}")
            self._stack.push_async_callback(_end, task)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop loading keys."""
        await self._stack.aclose()

    def status(self) -> Mapping[str, str | None]:
        """For each issuer None while its tokens can be verified, else why they cannot."""
        return {name: issuer.keyring.status for name, issuer in self._issuers.items()}

    def key_ages(self) -> Mapping[str, float]:
        """Seconds since each issuer's keys were last known to be right; issuers without keys so far are left out."""
        ages = ((name, issuer.keyring.age) for name, issuer in self._issuers.items())
        return {name: age for name, age in ages if age is not None}

    def authenticate_cached(self, authorization: Sequence[str]) -> Principal | None:
        """The caller, when this very token was verified before and is still good; never waits, never raises."""
        if len(authorization) != 1 or not authorization[0].startswith(_PREFIX):
            return None
        return self._verified.find(authorization[0][len(_PREFIX) :])

    async def authenticate(self, authorization: Sequence[str]) -> Principal:
        """The caller that the values of the Authorization header prove.

        Raises:
            AuthenticationFailed: UNAUTHENTICATED, with a message that the client can act on.
            KeysUnavailable: UNAVAILABLE, while the issuer's keys cannot be had.
        """
        token: CompactToken | None = None
        try:
            text = bearer_token(authorization)
            known = self._verified.find(text)
            if known is not None:
                return known
            token = parse_compact(text)
            principal = await self._verify(token)
        except (AuthenticationFailed, KeysUnavailable) as error:
            _log_refusal(error, token)
            raise
        self._verified.remember(text, principal)
        return principal

    async def _verify(self, token: CompactToken) -> Principal:
        name = token.claims.get("iss")
        issuer = self._issuers.get(name) if isinstance(name, str) else None
        if issuer is None:
            raise AuthenticationFailed(Reason.ISSUER)
        family = FAMILIES.get(token.algorithm)
        if family is None or family not in {FAMILIES[name] for name in issuer.policy.algorithms}:
            raise AuthenticationFailed(Reason.ALGORITHM)
        check_type(token.type, issuer.policy)
        expires = check_dates(token.claims, issuer.policy, self._clock())
        key = await _key(issuer.keyring, token)
        # From here on nothing waits: what is remembered was verified with keys that still count.
        if not key.verifies(token.signing_input, token.signature):
            raise AuthenticationFailed(Reason.SIGNATURE)
        return principal_of(token.claims, issuer.policy, expires)


async def _key(keyring: Keyring, token: CompactToken) -> VerificationKey:
    key = keyring.find(token.key_id) or await keyring.fetch(token.key_id)
    if key is None:
        raise AuthenticationFailed(Reason.UNKNOWN_KEY)
    return key


def _log_refusal(error: AuthenticationFailed | KeysUnavailable, token: CompactToken | None) -> None:
    issuer = printable(token.claims.get("iss") if token is not None else None)
    key_id = printable(token.key_id if token is not None else None)
    _log.info("refused a token: %s, issuer %s, kid %s", error.reason, issuer, key_id)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
