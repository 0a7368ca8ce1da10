"""
Starts the process that compresses, after a rotation; nothing waits for it.

A process of its own: the services stay small, and one that is killed takes
no half-written archive along.  One at a time works on a directory; the process
inherits the lock that says so, as its standard input, and the lock ends with it.
"""

from __future__ import annotations

import _thread
import contextlib
import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Collection
from pathlib import Path

from shoonya_platform.logging.archives import can_archive, is_work
from shoonya_platform.logging.chain import FILE_MODE, give_to_owner

LOCK_NAME = ".archive.lock"
# For a program that waits for the start of the process.
_START_SECONDS = 5.0
# Above it no process is worth its start: rotations of a test, or of a flood.
_PAUSE_SECONDS = 0.25


class Archiver:
    """
    Compresses the backups of a directory in the background.

    Args:
        directory: Of the log files.

        max_bytes: The size at which each is rotated.

        backup_count: How many backups are kept of each.

        components: Whose files they are.

        budget_bytes: What all files may take together; 0 is any amount.
    """

    def __init__(
        self,
        directory: str,
        max_bytes: int,
        backup_count: int,
        components: Collection[str],
        budget_bytes: int,
    ) -> None:
        numbers = (max_bytes, backup_count, budget_bytes)
        self._arguments = (directory, *map(str, numbers), *components)
        self._directory = directory
        self._components = components
        self._backup_count = backup_count
        self.reinitialize_after_fork()

    def reinitialize_after_fork(self) -> None:
        """Forget the thread, which only the parent has."""
        self._lock = threading.Lock()
        self._running = False
        self._again = False
        self._leaving = False
        self._looked = threading.Event()
        self._ended = threading.Event()

    def begin(self) -> None:
        """Do what `wake` does, and return once the process can do without us."""
        self._leaving = True
        self._looked.clear()
        self.wake()
        self._looked.wait(_START_SECONDS)

    def wake(self) -> None:
        """Look for something to compress, soon; never raises, never waits."""
        self._again = True
        if not self._lock.acquire(blocking=False):
            # A signal handler, or a thread just after us: it will be seen anyway.
            return
        try:
            if self._running:
                return
            # None may be had at the end of the interpreter.
            with contextlib.suppress(RuntimeError):
                # Not threading's: it takes a lock that a signal handler which logs
                # may find taken by whom it interrupted.
                _thread.start_new_thread(self._work, ())
                self._running = True
        finally:
            self._lock.release()

    def close(self) -> None:
        """Let a process that is at work finish by itself."""
        self._ended.set()

    def _work(self) -> None:
        while True:
            self._again = False
            with contextlib.suppress(OSError):
                if self.is_wanted():
                    self._run()
            self._looked.set()
            self._ended.wait(_PAUSE_SECONDS)
            with self._lock:
                if not self._again or self._ended.is_set():
                    self._running = False
                    return

    def is_wanted(self) -> bool:
        """Say whether there is something to do, and something to do it with."""
        return can_archive() and is_work(
            self._directory, self._backup_count, self._components
        )

    def _run(self) -> None:
        path = os.path.join(self._directory, LOCK_NAME)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            give_to_owner(fd, self._directory)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # Another process's archiver looks after our files too.
                return
            # Should we end first it finishes alone; killed, it leaves nothing.
            with subprocess.Popen(
                [sys.executable, "-m", __package__, *self._arguments],
                # The lock, which it gives back before it looks a last time.
                stdin=fd,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=_environment(),
                # A terminal that is closed does not end it.  Not otherwise: where the
                # kernel shares the processor out by sessions, it would get as much
                # as all of a service.
                start_new_session=self._leaving,
            ):
                self._looked.set()
        finally:
            os.close(fd)


def _environment() -> dict[str, str]:
    # This very package, however it came to be importable here.
    root = str(Path(__file__).parents[2])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    kept = ("PATH", "LANG", "LC_ALL", "HOME", "LD_LIBRARY_PATH")
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
