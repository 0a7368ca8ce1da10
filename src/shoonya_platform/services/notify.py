"""
Tells whoever started the process how it is: systemd, or our own ServiceManager.

Both listen on the datagram socket that `$NOTIFY_SOCKET` names (sd_notify(3)).
"""

from __future__ import annotations

import contextlib
import os
import socket
from array import array
from collections.abc import MutableMapping


class Notifier:
    """
    Sends states; without `$NOTIFY_SOCKET` it does nothing.

    Args:
        environ: The variables are taken out of it, so that no child process
            speaks in this one's name.
    """

    def __init__(self, environ: MutableMapping[str, str] | None = None) -> None:
        environ = os.environ if environ is None else environ
        address = environ.pop("NOTIFY_SOCKET", "")
        usec = environ.pop("WATCHDOG_USEC", "0")
        watched = environ.pop("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        #: Seconds within which `WATCHDOG=1` is expected; 0 when nobody watches.
        self.watchdog_seconds = int(usec) / 1e6 if watched and usec.isdigit() else 0.0
        self._socket: socket.socket | None = None
        self._address = "\0" + address[1:] if address.startswith("@") else address
        if address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)

    def close(self) -> None:
        """Say nothing any more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def send(self, *states: str) -> None:
        """Send states such as `READY=1`; never waits, never fails."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.sendto("\n".join(states).encode(), self._address)

    def keep(self, name: str, listener: socket.socket) -> None:
        """Have systemd keep a socket for the next run, where the unit allows it."""
        if self._socket is not None:
            rights = array("i", [listener.fileno()]).tobytes()
            with contextlib.suppress(OSError):
                self._socket.sendmsg(
                    [f"FDSTORE=1\nFDNAME={name}".encode()],
                    [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)],
                    0,
                    self._address,
                )
