"""One attempt at a callback: where it connects, and what it makes of what it meets."""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.completions import Attempt, Destination, LookUp, OwnAddresses, Report, Sender
from tests.unit.completions.senders import ANYWHERE, OK, admit, listening, policy
from tests.unit.completions.test_destinations import HOSTILE_LITERALS

BODY = b'{"x":1}'


def answers(*lists: Sequence[str]) -> LookUp:
    """A resolver that says the first of these, then the second, and so on; the last one from then on."""
    left = list(lists)

    async def look_up(_host: str, _port: int) -> Sequence[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return look_up


async def send(destination: Destination, look_up: LookUp | None = None, seconds: float = 3.0, **headers: str) -> Report:
    async with Sender(seconds, look_up=look_up) as sender:
        return await sender.send(destination, tuple(headers.items()), BODY)


def loopback(url: str) -> Destination:
    return admit(policy(*ANYWHERE, networks=["127.0.0.1/32"]), url)


async def test_a_name_is_looked_up_once_and_goes_into_host() -> None:
    """The second answer is another address; nobody asks for it."""
    async with listening() as good, listening("127.0.0.2", good.port) as other:
        look_up = answers(["127.0.0.1"], ["127.0.0.2"])
        report = await send(loopback(f"http://hooks.test:{good.port}/a%2Fb?c=%20"), look_up, token="t")
    assert Attempt.DELIVERED is report.attempt
    assert (1, 0) == (good.connections, other.connections)
    head = good.requests[0].decode()
    assert head.startswith("POST /a%2Fb?c=%20 HTTP/1.1\r\n")
    assert f"\r\nHost: hooks.test:{good.port}\r\n" in head
    assert "\r\ntoken: t\r\n" in head


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["127.0.0.2"],
        ["8.8.8.8", "127.0.0.1"],
        ["127.0.0.1", "8.8.8.8"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["::ffff:7f00:1"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::"],
        ["0.0.0.0"],
        ["::"],
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["fe80::1%lo"],
        ["8.8.8.8", "fe80::1%lo"],
        ["junk"],
        [],
    ],
)
async def test_a_name_that_leads_inside_is_never_connected_to(addresses: list[str]) -> None:
    """A listener on every address of this machine that such a name can mean sees nobody."""
    async with listening("127.0.0.1") as first, listening("127.0.0.2", first.port) as second:
        report = await send(admit(policy(*ANYWHERE), f"http://evil.test:{first.port}/"), answers(addresses))
    assert Attempt.DELIVERED is not report.attempt
    assert 0 == first.connections + second.connections


async def test_a_resolver_that_changes_its_answer_is_checked_each_time() -> None:
    """Public when the first attempt looks, private at the second."""
    async with listening() as inside:
        look_up = answers(["192.0.2.1"], ["127.0.0.1"])
        destination = admit(policy(*ANYWHERE), f"http://evil.test:{inside.port}/")
        async with Sender(1.0, look_up=look_up) as sender:
            reports = [await sender.send(destination, (), BODY) for _ in range(2)]
    assert [Attempt.REFUSED] * 2 == [report.attempt for report in reports]
    assert 0 == inside.connections


@pytest.mark.parametrize("url", HOSTILE_LITERALS)
async def test_a_hostile_address_is_not_connected_to_even_when_it_gets_that_far(url: str) -> None:
    """As if the policy had let it through; the sender checks literals, too."""
    opened = admit(policy(*ANYWHERE), "http://hooks.test/")
    host = url.removeprefix("http://").partition("/")[0].strip("[]")
    destination = Destination(scheme="http", host=host, port=9, target="/", opened=opened.opened)
    assert Attempt.REFUSED is (await send(destination)).attempt


async def test_the_gateways_own_listener_is_refused_by_its_address() -> None:
    async with listening() as own:
        for bound in ("127.0.0.1", "0.0.0.0", "::"):
            addresses = OwnAddresses([(bound, own.port)])
            async with Sender(1.0, own=addresses, look_up=answers(["127.0.0.1"])) as sender:
                report = await sender.send(loopback(f"http://alias.test:{own.port}/"), (), BODY)
            assert (Attempt.REFUSED, "address: the gateway's own") == (report.attempt, report.reason)
    assert 0 == own.connections


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(code: int) -> None:
    async with listening() as target:
        location = f"HTTP/1.1 {code} Go\r\nLocation: http://127.0.0.1:{target.port}/x\r\nContent-Length: 0\r\n\r\n"
        async with listening(answer=location.encode()) as first:
            report = await send(loopback(f"http://127.0.0.1:{first.port}/"))
    assert (Attempt.FAILED, code) == (report.attempt, report.status)
    assert (1, 0) == (first.connections, target.connections)


async def test_proxies_of_the_environment_are_passed_by(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening() as proxy, listening() as good:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        report = await send(loopback(f"http://127.0.0.1:{good.port}/"))
    assert Attempt.DELIVERED is report.attempt
    assert (0, 1) == (proxy.connections, good.connections)


@pytest.mark.parametrize(
    ("code", "attempt"),
    [
        (200, Attempt.DELIVERED),
        (204, Attempt.DELIVERED),
        (400, Attempt.REFUSED),
        (404, Attempt.REFUSED),
        (410, Attempt.REFUSED),
        (408, Attempt.FAILED),
        (425, Attempt.FAILED),
        (429, Attempt.FAILED),
        (500, Attempt.FAILED),
        (503, Attempt.FAILED),
    ],
)
async def test_the_status_decides(code: int, attempt: Attempt) -> None:
    answer = f"HTTP/1.1 {code} X\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n".encode()
    async with listening(answer=answer) as receiver:
        report = await send(loopback(f"http://127.0.0.1:{receiver.port}/"))
    assert (attempt, f"status {code}", 7.0) == (report.attempt, report.reason, report.retry_after)


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200", b"junk\r\n\r\n", b"HTTP/1.1 99999 X\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 40_000],
    ids=["nothing", "half a line", "junk", "an odd status", "endless headers"],
)
async def test_what_is_no_answer_may_be_tried_again(answer: bytes) -> None:
    async with listening(answer=answer) as receiver:
        report = await send(loopback(f"http://127.0.0.1:{receiver.port}/"))
    assert Attempt.FAILED is report.attempt


async def test_one_deadline_covers_the_look_up() -> None:
    async def never(_host: str, _port: int) -> Sequence[str]:
        await asyncio.sleep(60)
        return []

    started = asyncio.get_running_loop().time()
    report = await send(loopback("http://slow.test/"), never, seconds=0.2)
    assert (Attempt.FAILED, "timeout") == (report.attempt, report.reason)
    assert 1.0 > asyncio.get_running_loop().time() - started


async def test_one_deadline_covers_a_connection_that_is_not_taken() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        report = await send(loopback(f"http://127.0.0.1:{port}/"), seconds=0.3)
    assert (Attempt.FAILED, "timeout") == (report.attempt, report.reason)


async def test_an_answer_that_drips_does_not_hold_the_verdict_up() -> None:
    async with listening(answer=b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nab") as receiver:
        report = await send(loopback(f"http://127.0.0.1:{receiver.port}/"))
    assert Attempt.DELIVERED is report.attempt


async def test_the_next_address_is_tried_when_one_takes_no_connection() -> None:
    async with listening("127.0.0.1") as good:
        destination = admit(policy(*ANYWHERE, networks=["127.0.0.0/8"]), f"http://two.test:{good.port}/")
        report = await send(destination, answers(["127.0.0.3", "127.0.0.1"]))
    assert Attempt.DELIVERED is report.attempt


async def test_tls_is_checked_against_the_name_and_not_the_address(tmp_path: Path) -> None:
    """SNI and certificate go by the name of the URL, although the connection goes to an address."""
    server, trust = _certificate(tmp_path, "hooks.test")
    names: list[str | None] = []
    server.sni_callback = lambda _socket, name, _context: names.append(name)
    listener = await asyncio.start_server(_answer_ok, "127.0.0.1", 0, ssl=server)
    port = listener.sockets[0].getsockname()[1]
    async with listener, Sender(3.0, look_up=answers(["127.0.0.1"]), tls=trust) as sender:
        good = await sender.send(loopback(f"https://hooks.test:{port}/"), (), BODY)
        bad = await sender.send(loopback(f"https://other.test:{port}/"), (), BODY)
    assert (Attempt.DELIVERED, Attempt.FAILED) == (good.attempt, bad.attempt)
    assert ["hooks.test", "other.test"] == names


async def _answer_ok(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(OK)
    await writer.drain()
    writer.close()


def _certificate(directory: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain = directory / "chain.pem"
    chain.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain)
    return server, ssl.create_default_context(cafile=str(chain))
