"""Tokens that count no longer, although they are signed and in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.model import Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """Tokens that are revoked: those that everything which is given here is true of.

    ``issued_before`` is in seconds since the epoch; a token that does not say when it was issued counts as issued
    before it.
    """

    issuer: str | None = None
    namespace: str | None = None
    subject: str | None = None
    token_id: str | None = None
    issued_before: float | None = None

    def covers(self, principal: Principal) -> bool:
        """Whether the token that this caller came with is revoked."""
        return (
            self.issuer in (None, principal.issuer)
            and self.namespace in (None, principal.namespace)
            and self.subject in (None, principal.subject)
            and self.token_id in (None, principal.token_id)
            and (self.issued_before is None or _issued_at(principal) < self.issued_before)
        )


class Revocations:
    """A list of revocations, found by token id or by subject; the few others are looked through."""

    def __init__(self, revocations: Iterable[Revocation] = ()) -> None:
        self._by_token_id: dict[str, list[Revocation]] = {}
        self._by_subject: dict[str, list[Revocation]] = {}
        self._others: list[Revocation] = []
        self._count = 0
        for revocation in revocations:
            self._file(revocation)

    def __len__(self) -> int:
        return self._count

    def covers(self, principal: Principal) -> bool:
        """Whether the token that this caller came with is revoked; its cost does not grow with the list."""
        if not self._count:
            return False
        named = self._by_token_id.get(principal.token_id, ()) if principal.token_id is not None else ()
        return any(
            revocation.covers(principal)
            for found in (named, self._by_subject.get(principal.subject, ()), self._others)
            for revocation in found
        )

    def _file(self, revocation: Revocation) -> None:
        self._count += 1
        if revocation.token_id is not None:
            self._by_token_id.setdefault(revocation.token_id, []).append(revocation)
        elif revocation.subject is not None:
            self._by_subject.setdefault(revocation.subject, []).append(revocation)
        else:
            self._others.append(revocation)


def _issued_at(principal: Principal) -> float:
    issued = principal.claims.get("iat")
    return float(issued) if isinstance(issued, int | float) else float("-inf")
