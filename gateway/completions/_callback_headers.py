"""What a caller may set by ``Nexus-Callback-*``: headers that mean something to the receiver and to nobody on the way.

So the receiver's own names are let through, and every name that HTTP, a proxy, a cloud, tracing, Nexus or the signature
gives a meaning is refused by its kind.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.protocol import TRACE_HEADERS

MAX_CALLBACK_HEADERS: Final = 32
"""More than any receiver needs; few enough for every server's own limit."""

# What a Temporal server asks for with every start, to know its operation again.
_INVITED: Final = frozenset({"temporal-callback-token"})

_REFUSED: Final = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        (
            "of the connection",
            (
                r"connection|host|http2-settings|keep-alive|te|trailer|transfer-encoding|upgrade|via|max-forwards|expect"
                r"|early-data|alt-svc|alt-used|alpn|close|proxy-.*|http-.*|grpc-.*"
            ),
        ),
        (
            "a credential or an identity",
            (
                r"authorization|authentication-.*|cookie2?|set-cookie2?|www-authenticate|forwarded|from|client-cert.*|dpop"
                r"|signature(-input)?|x-forwarded.*|x-auth.*|x-real-ip|x-client-ip|x-cluster-client-ip|x-originating-ip"
                r"|x-remote-.*|remote-.*|x-user|true-client-ip|fastly-.*"
            ),
        ),
        ("of the trace", TRACE_HEADERS.pattern),
        (
            "of the message",
            (
                r"content-.*|accept(-.*)?|if(-.*)?|age|allow|cache-control|date|digest|etag|expires|last-modified|link"
                r"|location|mime-version|negotiate|origin|pragma|prefer|preference-applied|priority|range|referer|refresh"
                r"|repr-digest|retry-after|server|status|upgrade-insecure-requests|user-agent|vary|want-.*|warning"
                r"|request-timeout|operation-timeout|dnt"
            ),
        ),
        ("of a browser", r"sec-.*|access-control-.*|x-requested-with|x-frame-options|service-worker.*"),
        (
            "of the routing",
            (
                r"x-http-.*|x-method-override|x-original-.*|x-rewrite-.*|x-host|x-scheme|x-url-scheme|front-end-https"
                r"|soapaction|destination|depth|overwrite|timeout|lock-token|x-accel-.*|x-sendfile.*|x-arr-.*|x-envoy-.*"
                r"|x-amz.*|x-aws-.*|x-ms-.*|x-goog.*|x-cloud-.*|x-azure-.*|cf-.*|metadata(-.*)?"
            ),
        ),
        ("of the completion", r"nexus-.*|x-nexus-.*|temporal-.*|webhook-.*|svix-.*"),
    )
)


def header_fault(name: str) -> str | None:
    """Of what kind a header is that no caller may set, or None for one of the receiver's own; ``name`` in lower case.

    A name counts by what a CGI-like server makes of it, to which ``_`` and ``-`` are the same.
    """
    if name in _INVITED:
        return None
    canonical = name.replace("_", "-")
    return next((kind for kind, pattern in _REFUSED if pattern.fullmatch(canonical)), None)
