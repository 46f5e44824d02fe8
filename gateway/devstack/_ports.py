"""Ports on loopback that stay ours until the program that is to listen on them does."""

from __future__ import annotations

import socket
import sys
from typing import Self

HOST = "127.0.0.1"


class Port:
    """A reserved TCP port.

    The socket is bound alone, so nobody else had the port, and then marked as sharable without listening: Linux lets a
    program that sets ``SO_REUSEADDR`` (all servers do) listen on it, and gives it to nobody who asks for a free one. So
    a program can also be stopped and started again on its port. Elsewhere :meth:`hand_over` has to let go of it first.
    """

    def __init__(self, number: int = 0) -> None:
        """Reserve ``number``, or any free port.

        Raises:
            OSError: The port is taken.
        """
        self._socket = socket.socket()
        if number:
            # One that somebody asked for by name may have connections of yesterday's program still dying on it.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((HOST, number))
        except OSError:
            self._socket.close()
            raise
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.number: int = self._socket.getsockname()[1]

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"{HOST}:{self.number}"

    def hand_over(self) -> None:
        """To be called right before the program that will listen here is started."""
        if sys.platform != "linux":
            self._socket.close()

    def close(self) -> None:
        """Let go of the port."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
