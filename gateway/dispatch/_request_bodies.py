"""Which body a request id stands for, as far as this process remembers.

The engine keeps it with what was started, and that is what counts in the end: there it outlives the process and is seen
by all of them. But an index takes a moment to learn of a start, and an operation that answers at once leaves nothing
behind. What this process has seen lately closes that gap for the requests that come to it.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from gateway.engines import RequestIdReused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nexusrpc import Content

    from gateway.model import Origin

_REMEMBERED: Final = 10_000


def body_digest(content: Content) -> str:
    """What stands for a body and its type: equal only where they are."""
    digest = hashlib.sha256()
    for part in (content.headers.get("content-type", "").encode(), content.data):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


class RequestBodies:
    """Remembers the latest request ids that callers chose."""

    def __init__(self) -> None:
        self._digests: OrderedDict[str, str] = OrderedDict()

    @contextmanager
    def using(self, origin: Origin) -> Iterator[None]:
        """Take the request id for this body; it is free again where the start fails.

        Raises:
            RequestIdReused: it stands for another body.
        """
        if origin.request_id is None:
            yield
            return
        request_id = origin.scoped_request_id
        known = self._digests.get(request_id)
        if known is not None and known != origin.digest:
            raise RequestIdReused
        self._digests[request_id] = origin.digest
        self._digests.move_to_end(request_id)
        if len(self._digests) > _REMEMBERED:
            self._digests.popitem(last=False)
        try:
            yield
        except BaseException:
            if known is None:
                self._digests.pop(request_id, None)
            raise
