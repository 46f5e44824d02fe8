"""Becomes another program, one that cannot outlive whoever started it.

Run as a script: ``python -I -S _guard.py SIGNAL PARENT PROGRAM [ARGUMENT]…``. Where the kernel can do it (Linux),
PROGRAM gets SIGNAL when its parent dies, however that dies. It is a program of its own because code between fork and
exec is not safe in a process with threads, and Temporal's client has some.
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def main(death_signal: int, parent: int, command: list[str]) -> None:
    """Tie this process to ``parent``, then become ``command``."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, death_signal)
        if os.getppid() != parent:  # it died before the line above
            raise SystemExit(1)
    os.execv(command[0], command)  # noqa: S606 - there is no shell, and the program is the caller's choice


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
