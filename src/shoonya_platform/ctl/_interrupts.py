"""Ctrl-C for the commands that run until the user ends them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interruptible() -> Iterator[None]:
    """
    Let SIGINT raise KeyboardInterrupt, also where it was ignored at the start.

    A shell starts the background jobs of a script with SIGINT ignored, and everything
    below them inherits that; Python then leaves it so, and a command that only Ctrl-C
    ends would never end.  For the main thread only, as all of Python's handlers.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        if before is signal.SIG_IGN:
            signal.signal(signal.SIGINT, before)
