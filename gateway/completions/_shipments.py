"""A completion on its way: all that is needed to deliver it, and how it is kept safe where it has to wait.

A delivery that cannot be made at once is stored by the engine, whose operators can read what is stored. Callback
headers hold secrets, so what is stored is encrypted with the token keys and bound to the delivery's id.
"""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.model import OperationAddress, Tenant
from gateway.tokens import InvalidToken

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.tokens import TokenKey

_NONCE: Final = 12
_KEY: Final = 32
_DERIVATION: Final = b"nexus-gateway delivery envelope 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """A completion as it goes out, whose it is and where it goes; ``traceparent`` is that of the start.

    ``headers`` are the completion's own, without those that every attempt has anew.
    """

    id: str
    tenant: Tenant
    address: OperationAddress
    url: str
    traceparent: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)
    hops: int = 0


class Envelopes:
    """Encrypts shipments (AES-256-GCM) with the first token key, decrypts with all of them."""

    def __init__(self, keys: Sequence[TokenKey]) -> None:
        self._ciphers = {key.id: AESGCM(_derived(key)) for key in keys}
        self._current = keys[0].id

    def seal(self, shipment: Shipment) -> bytes:
        """The shipment, unreadable: key id, nonce and ciphertext."""
        nonce = os.urandom(_NONCE)
        sealed = self._ciphers[self._current].encrypt(nonce, _encode(shipment), shipment.id.encode())
        return self._current.encode() + b"." + nonce + sealed

    def open(self, shipment_id: str, envelope: bytes) -> Shipment:
        """The shipment of that id.

        Raises:
            InvalidToken: it was sealed by somebody else, for another delivery, or with a key that is gone.
        """
        key_id, _, rest = envelope.partition(b".")
        cipher = self._ciphers.get(key_id.decode("ascii", "replace"))
        if cipher is None or len(rest) <= _NONCE:
            raise InvalidToken
        try:
            return _decode(cipher.decrypt(rest[:_NONCE], rest[_NONCE:], shipment_id.encode()))
        except InvalidTag:
            raise InvalidToken from None


def _derived(key: TokenKey) -> bytes:
    return HKDF(algorithm=SHA512(), length=_KEY, salt=None, info=_DERIVATION).derive(key.secret)


def _encode(shipment: Shipment) -> bytes:
    head = json.dumps(
        [
            shipment.id,
            [shipment.tenant.issuer, shipment.tenant.namespace],
            [shipment.address.endpoint, shipment.address.service, shipment.address.operation],
            shipment.url,
            shipment.traceparent,
            shipment.headers,
            shipment.hops,
        ],
        separators=(",", ":"),
    ).encode()
    return zlib.compress(len(head).to_bytes(4, "big") + head + shipment.body, 1)


def _decode(content: bytes) -> Shipment:
    plain = zlib.decompress(content)
    size = int.from_bytes(plain[:4], "big")
    shipment_id, tenant, address, url, traceparent, headers, hops = json.loads(plain[4 : 4 + size])
    return Shipment(
        id=shipment_id,
        tenant=Tenant(*tenant),
        address=OperationAddress(*address),
        url=url,
        traceparent=traceparent,
        headers=tuple((name, value) for name, value in headers),
        body=plain[4 + size :],
        hops=hops,
    )
