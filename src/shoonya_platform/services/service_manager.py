"""
Runs the eight services as child processes where there is no systemd.

The same entrypoints, the same policy and the same protocol (READY=1, WATCHDOG=1,
STATUS=) as under systemd.  One loop over process descriptors and sockets; never a
thread, so that nothing of one service can reach another.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

from shoonya_platform.clock import Clock, SystemClock
from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.errors import AlreadyRunning, ConfigError, NotRunning
from shoonya_platform.services.child import Child, ServiceHealth, ServiceStatus
from shoonya_platform.services.control import ask, control_path, read_line
from shoonya_platform.services.isolated import IsolatedService
from shoonya_platform.services.policy import RestartPolicy

__all__ = ["IsolatedService", "ServiceHealth", "ServiceManager", "ServiceStatus"]

#: The longest a whole stop may take before whoever is left is killed.
STOP_ALL_SECONDS = 25.0

TICK_SECONDS = 0.5


class ServiceManager:
    """
    Supervises service processes.

    Args:
        runtime_dir: Holds the sockets; one manager for each.

        services: In the order they start; they stop in reverse.

        environ: The children's environment; None passes on our own.

        tell: Called with a service's name and a sentence at each change.

        policy: How each service is started again; None is the usual way.

        stderr: The descriptor that their standard error goes to; None is ours.

    Raises:
        AlreadyRunning: Another manager runs there.
        ConfigError: The directory cannot be used.
    """

    def __init__(
        self,
        runtime_dir: Path,
        *,
        services: Sequence[str] = COMPONENTS,
        environ: Mapping[str, str] | None = None,
        clock: Clock | None = None,
        tell: Callable[[str, str], None] | None = None,
        policy: RestartPolicy | None = None,
        stderr: int | None = None,
    ) -> None:
        clock = clock or SystemClock()
        self._clock = clock
        self._control = _listen(runtime_dir)
        self._control_path = control_path(runtime_dir)
        self._stopping = False
        self._children: dict[str, Child] = {}
        try:
            for name in services:
                self._children[name] = Child(
                    name,
                    runtime_dir,
                    os.environ if environ is None else environ,
                    clock,
                    tell or _tell_stderr,
                    policy or RestartPolicy(),
                    stderr,
                )
        except OSError as e:
            self._close_sockets()
            raise _unusable(runtime_dir, e) from e
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._control, selectors.EVENT_READ)
        for child in self._children.values():
            self._selector.register(
                child.notify, selectors.EVENT_READ, child.read_notifications
            )
        self._failed: set[str] = set()
        self._watched: dict[int, Child] = {}
        self._waker, wakeup = socket.socketpair()
        for end in (self._waker, wakeup):
            end.setblocking(False)
        self._wakeup = wakeup
        self._selector.register(self._waker, selectors.EVENT_READ)

    def health(self) -> list[ServiceHealth]:
        """Return how each service is, in start order."""
        return [child.health() for child in self._children.values()]

    def run(
        self,
        *,
        on_ready: Callable[[], None] | None = None,
        on_failed: Callable[[str], None] | None = None,
    ) -> None:
        """
        Start all, supervise until `stop()` or a signal, then stop all in reverse.

        Args:
            on_ready: Called once, when every service has said that it is ready.

            on_failed: Called with the name of each service that is given up.
        """
        previous = {
            number: signal.signal(number, self._on_signal)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        }
        signal.set_wakeup_fd(self._wakeup.fileno(), warn_on_full_buffer=False)
        try:
            for child in self._children.values():
                child.start()
            while not self._stopping:
                self._once()
                for name in self._newly_failed():
                    if on_failed:
                        on_failed(name)
                if on_ready and all(
                    child.status is ServiceStatus.RUNNING
                    for child in self._children.values()
                ):
                    on_ready()
                    on_ready = None
        finally:
            self._stop_all()
            signal.set_wakeup_fd(-1)
            for number, handler in previous.items():
                signal.signal(number, handler)
            self._close()

    def stop(self) -> None:
        """Have `run` end; callable from a signal handler or a callback."""
        self._stopping = True

    def _once(self) -> None:
        self._watch_processes()
        for key, _ in self._selector.select(TICK_SECONDS):
            if key.fileobj is self._control:
                self._answer()
            elif key.fileobj is self._waker:
                self._waker.recv(4096)
            else:
                key.data()
        for child in self._children.values():
            child.tick()

    def _newly_failed(self) -> list[str]:
        failed = {
            name
            for name, child in self._children.items()
            if child.status is ServiceStatus.FAILED
        }
        newly = sorted(failed - self._failed)
        self._failed = failed
        return newly

    def _watch_processes(self) -> None:
        """Keep the selector's process descriptors those of the living."""
        alive = {
            child.pidfd: child
            for child in self._children.values()
            if child.pidfd is not None
        }
        for pidfd, child in alive.items():
            if self._watched.get(pidfd) is not child:
                self._selector.register(
                    pidfd, selectors.EVENT_READ, lambda c=child: self._reap(c)
                )
        self._watched = alive

    def _reap(self, child: Child) -> None:
        pidfd = child.pidfd
        if pidfd is not None:
            # Before it is closed: the next process may get the same number.
            self._selector.unregister(pidfd)
            self._watched.pop(pidfd, None)
            child.reap()

    def _stop_all(self) -> None:
        deadline = self._clock.monotonic() + STOP_ALL_SECONDS
        for child in reversed(list(self._children.values())):
            child.stop()
            while child.is_alive and self._clock.monotonic() < deadline:
                self._once()
        for child in self._children.values():
            child.kill()
        while any(child.is_alive for child in self._children.values()):
            self._once()

    def _answer(self) -> None:
        peer, _ = self._control.accept()
        with peer:
            peer.settimeout(1.0)
            try:
                answer = self._obey(json.loads(read_line(peer)))
                peer.sendall(json.dumps(answer, default=str).encode() + b"\n")
            except (OSError, ValueError, TypeError, AttributeError):
                # A broken request is the asker's loss; ours are eight services.
                return

    def _obey(self, request: dict[str, Any]) -> dict[str, object]:
        verb = request.get("verb")
        names = request.get("services") or list(self._children)
        unknown = [name for name in names if name not in self._children]
        if unknown:
            return {"error": f"no service '{unknown[0]}' runs here"}
        children = [self._children[name] for name in names]
        if verb == "start":
            for child in children:
                child.start(by_operator=True)
        elif verb in ("stop", "restart"):
            for child in reversed(children):
                child.stop(then_start=verb == "restart")
        elif verb != "status":
            return {"error": f"unknown verb '{verb}'"}
        return {
            "pid": os.getpid(),
            "services": [asdict(child.health()) for child in children],
        }

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._stopping = True

    def _close(self) -> None:
        self._selector.close()
        self._close_sockets()
        self._waker.close()
        self._wakeup.close()

    def _close_sockets(self) -> None:
        for child in self._children.values():
            child.close()
        self._control.close()
        self._control_path.unlink(missing_ok=True)


def _listen(runtime_dir: Path) -> socket.socket:
    path = control_path(runtime_dir)
    try:
        answer = ask(runtime_dir, {"verb": "status"})
    except NotRunning:
        pass
    except PermissionError as e:
        raise _unusable(runtime_dir, e) from e
    else:
        raise AlreadyRunning(
            f"the services run already on '{runtime_dir}' (pid {answer['pid']})",
            hint="see them: shoonyactl status",
        )
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        runtime_dir.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        listener.bind(str(path))
    except OSError as e:
        listener.close()
        raise _unusable(runtime_dir, e) from e
    listener.listen(16)
    return listener


def _unusable(runtime_dir: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"the runtime directory '{runtime_dir}' cannot be used: "
        f"{error.strerror or error}",
        hint="set 'paths.runtime_dir' to a short path of your own",
    )


def _tell_stderr(service: str, sentence: str) -> None:
    sys.stderr.write(f"{service}: {sentence}\n")
