"""What slow, greedy and malformed clients can do to the listener: nothing, to others."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shutil
import time
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

import pytest
from aiohttp import ClientSession, ClientTimeout

from gateway.web import ConnectionLimits
from tests.integration.slow_clients import DRAIN_SECONDS, LARGE, serving

if TYPE_CHECKING:
    from collections.abc import Sequence

HURRIED = ConnectionLimits(
    header_timeout=0.4, body_timeout=0.4, write_timeout=0.4, idle_timeout=0.8, header_bytes=2048, per_address=400
)
ROUTED = frozenset({404, 405})
CODES = {400: "INVALID_ARGUMENT", 408: "UNAVAILABLE", 500: "INTERNAL"}
HEAD = b"POST / HTTP/1.1\r\nHost: gateway\r\n"


def failure(answer: bytes) -> tuple[int, str]:
    """Status and Nexus error type of a raw answer, which says the same to a client of the API if it had no route."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"server:" not in head.lower()
    status, refused = int(head.split()[1]), json.loads(body)
    if status not in ROUTED:
        assert {"code": CODES[status], "message": refused["message"], "details": []} == refused.pop("error")
    assert {"metadata", "details", "message"} == set(refused)
    return status, refused["details"]["type"]


async def test_headers_that_are_not_complete_in_time_are_answered_and_the_connection_is_closed() -> None:
    async with serving(HURRIED) as server:
        started = time.monotonic()
        answer = await server.exchange(HEAD + b"X-Half: ")
        assert (408, "REQUEST_TIMEOUT") == failure(answer)
        assert 0.3 < time.monotonic() - started


async def test_a_trickle_of_headers_does_not_push_the_deadline_back() -> None:
    async with serving(HURRIED) as server, server.connection() as (reader, writer):
        started = time.monotonic()
        # Not up to the end: what is sent on behind the answer may reset the connection.
        answering = asyncio.create_task(reader.readuntil(b"}}"))
        writer.write(HEAD)
        for number in range(100):
            if answering.done():
                break
            writer.write(f"X-{number}: y\r\n".encode())
            await asyncio.sleep(0.1)
        assert (408, "REQUEST_TIMEOUT") == failure(await answering)
        assert time.monotonic() - started < 8


async def test_a_connection_that_sends_nothing_is_closed_without_a_word() -> None:
    async with serving(HURRIED) as server:
        assert await server.exchange(b"") == b""


async def test_the_deadline_counts_anew_for_the_second_request_of_a_connection() -> None:
    async with serving(replace(HURRIED, idle_timeout=5.0)) as server, server.connection() as (reader, writer):
        writer.write(HEAD + b"Content-Length: 0\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n0")
        await asyncio.sleep(0.6)
        writer.write(HEAD)
        started = time.monotonic()
        assert (408, "REQUEST_TIMEOUT") == failure(await asyncio.wait_for(reader.read(), 3))
        assert time.monotonic() - started > 0.3


REQUESTS_IN_ONE_PIECE = [
    pytest.param(HEAD + b"\r\n", 1, id="no body"),
    pytest.param(HEAD + b"Content-Length: 3\r\n\r\nabc", 1, id="body"),
    pytest.param(HEAD + b"Content-Length: 10\r\n\r\nabc\r\n\r\nabc", 1, id="blank line in a body"),
    pytest.param(HEAD + b"Content-Length: 7\r\n\r\nabc\r\n\r\n", 1, id="blank line at the end of a body"),
    pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 1, id="chunks"),
    pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n", 1, id="trailer"),
    pytest.param((HEAD + b"Content-Length: 2\r\n\r\nok") * 100, 100, id="more than are parsed ahead"),
    pytest.param(HEAD + b"Content-Length: 1048576\r\n\r\n" + b"ab\r\n" * (1 << 18), 1, id="more than is read ahead"),
    pytest.param(HEAD + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", 1, id="upgrade"),
]


@pytest.mark.parametrize(("requests", "number"), REQUESTS_IN_ONE_PIECE)
async def test_a_half_head_that_comes_along_with_a_request_has_no_more_time_than_another(
    requests: bytes, number: int
) -> None:
    async with serving(replace(HURRIED, idle_timeout=5.0)) as server, server.connection() as (reader, writer):
        writer.write(requests + b"GET /y HTTP/1.1\r\nHo")
        answers = await asyncio.wait_for(reader.read(), 3)
    assert number == answers.count(b"HTTP/1.1 200 OK")
    assert 1 == answers.count(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(("requests", "number"), REQUESTS_IN_ONE_PIECE)
@pytest.mark.parametrize("cut", [0, -3])
async def test_what_ends_with_a_request_begins_no_other(requests: bytes, number: int, cut: int) -> None:
    async with serving(replace(HURRIED, idle_timeout=5.0)) as server, server.connection() as (reader, writer):
        writer.write(requests[:cut] if cut else requests)
        await asyncio.sleep(0.05)
        writer.write(requests[cut:] if cut else b"")
        await asyncio.sleep(0.6)
        writer.write(HEAD + b"Connection: close\r\n\r\n")
        answers = await asyncio.wait_for(reader.read(), 3)
    assert number + 1 == answers.count(b"HTTP/1.1 200 OK")
    assert b" 408 " not in answers


async def test_a_connection_at_rest_is_closed_after_its_idle_time() -> None:
    async with serving(HURRIED) as server, server.connection() as (reader, writer):
        writer.write(HEAD + b"Content-Length: 0\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n0")
        started = time.monotonic()
        assert await asyncio.wait_for(reader.read(), 3) == b""
        assert time.monotonic() - started > 0.6


async def test_headers_beyond_the_limit_are_refused_before_they_are_complete() -> None:
    async with serving(replace(HURRIED, header_timeout=30.0)) as server:
        answer = await server.exchange(HEAD + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 100) for n in range(30)))
        assert (400, "BAD_REQUEST") == failure(answer)


async def test_one_field_beyond_the_limit_is_refused_for_its_length() -> None:
    async with serving(HURRIED) as server:
        answer = await server.exchange(HEAD + b"X-Long: " + b"y" * 3000 + b"\r\n\r\n")
    assert (400, "BAD_REQUEST") == failure(answer)
    assert b"the headers are longer than 2048 bytes" in answer


async def test_any_number_of_headers_may_fill_the_head() -> None:
    headers = b"".join(b"X-%d: %d\r\n" % (number, number) for number in range(500))
    async with serving(ConnectionLimits()) as server:
        answer = await server.exchange(HEAD + headers + b"Connection: close\r\nContent-Length: 2\r\n\r\nok")
    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_a_body_that_is_not_complete_in_time_ends_the_reading_of_it() -> None:
    async with serving(HURRIED) as server, server.connection() as (reader, writer):
        started = time.monotonic()
        answering = asyncio.create_task(reader.readline())
        writer.write(HEAD + b"Content-Length: 1000\r\n\r\nabc")
        for _ in range(100):
            if answering.done():
                break
            writer.write(b"d")
            await asyncio.sleep(0.1)
        assert b"HTTP/1.1 408 Request Timeout\r\n" == await answering
        assert time.monotonic() - started < 8


async def test_a_body_of_the_api_that_is_late_is_refused_in_its_words() -> None:
    async with serving(HURRIED) as server:
        head = b"POST /json HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\nContent-Type: application/json\r\n"
        answer = await server.exchange(head + b'Content-Length: 10\r\n\r\n{"known"')
    head, _, body = answer.partition(b"\r\n\r\n")
    error = json.loads(body)["error"]
    assert (b"408", "UNAVAILABLE") == (head.split()[1], error["code"])
    assert [("body", "did not arrive in time")] == [(one["field"], one["description"]) for one in error["details"]]


async def test_a_client_that_does_not_read_its_answer_is_cut_off() -> None:
    async with serving(HURRIED) as server, server.connection() as (reader, writer):
        writer.transport.pause_reading()  # type: ignore[attr-defined] # every socket transport has it
        writer.write(b"GET /large HTTP/1.1\r\nHost: gateway\r\n\r\n")
        await asyncio.sleep(1.0)
        writer.transport.resume_reading()  # type: ignore[attr-defined] # the same
        assert await _taken_before_the_end(reader) < LARGE


async def test_a_client_that_reads_slowly_but_steadily_gets_all_of_its_answer() -> None:
    async with serving(ConnectionLimits(write_timeout=2.0)) as server, server.connection() as (reader, writer):
        writer.write(b"GET /large HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n")
        taken = 0
        while chunk := await reader.read(1 << 20):
            taken += len(chunk)
            await asyncio.sleep(0.02)
        assert taken > LARGE


async def test_an_address_has_no_more_connections_than_it_may(caplog: pytest.LogCaptureFixture) -> None:
    limits = ConnectionLimits(per_address=3)
    async with serving(limits) as server, ClientSession() as session:
        held = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(3)]
        await asyncio.sleep(0.05)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        assert await _taken_before_the_end(reader) == 0
        writer.close()
        for _, writer in held:
            writer.close()
        await asyncio.sleep(0.1)
        async with session.post(server.url, data=b"abc") as response:
            assert "3" == await response.text()
    assert ["refused a connection: 127.0.0.1 has 3 of them already"] == [
        record.getMessage() for record in caplog.records if "refused a connection" in record.getMessage()
    ]


async def _taken_before_the_end(reader: asyncio.StreamReader) -> int:
    """Bytes that came before the connection was closed or reset."""
    taken = 0
    with contextlib.suppress(ConnectionResetError):
        while chunk := await asyncio.wait_for(reader.read(1 << 20), 5):
            taken += len(chunk)
    return taken


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", id="two hosts"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="no host"),
        pytest.param(HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="CL and TE"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", id="TE and CL"),
        pytest.param(HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", id="two lengths"),
        pytest.param(HEAD + b"Content-Length: +3\r\n\r\nabc", id="signed length"),
        pytest.param(HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n", id="endless length"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="two TE"),
        pytest.param(HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", id="unknown TE"),
        pytest.param(HEAD + b"X-Secret : mark\r\n\r\n", id="blank before colon"),
        pytest.param(HEAD + b"X: a\r\n mark: b\r\n\r\n", id="folded header"),
        pytest.param(HEAD + b"X: mark\x00\r\n\r\n", id="control character"),
        pytest.param(b"GET / HTTP/1.1\nHost: mark\n\n", id="bare line feeds"),
        pytest.param(b"GET /\xff\xfe HTTP/1.1\r\nHost: mark\r\n\r\n", id="bytes in path"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01mark", id="TLS on a plain port"),
        pytest.param(b"MARK mark\r\n\r\n", id="no HTTP"),
    ],
)
async def test_what_is_no_http_gets_one_short_answer_and_one_line(
    sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with serving(ConnectionLimits()) as server:
        answer = await server.exchange(sent)
    assert (400, "BAD_REQUEST") == failure(answer)
    assert b"mark" not in answer.lower()
    assert len(answer) < 600
    (record,) = [record for record in caplog.records if record.name.startswith(("gateway", "aiohttp"))]
    assert record.exc_info is None
    assert "mark" not in record.getMessage().lower()


async def test_a_body_of_broken_chunks_is_one_line_and_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with serving(ConnectionLimits()) as server:
        answer = await server.exchange(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n")
    assert 400 == failure(answer)[0]
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_fault_of_a_view_tells_its_client_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(ConnectionLimits()) as server:
        answer = await server.exchange(b"GET /fault HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (500, "INTERNAL") == failure(answer)
    assert b"secret" not in answer
    assert "a request failed in the HTTP server" in caplog.text


async def test_requests_sent_ahead_are_all_answered() -> None:
    async with serving(ConnectionLimits()) as server:
        sent = (HEAD + b"Content-Length: 2\r\n\r\nok") * 100
        last = HEAD + b"Connection: close\r\nContent-Length: 3\r\n\r\nend"
        answer = await server.exchange(sent + last)
    assert 101 == answer.count(b"HTTP/1.1 200 OK")


SLOW = shutil.which("slowhttptest")
MODES = {
    "headers": ["-H", "-i", "1", "-c", "200", "-r", "200"],
    "body": ["-B", "-i", "1", "-c", "200", "-r", "200", "-s", "8192"],
    "read": ["-X", "-w", "1", "-y", "2", "-n", "5", "-z", "1", "-c", "200", "-r", "200", "-k", "3"],
}


@pytest.mark.skipif(SLOW is None, reason="slowhttptest, a Debian package, is not installed")
@pytest.mark.parametrize("mode", MODES)
async def test_slowhttptest_does_not_keep_others_from_being_served(mode: str) -> None:
    """200 slow connections, and beside them a caller who notices nothing; memory stays where it was."""
    limits = ConnectionLimits(header_timeout=2.0, body_timeout=2.0, write_timeout=2.0, idle_timeout=2.0)
    async with serving(limits) as server, ClientSession(timeout=ClientTimeout(total=30)) as session:
        target = f"{server.url}/megabyte" if mode == "read" else f"{server.url}/"
        attack = await asyncio.create_subprocess_exec(
            str(SLOW), *MODES[mode], "-u", target, "-l", "6", stdout=asyncio.subprocess.DEVNULL
        )
        waits, grown = await _served_meanwhile(session, server.url, attack)
        async with session.get(server.url) as response:
            assert 200 == response.status
    assert len(waits) > 5
    assert median(waits) < 1.0
    # What is left of 200 connections with a megabyte each to send is what the allocator keeps for the next time.
    assert grown < (250 << 20 if mode == "read" else 60 << 20)


async def _served_meanwhile(
    session: ClientSession, url: str, attack: asyncio.subprocess.Process
) -> tuple[Sequence[float], int]:
    waits: list[float] = []
    before = _resident()
    ended = asyncio.create_task(attack.wait())
    while not ended.done():
        started = time.monotonic()
        async with session.get(url) as response:
            assert 200 == response.status
        waits.append(time.monotonic() - started)
        await asyncio.sleep(0.1)
    return waits, _resident() - before


def _resident() -> int:
    with open("/proc/self/statm") as file:  # noqa: PTH123 - a file of the kernel
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_a_method_that_a_path_does_not_have_is_refused_in_the_words_of_the_protocol() -> None:
    async with serving(ConnectionLimits()) as server:
        answer = await server.exchange(b"POST /large HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n")
        assert (405, "NOT_IMPLEMENTED") == failure(answer)
        assert b"\r\nallow: get, head\r\n" in answer.lower()


async def test_what_does_not_end_is_waited_for_once_when_the_server_stops() -> None:
    async with serving(ConnectionLimits()) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /endless HTTP/1.1\r\nHost: gateway\r\n\r\n")
        await asyncio.sleep(0.2)
        started = time.monotonic()
    assert DRAIN_SECONDS - 0.1 < time.monotonic() - started < DRAIN_SECONDS + 0.7
    assert b"" == await asyncio.wait_for(reader.read(), 5)
    writer.close()


async def test_a_body_that_is_under_way_when_the_server_stops_still_arrives() -> None:
    """And what is sent behind it is no request any more."""
    body = b'{"half":"and half"}'
    head = HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode()
    async with serving(ConnectionLimits()) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(head + body[:5])
        await asyncio.sleep(0.1)
        sending = asyncio.create_task(_later(writer, body[5:] + head + body))
    answer = await asyncio.wait_for(reader.read(), 5)
    await sending
    assert 1 == answer.count(b"HTTP/1.1 200")
    assert answer.endswith(str(len(body)).encode())
    writer.close()


async def _later(writer: asyncio.StreamWriter, data: bytes) -> None:
    await asyncio.sleep(0.1)
    writer.write(data)
    await writer.drain()
