"""From arguments to an exit code: 0, 1 when it failed, 2 when it was used wrongly. No traceback reaches a user."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.cli._parser import parser_for

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Sequence

_FAILED: Final = 1
_INTERRUPTED: Final = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command with ``argv`` (by default the process's arguments) and return its exit code."""
    given = sys.argv[1:] if argv is None else list(argv)
    try:
        arguments = parser_for(given).parse_args(given)
    except SystemExit as exited:  # argparse has written help, version or what was wrong
        return exited.code if isinstance(exited.code, int) else _FAILED
    except ModuleNotFoundError as error:
        print(f"nexus-gateway: {_missing(error)}", file=sys.stderr)
        return _FAILED
    _import_from_here()
    return _run(arguments)


def _run(arguments: Namespace) -> int:
    try:
        exit_code: int = arguments.run(arguments)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough; nobody is left to be told.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED
    except Exception as error:  # noqa: BLE001 - the last stop before a traceback
        if arguments.debug:
            traceback.print_exception(error)
        for line in _lines(error):
            print(f"nexus-gateway: {line}", file=sys.stderr)
        return _FAILED
    return exit_code


def _lines(error: BaseException) -> Iterator[str]:
    """What to tell a user of ``error``.

    Errors made for users have one line for each fault. The others have no words for a user, only a class and a hint.
    """
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _lines(part)
    elif isinstance(faults := getattr(error, "faults", None), tuple):
        yield from faults
    elif type(error).__module__.startswith("gateway."):
        yield _in_one_line(str(error))
    else:
        yield f"unexpected error: {type(error).__name__}: {_in_one_line(str(error))} (--debug shows where)"


def _missing(error: ModuleNotFoundError) -> str:
    """What to install, where a command needs more than what every installation has."""
    return f"{error.name} is not installed; install it with pip install 'nexus-gateway[temporal,dev]'"


def _in_one_line(text: str) -> str:
    return " ".join(text.split())


def _import_from_here() -> None:
    """Let the configuration name plugins in the current directory, as ``python -m gateway`` does anyway.

    Last on the path, so that nothing which is installed is replaced by something that lies around.
    """
    here = str(Path.cwd())
    if not sys.flags.safe_path and here not in sys.path and "" not in sys.path:
        sys.path.append(here)
