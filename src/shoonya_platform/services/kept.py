"""
The listening socket that outlives its process.

systemd keeps it over a restart and a crash (`FileDescriptorStoreMax=`) and hands it to
the next run, so that whoever connects meanwhile waits instead of being refused.  The
address stays the configuration's: a socket of another one is let go.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, MutableMapping

from shoonya_platform.services.notify import Notifier

_FIRST_DESCRIPTOR = 3


def name_of(host: str, port: int) -> str:
    """Return what systemd knows a socket by; it takes no colons."""
    return re.sub(r"[^\w.-]", "_", f"{host}_{port}")


class KeptSockets:
    """
    What was handed over at the start.

    Args:
        environ: The variables are taken out of it; None is the process's own.
    """

    def __init__(
        self, notifier: Notifier, environ: MutableMapping[str, str] | None = None
    ) -> None:
        environ = os.environ if environ is None else environ
        self._notifier = notifier
        self._sockets: dict[str, socket.socket] = {}
        is_ours = environ.pop("LISTEN_PID", "") == str(os.getpid())
        count = environ.pop("LISTEN_FDS", "")
        names = environ.pop("LISTEN_FDNAMES", "").split(":")
        if not is_ours or not count.isdigit():
            return
        for number in range(int(count)):
            descriptor = _FIRST_DESCRIPTOR + number
            os.set_inheritable(descriptor, False)
            name = names[number] if number < len(names) else "unknown"
            self._sockets[name] = socket.socket(fileno=descriptor)

    def listen(
        self, host: str, port: int, tell: Callable[[str], None]
    ) -> socket.socket:
        """
        Return the socket that listens there: the one handed over, or a new one.

        Args:
            tell: Called with a sentence about one that listens elsewhere.

        Raises:
            OSError: The address cannot be had.
        """
        wanted = name_of(host, port)
        found = self._sockets.pop(wanted, None)
        for name, other in self._sockets.items():
            # A socket unit of the operator's names it otherwise.
            if found is None and other.getsockname()[:2] == (host, port):
                found = other
                continue
            tell(
                f"the socket handed over listens on {_address(other)}, the "
                f"configuration says {host}:{port}: letting it go"
            )
            other.close()
            self._notifier.send("FDSTOREREMOVE=1", f"FDNAME={name}")
        self._sockets.clear()
        if found is None:
            found = _bound(host, port)
            self._notifier.keep(wanted, found)
        return found


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener


def _address(listener: socket.socket) -> str:
    where = listener.getsockname()
    return f"{where[0]}:{where[1]}" if isinstance(where, tuple) else str(where)
