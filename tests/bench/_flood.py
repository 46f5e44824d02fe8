"""A flood of tokens that are wrong only in their signature: reads a :class:`Flood` as JSON, prints what was answered.

It keeps its pace and does not wait for answers: what is due while every connection still waits for one is left out and
counted. Each signature is another one.
"""

from __future__ import annotations

import base64
import itertools
import json
import selectors
import socket
import sys
from collections import Counter, deque
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Final

_REFUSED: Final = b"HTTP/1.1 401 "
_COUNT_BYTES: Final = 8
_PATIENCE: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """How much to send, and where. ``token`` is a good one, whose signature is replaced; ``rate`` is a second's."""

    host: str
    port: int
    path: str
    token: str
    rate: float
    connections: int
    seconds: float

    def to_json(self) -> str:
        """For the standard input of the generator."""
        return json.dumps(asdict(self))

    def request(self, number: int) -> bytes:
        """The request with a signature of its own."""
        signed, _, _ = self.token.rpartition(".")
        signature = base64.urlsafe_b64encode(number.to_bytes(_COUNT_BYTES, "big") * 8).rstrip(b"=").decode()
        return (
            f"POST {self.path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nAuthorization: Bearer {signed}.{signature}"
            f"\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"
        ).encode()


def run(flood: Flood) -> Counter[str]:
    """Send at the pace for the time given; how many were refused, answered otherwise, and left out."""
    counts: Counter[str] = Counter(refused=0, otherwise=0, left_out=0)
    numbers = itertools.count(1)
    with selectors.DefaultSelector() as selector, ExitStack() as opened:
        free: deque[socket.socket] = deque()
        for _ in range(flood.connections):
            connection = opened.enter_context(socket.create_connection((flood.host, flood.port)))
            selector.register(connection, selectors.EVENT_READ, connection)
            free.append(connection)
        begin = perf_counter()
        due = 0
        while (now := perf_counter() - begin) < flood.seconds:
            while due < now * flood.rate:
                due += 1
                if free:
                    free.popleft().sendall(flood.request(next(numbers)))
                else:
                    counts["left_out"] += 1
            # With every connection busy there is nothing to send: wait for an answer and leave the core to others.
            for key, _ in selector.select(1 / flood.rate if free else _PATIENCE):
                answered: socket.socket = key.data
                # An answer of a few hundred bytes comes in one piece.
                counts["refused" if answered.recv(65536).startswith(_REFUSED) else "otherwise"] += 1
                free.append(answered)
    return counts


if __name__ == "__main__":
    print(json.dumps(run(Flood(**json.load(sys.stdin)))))  # noqa: T201 - the result, for the parent process
