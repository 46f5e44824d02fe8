"""Lists and counts: of what the caller may list, and of nothing else.

The engine is asked for the operations that a rule lets the caller list: those of its own tenant and, where the rule
reaches every tenant, those of the others. Each item that comes back passes the authorizer once more, by its owner.
Several sources follow one another in one list.
"""

from __future__ import annotations

import base64
import binascii
import logging
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from gateway.engines import Chosen, OperationFilter
from gateway.model import OperationStatus, Verb
from gateway.operations._asking import Source
from gateway.operations._errors import no_such_page
from gateway.operations._rendering import render_record
from gateway.tokens import InvalidToken, TokenTooLong, bound_to

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.engines import OperationRecord, ServiceScope
    from gateway.model import OperationAddress, Principal, Tenant
    from gateway.operations._access import Access
    from gateway.operations._asking import Asker
    from gateway.operations._parameters import Page, Wanted
    from gateway.tokens import TokenSealer

_logger = logging.getLogger("gateway.operations")

_PURPOSE: Final = "page"


class Queries:
    """Finds operations for callers."""

    def __init__(self, access: Access, sealer: TokenSealer) -> None:
        self._access = access
        self._sealer = sealer

    async def page(self, asker: Asker, principal: Principal, wanted: Wanted, page: Page) -> Mapping[str, Any]:
        """A page of what the caller may list, the latest first in each source.

        Raises:
            ApiError: 400, the page token is of another list or of nobody's.
            InvalidFilter, ListingUnavailable, EngineUnavailable: as engines do.
        """
        asked = self._asked(asker, principal, wanted)
        sources = [*asked]
        position, after = self._opened(principal, wanted, page.token, sources)
        found: list[Mapping[str, Any]] = []
        while position < len(sources) and len(found) < page.size:
            source = sources[position]
            listed = await self._access.engine(source.engine).operations.page(
                source.namespace, asked[source], page.size - len(found), after
            )
            found.extend(self._rendered(principal, listed.records))
            after = listed.next_page
            position += after is None
        following = self._sealed(principal, wanted, sources[position], after) if position < len(sources) else None
        return {"operations": found, "next_page_token": following}

    async def count(self, asker: Asker, principal: Principal, wanted: Wanted) -> Mapping[str, Any]:
        """How many there are, in all and by state. Raises as ``page`` does."""
        totals = dict.fromkeys(OperationStatus, 0)
        for source, asked in self._asked(asker, principal, wanted).items():
            counted = await self._access.engine(source.engine).operations.count(source.namespace, asked)
            for status, number in counted.items():
                totals[status] += number
        return {"total": sum(totals.values()), "by_state": {status.value: totals[status] for status in totals}}

    def _asked(self, asker: Asker, principal: Principal, wanted: Wanted) -> Mapping[Source, OperationFilter]:
        scopes = self._access.scopes(asker, principal, Verb.LIST, wanted.names)
        if wanted.query and not scopes:
            # Nobody will be asked, and a bad filter is a bad one all the same.
            self._access.check_expression(wanted.query, principal)
        return operation_filters(principal, wanted, scopes)

    def _rendered(self, principal: Principal, records: Sequence[OperationRecord]) -> list[Mapping[str, Any]]:
        rendered: list[Mapping[str, Any]] = []

        @cache
        def allowed(address: OperationAddress, owner: Tenant) -> bool:
            return self._access.allowed(principal, address, Verb.LIST, owner)

        for record in records:
            origin = record.origin
            if origin is None or not allowed(origin.address, origin.tenant):
                continue
            address = origin.address
            try:
                token = self._access.seal(principal, Chosen(address, record.engine_token, origin.tenant))
            except TokenTooLong:
                # One that nobody could name is not to keep the others from anybody.
                place = f"{address.endpoint} {address.service}/{address.operation}"
                _logger.warning("a list leaves out an operation whose token would be too long: %s", place)
                continue
            rendered.append(render_record(record, address, token, origin.tenant))
        return rendered

    def _sealed(self, principal: Principal, wanted: Wanted, source: Source, after: bytes | None) -> str:
        place = base64.urlsafe_b64encode(after or b"").decode()
        return self._sealer.seal(
            _PURPOSE, [source.engine, source.namespace, place], context=_context(principal, wanted)
        )

    def _opened(
        self, principal: Principal, wanted: Wanted, token: str | None, sources: Sequence[Source]
    ) -> tuple[int, bytes | None]:
        if token is None:
            return 0, None
        try:
            engine, namespace, place = self._sealer.open(_PURPOSE, token, _context(principal, wanted))
            return sources.index(Source(engine, namespace)), base64.urlsafe_b64decode(place) or None
        except (InvalidToken, ValueError, binascii.Error):
            raise no_such_page() from None


def operation_filters(
    principal: Principal, wanted: Wanted, scopes: Mapping[Source, tuple[ServiceScope, ...]]
) -> Mapping[Source, OperationFilter]:
    """What the engine is asked for at each source: the caller's wishes within what it may do there."""
    names_tenants = any(scope.every_tenant for services in scopes.values() for scope in services)
    return {
        source: OperationFilter(
            tenant=principal.tenant,
            scope=scope,
            statuses=wanted.statuses,
            since=wanted.since,
            until=wanted.until,
            subject=wanted.subject,
            metadata=wanted.metadata,
            expression=wanted.query,
            names_tenants=names_tenants,
        )
        for source, scope in scopes.items()
    }


def _context(principal: Principal, wanted: Wanted) -> Sequence[bytes]:
    return (*bound_to(principal.tenant), wanted.digest().encode())
