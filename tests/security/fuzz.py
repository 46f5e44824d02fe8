"""Throw broken requests at the codec and at a running gateway: ``python -m tests.security.fuzz --count 1000000``.

What must not be: an answer of 500 or more (but 501, for a method of another protocol), an answer with a word of Python
in it, a traceback in the log, memory that grows with the count. Three quarters of the count go to the codec, which is
where parsing is, and the rest over sockets.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from gateway.devstack import StackOptions, running_stack
from gateway.protocol import DEFAULT_LIMITS, Headers, RemoteProtocolError, decode_request, split_target
from tests.security.mutations import Mutator, seeds

if TYPE_CHECKING:
    from gateway.devstack import Stack

_ANSWER_WITHIN: Final = 1.0
_AT_A_TIME: Final = 24
_SERVER_ERROR: Final = 500
_NOT_IMPLEMENTED: Final = 501
"""What a method that is not of the protocol is answered with, on purpose."""

_CODEC_SHARE: Final = 0.75
_WARM_UP: Final = 2000
_GROWTH_ALLOWED: Final = 24 << 20
_TELLTALE: Final = (b"Traceback", b'.py"', b"aiohttp", b"site-packages", b"0x7f")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How many requests had which status (0: closed or still waited for), what should not have come, and growth."""

    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[tuple[bytes, bytes]] = field(default_factory=list)
    grown: int = 0


def fuzz_codec(count: int, seed: int) -> list[tuple[bytes, str]]:
    """Requests at which the codec raised anything but a RemoteProtocolError, with what it raised."""
    mutator = Mutator(seeds("/nexus/endpoints/echo/services", "t.t.t"), seed)
    wrong: list[tuple[bytes, str]] = []
    for _ in range(count):
        request = mutator.next()
        try:
            _decode(request)
        except RemoteProtocolError:
            pass
        except Exception as error:  # noqa: BLE001 - what is looked for
            wrong.append((request, repr(error)))
    return wrong


def _decode(request: bytes) -> None:
    head = request.partition(b"\r\n\r\n")[0].decode("utf-8", "surrogateescape")
    line, *lines = head.split("\r\n")
    method, _, rest = line.partition(" ")
    headers = Headers((name, value.strip()) for name, _, value in (one.partition(":") for one in lines))
    _, target = split_target(rest.rpartition(" ")[0])
    decode_request(method, target, headers, DEFAULT_LIMITS)


async def fuzz_gateway(stack: Stack, count: int, seed: int) -> Outcome:
    """Send ``count`` requests to a gateway, each on a connection of its own."""
    url = urlsplit(stack.gateway.endpoint_url("echo"))
    mutator = Mutator(seeds(url.path, stack.token()), seed)
    outcome = Outcome()
    left = count
    before = 0

    async def send() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            request = mutator.next()
            answer = await _answer(str(url.hostname), url.port or 80, request)
            _judge(request, answer, outcome)

    warm_up = min(_WARM_UP, count // 2)
    left = warm_up
    await asyncio.gather(*(send() for _ in range(_AT_A_TIME)))
    before = _resident(stack)
    left = count - warm_up
    await asyncio.gather(*(send() for _ in range(_AT_A_TIME)))
    return Outcome(statuses=outcome.statuses, wrong=outcome.wrong, grown=_resident(stack) - before)


def _judge(request: bytes, answer: bytes, outcome: Outcome) -> None:
    # Of several answers the worst counts: a request may have become two.
    found = [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3})", answer)]
    status = max(found, default=0)
    outcome.statuses[status] += 1
    failed = status >= _SERVER_ERROR and status != _NOT_IMPLEMENTED
    if failed or any(word in answer for word in _TELLTALE):
        outcome.wrong.append((request, answer))


async def _answer(host: str, port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    received = b""
    try:
        writer.write(request)
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(_ANSWER_WITHIN):
                while chunk := await reader.read(65536):
                    received += chunk
                    if _is_whole(received):
                        break
    finally:
        writer.transport.abort()
    return received


def _is_whole(received: bytes) -> bool:
    head, separator, body = received.partition(b"\r\n\r\n")
    _, found, rest = head.lower().partition(b"content-length:")
    length = rest.partition(b"\r\n")[0].strip()
    return bool(separator and found and length.isdigit() and len(body) >= int(length)) and b" 100 " not in head


def _resident(stack: Stack) -> int:
    pages = Path(f"/proc/{stack.gateway.process.pid}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


async def _main(count: int, seed: int) -> int:
    tracebacks: list[str] = []
    on_codec = int(count * _CODEC_SHARE)
    started = time.monotonic()
    wrong_in_codec = await asyncio.to_thread(fuzz_codec, on_codec, seed)
    print(f"codec: {on_codec} requests, {len(wrong_in_codec)} wrong, {time.monotonic() - started:.0f} s")  # noqa: T201

    def echo(line: str) -> None:
        if "Traceback" in line:
            tracebacks.append(line)

    with TemporaryDirectory() as directory:
        async with running_stack(StackOptions(directory=Path(directory), echo=echo)) as stack:
            started = time.monotonic()
            outcome = await fuzz_gateway(stack, count - on_codec, seed)
    statuses = ", ".join(f"{status}: {number}" for status, number in sorted(outcome.statuses.items()))
    print(f"gateway: {count - on_codec} requests, {time.monotonic() - started:.0f} s, by status {statuses}")  # noqa: T201
    print(f"{len(outcome.wrong)} wrong, {len(tracebacks)} tracebacks, memory grew by {outcome.grown >> 10} KiB")  # noqa: T201
    for what in [*wrong_in_codec, *outcome.wrong, *tracebacks][:10]:
        print(repr(what)[:2000], file=sys.stderr)  # noqa: T201
    return int(bool(wrong_in_codec or outcome.wrong or tracebacks or outcome.grown > _GROWTH_ALLOWED))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.security.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="requests in all (default: 20000)")
    parser.add_argument("--seed", type=int, default=1, help="another seed makes other requests (default: 1)")
    given = parser.parse_args()
    sys.exit(asyncio.run(_main(given.count, given.seed)))
