"""What is demanded of an issuer's tokens, and where its keys come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.auth._algorithms import FAMILIES

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.auth._algorithms import Family


@dataclass(frozen=True, slots=True)
class KeyFile:
    """Keys in a file; it is read again when it changes."""

    path: Path


@dataclass(frozen=True, slots=True)
class KeyUrl:
    """Keys at a URL: https, or http on loopback."""

    url: str


@dataclass(frozen=True, slots=True)
class KeyDiscovery:
    """Keys found by OpenID Connect Discovery 1.0 below the issuer's own URL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRefresh:
    """How keys are kept fresh; all in seconds.

    The provider's Cache-Control decides between ``min_interval`` and ``max_interval``. ``cooldown`` is the shortest
    time between two fetches that unknown key ids cause, ``stale_for`` how long the last good keys serve while none
    can be had, and ``timeout`` bounds one fetch, all in all.
    """

    min_interval: float = 60.0
    max_interval: float = 1800.0
    cooldown: float = 10.0
    stale_for: float = 43_200.0
    timeout: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerPolicy:
    """An issuer whose tokens are accepted, and what they must be like.

    ``audiences`` in order of preference (the first is what minted tokens get); ``type`` is the exact ``typ`` to demand;
    ``leeway`` and ``max_lifetime`` are in seconds.

    Raises:
        ValueError: when algorithms are unknown, or not of one family (RFC 8725 section 3.1), or no audience is given.
    """

    issuer: str
    audiences: tuple[str, ...]
    algorithms: frozenset[str]
    keys: KeyFile | KeyUrl | KeyDiscovery
    namespace_claim: str = "namespace"
    permissions_claim: str = "permissions"
    subject_claim: str = "sub"
    require_permissions: bool = False
    type: str | None = None
    leeway: float = 5.0
    max_lifetime: float | None = None
    refresh: KeyRefresh = field(default=KeyRefresh())

    def __post_init__(self) -> None:
        if not self.audiences:
            raise ValueError("an issuer needs an audience")
        if not self.algorithms <= FAMILIES.keys() or len({FAMILIES[name] for name in self.algorithms}) != 1:
            raise ValueError("an issuer needs signature algorithms of exactly one family")

    @property
    def family(self) -> Family:
        """The one family of its algorithms."""
        return FAMILIES[next(iter(self.algorithms))]
