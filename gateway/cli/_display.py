"""What a user sees while parts start and steps are taken: moving on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Self

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from gateway.devstack import PartState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import RenderableType

_WIDE: Final = 200


class StepError(Exception):
    """A step did not do what it should; the message names it and says what happened instead."""


class Display:
    """Writes to stdout, or to stderr where stdout belongs to what a program may want to read.

    A context manager: whatever happens in the block, the terminal is left as it was found.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        console = Console(stderr=stderr, highlight=False)
        # Nobody's window ends at 80 columns in a file or a pipe.
        self._console = console if console.is_terminal else Console(stderr=stderr, highlight=False, width=_WIDE)
        self._moving = Progress(
            SpinnerColumn(finished_text=" "), TextColumn("{task.description}"), TimeElapsedColumn(), console=console
        )
        self._parts: dict[str, TaskID] = {}
        self._since: dict[str, float] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.settled()

    def part(self, name: str, state: PartState) -> None:
        """Show a part's new state; the progress callback of the development stack."""
        if self._console.is_terminal and state is not PartState.STOPPED:
            self._move(name, state)
        elif state is PartState.READY:
            self.line(f"{name} {state} ({time.monotonic() - self._since[name]:.1f} s)")
        else:
            self._since[name] = time.monotonic()
            self.line(f"{name} {state}")

    def settled(self) -> None:
        """All parts have started: nothing moves any more."""
        if self._moving.live.is_started:
            self._moving.stop()

    def line(self, text: str = "") -> None:
        """Write a line as it is."""
        self._console.print(text, markup=False, soft_wrap=True)

    def show(self, what: RenderableType) -> None:
        """Write something that is more than a line."""
        self._console.print(what)

    @contextmanager
    def step(self, title: str) -> Iterator[Callable[[str], None]]:
        """Do a step in the block, which says what came of it by calling what it is given.

        Raises:
            StepError: The step failed.
        """
        outcome: list[str] = []
        began = time.monotonic()
        try:
            yield outcome.append
        except Exception as error:
            self.line(f"FAILED  {title}")
            raise StepError(f"the step {title!r} failed: {str(error) or type(error).__name__}") from error
        milliseconds = (time.monotonic() - began) * 1000
        self.line(f"ok  {title}: {'; '.join(outcome)} ({milliseconds:.0f} ms)")

    def _move(self, name: str, state: PartState) -> None:
        self._moving.start()
        if name not in self._parts:
            self._parts[name] = self._moving.add_task(name, total=1)
        done = 1 if state is PartState.READY else 0
        self._moving.update(self._parts[name], description=f"{name} {state}", completed=done)
