"""A reserved port is nobody else's, and still there for the program it is for."""

import asyncio
import socket
import sys

import pytest

from gateway.devstack import HOST, Port


def listen(number: int) -> socket.socket:
    """Listen as every server does."""
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((HOST, number))
    server.listen()
    return server


def test_a_reserved_port_is_reserved_once() -> None:
    """Two reservations never meet, and a port that is given back can be had again."""
    with Port() as first, Port() as second:
        assert first.number != second.number
        with socket.socket() as third, pytest.raises(OSError, match="in use"):
            third.bind((HOST, first.number))
    with Port(first.number) as again:
        assert first.number == again.number


def test_a_port_that_somebody_listens_on_cannot_be_reserved() -> None:
    """Whoever asks for a port by its number learns that it is taken."""
    with listen(0) as server, pytest.raises(OSError, match="in use"):
        Port(server.getsockname()[1])


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the port has to be let go before")
def test_a_program_can_listen_on_a_reserved_port_again_and_again() -> None:
    """The reservation outlives the program, so that it can be started anew where it was."""
    with Port() as port:
        for _ in range(2):
            port.hand_over()
            with listen(port.number), socket.create_connection((HOST, port.number)) as client:
                assert (HOST, port.number) == client.getpeername()


async def test_nobody_answers_on_a_port_that_is_only_reserved() -> None:
    """A reservation does not pretend to be a server."""
    with Port() as port, pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(HOST, port.number)
