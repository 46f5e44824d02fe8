"""``Nexus-Link``: links as RFC 8288 writes them, read by a tokenizer because URLs may hold commas and semicolons."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from nexusrpc import Link

from gateway.protocol._errors import LocalProtocolError, RemoteProtocolError, shown
from gateway.protocol._grammar import parse_parameters, skip_blanks, skip_gap

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME: Final = "Nexus-Link"
# Visible ASCII but the brackets around it, with whole percent-escapes: what every URL parser behind us takes.
_URL = re.compile(r"(?:[!-$&-;=?-~]|%[0-9A-Fa-f]{2})+")
# As nexusrpc.Link has it; others refuse the whole message for any other character.
_TYPE = re.compile(r"[A-Za-z0-9_./]+")


def decode_links(values: Iterable[str], limit: int) -> tuple[Link, ...]:
    """The links of one or more ``Nexus-Link`` fields, in their order.

    Raises:
        RemoteProtocolError: a field that is no list of links, a link without a type, or more than ``limit`` of them.
    """
    links = tuple(link for value in values for link in _decode_field(value))
    if len(links) > limit:
        raise RemoteProtocolError(f"{_NAME}: {len(links)} links; at most {limit} may be sent")
    return links


def encode_link(link: Link) -> str:
    """One link as a field of its own.

    A comma in the URL is written ``%2C``: Temporal's server splits the field at every comma, wherever it stands.

    Raises:
        LocalProtocolError: a URL that is not percent-encoded, or a type that nexusrpc does not allow.
    """
    if not _URL.fullmatch(link.url):
        raise LocalProtocolError(f"{_NAME}: {shown(link.url)} is not a percent-encoded URL")
    if not _TYPE.fullmatch(link.type):
        raise LocalProtocolError(f"{_NAME}: the type {shown(link.type)} may hold letters, digits and _ . / only")
    return f'<{link.url.replace(",", "%2C")}>; type="{link.type}"'


def _decode_field(text: str) -> Iterable[Link]:
    position = skip_gap(text, 0)
    while position < len(text):
        link, position = _decode_link(text, position)
        yield link
        if position < len(text) and text[position] != ",":
            raise RemoteProtocolError(f'{_NAME}: cannot read {shown(text[position:])}; write <url>; type="name"')
        position = skip_gap(text, position)


def _decode_link(text: str, position: int) -> tuple[Link, int]:
    end = text.find(">", position)
    if text[position] != "<" or end < 0:
        raise RemoteProtocolError(f'{_NAME}: cannot read {shown(text[position:])}; write <url>; type="name"')
    url = text[skip_blanks(text, position + 1) : end].rstrip(" \t")
    if not _URL.fullmatch(url):
        raise RemoteProtocolError(f"{_NAME}: {shown(url)} is not a percent-encoded URL")
    parameters, position = parse_parameters(text, end + 1)
    # A second type is ignored, as RFC 8288 (section 3.3) has it for its own parameters.
    link_type = next((value for name, value in parameters if name == "type"), None)
    if link_type is None:
        raise RemoteProtocolError(f'{_NAME}: {shown(url)} has no type; add ; type="name"')
    if not _TYPE.fullmatch(link_type):
        raise RemoteProtocolError(f"{_NAME}: the type {shown(link_type)} may hold letters, digits and _ . / only")
    return Link(url=url, type=link_type), position
