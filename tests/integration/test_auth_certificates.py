"""The listener's TLS: client certificates, tokens bound to them, and a certificate renewed while it listens."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any

import jwt
import pytest
import pytest_asyncio
from aiohttp import ClientConnectionError, ClientSession
from jwt import PyJWK

from gateway.app._certificates import ServerCertificate
from gateway.settings import ListenerTlsSettings, SettingsError
from gateway.web import ConnectionLimits
from tests.integration.caller import Caller
from tests.integration.certificates import Authority, Certificate
from tests.integration.governed_gateway import GovernedGateway, governed_gateway
from tests.integration.slow_clients import Server, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from gateway.devstack import Stack


@pytest.fixture(scope="module")
def files(tmp_path_factory: Any) -> Path:
    made: Path = tmp_path_factory.mktemp("certificates")
    return made


@pytest.fixture(scope="module")
def authority(files: Path) -> Authority:
    return Authority(files)


@pytest_asyncio.fixture(scope="module")
async def gateway(
    stack: Stack, http: ClientSession, files: Path, authority: Authority
) -> AsyncIterator[GovernedGateway]:
    certificate = authority.certificate("server")

    def edit(config: dict[str, Any]) -> None:
        config["server"]["tls"] = {
            "cert_file": str(certificate.cert_file),
            "key_file": str(certificate.key_file),
            "client_ca_file": str(authority.file),
            "client_cert": "optional",
        }
        config["server"]["public_url"] = config["server"]["public_url"].replace("http:", "https:")

    async with governed_gateway(stack, http, files, edit) as running:
        yield running


def bound_token(stack: Stack, confirmation: object) -> str:
    """A token of the stack's issuer that is bound to a certificate."""
    key = json.loads((stack.config.parent / "dev-signing-key.json").read_text())
    now = int(time.time())
    claims = {
        "iss": "https://issuer.test",
        "sub": "bound",
        "aud": "nexus-gateway",
        "namespace": "checkout",
        "iat": now,
        "exp": now + 600,
        "cnf": confirmation,
    }
    return jwt.encode(claims, PyJWK(key, algorithm="ES256").key, algorithm="ES256", headers={"kid": key["kid"]})


async def status(gateway: GovernedGateway, token: str, context: ssl.SSLContext) -> int:
    async with ClientSession() as session:
        url = gateway.server.endpoint_url("echo").replace("http:", "https:")
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        async with session.post(f"{url}/echo.v1/echo", data=b'"hi"', headers=headers, ssl=context) as response:
            return response.status


async def test_a_bound_token_counts_only_over_a_connection_with_its_certificate(
    gateway: GovernedGateway, authority: Authority
) -> None:
    mine, others = authority.certificate("mine"), authority.certificate("others")
    token = bound_token(gateway.stack, {"x5t#S256": mine.thumbprint})
    assert 200 == await status(gateway, token, authority.client_context(mine))
    assert 401 == await status(gateway, token, authority.client_context(others))
    assert 401 == await status(gateway, token, authority.client_context())
    assert 200 == await status(gateway, token, authority.client_context(mine))


async def test_a_token_that_is_not_bound_counts_over_every_connection(
    gateway: GovernedGateway, authority: Authority
) -> None:
    token = gateway.stack.token()
    assert 200 == await status(gateway, token, authority.client_context())
    assert 200 == await status(gateway, token, authority.client_context(authority.certificate("any")))


async def test_a_certificate_of_a_stranger_does_not_get_through_the_handshake(
    gateway: GovernedGateway, authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "stranger").certificate("client")
    with pytest.raises((ClientConnectionError, ssl.SSLError)):
        await status(gateway, gateway.stack.token(), authority.client_context(stranger))


async def test_plain_http_on_the_tls_port_gets_no_answer(gateway: GovernedGateway) -> None:
    async with ClientSession() as session:
        with pytest.raises(ClientConnectionError):
            await Caller(session, gateway.server.endpoint_url("echo"), None).start("echo.v1/echo", "x")


def settings(certificate: Certificate, authority: Authority, **changes: Any) -> ListenerTlsSettings:
    given = {"cert_file": certificate.cert_file, "key_file": certificate.key_file, "client_ca_file": authority.file}
    return ListenerTlsSettings.model_construct(**{**given, "client_cert": "required", **changes})


async def test_without_a_required_certificate_there_is_no_connection(authority: Authority) -> None:
    context = ServerCertificate(settings(authority.certificate("server2"), authority)).context
    async with serving(ConnectionLimits(), context) as server, ClientSession() as session:
        url = server.url.replace("http:", "https:")
        with pytest.raises((ClientConnectionError, ssl.SSLError)):
            await session.get(url, ssl=authority.client_context())
        async with session.get(url, ssl=authority.client_context(authority.certificate("c"))) as response:
            assert 200 == response.status


async def test_a_renewed_certificate_is_shown_to_new_connections_and_a_bad_one_is_not(authority: Authority) -> None:
    first = authority.certificate("server3")
    loaded = ServerCertificate(settings(first, authority, client_cert="none"))
    async with serving(ConnectionLimits(), loaded.context) as server:

        async def shown() -> int:
            _, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=authority.client_context())
            certificate = writer.get_extra_info("ssl_object").getpeercert()
            writer.close()
            return int(certificate["serialNumber"], 16)

        assert first.certificate.serial_number == await shown()
        second = authority.certificate("server3")
        await loaded.watched().take()
        assert second.certificate.serial_number == await shown()
        first.key_file.write_bytes(b"no key")
        with pytest.raises(Exception, match=r"server\.tls"):
            await loaded.watched().take()
        assert second.certificate.serial_number == await shown()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
@pytest.mark.parametrize("asked", ["required", "optional"])
async def test_an_authority_that_is_withdrawn_vouches_for_no_new_connection(
    tmp_path: Path, authority: Authority, version: ssl.TLSVersion, asked: str
) -> None:
    """Nor for a session that is taken up again; a connection that is open goes on."""
    leaving, staying = Authority(tmp_path, "leaving"), Authority(tmp_path, "staying")
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(leaving.file.read_bytes() + staying.file.read_bytes())
    loaded = ServerCertificate(
        settings(authority.certificate("server6"), authority, client_ca_file=trusted, client_cert=asked)
    )
    theirs = tls_client(authority, leaving.certificate("client of the leaving"), version)
    others = tls_client(authority, staying.certificate("client of the staying"), version)
    async with serving(ConnectionLimits(), loaded.context) as server:
        with await dialed(server, theirs) as before, await dialed(server, theirs, before.session) as again:
            assert again.session_reused
            assert b"200" == await asyncio.to_thread(status_over, again)
            trusted.write_bytes(staying.file.read_bytes())
            await loaded.watched().take()
            assert b"200" == await asyncio.to_thread(status_over, before)
            for session in (None, before.session, again.session):
                with pytest.raises((ssl.SSLError, ConnectionError)):
                    await dialed(server, theirs, session)
        with await dialed(server, others) as served:
            assert b"200" == await asyncio.to_thread(status_over, served)


async def dialed(server: Server, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> ssl.SSLSocket:
    """A connection over which a request was answered; with blocking reads, as asyncio takes up no session again."""

    def dial() -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", server.port), timeout=5)
        connected = None
        try:
            connected = context.wrap_socket(plain, server_hostname="127.0.0.1", session=session)
            assert b"200" == status_over(connected)
        except BaseException:
            (connected or plain).close()
            raise
        return connected

    return await asyncio.to_thread(dial)


def status_over(connection: ssl.SSLSocket) -> bytes:
    """The status of one request."""
    connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = connection.recv(4096)
    if not answer:
        # As TLS 1.3 has it: the client believes in the connection before the server has looked at its certificate.
        raise ConnectionError("closed without an answer")
    return answer.split()[1]


def tls_client(authority: Authority, certificate: Certificate, version: ssl.TLSVersion) -> ssl.SSLContext:
    """A client of one version of TLS."""
    context = authority.client_context(certificate)
    context.minimum_version = context.maximum_version = version
    return context


async def test_a_connection_that_never_shakes_hands_is_closed(authority: Authority) -> None:
    context = ServerCertificate(settings(authority.certificate("server4"), authority)).context
    async with serving(ConnectionLimits(header_timeout=0.3), context) as server:
        started = time.monotonic()
        assert b"" == await server.exchange(b"")
        assert time.monotonic() - started < 3


def test_files_that_do_not_fit_are_named_without_their_content(authority: Authority, tmp_path: Path) -> None:
    certificate = authority.certificate("server5")
    for changes in ({"key_file": authority.file}, {"cert_file": tmp_path / "none.pem"}):
        with pytest.raises(SettingsError, match=r"^server\.tls: cert_file, key_file or client_ca_file: "):
            ServerCertificate(settings(certificate, authority, **changes))
