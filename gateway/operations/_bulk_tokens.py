"""What a bulk job is known by: a token that says who asked for what, and where its batches are.

It is made before anything is begun, so that nothing goes on that nobody can name. The batches' ids follow from it, and
with a request id of the caller's from that: the same request, sent again, is about the same job. Nobody else can work
them out.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from gateway.engines import BatchKind
from gateway.operations._errors import ApiError, invalid
from gateway.tokens import InvalidToken, TokenTooLong, bound_to

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.model import Principal
    from gateway.operations._asking import Source
    from gateway.tokens import TokenSealer

_PURPOSE: Final = "bulk"
# Enough to tell places apart, and short: a token holds many.
_PLACE_DIGITS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A bulk job: what it does, the key that its batches' ids are made of, and the places where they are.

    ``asked_by`` stands for whoever asked for it.
    """

    kind: BatchKind
    asked_by: str
    key: str
    places: tuple[Source, ...]

    def batch_id(self, source: Source) -> str:
        """The id of its batch at one of the places."""
        return f"{self.key}-{_place(source)}"

    def is_of(self, principal: Principal) -> bool:
        """Whether this caller asked for it."""
        return self.asked_by == _digest(principal.subject)


class JobTokens:
    """Makes and opens the tokens of jobs, each for the tenant that asked for it."""

    def __init__(self, sealer: TokenSealer) -> None:
        self._sealer = sealer

    def new(
        self, principal: Principal, kind: BatchKind, places: Iterable[Source], request_id: str | None, said: str
    ) -> Job:
        """A job for this caller; the same one for the same request id and body."""
        asked = (principal.issuer, principal.namespace, principal.subject, kind.value, said)
        key = uuid.uuid4().hex if request_id is None else self._sealer.keyed_digest(_PURPOSE, (*asked, request_id))
        return Job(kind=kind, asked_by=_digest(principal.subject), key=key, places=tuple(places))

    def seal(self, principal: Principal, job: Job) -> str:
        """The job's token.

        Raises:
            ApiError: 400, there are too many places for one job.
        """
        fields = [job.kind.value, job.asked_by, job.key, *map(_place, job.places)]
        try:
            return self._sealer.seal(_PURPOSE, fields, context=bound_to(principal.tenant))
        except TokenTooLong:
            raise invalid("body", "is about too many places for one job; name an endpoint at a time") from None

    def open(self, principal: Principal, token: str, sources: Iterable[Source]) -> Job | None:
        """The job of a token of the caller's tenant; None for any other token.

        Raises:
            ApiError: 404, it is at a place that is not among the ``sources`` any more.
        """
        try:
            kind, asked_by, key, *places = self._sealer.open(_PURPOSE, token, bound_to(principal.tenant))
        except InvalidToken:
            return None
        known = {_place(source): source for source in sources}
        if not known.keys() >= {*places}:
            raise no_such_job()
        return Job(kind=BatchKind(kind), asked_by=asked_by, key=key, places=tuple(known[place] for place in places))


def no_such_job() -> ApiError:
    """The one answer to a token that is of no job for this caller, and to one whose job has gone."""
    return ApiError("NOT_FOUND", "there is no such job")


def _place(source: Source) -> str:
    return _digest(f"{len(source.engine)} {source.engine} {source.namespace}")[:_PLACE_DIGITS]


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
