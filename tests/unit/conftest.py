"""What every unit test leaves as it found it."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A command sets up the process's logging; its stream is gone when the test is over."""
    root, access = logging.getLogger(), logging.getLogger("aiohttp.access")
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)
    access.disabled, access.propagate = False, True
