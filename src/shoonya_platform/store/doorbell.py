"""
The doorbell: a datagram between two services that says "look".

It carries nothing.  Losing one costs a poll interval, never an order.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from collections.abc import Iterator
from pathlib import Path


class Doorbell:
    """
    One service's own bell, and the means to ring the others'.

    Args:
        runtime_dir: Holds a directory for each service.

        service: Whose bell this is; None for one that only rings.

    Raises:
        OSError: The bell's directory cannot be used.
    """

    def __init__(self, runtime_dir: Path, service: str | None = None) -> None:
        self._runtime_dir = runtime_dir
        self._ringer = _socket()
        self._bell: socket.socket | None = None
        if service is not None:
            folder = runtime_dir / service
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "doorbell").unlink(missing_ok=True)
            self._bell = _socket()
            with _short(folder) as short:
                self._bell.bind(f"{short}/doorbell")

    def ring(self, *services: str) -> None:
        """Ring; a service that is away will look when it is back."""
        for service in services:
            with (
                contextlib.suppress(OSError),
                _short(self._runtime_dir / service) as short,
            ):
                self._ringer.sendto(b"", f"{short}/doorbell")

    def wait(self, timeout_seconds: float) -> bool:
        """Wait for a ring; return whether there was one, and forget the others."""
        bell = self._bell
        if bell is None:
            raise ValueError("this doorbell has no bell of its own")
        ready, _, _ = select.select([bell], [], [], timeout_seconds)
        rung = bool(ready)
        with contextlib.suppress(BlockingIOError):
            while True:
                bell.recv(16)
        return rung

    def fileno(self) -> int:
        """Return the bell's descriptor, for an event loop."""
        if self._bell is None:
            raise ValueError("this doorbell has no bell of its own")
        return self._bell.fileno()

    def close(self) -> None:
        self._ringer.close()
        if self._bell is not None:
            self._bell.close()


def _socket() -> socket.socket:
    bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    bell.setblocking(False)
    return bell


@contextlib.contextmanager
def _short(folder: Path) -> Iterator[str]:
    """Give a directory a name that fits a socket's 107 bytes, however deep it is."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
