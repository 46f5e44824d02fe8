"""Requests gone wrong: seeds that are right, and small changes that may or may not leave them so."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_BITS: Final = 8
_ODD: Final = (
    b"\r\n", b"\n", b"\r\n\r\n", b"\x00", b"\x7f", b"\xff\xfe", b"%00", b"%0d%0a", b"%2F", b"%ff", b"%zz", b"..", b"//",
    b" ", b"\t", b":", b"?", b"#", b"&", b"=", b'"', b"\\", b"{", b"[" * 40, b"9" * 30, b"-1", b"1e309", b"NaN",
    b"\xc3\xa9", b"\xf0\x9f\x98\x80", b"\xed\xa0\x80", b"A" * 300, b"%41" * 100,
)  # fmt: skip
_HEADERS: Final = (
    b"Content-Length: 5", b"Content-Length: 99999", b"Content-Length: -1", b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked", b"Content-Encoding: gzip", b"Content-Type: application/json; charset=x",
    b"Content-Type: application/octet-stream", b"Content-Type: application/x-protobuf", b"Content-Language: de",
    b"Connection: close", b"Connection: upgrade", b"Upgrade: websocket", b"Expect: 100-continue", b"Expect: what",
    b"Host: other", b"Authorization: Basic Og==", b"Authorization: Bearer x", b"Nexus-Request-Id: " + b"r" * 2000,
    b"Nexus-Request-Id: \x80", b"Request-Timeout: 5s", b"Request-Timeout: 1e9y", b"Request-Timeout: -3s",
    b"Operation-Timeout: 10m", b"Operation-Timeout: never", b'Nexus-Link: <a:b>; type="x"', b"Nexus-Link: <<<",
    b"Nexus-Callback-X: y", b"Nexus-Callback-Host: z", b"Nexus-Operation-Token: ng1.k.x", b"Nexus-Operation-Token: ",
    b"traceparent: 00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01", b"traceparent: ff", b"tracestate: " + b"a=b," * 99,
    b"baggage: a=b;c", b"baggage: " + b"x=y," * 500, b"Prefer: wait=0", b"Prefer: wait=-1", b'Prefer: wait=x;y="',
    b"Temporal-Nexus-Failure-Support: true", b"Temporal-Nexus-Failure-Support: \xff", b"Cookie: a=b",
)  # fmt: skip


def seeds(prefix: str, token: str) -> tuple[bytes, ...]:
    """Whole requests below ``prefix``, of every kind; none of them starts anything that lasts."""
    auth = f"Authorization: Bearer {token}\r\n"
    json_type = "Content-Type: application/json\r\n"
    lines = [
        (f"POST {prefix}/echo.v1/echo", auth + json_type, '{"a":[1,2,{"b":null}]}'),
        (f"POST {prefix}/echo.v1/echo?callback=http%3A%2F%2F127.0.0.1%3A1%2Fx", auth + json_type, '"text"'),
        (f"POST {prefix}/Ser%2Fvic%20e/echo", auth, ""),
        (f"POST {prefix}/echo.v1/headers", auth + "Nexus-Request-Id: 1\r\nPrefer: wait=1\r\n", ""),
        (
            f"POST {prefix}/echo.v1/echo/cancel",
            auth + "Nexus-Operation-Token: ng1.dev.AAAAAAAAAAAAAAAAAAAAAAAA\r\n",
            "",
        ),
        (f"GET {prefix}/echo.v1/echo/result?wait=1ms&token=ng1.dev.AAAAAAAAAAAAAAAAAAAAAAAA", auth, ""),
        (f"GET {prefix}/echo.v1/echo?token=x", auth, ""),
        (f"POST {prefix}/no.v1/no", auth, ""),
        ("POST /nexus/callback", "Nexus-Operation-State: succeeded\r\n" + json_type, '"done"'),
        (f"POST {prefix}/echo.v1/echo", json_type, "1"),
    ]
    return tuple(
        f"{line} HTTP/1.1\r\nHost: gateway\r\n{headers}Content-Length: {len(body)}\r\n\r\n{body}".encode()
        for line, headers, body in lines
    )


class Mutator:
    """Makes requests out of seeds; the same seed number makes the same requests."""

    def __init__(self, requests: Sequence[bytes], seed: int) -> None:
        self._requests = requests
        self._random = random.Random(seed)
        self._changes: tuple[Callable[[bytes], bytes], ...] = (
            self._flip, self._insert, self._delete, self._repeat, self._splice, self._add_header, self._add_header,
            self._replace_run, self._cut,
        )  # fmt: skip

    def next(self) -> bytes:
        """One more request, with up to four changes; now and then with none."""
        request = self._random.choice(self._requests)
        for _ in range(self._random.randrange(5)):
            request = self._random.choice(self._changes)(request)
        return request

    def _at(self, request: bytes) -> int:
        # Most of what can go wrong is in the first line and the first headers.
        return min(len(request), int(len(request) * self._random.random() ** 1.5))

    def _flip(self, request: bytes) -> bytes:
        if not request:
            return request
        position = min(self._at(request), len(request) - 1)
        flipped = request[position] ^ (1 << self._random.randrange(_BITS))
        return request[:position] + bytes([flipped]) + request[position + 1 :]

    def _insert(self, request: bytes) -> bytes:
        position = self._at(request)
        return request[:position] + self._random.choice(_ODD) + request[position:]

    def _delete(self, request: bytes) -> bytes:
        position = self._at(request)
        return request[:position] + request[position + self._random.randrange(1, 9) :]

    def _repeat(self, request: bytes) -> bytes:
        position = self._at(request)
        piece = request[position : position + self._random.randrange(1, 60)]
        return request[:position] + piece * self._random.randrange(2, 5) + request[position + len(piece) :]

    def _splice(self, request: bytes) -> bytes:
        other = self._random.choice(self._requests)
        return request[: self._at(request)] + other[self._at(other) :]

    def _add_header(self, request: bytes) -> bytes:
        head, line_end, rest = request.partition(b"\r\n")
        return head + line_end + self._random.choice(_HEADERS) + b"\r\n" + rest

    def _replace_run(self, request: bytes) -> bytes:
        position = self._at(request)
        return request[:position] + self._random.randbytes(self._random.randrange(1, 12)) + request[position + 4 :]

    def _cut(self, request: bytes) -> bytes:
        return request[: self._at(request)] if self._random.random() < 0.2 else request
