"""
A running service's log level, changed from outside without a restart.

    shoonyactl log-level ──▶ RUNTIME_DIR/SERVICE/control ──▶ a thread in the service

The thread touches nothing but the level, so it answers while the work waits or
hangs.  Nothing is kept: a restart returns to the configuration.
"""

from __future__ import annotations

import json
import logging
import pwd
import select
import signal
import socket
import struct
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from shoonya_platform.clock import Clock
from shoonya_platform.logging import ServiceLogger
from shoonya_platform.services.control import control_path, read_line

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

#: The longest that a level is changed for: a year.
MOST_SECONDS = 365 * 86_400.0

_PEER_SECONDS = 1.0
_PAUSE_SECONDS = 0.05
_CREDENTIALS = struct.Struct("3i")


class LogLevel:
    """
    The level of one service's component, and when it is to be what it was.

    Args:
        configured: What it returns to.

        logger: The component's; its level is changed.
    """

    def __init__(self, configured: str, logger: ServiceLogger, clock: Clock) -> None:
        self._configured = configured
        self._logger = logger
        self._clock = clock
        self._level = configured
        self._until: datetime | None = None
        self._reset_at: float | None = None
        self._by = ""

    @property
    def seconds_left(self) -> float | None:
        """How long it stays as it is, None for until the service ends."""
        if self._reset_at is None:
            return None
        return max(0.0, self._reset_at - self._clock.monotonic())

    def view(self) -> dict[str, object]:
        """Return `level`, `configured`, `until` (ISO 8601, UTC, or None), `by`."""
        return {
            "level": self._level,
            "configured": self._configured,
            "until": None if self._until is None else self._until.isoformat(),
            "by": self._by,
        }

    def set(self, level: str, seconds: float | None, by: str) -> None:
        """Change it, for so long or until the service ends."""
        self._until = self._reset_at = None
        if seconds is not None:
            self._until = self._clock.now() + timedelta(seconds=seconds)
            self._reset_at = self._clock.monotonic() + seconds
        length = "" if seconds is None else f"for {seconds:g} s, "
        self._change(level, by, f"{length}set by {by}")

    def reset(self, by: str) -> None:
        """Return to what is configured."""
        self._until = self._reset_at = None
        self._change(self._configured, "", f"as configured again: {by}")

    def _change(self, level: str, by: str, how: str) -> None:
        before, self._level, self._by = self._level, level, by
        target = self._logger.logger
        # Whatever the two levels are, this one record is written.
        target.setLevel(min(target.level, logging.INFO))
        self._logger.info(
            "log level %s instead of %s, %s",
            level,
            before,
            how,
            event="log_level_changed",
            new_level=level,
            old_level=before,
        )
        target.setLevel(level)


class ControlThread:
    """
    Answers on a service's control socket until it is closed.

    Args:
        folder: The service's own in the runtime directory.

    Raises:
        OSError: There can be no socket in that folder.
    """

    def __init__(self, folder: Path, level: LogLevel) -> None:
        self._level = level
        self._path = control_path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._listener.bind(str(self._path))
            # Root and the services' own user, whatever the umask.
            self._path.chmod(0o600)
            self._listener.listen(4)
        except OSError:
            self._listener.close()
            raise
        self._ended, self._end = socket.socketpair()
        self._thread = threading.Thread(target=self._work, name="control", daemon=True)
        # Signals are for the thread that works: one taken here would not wake it.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        self._thread.start()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def close(self) -> None:
        self._end.close()
        self._thread.join()
        self._ended.close()
        self._listener.close()
        self._path.unlink(missing_ok=True)

    def _work(self) -> None:
        while True:
            ready, _, _ = select.select(
                [self._listener, self._ended], [], [], self._level.seconds_left
            )
            if self._ended in ready:
                return
            if not ready:
                self._level.reset("its time is over")
                continue
            try:
                self._answer()
            except (OSError, ValueError, TypeError, AttributeError):
                # A broken request is the asker's loss; a lack of descriptors lasts.
                select.select([self._ended], [], [], _PAUSE_SECONDS)

    def _answer(self) -> None:
        peer, _ = self._listener.accept()
        with peer:
            peer.settimeout(_PEER_SECONDS)
            request = json.loads(read_line(peer))
            answer = self._obey(request, _asker(peer, request))
            peer.sendall(json.dumps(answer).encode() + b"\n")

    def _obey(self, request: Mapping[str, Any], asker: str) -> dict[str, object]:
        if request.get("verb") != "log-level":
            return {"error": f"unknown verb '{request.get('verb')}'"}
        level, seconds = request.get("level"), request.get("seconds")
        if request.get("reset"):
            self._level.reset(f"reset by {asker}")
        elif level is not None:
            if level not in LEVELS:
                return {"error": f"no level is called '{level}'"}
            if seconds is not None and not 0 < float(seconds) <= MOST_SECONDS:
                return {"error": "a level is changed for at most a year"}
            self._level.set(level, None if seconds is None else float(seconds), asker)
        return self._level.view()


def _asker(peer: socket.socket, request: Mapping[str, Any]) -> str:
    """Return who asks, as the kernel knows it and, in front, as they say."""
    raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(raw)
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = f"uid {uid}"
    said = str(request.get("user") or user)[:64]
    return f"{user}, pid {pid}" if said == user else f"{said} as {user}, pid {pid}"
