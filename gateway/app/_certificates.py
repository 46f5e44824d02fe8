"""The public listener's certificate, renewed while it listens."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

from gateway.app._watching import CannotTake, Watched
from gateway.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.settings import ListenerTlsSettings

_CLIENTS: Final[Mapping[str, ssl.VerifyMode]] = {
    "none": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}


class _Renewable(ssl.SSLContext):
    """A listener's context that stands for the one that was loaded last.

    Each connection is made from that one alone. A context that is loaded into once more would go on trusting what it
    had trusted before, and would take up sessions that began under it.
    """

    latest: ssl.SSLContext

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """The TLS of one connection, which asyncio asks for as each begins."""
        return self.latest.wrap_bio(incoming, outgoing, server_side, server_hostname, session)


class ServerCertificate:
    """A certificate with its key, and the authorities of clients' certificates.

    New connections get what was loaded last, and nothing of what was loaded before; those that are open go on with what
    they began with.
    """

    def __init__(self, settings: ListenerTlsSettings) -> None:
        """Load the files.

        Raises:
            SettingsError: with a line that names what cannot be read or does not fit.
        """
        self._settings = settings
        self._context = _Renewable(ssl.PROTOCOL_TLS_SERVER)
        self._context.latest = self._loaded()

    @property
    def context(self) -> ssl.SSLContext:
        """For a listener, for as long as it listens."""
        return self._context

    def watched(self) -> Watched:
        """The files to watch."""
        files = (self._settings.cert_file, self._settings.key_file, self._settings.client_ca_file)
        return Watched(name="certificate", paths=tuple(file for file in files if file is not None), take=self._take)

    async def _take(self) -> None:
        try:
            self._context.latest = self._loaded()
        except SettingsError as error:
            raise CannotTake(error.faults) from None

    def _loaded(self) -> ssl.SSLContext:
        settings = self._settings
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(settings.cert_file, settings.key_file, password=_no_password)
            if settings.client_ca_file is not None:
                context.load_verify_locations(settings.client_ca_file)
        except (OSError, ValueError) as error:
            # An SSLError is an OSError, too; the text of neither holds anything of a key.
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or "cannot be used"
            raise SettingsError([f"server.tls: cert_file, key_file or client_ca_file: {reason}"]) from None
        context.verify_mode = _CLIENTS[settings.client_cert]
        context.set_alpn_protocols(["http/1.1"])
        return context


def _no_password() -> str:
    # Without this OpenSSL would ask on the terminal.
    raise ValueError("the key is encrypted")
