"""Requests that a proxy in front and the gateway could read differently, over raw sockets to a whole gateway."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from gateway.devstack import Stack


async def statuses(stack: Stack, lines: list[str], body: bytes = b"") -> list[int]:
    """The statuses of all answers until the connection is closed."""
    url = urlsplit(f"{stack.gateway.endpoint_url('echo')}/echo.v1/echo")
    head = [f"POST {url.path} HTTP/1.1", f"Authorization: Bearer {stack.token()}", *lines, "", ""]
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write("\r\n".join(head).encode("latin-1") + body)
    try:
        answer = await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()
    assert b"server:" not in answer.lower()
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3})", answer)]


async def announcing(
    stack: Stack, path: str, length: int, *more: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that has sent the head of a request, with a good token, and nothing of its body yet."""
    url = urlsplit(stack.gateway.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    head = [
        f"POST {path} HTTP/1.1",
        f"Authorization: Bearer {stack.token()}",
        "Host: gateway",
        "Content-Type: application/json",
        f"Content-Length: {length}",
        "Connection: close",
        *more,
    ]
    writer.write("\r\n".join([*head, "", ""]).encode())
    return reader, writer


NULL = ["Host: gateway", "Content-Length: 0"]
SMUGGLED = b"0\r\n\r\nGET /nexus/endpoints/echo/services/x/y HTTP/1.1\r\nHost: gateway\r\n\r\n"


async def test_the_same_request_without_a_trick_is_served(stack: Stack) -> None:
    assert [200] == await statuses(stack, [*NULL, "Connection: close"])


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(["Host: gateway", "Content-Length: 5", "Transfer-Encoding: chunked"], id="length and chunks"),
        pytest.param(["Host: gateway", "Transfer-Encoding: chunked", "Content-Length: 5"], id="chunks and length"),
        pytest.param(["Host: gateway", "Content-Length: 5", "Content-Length: 6"], id="two lengths"),
        pytest.param(["Host: gateway", "Content-Length: 5, 5"], id="a list of lengths"),
        pytest.param(["Host: gateway", "Transfer-Encoding: chunked, identity"], id="chunks not last"),
        pytest.param(["Host: gateway", "Transfer-Encoding: gzip, chunked"], id="chunks of something coded"),
        pytest.param(["Host: gateway", "Transfer-Encoding : chunked"], id="blank before the colon"),
        pytest.param(["Host: gateway", "Transfer-Encoding: xchunked"], id="nearly chunks"),
        pytest.param(["Host: gateway", "X: y\rTransfer-Encoding: chunked"], id="bare carriage return"),
        pytest.param(["Host: gateway", "X: y\nTransfer-Encoding: chunked"], id="bare line feed"),
        pytest.param(["Host: gateway", "Host: other", "Content-Length: 0"], id="two hosts"),
        pytest.param(["Content-Length: 0"], id="no host"),
    ],
)
async def test_what_two_parsers_could_read_differently_is_refused_by_the_gateway(
    stack: Stack, lines: list[str]
) -> None:
    """One answer, a 400: what follows in the same connection is nobody's request."""
    assert [400] == await statuses(stack, lines, SMUGGLED)


@pytest.mark.parametrize("version", ["HTTP/2.0", "HTTP/1.2", "HTTP/9.9"])
async def test_another_version_of_http_is_refused(stack: Stack, version: str) -> None:
    url = urlsplit(stack.gateway.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(f"GET / {version}\r\nHost: gateway\r\nConnection: close\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(4096), 5)
    writer.close()
    assert b"400" == answer.split(b" ")[1]


@pytest.mark.parametrize("line", ["OPTIONS *", "CONNECT mark:80", "GET /mark", "GET http://mark/mark"])
async def test_what_has_no_route_is_told_so_in_the_words_of_the_protocol(stack: Stack, line: str) -> None:
    url = urlsplit(stack.gateway.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(f"{line} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n".encode())
    head, _, body = (await asyncio.wait_for(reader.read(4096), 5)).partition(b"\r\n\r\n")
    writer.close()
    assert b"404" == head.split(b" ")[1]
    assert "NOT_FOUND" == json.loads(body)["details"]["type"]
    assert b"server:" not in head.lower()
    assert b"mark" not in head + body


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/x", 404),
        ("GET", "/docs", 417),
        ("GET", "/api/v1/operations", 417),
        ("GET", "/api/v1/x", 417),
        ("POST", "/api/v1/operations/cancel", 401),
    ],
)
async def test_an_expectation_is_not_repeated(stack: Stack, method: str, path: str, status: int) -> None:
    url = urlsplit(stack.gateway.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(f"{method} {path} HTTP/1.1\r\nHost: gateway\r\nExpect: mark\r\nConnection: close\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert status == int(head.split(b" ")[1])
    assert json.loads(body).get("error", {}).get("details", []) == []
    assert b"server:" not in head.lower()
    assert b"mark" not in answer


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/nexus/endpoints/echo/services/echo.v1/echo", []),
        ("/nexus/endpoints/echo/services/echo.v1/echo", ["Expect: 100-continue"]),
        ("/api/v1/operations/bulk-cancel", []),
    ],
)
async def test_a_body_that_is_declared_too_long_is_refused_before_it_comes(
    stack: Stack, path: str, more: list[str]
) -> None:
    reader, writer = await announcing(stack, path, (2 << 20) + 1, *more)
    assert b"HTTP/1.1 400 " == await asyncio.wait_for(reader.readexactly(13), 2)
    writer.close()


@pytest.mark.parametrize(
    ("path", "body", "status", "answered"),
    [
        ("/nexus/endpoints/echo/services/echo.v1/echo", b'"ok"', 200, b'"ok"'),
        ("/api/v1/operations/bulk-cancel", b'{"filter":{},"dry_run":true}', 200, b"}"),
    ],
)
async def test_a_client_that_waits_for_leave_gets_it_and_then_its_answer(
    stack: Stack, path: str, body: bytes, status: int, answered: bytes
) -> None:
    reader, writer = await announcing(stack, path, len(body), "Expect: 100-continue")
    assert b"HTTP/1.1 100 Continue\r\n\r\n" == await asyncio.wait_for(reader.readexactly(25), 5)
    writer.write(body)
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert answer.endswith(answered)


@pytest.mark.parametrize("path", ["/nexus/endpoints/echo/services/echo.v1/echo", "/api/v1/operations/bulk-cancel"])
async def test_a_client_without_a_token_is_not_asked_for_its_body(stack: Stack, path: str) -> None:
    url = urlsplit(stack.gateway.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(
        f"POST {path} HTTP/1.1\r\nHost: gateway\r\nContent-Length: 2000000\r\nExpect: 100-continue\r\n\r\n".encode()
    )
    answer = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    assert b"HTTP/1.1 401 Unauthorized\r\n" == answer
