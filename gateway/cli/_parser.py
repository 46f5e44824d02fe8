"""The argument parser: all commands by name, the chosen one in full."""

from __future__ import annotations

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, kw_only=True)
class _Command:
    """Where a command is: a module with ``configure(parser)``, which also sets the default of ``run``."""

    summary: str
    module: str


_COMMANDS: Final[Mapping[str, _Command]] = MappingProxyType(
    {
        "demo": _Command(summary="run the main job on a stack of its own and show its trace", module="_demo"),
        "dev": _Command(summary="keep a stack of its own running, with tokens to try it", module="_dev"),
        "serve": _Command(summary="run the gateway", module="_serve"),
        "worker": _Command(summary="run the workflows and activities of the installed plugins", module="_worker"),
        "setup": _Command(summary="register in the engines what operations are listed by", module="_setup"),
        "check": _Command(summary="validate configuration and plugins; say who may do what", module="_check"),
        "explain": _Command(summary="say why a request is let in, or is not", module="_explain"),
        "policy": _Command(summary="put the rules to the test", module="_policy"),
        "token": _Command(summary="mint a token for development", module="_token"),
        "callbacks": _Command(summary="show and repeat completions that could not be delivered", module="_callbacks"),
        "config": _Command(summary="describe the configuration", module="_config"),
    }
)


class OneLineParser(ArgumentParser):
    """A parser that keeps the line breaks of its texts, and says in one line what is wrong."""

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - those of ArgumentParser
        super().__init__(**{"formatter_class": RawDescriptionHelpFormatter, "allow_abbrev": False, **kwargs})

    def error(self, message: str) -> NoReturn:
        """Say it in one line and exit with code 2."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def parser_for(argv: Sequence[str]) -> ArgumentParser:
    """A parser that knows every command, and the options of the one that ``argv`` names.

    The other commands' modules are not imported: ``token`` has no business loading a workflow engine.
    """
    parser = OneLineParser(
        prog="nexus-gateway",
        description="An authenticating HTTP gateway for Nexus operations that run as Temporal workflows.",
        epilog="example:\n  nexus-gateway demo",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('nexus-gateway')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=OneLineParser)
    chosen = next((argument for argument in argv if argument in _COMMANDS), None)
    for name, command in _COMMANDS.items():
        subparser = commands.add_parser(name, help=command.summary)
        if name == chosen:
            import_module(f"gateway.cli.{command.module}").configure(subparser)
            _add_debug(subparser)
    return parser


def _add_debug(parser: ArgumentParser) -> None:
    parser.add_argument("--debug", action="store_true", help="show where an unexpected error came from")
