"""The load generator: reads a :class:`Load` as JSON from standard input and prints its figures.

A loop over a selector instead of asyncio: it has to be several times cheaper than the server it measures.
"""

from __future__ import annotations

import itertools
import json
import selectors
import socket
import sys
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Final

from tests.bench._figures import Figures

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

COUNTER: Final = "00000000"
"""Where this stands in the body, each request has a number of its own."""

_MARK: Final = COUNTER.encode()


class UnexpectedAnswerError(Exception):
    """The server answered something else than the measurement is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What to send where; ``seconds`` are measured after ``warm_up`` seconds that are not."""

    host: str
    port: int
    path: str
    headers: Mapping[str, str]
    body: str
    status: int
    connections: int
    seconds: float
    warm_up: float = 0.5

    def to_json(self) -> str:
        """For the standard input of the generator."""
        return json.dumps(asdict(self))

    def request(self) -> bytes:
        """The request as it goes on the wire."""
        body = self.body.encode()
        headers = {"Host": f"{self.host}:{self.port}", "Content-Length": str(len(body)), **self.headers}
        lines = [f"POST {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        return "\r\n".join(lines).encode() + body


class _Connection:
    """One keep-alive connection with one request under way."""

    def __init__(self, load: Load, requests: Iterator[bytes]) -> None:
        self.socket = socket.create_connection((load.host, load.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._requests = requests
        self._status = b"HTTP/1.1 %d " % load.status
        self._received = b""
        self._sent = 0.0

    def send(self) -> None:
        self._sent = perf_counter()
        # A request of a few hundred bytes fits the socket's buffer, which is empty: nothing else is under way.
        self.socket.sendall(next(self._requests))

    def receive(self) -> float | None:
        """The latency, when the answer is complete."""
        chunk = self.socket.recv(65536)
        if not chunk:
            raise UnexpectedAnswerError("the server closed the connection")
        self._received += chunk
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator or len(body) < _content_length(head):
            return None
        if not head.startswith(self._status):
            raise UnexpectedAnswerError(self._received[:400].decode(errors="replace"))
        self._received = b""
        return perf_counter() - self._sent


def _content_length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"content-length:")
    if not found:
        raise UnexpectedAnswerError(f"no Content-Length in {head[:400].decode(errors='replace')}")
    return int(rest.partition(b"\r\n")[0])


def run(load: Load) -> Figures:
    """Send and receive for the time given.

    Raises:
        UnexpectedAnswerError: an answer was not the one expected; a rate of errors is not worth measuring.
    """
    head, mark, tail = load.request().partition(_MARK)
    numbers = itertools.count(1)
    requests = (head + b"%08d" % next(numbers) + tail if mark else head for _ in itertools.repeat(None))
    latencies: list[float] = []
    with selectors.DefaultSelector() as selector, ExitStack() as opened:
        for _ in range(load.connections):
            connection = _Connection(load, requests)
            opened.enter_context(connection.socket)
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.send()
        begin = perf_counter() + load.warm_up
        end = begin + load.seconds
        while (now := perf_counter()) < end:
            for key, _ in selector.select(end - now):
                latency = key.data.receive()
                if latency is not None:
                    if perf_counter() >= begin:
                        latencies.append(latency)
                    key.data.send()
    return Figures.of(latencies, load.seconds)


if __name__ == "__main__":
    try:
        print(run(Load(**json.load(sys.stdin))).to_json())  # noqa: T201 - the result, for the parent process
    except (UnexpectedAnswerError, OSError, ValueError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
