"""One issuer's keys, kept fresh without ever being in a request's way.

Invariants:

- One load at a time; whoever needs one joins it. A waiter that goes away does not end it.
- A key that is there is found without waiting, however the provider does; only an unknown ``kid`` can cause a load, and
  at most one a cooldown, whatever is sent.
- A failed load changes nothing: the last good keys serve until they are older than ``stale_for``.
- ``on_change`` is called whenever a key is gone or another, before any token is judged by the new keys.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from typing import TYPE_CHECKING

from gateway.auth._fetching import CannotFetch
from gateway.auth._keyset import BadKeySet, KeySet, VerificationKey, parse_key_set
from gateway.auth._printable import printable
from gateway.auth._reasons import KeysUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.auth._algorithms import Family
    from gateway.auth._sources import KeySource

_log = logging.getLogger("gateway.auth")
# Load this early in the time a document is fresh, with a little chance so that replicas do not come all at once.
_AHEAD = 0.8
_JITTER = 0.1
_FIRST_BACKOFF = 1.0
_MAX_UNKNOWN = 1000
_MAX_WAITERS = 1000


class Keyring:
    """The keys of one issuer."""

    def __init__(
        self,
        issuer: str,
        family: Family,
        source: KeySource,
        *,
        clock: Callable[[], float],
        on_change: Callable[[], None],
    ) -> None:
        self._issuer = issuer
        self._family = family
        self._source = source
        self._refresh = source.refresh
        self._clock = clock
        self._on_change = on_change
        self._keys = KeySet()
        self._document: bytes | None = None
        self._refused: tuple[bytes, str] | None = None
        self._loaded_at: float | None = None
        self._due = clock()
        self._failures = 0
        self._trouble: str | None = "the keys are not loaded yet"
        self._loading: asyncio.Task[None] | None = None
        self._rescheduled = asyncio.Event()
        self._waiters = 0
        self._forced_again_at = clock()
        self._unknown: dict[str | None, float] = {}

    @property
    def status(self) -> str | None:
        """None while there are keys to verify with, else why there are none."""
        return None if self._keys.keys else self._trouble

    @property
    def trouble(self) -> str | None:
        """Why the last load failed, also while older keys serve; None when it went well."""
        return self._trouble

    @property
    def age(self) -> float | None:
        """Seconds since the keys were last known to be right; None before that."""
        return None if self._loaded_at is None else self._clock() - self._loaded_at

    def find(self, key_id: str | None) -> VerificationKey | None:
        """The key of that id among those at hand."""
        return self._keys.find(key_id)

    async def fetch(self, key_id: str | None) -> VerificationKey | None:
        """The key of an id that is not at hand; asks the source, if it has not been asked a moment ago.

        Raises:
            KeysUnavailable: when there are no keys at all to judge by.
        """
        caused = self._loading is None and self._may_force(key_id)
        if (caused or self._loading is not None) and self._waiters < _MAX_WAITERS:
            await self._wait_for_load()
        if not self._keys.keys:
            raise KeysUnavailable
        key = self._keys.find(key_id)
        if key is None and caused and self._trouble is None:
            self._remember_unknown(key_id)
        return key

    async def first_load(self) -> None:
        """Wait until the source has been asked once, whatever came of it."""
        await self._wait_for_load()

    async def keep_fresh(self) -> None:
        """Load ahead of time, for ever; drop what is too old to be believed."""
        while True:
            self._rescheduled.clear()
            try:
                async with asyncio.timeout(max(0.0, self._wake_at() - self._clock())):
                    # A load that an unknown kid caused has its say in when the next one is due.
                    await self._rescheduled.wait()
            except TimeoutError:
                await self._wait_for_load()
                self._drop_when_stale()

    async def stop(self) -> None:
        """End a load that is under way."""
        if self._loading is not None:
            self._loading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loading

    def _wake_at(self) -> float:
        if self._loaded_at is None or not self._keys.keys:
            return self._due
        return min(self._due, self._loaded_at + self._refresh.stale_for)

    def _may_force(self, key_id: str | None) -> bool:
        now = self._clock()
        if now < self._forced_again_at or now < self._unknown.get(key_id, now):
            return False
        self._forced_again_at = now + self._refresh.cooldown
        return True

    def _remember_unknown(self, key_id: str | None) -> None:
        """Do not look for this id again soon, so that one bad caller cannot use up every turn."""
        self._unknown.pop(key_id, None)
        if len(self._unknown) >= _MAX_UNKNOWN:
            del self._unknown[next(iter(self._unknown))]
        self._unknown[key_id] = self._clock() + 3 * self._refresh.cooldown

    async def _wait_for_load(self) -> None:
        if self._loading is None:
            self._loading = asyncio.create_task(self._load(), name=f"keys of {self._issuer}")
        self._waiters += 1
        try:
            await asyncio.shield(self._loading)
        finally:
            self._waiters -= 1

    async def _load(self) -> None:
        try:
            document = await self._source.load()
            self._read(document.content)
        except (CannotFetch, BadKeySet) as error:
            self._note_failure(str(error))
        except Exception:  # noqa: BLE001 - logged with its trace, and the keys at hand go on serving
            # What a provider sends must never be able to end the loading itself.
            _log.exception("loading the keys of issuer %s failed", printable(self._issuer))
            self._note_failure("an internal error")
        else:
            self._note_success(document.fresh_for)
        finally:
            self._loading = None
            self._rescheduled.set()

    def _read(self, content: bytes) -> None:
        """Take over a document, if it is another one; each is read, and written about in the log, once."""
        if content == self._document and self._keys.keys:
            return
        if self._refused is not None and content == self._refused[0]:
            raise BadKeySet(self._refused[1])
        try:
            keys = parse_key_set(content, self._family, self._issuer)
        except BadKeySet as error:
            self._refused = (content, str(error))
            raise
        self._take(keys)
        self._document, self._refused = content, None

    def _take(self, keys: KeySet) -> None:
        if keys == self._keys:
            return
        had_some = bool(self._keys.keys)
        self._keys = keys
        self._unknown.clear()
        if had_some:
            self._on_change()
        _log.info("loaded %d keys of issuer %s", len(keys.keys), printable(self._issuer))

    def _note_success(self, fresh_for: float | None) -> None:
        now = self._clock()
        if self._failures:
            _log.info("the keys of issuer %s can be loaded again", printable(self._issuer))
        self._failures, self._trouble, self._loaded_at = 0, None, now
        bounds = self._refresh
        wanted = bounds.max_interval if fresh_for is None else fresh_for
        interval = min(max(wanted, bounds.min_interval), bounds.max_interval)
        self._due = now + interval * _AHEAD * self._spread()

    def _note_failure(self, trouble: str) -> None:
        if trouble != self._trouble or not self._failures:
            serving = "; the last good ones serve" if self._keys.keys else ""
            _log.warning("cannot load the keys of issuer %s: %s%s", printable(self._issuer), trouble, serving)
        self._trouble = trouble
        backoff = min(_FIRST_BACKOFF * 2.0 ** min(self._failures, 16), self._refresh.min_interval)
        self._failures += 1
        self._due = self._clock() + backoff * self._spread()

    @staticmethod
    def _spread() -> float:
        return random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - nobody gains from guessing it

    def _drop_when_stale(self) -> None:
        age = self.age
        if age is not None and age >= self._refresh.stale_for and self._keys.keys:
            _log.error("the keys of issuer %s are too old to be used", printable(self._issuer))
            self._keys, self._document = KeySet(), None
            self._on_change()
