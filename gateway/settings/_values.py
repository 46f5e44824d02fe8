"""Values a person writes in the configuration: durations, sizes, URLs, names.

The messages say what to write instead and never repeat the value: a secret pasted into the wrong key must not reach a
log.
"""

import re
from datetime import timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, StringConstraints, ValidationInfo, WithJsonSchema

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|m|h)")
_DURATION_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
}
_SIZE = re.compile(r"([0-9]{1,12})(B|KiB|MiB|GiB)?")
_SIZE_UNITS = {None: 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_ADDRESS = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_MAX_DURATION = timedelta(days=3650)
_MAX_SIZE = 1 << 40
_MAX_NAME_BYTES = 1000
_MAX_HOST = 253
_MAX_PORT = 65535


def parse_duration(value: object) -> timedelta:
    """A ``timedelta`` of ``250ms``, ``30s``, ``5m`` or ``1h``.

    Raises:
        ValueError: when it is anything else, or above ten years; a bare number has no unit and is refused.
    """
    if isinstance(value, timedelta):
        return value
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("must be a duration with its unit, such as 250ms, 30s, 5m or 1h")
    duration = float(found[1]) * _DURATION_UNITS[found[2]]
    if duration > _MAX_DURATION:
        # Added to a date it would be none any more.
        raise ValueError(f"must be at most {format_duration(_MAX_DURATION)}")
    return duration


def format_duration(value: timedelta) -> str:
    """The shortest spelling that ``parse_duration`` reads back, for schemas and listings."""
    for unit, size in reversed(_DURATION_UNITS.items()):
        if value % size == timedelta(0) and (value or unit == "s"):
            return f"{value // size}{unit}"
    return f"{value / timedelta(milliseconds=1):g}ms"


def parse_size(value: object) -> object:
    """Bytes of ``512``, ``16KiB``, ``2MiB`` or ``1GiB``.

    Raises:
        ValueError: when it is anything else, or above a tebibyte.
    """
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    found = _SIZE.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError("must be a size in bytes, or with a unit, such as 512, 16KiB or 2MiB")
    size = int(found[1]) * _SIZE_UNITS[found[2]]
    if size > _MAX_SIZE:
        raise ValueError("must be at most 1024GiB")
    return size


def as_claim_texts(value: object) -> object:
    """A claim's value, or a list of them, as the texts that claims are compared by: ``true``, ``3``, ``payments``."""
    items = value if isinstance(value, list | tuple) else (value,)
    return tuple(_as_claim_text(item) for item in items)


def _as_claim_text(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else value


def is_loopback(host: str | None) -> bool:
    """Whether a URL's host can only mean this machine; the one place where plain http is good enough for keys."""
    if host is None:
        return False
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _longer_than_zero(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("must be longer than zero")
    return value


def _more_than_zero(value: int) -> int:
    if value <= 0:
        raise ValueError("must be more than zero")
    return value


def _whole_number(value: object) -> object:
    # Pydantic would read true as 1.
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("must be a whole number")  # noqa: TRY004 - pydantic collects ValueError only
    return value


def _port(value: int) -> int:
    if not 0 <= value <= _MAX_PORT:
        raise ValueError("must be a port from 1 to 65535, or 0 for any free one")
    return value


def _relative_to_file(value: Path, info: ValidationInfo) -> Path:
    context: Any = info.context
    base: Path = context["directory"] if context else Path()
    return base / value.expanduser()


def _name(value: str) -> str:
    if not value or len(value.encode(errors="replace")) > _MAX_NAME_BYTES or _CONTROL.search(value):
        raise ValueError(f"must be text of 1 to {_MAX_NAME_BYTES} bytes without control characters")
    return value


def _web_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        port_is_fine = False
        parts = urlsplit("")
    if not port_is_fine or parts.scheme not in ("http", "https") or not parts.hostname or _CONTROL.search(value):
        raise ValueError("must be a URL with http:// or https:// and a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user name or password")
    if "?" in value or "#" in value:
        raise ValueError("must not hold a query or a fragment")
    return value


def _public_url(value: str) -> str:
    parts = urlsplit(value)
    if "\\" in value or not _is_host(parts.hostname or "", bracketed="[" in parts.netloc):
        raise ValueError("must have a host name or an IP address as its host, with no dot at its end")
    return value


def _is_host(host: str, *, bracketed: bool) -> bool:
    try:
        return (ip_address(host).version == 6) is bracketed and "%" not in host  # noqa: PLR2004 - brackets are IPv6's
    except ValueError:
        labels = host.split(".")
        # What ends in a number is an address, and none that is written as it should be.
        named = not _NUMBER.fullmatch(labels[-1]) and all(map(_LABEL.fullmatch, labels))
        return named and len(host) <= _MAX_HOST and not bracketed


def _key_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme != "https" and not is_loopback(parts.hostname):
        raise ValueError("must use https://: keys fetched in the clear can be replaced on the way")
    return value


def _address(value: str) -> str:
    found = _ADDRESS.fullmatch(value)
    if found is None or not 0 < int(found[1]) <= _MAX_PORT:
        raise ValueError("must be HOST:PORT, such as 127.0.0.1:7233")
    return value


def _callback_pattern(value: str) -> str:
    if not re.match(r"https?://[^/?#@\s]+", value) or _CONTROL.search(value):
        raise ValueError(
            "must be a URL pattern that starts with http:// or https:// and a host, such as https://*.example.com/*"
        )
    return value


def _network(value: str) -> str:
    try:
        return str(ip_network(value))
    except ValueError:
        raise ValueError("must be a network such as 10.20.0.0/16 or fd12:3456::/48, with no bits beyond it") from None


_DURATION_SCHEMA = {
    "type": "string",
    "pattern": r"^[0-9]{1,9}(\.[0-9]{1,3})?(ms|s|m|h)$",
    "examples": ["250ms", "30s", "5m", "1h"],
}
_SIZE_SCHEMA = {
    "anyOf": [
        {"type": "integer", "minimum": 1},
        {"type": "string", "pattern": r"^[0-9]{1,12}(B|KiB|MiB|GiB)?$"},
    ],
    "examples": ["16KiB", "2MiB", 4096],
}

Duration = Annotated[
    timedelta, BeforeValidator(parse_duration), PlainSerializer(format_duration), WithJsonSchema(_DURATION_SCHEMA)
]
"""Zero or longer, written with its unit."""

PositiveDuration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    AfterValidator(_longer_than_zero),
    PlainSerializer(format_duration),
    WithJsonSchema(_DURATION_SCHEMA),
]
"""Longer than zero, written with its unit."""

ByteSize = Annotated[int, BeforeValidator(parse_size), AfterValidator(_more_than_zero), WithJsonSchema(_SIZE_SCHEMA)]
"""A number of bytes above zero."""

Count = Annotated[
    int,
    BeforeValidator(_whole_number),
    AfterValidator(_more_than_zero),
    WithJsonSchema({"type": "integer", "minimum": 1}),
]
"""A whole number above zero."""

Port = Annotated[
    int,
    BeforeValidator(_whole_number),
    AfterValidator(_port),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": _MAX_PORT}),
]
"""A TCP port; 0 takes a free one."""

ConfigPath = Annotated[Path, AfterValidator(_relative_to_file)]
"""A path; a relative one starts at the configuration file's directory."""

Name = Annotated[str, AfterValidator(_name)]
"""Text as it may stand for a service, a namespace, a claim: 1 to 1000 bytes, no control characters."""

WebUrl = Annotated[Name, AfterValidator(_web_url)]
"""An http or https URL without credentials, query or fragment."""

PublicUrl = Annotated[WebUrl, AfterValidator(_public_url)]
"""A URL that others are told to come to: its host can be read in one way only."""

KeyUrl = Annotated[WebUrl, AfterValidator(_key_url)]
"""A URL that keys may be fetched from: https, or http on loopback."""

Address = Annotated[str, AfterValidator(_address), WithJsonSchema({"type": "string", "examples": ["127.0.0.1:7233"]})]
"""HOST:PORT."""

CallbackPattern = Annotated[str, AfterValidator(_callback_pattern)]
"""A URL with ``*`` for any run of characters."""

IpNetwork = Annotated[str, AfterValidator(_network), WithJsonSchema({"type": "string", "examples": ["10.20.0.0/16"]})]
"""A network by its prefix."""

VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,199}$")]
"""The name of an environment variable, never its value."""

KeyId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
"""A token key's id; it stands in every token, readable."""

PluginName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")]
"""``package.module:attribute``."""

SegmentName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._~-]{0,199}$")]
"""A name that stands in a path as it is: letters, digits and ``. _ ~ -``."""
