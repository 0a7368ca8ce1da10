"""What befalls a run from outside: killed processes, ended sessions, a lost journal."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.logging.datagrams import JOURNAL_SOCKET
from tests.chaos.worlds import World

#: Between two kills, in seconds: about two a second.
KILL_SECONDS = (0.2, 0.8)
#: The platform logs in three times within two minutes, and then no more for a while:
#: a session that dies more often is being ended by somebody else.
EXPIRY_SECONDS = (45.0, 60.0)
JOURNAL_SECONDS = (5.0, 15.0)


class Trouble:
    """
    Makes trouble from entering to leaving.

    Args:
        seed: Decides what happens when, as far as the run itself lets it.
    """

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._stopping = threading.Event()
        self.kills: Counter[str] = Counter()
        self.expiries = 0
        self.journal = Journal()
        chances = random.Random(seed)
        self._threads = [
            threading.Thread(target=deed, args=(random.Random(chances.random()),))
            for deed in (self._kill_on, self._expire_on, self._restart_journal_on)
        ]

    def __enter__(self) -> Trouble:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        self.journal.close()

    def _kill_on(self, chance: random.Random) -> None:
        while not self._stopping.wait(chance.uniform(*KILL_SECONDS)):
            service = chance.choice(COMPONENTS)
            pid = self._world.platform.pids().get(service)
            if pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    self.kills[service] += 1

    def _expire_on(self, chance: random.Random) -> None:
        pause = chance.uniform(2, 4)
        while not self._stopping.wait(pause):
            pause = chance.uniform(*EXPIRY_SECONDS)
            self.expiries += self._world.expire_session()

    def _restart_journal_on(self, chance: random.Random) -> None:
        while not self._stopping.wait(chance.uniform(*JOURNAL_SECONDS)):
            self.journal.restart()


class Journal:
    """journald where systemd runs; elsewhere a socket in its place, if one may."""

    def __init__(self) -> None:
        self.restarts = 0
        self.kind = "none"
        self._stand_in: socket.socket | None = None
        self._path = Path(JOURNAL_SOCKET)
        if Path("/run/systemd/system").is_dir() and shutil.which("systemctl"):
            # An ordinary user may not restart it.
            self.kind = "journald" if os.geteuid() == 0 else "none"
        elif not self._path.exists():
            with contextlib.suppress(OSError):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._listen()
                self.kind = "a stand-in"

    def restart(self) -> None:
        if self.kind == "journald":
            command = ["systemctl", "restart", "systemd-journald"]
            self.restarts += subprocess.run(command, check=False).returncode == 0
        elif self._stand_in is not None:
            self._stand_in.close()
            self._path.unlink()
            # Away for as long as journald takes to come back.
            time.sleep(0.3)
            self._listen()
            self.restarts += 1

    def close(self) -> None:
        if self._stand_in is not None:
            self._stand_in.close()
            self._path.unlink()

    def _listen(self) -> None:
        self._stand_in = bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        bell.bind(str(self._path))
        threading.Thread(target=_read_on, args=(bell,), daemon=True).start()


def _read_on(bell: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while bell.recv(1 << 18):
            pass
