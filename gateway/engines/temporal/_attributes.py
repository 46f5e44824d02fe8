"""The search attributes that everything which is an operation carries, so that it can be found.

An attribute is set only where the namespace knows it, so that starts work without any set-up.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError

from gateway.protocol import MAX_METADATA

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from temporalio.client import Client
    from temporalio.common import SearchAttributes

    from gateway.model import Origin, Tenant

ENDPOINT: Final = "NexusEndpoint"
SERVICE: Final = "NexusService"
OPERATION: Final = "NexusOperation"
CALLER_NAMESPACE: Final = "NexusCallerNamespace"
CALLER_SUBJECT: Final = "NexusCallerSubject"
CALLER_TENANT: Final = "NexusCallerTenant"
REQUEST_ID: Final = "NexusRequestId"
METADATA: Final = "NexusMetadata"

_KEYWORD = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
_KEYWORDS = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST

ATTRIBUTES: Mapping[str, IndexedValueType.ValueType] = MappingProxyType(
    {
        ENDPOINT: _KEYWORD,
        SERVICE: _KEYWORD,
        OPERATION: _KEYWORD,
        CALLER_NAMESPACE: _KEYWORD,
        CALLER_SUBJECT: _KEYWORD,
        # The tenant that lists are held to: a hash, because a database may take two spellings of a name for one.
        CALLER_TENANT: _KEYWORD,
        REQUEST_ID: _KEYWORD,
        METADATA: _KEYWORDS,
    }
)
"""Every search attribute of the gateway with its type."""

_LOOK_TIMEOUT = timedelta(seconds=2)
_FRESH_SECONDS = 30.0
_LOOK_AGAIN_SECONDS = 1.0
_LONGEST_KEYWORD = 200
# As JSON, which is what the server measures: it takes 2 KiB for the value of one attribute, for a list as for a text.
_MOST_BYTES = 1500
_MOST_BYTES_OF_AN_ENTRY = _MOST_BYTES // MAX_METADATA
# Nothing that a filter, or the database behind it, reads as anything but itself; "~" begins what is a hash.
_PLAIN = re.compile(r"[^\x00-\x1f\x7f-\x9f'\"`\\~\ud800-\udfff][^\x00-\x1f\x7f-\x9f'\"`\\\ud800-\udfff]*")


def keyword(text: str, most_bytes: int = _MOST_BYTES) -> str:
    """The value of a search attribute for ``text``: itself, or its hash where it is long or holds odd characters."""
    fits = len(text) <= _LONGEST_KEYWORD and len(json.dumps(text)) <= most_bytes
    if fits and _PLAIN.fullmatch(text) and text == text.strip():
        return text
    return "~" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def tenant_keyword(tenant: Tenant) -> str:
    """64 hexadecimal digits that stand for a tenant."""
    digest = hashlib.sha256()
    for part in (tenant.issuer, tenant.namespace):
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(4, "big") + data)
    return digest.hexdigest()


def metadata_keyword(key: str, value: str) -> str:
    """The entry of ``NexusMetadata`` for one key and value; a key holds no ``=``."""
    return keyword(f"{key}={value}", _MOST_BYTES_OF_AN_ENTRY)


def attribute_values(origin: Origin) -> Mapping[str, str | list[str]]:
    """The value of every attribute, for an operation of this origin."""
    values: dict[str, str | list[str]] = {
        ENDPOINT: keyword(origin.address.endpoint),
        SERVICE: keyword(origin.address.service),
        OPERATION: keyword(origin.address.operation),
        CALLER_NAMESPACE: keyword(origin.tenant.namespace),
        CALLER_SUBJECT: keyword(origin.subject),
        CALLER_TENANT: tenant_keyword(origin.tenant),
        REQUEST_ID: origin.scoped_request_id,
    }
    if origin.metadata:
        values[METADATA] = [metadata_keyword(key, value) for key, value in origin.metadata.items()]
    return values


def with_attributes(
    given: TypedSearchAttributes | SearchAttributes | None, origin: Origin, known: frozenset[str]
) -> TypedSearchAttributes | SearchAttributes:
    """What a handler set, and those of ours that the namespace knows; ours win."""
    if given is None or isinstance(given, TypedSearchAttributes):
        return with_typed_attributes(given, origin, known)
    ours = _ours(origin, known)
    return {**given, **{name: [value] if isinstance(value, str) else value for name, value in ours.items()}}


def with_typed_attributes(
    given: TypedSearchAttributes | None, origin: Origin, known: frozenset[str]
) -> TypedSearchAttributes:
    """The same, where a handler can set them in one form only."""
    ours = _ours(origin, known)
    theirs = [pair for pair in given or () if pair.key.name not in ours]
    return TypedSearchAttributes([*theirs, *map(_pair, ours, ours.values())])


def _ours(origin: Origin, known: frozenset[str]) -> Mapping[str, str | list[str]]:
    return {name: value for name, value in attribute_values(origin).items() if name in known}


def _pair(name: str, value: str | list[str]) -> SearchAttributePair[Any]:
    if isinstance(value, str):
        return SearchAttributePair(SearchAttributeKey.for_keyword(name), value)
    return SearchAttributePair(SearchAttributeKey.for_keyword_list(name), value)


class KnownAttributes:
    """Which of the gateway's search attributes a namespace knows; looked up again when what is known grows old."""

    def __init__(self, client: Client) -> None:
        self._client = client
        # None until the server has said.
        self._known: frozenset[str] | None = None
        self._looked_at = float("-inf")
        self._lock = asyncio.Lock()

    async def known(self) -> frozenset[str]:
        """The registered ones; as before, or none, while the server does not say."""
        if not self._fresh():
            async with self._lock:
                if not self._fresh():
                    await self._look()
        return self._known or frozenset()

    async def missing(self) -> tuple[str, ...]:
        """Those of which the server says that they are not registered, in the order of ``ATTRIBUTES``."""
        lacking = await self.lacking(ATTRIBUTES)
        return () if self._known is None else lacking

    async def lacking(self, needed: Iterable[str]) -> tuple[str, ...]:
        """Those of the needed ones that are not registered."""
        known = await self.known()
        return tuple(name for name in needed if name not in known)

    def forget(self) -> None:
        """Look again before the next start: the server has said that one is not there."""
        self._looked_at = float("-inf")

    def _fresh(self) -> bool:
        # Somebody may be setting the namespace up right now.
        complete = self._known is not None and self._known.issuperset(ATTRIBUTES)
        fresh = _FRESH_SECONDS if complete else _LOOK_AGAIN_SECONDS
        return asyncio.get_running_loop().time() - self._looked_at < fresh

    async def _look(self) -> None:
        request = ListSearchAttributesRequest(namespace=self._client.namespace)
        try:
            listed = await self._client.operator_service.list_search_attributes(request, timeout=_LOOK_TIMEOUT)
        except (RPCError, RuntimeError):
            # Away, or none of our business there: a start must not fail for it.
            return
        finally:
            self._looked_at = asyncio.get_running_loop().time()
        self._known = usable(listed.custom_attributes.items())


def usable(registered: Iterable[tuple[str, IndexedValueType.ValueType]]) -> frozenset[str]:
    """Our attributes among what is registered, those that somebody else has taken for another type left out."""
    return frozenset(name for name, kind in registered if ATTRIBUTES.get(name) == kind)
