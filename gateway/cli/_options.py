"""Options that several commands share, and the types of their values."""

from __future__ import annotations

import os
from argparse import ArgumentTypeError
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.settings import Settings, load_settings, parse_duration

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

_MAX_PORT: Final = 65535


def add_config(parser: ArgumentParser) -> None:
    """Add ``--config``, which is required."""
    parser.add_argument("--config", metavar="FILE", type=Path, required=True, help="the configuration, a YAML file")


def settings_of(arguments: Namespace) -> Settings:
    """The settings that ``--config`` and the environment make.

    Raises:
        SettingsError: With a line for each fault.
    """
    return load_settings(arguments.config, os.environ)


def port(text: str) -> int:
    """A TCP port; 0 stands for any free one."""
    if not text.isascii() or not text.isdigit() or int(text) > _MAX_PORT:
        raise ArgumentTypeError(f"{text!r} is not a port from 0 to {_MAX_PORT}")
    return int(text)


def processes(text: str) -> int:
    """A number of processes."""
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise ArgumentTypeError(f"{text!r} is not a number of processes from 1")
    return int(text)


def duration(text: str) -> timedelta:
    """A duration, such as ``30s``, ``5m`` or ``1h``."""
    try:
        parsed = parse_duration(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} {error}") from None
    if parsed <= timedelta(0):
        raise ArgumentTypeError(f"{text!r} must be longer than zero")
    return parsed
