"""Sealed tokens: what must travel through a caller's hands and come back unread and unaltered.

A token is ``ng1.<key id>.<base64url>``. The last part is AES-SIV (RFC 5297), which is deterministic: the same fields
under the same key give the same characters, so the token in a completion callback is the one that start returned.
Invariants:

- Each purpose has its own key, derived from the secret by HKDF-SHA512 (RFC 5869): no kind of token opens as another.
- The key id, the purpose and the context (such as the tenant) are authenticated, not carried: a token is as long as its
  fields only, and opens in its own context alone.
- An operation's address is carried as a digest of fixed length: to open a token takes no knowledge of where the
  operation is, and no try for each place where it could be.
- Every part of the authenticated data is preceded by its length, and so is every part that is digested: no two contexts
  have the same bytes, and no two addresses the same digest.
- A token has one spelling. Whatever is wrong with one, the answer is the same ``InvalidToken``, and whether it is
  another tenant's, altered or of no key of ours cannot be told by the work that it takes.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from types import MappingProxyType
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.model import Tenant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gateway.model import OperationAddress

SECRET_BYTES = 32
"""Length of a token key's secret."""

MAX_TOKEN_CHARACTERS = 4096
"""Longest token; engines and proxies keep tokens of this length in a header."""

_VERSION = "ng1"
_OPERATION = "operation"
_ANOTHERS_OPERATION = "operation of another tenant"

_LONGER: Mapping[str, int] = MappingProxyType({"callback": 7680, _ANOTHERS_OPERATION: 7680, "bulk asker": 32768})
"""Seals that hold more: a callback's URL and headers are up to 4096 bytes, an owner's names up to 2000, and who asked
for a bulk job is all that a caller's own token says of it.

An engine keeps 8192 bytes of headers; what names another tenant's operation never gets there.
"""

_LONGEST_OF_ALL = max(MAX_TOKEN_CHARACTERS, *_LONGER.values())

_SIV_KEY_BYTES = 64
_DIGEST_BYTES = 16
_SEVEN_BITS = 0x7F
_TOKEN = re.compile(r"ng1\.([A-Za-z0-9_-]{1,32})\.([A-Za-z0-9_-]{22,})")
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")


class InvalidToken(Exception):
    """A token that this gateway did not make for this purpose and context; one message whatever the cause."""

    def __init__(self) -> None:
        super().__init__("the token is not valid here")


class TokenTooLong(Exception):
    """What was to be sealed does not fit in a token of its kind."""

    def __init__(self, longest: int) -> None:
        super().__init__(f"the token would be longer than {longest} characters")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenKey:
    """A named secret of 32 bytes. The id stands in every token, readable; the secret is never shown."""

    id: str
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not _KEY_ID.fullmatch(self.id):
            raise ValueError("a token key's id must be 1 to 32 letters, digits, _ or -")
        if len(self.secret) != SECRET_BYTES:
            raise ValueError(f"a token key's secret must be {SECRET_BYTES} bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedOperation:
    """What a token of an operation holds: ``place`` is the ``digest_of`` its address."""

    place: str
    engine_token: str
    owner: Tenant


class TokenSealer:
    """Seals with the first key, opens with all of them.

    To rotate, put a new key first and keep the old one until the operations sealed with it have ended.
    """

    def __init__(self, keys: Sequence[TokenKey]) -> None:
        if not keys:
            raise ValueError("sealing needs at least one key")
        self._keys = {key.id: key for key in keys}
        if len(self._keys) < len(keys):
            raise ValueError("token key ids must differ")
        self._current = keys[0].id
        self._ciphers: dict[tuple[str, str], AESSIV] = {}

    def key_id_of(self, token: str) -> str:
        """The id of the key that a token names, so that another token can be sealed with the same; proves nothing.

        Raises:
            InvalidToken: when it has not the form of a token or names no key of ours.
        """
        found = _TOKEN.fullmatch(token) if len(token) <= _LONGEST_OF_ALL else None
        if found is None or found[1] not in self._keys:
            raise InvalidToken
        return found[1]

    def seal(
        self, purpose: str, fields: Sequence[str], *, key_id: str | None = None, context: Sequence[bytes] = ()
    ) -> str:
        """A token that holds ``fields`` and opens only for ``purpose`` in ``context``.

        Args:
            purpose: what kind of token it is, such as ``operation``, ``callback`` or ``page``.
            fields: what it carries, encrypted.
            key_id: seal with this key and not the first, to get a token again that was sealed before a rotation.
            context: what must be the same on opening; authenticated, not carried.

        Raises:
            TokenTooLong: when it would not fit in 4096 characters, a callback's in 7680.
            LookupError: when there is no key of that id.
        """
        key_id = key_id or self._current
        if key_id not in self._keys:
            raise LookupError(f"there is no token key {key_id}")
        sealed = self._cipher(key_id, purpose).encrypt(_encode(fields), _associated(key_id, purpose, context))
        token = f"{_VERSION}.{key_id}.{_to_text(sealed)}"
        longest = _LONGER.get(purpose, MAX_TOKEN_CHARACTERS)
        if len(token) > longest:
            raise TokenTooLong(longest)
        return token

    def open(self, purpose: str, token: str, context: Sequence[bytes] = ()) -> tuple[str, ...]:
        """The fields of a token sealed for this purpose and context.

        Raises:
            InvalidToken: whatever is wrong with it.
        """
        key_id, sealed = self._parse(token)
        try:
            opened = self._cipher(key_id, purpose).decrypt(sealed, _associated(key_id, purpose, context))
        except InvalidTag:
            raise InvalidToken from None
        return _decode(opened)

    def keyed_digest(self, purpose: str, parts: Iterable[str], *, key_id: str | None = None) -> str:
        """What stands for ``parts`` and cannot be worked out without this key, or the first: 32 hexadecimal digits.

        Raises:
            LookupError: when there is no key of that id.
        """
        key_id = key_id or self._current
        if key_id not in self._keys:
            raise LookupError(f"there is no token key {key_id}")
        # HMAC-SHA256 (RFC 2104).
        key = self._derived(key_id, f"digest of {purpose}", sha256().digest_size)
        return hmac.digest(key, _joined(_bytes(part) for part in parts), sha256)[:_DIGEST_BYTES].hex()

    def seal_operation(
        self, tenant: Tenant, address: OperationAddress, engine_token: str, *, key_id: str | None = None
    ) -> str:
        """The token that ``tenant`` gets for the engine's token of an operation at ``address`` (contract section 5).

        Raises:
            TokenTooLong: when it would not fit in 4096 characters.
            LookupError: when there is no key of that id.
        """
        return self.seal(_OPERATION, [digest_of(address), engine_token], key_id=key_id, context=bound_to(tenant))

    def open_operation(self, token: str, tenant: Tenant, address: OperationAddress) -> str:
        """The engine's token, when ``tenant`` got ``token`` for its own operation at ``address``.

        Raises:
            InvalidToken: when it is another tenant's, another operation's, altered or unknown; one cannot tell which.
        """
        opened = self._opened_own(token, tenant)
        if opened is None or opened.place != digest_of(address):
            raise InvalidToken
        return opened.engine_token

    def seal_anothers_operation(
        self, tenant: Tenant, address: OperationAddress, engine_token: str, owner: Tenant
    ) -> str:
        """The token that ``tenant`` gets for an operation of ``owner`` at ``address``.

        It is of a kind of its own: where operations are opened as the caller's own, it is none.

        Raises:
            TokenTooLong: when it would not fit in 7680 characters.
        """
        fields = [digest_of(address), engine_token, owner.issuer, owner.namespace]
        return self.seal(_ANOTHERS_OPERATION, fields, context=bound_to(tenant))

    def open_any_operation(self, token: str, tenant: Tenant) -> OpenedOperation:
        """What ``tenant`` got ``token`` for, wherever it is and whoever's.

        Raises:
            InvalidToken: as ``open_operation`` does.
        """
        # As both kinds, every time: how long it takes tells nothing about the token.
        own, anothers = self._opened_own(token, tenant), self._opened_anothers(token, tenant)
        opened = own or anothers
        if opened is None:
            raise InvalidToken
        return opened

    def _opened_own(self, token: str, tenant: Tenant) -> OpenedOperation | None:
        match self._opened(_OPERATION, token, tenant):
            case (place, engine_token):
                return OpenedOperation(place=place, engine_token=engine_token, owner=tenant)
            case _:
                return None

    def _opened_anothers(self, token: str, tenant: Tenant) -> OpenedOperation | None:
        match self._opened(_ANOTHERS_OPERATION, token, tenant):
            case (place, engine_token, issuer, namespace):
                return OpenedOperation(place=place, engine_token=engine_token, owner=Tenant(issuer, namespace))
            case _:
                return None

    def _opened(self, purpose: str, token: str, tenant: Tenant) -> tuple[str, ...] | None:
        with suppress(InvalidToken):
            return self.open(purpose, token, bound_to(tenant))
        return None

    def _parse(self, token: str) -> tuple[str, bytes]:
        """Key and sealed bytes; for what cannot be a token, bytes that fail, so that it costs what the others cost."""
        found = _TOKEN.fullmatch(token) if len(token) <= _LONGEST_OF_ALL else None
        sealed = _from_text(found[2]) if found is not None else None
        if found is None or sealed is None:
            return self._current, bytes(_SIV_KEY_BYTES)
        if found[1] not in self._keys:
            return self._current, bytes(len(sealed))
        return found[1], sealed

    def _cipher(self, key_id: str, purpose: str) -> AESSIV:
        cipher = self._ciphers.get((key_id, purpose))
        if cipher is None:
            cipher = self._ciphers[key_id, purpose] = AESSIV(self._derived(key_id, purpose, _SIV_KEY_BYTES))
        return cipher

    def _derived(self, key_id: str, purpose: str, length: int) -> bytes:
        info = b"nexus-gateway " + _VERSION.encode() + b" " + purpose.encode()
        return HKDF(algorithm=SHA512(), length=length, salt=None, info=info).derive(self._keys[key_id].secret)


def digest_of(address: OperationAddress) -> str:
    """What stands for an address in a token: 22 characters, however long its names are."""
    parts = (address.endpoint, address.service, address.operation)
    return _to_text(sha256(_joined(_bytes(part) for part in parts)).digest()[:_DIGEST_BYTES])


def bound_to(tenant: Tenant) -> tuple[bytes, ...]:
    """The context of what opens for one tenant only."""
    return _bytes(tenant.issuer), _bytes(tenant.namespace)


def _associated(key_id: str, purpose: str, context: Iterable[bytes]) -> list[bytes]:
    # One string with lengths, not one a part: OpenSSL has skipped empty parts (CVE-2023-2975).
    return [_joined((_VERSION.encode(), key_id.encode(), purpose.encode(), *context))]


def _joined(parts: Iterable[bytes]) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _bytes(text: str) -> bytes:
    # Surrogates cannot come from the wire, where names are valid UTF-8; they would not be names of anything.
    return text.encode("utf-8", "surrogatepass")


def _encode(fields: Sequence[str]) -> bytes:
    """Each field as a length and its bytes; base64url text, as engines' tokens are, as the bytes it stands for."""
    return b"".join(_encode_field(text) for text in fields)


def _encode_field(text: str) -> bytes:
    packed = _from_text(text) if _BASE64URL.fullmatch(text) else None
    content = text.encode("utf-8", "surrogatepass") if packed is None else packed
    return _varint(len(content) << 1 | (packed is not None)) + content


def _decode(content: bytes) -> tuple[str, ...]:
    fields: list[str] = []
    position = 0
    while position < len(content):
        head, position = _read_varint(content, position)
        part = content[position : position + (head >> 1)]
        position += head >> 1
        fields.append(_to_text(part) if head & 1 else part.decode("utf-8", "surrogatepass"))
    return tuple(fields)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > _SEVEN_BITS:
        out.append(value & _SEVEN_BITS | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(content: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[position]
        position += 1
        value |= (byte & _SEVEN_BITS) << shift
        if byte <= _SEVEN_BITS:
            return value, position
        shift += 7


def _to_text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")


def _from_text(text: str) -> bytes | None:
    """The bytes of unpadded base64url, or None when it is not the one canonical spelling of them."""
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return content if _to_text(content) == text else None
