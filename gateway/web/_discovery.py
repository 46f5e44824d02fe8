"""Services and their schemas, the OpenAPI document, and the page that shows it."""

from __future__ import annotations

from hashlib import sha256
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from aiohttp import web

from gateway.model import PartialAddress
from gateway.operations import ApiError, json_text
from gateway.web._api import CALL, json_response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.typedefs import Middleware

    from gateway.discovery import OpenApi, Services
    from gateway.operations import Access

_METHODS: Final = frozenset({"GET", "HEAD"})
_ETAG_CHARACTERS: Final = 32
_STATIC: Final = files("gateway.web") / "static"
_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {"docs.html": "text/html; charset=utf-8", "docs.css": "text/css", "docs.js": "text/javascript"}
)
# Nothing from anywhere else, and nothing that is not a file of ours.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
)


class DiscoveryViews:
    """Views on what there is to call. What anybody may have without a token is ready, so that it costs no work."""

    def __init__(self, *, access: Access, services: Services, openapi: OpenApi) -> None:
        self._access = access
        self._services = services
        self._openapi = openapi
        self._for_anybody = json_text(openapi.document(None)).encode("utf-8", "replace")
        self._etag = sha256(self._for_anybody).hexdigest()[:_ETAG_CHARACTERS]
        self._files = {name: (_STATIC / name).read_bytes() for name in _TYPES}

    def add_api_routes(self, api: web.Application) -> None:
        """Add those below the path of the API."""
        api.router.add_get("/services", self.services, name="services")
        api.router.add_get("/services/{service}", self.service, name="service")

    def add_public_routes(self, app: web.Application, middleware: Middleware) -> None:
        """Add those that are not below the path of the API, but go through the same ``middleware``."""

        async def document(request: web.Request) -> web.StreamResponse:
            return await middleware(request, self.document)

        async def page(request: web.Request) -> web.StreamResponse:
            return await middleware(request, self.page)

        app.router.add_route("*", "/openapi.json", document, name="openapi")
        app.router.add_route("*", "/docs", page, name="docs")
        app.router.add_route("*", "/docs/{file}", page, name="docs_file")

    async def services(self, request: web.Request) -> web.Response:
        """What the caller may use."""
        asker = request[CALL].asker
        principal = await self._access.caller(asker)
        listed = self._services.listed(principal)
        self._access.discovered(asker, principal, PartialAddress(), found=bool(listed["services"]))
        return json_response(listed)

    async def service(self, request: web.Request) -> web.Response:
        """One service, from near."""
        asker, service = request[CALL].asker, request.match_info["service"]
        principal = await self._access.caller(asker)
        described = self._services.described(principal, service)
        self._access.discovered(asker, principal, PartialAddress(service=service), found=described is not None)
        if described is None:
            raise ApiError("NOT_FOUND", "there is no such service")
        return json_response(described)

    async def document(self, request: web.Request) -> web.Response:
        """The OpenAPI document."""
        _only_get(request)
        asker = request[CALL].asker
        if not asker.authorization:
            return self._document_for_anybody(request)
        principal = await self._access.caller(asker)
        self._access.discovered(asker, principal, PartialAddress(), found=any(self._services.usable(principal)))
        return json_response(self._openapi.document(principal))

    async def page(self, request: web.Request) -> web.Response:
        """The page, and what it is made of."""
        _only_get(request)
        name = request.match_info.get("file", "docs.html")
        if name not in _TYPES:
            raise ApiError("NOT_FOUND", "there is nothing at this path")
        headers = {
            "Content-Type": _TYPES[name],
            "Content-Security-Policy": _POLICY,
            "X-Content-Type-Options": "nosniff",
        }
        return web.Response(body=self._files[name], headers=headers)

    def _document_for_anybody(self, request: web.Request) -> web.Response:
        # It stays the same for as long as the gateway runs; who shows a token is answered otherwise.
        headers = {"Cache-Control": "no-cache", "Vary": "Authorization"}
        known = any(etag.value in (self._etag, "*") for etag in request.if_none_match or ())
        response = (
            web.Response(status=304, headers=headers)
            if known
            else web.Response(body=self._for_anybody, headers={"Content-Type": "application/json", **headers})
        )
        response.etag = self._etag
        return response


def _only_get(request: web.Request) -> None:
    if request.method not in _METHODS:
        raise web.HTTPMethodNotAllowed(request.method, _METHODS)
