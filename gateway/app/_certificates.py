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


class ServerCertificate:
    """A certificate with its key, and the authorities of clients' certificates.

    New connections get what was loaded last; those that are open go on with what they began with.
    """

    def __init__(self, settings: ListenerTlsSettings) -> None:
        """Load the files.

        Raises:
            SettingsError: with a line that names what cannot be read or does not fit.
        """
        self._settings = settings
        self.context = self._load(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))
        """For a listener."""

    def watched(self) -> Watched:
        """The files to watch."""
        files = (self._settings.cert_file, self._settings.key_file, self._settings.client_ca_file)
        return Watched(name="certificate", paths=tuple(file for file in files if file is not None), take=self._take)

    async def _take(self) -> None:
        try:
            # First elsewhere: a certificate that does not fit its key must not spoil the context in use.
            self._load(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))
            self._load(self.context)
        except SettingsError as error:
            raise CannotTake(error.faults) from None

    def _load(self, context: ssl.SSLContext) -> ssl.SSLContext:
        settings = self._settings
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
