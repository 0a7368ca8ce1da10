"""The terminal while `status --watch` has it: redrawn, listened to, given back."""

from __future__ import annotations

import os
import selectors
import signal
import sys
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from rich.live import Live

from shoonya_platform.ctl._interrupts import interruptible
from shoonya_platform.ctl._looking import Looker
from shoonya_platform.ctl._screen import Screen
from shoonya_platform.ctl.context import Ctl
from shoonya_platform.ctl.output import console


def can_watch() -> bool:
    """Say whether there is a terminal that can be redrawn."""
    return sys.stdout.isatty() and not console().is_dumb_terminal


def watch(ctl: Ctl, seconds: float) -> None:
    """Show how things are, anew each so many seconds, until `q` or Ctrl-C."""
    looker = Looker(ctl)
    try:
        with interruptible(), _terminal() as events, _live() as live:
            while True:
                live.update(Screen(looker.look()), refresh=True)
                deadline = time.monotonic() + seconds
                while (left := deadline - time.monotonic()) > 0:
                    if events.wait(left):
                        return
                    # The size may be another one now.
                    live.refresh()
    except KeyboardInterrupt:
        return
    finally:
        looker.close()


def _live() -> Live:
    return Live(
        console=console(),
        screen=True,
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
    )


class _Events:
    def __init__(self, wakeup: int, keys: int | None) -> None:
        self._selector = selectors.DefaultSelector()
        self._keys = keys
        for descriptor in (wakeup, keys):
            if descriptor is not None:
                self._selector.register(descriptor, selectors.EVENT_READ)

    def wait(self, seconds: float) -> bool:
        """Wait for a key, a new size or the time; return whether to end."""
        ends = False
        for key, _ in self._selector.select(seconds):
            read = os.read(key.fd, 1024)
            if key.fd == self._keys:
                # Nothing at all: the terminal has gone.
                ends = ends or not read or b"q" in read.lower()
        return ends

    def close(self) -> None:
        self._selector.close()


@contextmanager
def _terminal() -> Iterator[_Events]:
    """Take keys one by one, without showing them; give all back in the end."""
    wakeup, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    handlers = {
        signal.SIGWINCH: signal.signal(signal.SIGWINCH, lambda *_: None),
        signal.SIGTERM: signal.signal(signal.SIGTERM, _end),
        signal.SIGHUP: signal.signal(signal.SIGHUP, _end),
    }
    before_fd = signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    keys = sys.stdin.fileno() if sys.stdin.isatty() else None
    before = None if keys is None else termios.tcgetattr(keys)
    events = _Events(wakeup, keys)
    try:
        if keys is not None:
            tty.setcbreak(keys, termios.TCSANOW)
            # Stopped, it would leave the shell on the other screen.
            mode = termios.tcgetattr(keys)
            mode[6][termios.VSUSP] = b"\0"
            termios.tcsetattr(keys, termios.TCSANOW, mode)
        yield events
    finally:
        if keys is not None and before is not None:
            termios.tcsetattr(keys, termios.TCSANOW, before)
        signal.set_wakeup_fd(before_fd)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        events.close()
        os.close(wakeup)
        os.close(waker)


def _end(number: int, frame: FrameType | None) -> None:
    del frame
    # Not the default: the terminal is given back on the way out.
    raise SystemExit(128 + number)
