"""
What the eight services have in common, whatever they do.

One service is one process: configuration, logging, signals, the word to whoever
started it, the work loop, and an orderly end.  Nothing here knows what the work is.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from shoonya_platform.clock import Clock, ReplayClock, SystemClock
from shoonya_platform.config.loader import Config, load
from shoonya_platform.errors import (
    EXIT_CONFIG,
    EXIT_GIVEN_UP,
    EXIT_RENEW,
    ConfigError,
    ShoonyaError,
    StoreBusy,
    StoreDamaged,
)
from shoonya_platform.logging import (
    LoggingSetupError,
    get_component_logger,
    setup_application_logging,
)
from shoonya_platform.services.blackbox import BlackBox
from shoonya_platform.services.crashes import CrashHistory, since_boot
from shoonya_platform.services.incidents import Incidents
from shoonya_platform.services.loglevel import ControlThread, LogLevel
from shoonya_platform.services.memory import resident_bytes, soft_limit_bytes
from shoonya_platform.services.notify import Notifier
from shoonya_platform.services.policy import RestartPolicy

_PR_SET_PDEATHSIG = 1

#: Between two looks at the memory that the process holds.
WEIGH_SECONDS = 5.0

#: Whoever needs too much memory sooner than this would never come to work.
HEALTHY_SECONDS = 60.0


class IsolatedService:
    """
    One of the eight as a process.

    A subclass fills in `open`, `run` and `close`.  `run` works until
    `should_stop()`, and calls `beat()` from the loop that does the work: a loop
    that hangs stops feeding the watchdog, and the process is replaced.

    Args:
        name: One of the eight.
    """

    def __init__(self, name: str, *, clock: Clock | None = None) -> None:
        self.name = name
        self.clock: Clock = clock or SystemClock()
        self.run_id = secrets.token_hex(4)
        self.started_at = self.clock.now()
        self.logger = get_component_logger(name)
        self.notifier = Notifier()
        self._stopping = False
        self._is_ready = False
        self._status = ""
        self._fed_at = 0.0
        self._blackbox: BlackBox | None = None
        self._soft_memory_bytes = 0
        self._weighed_at = self._begun_at = self.clock.monotonic()
        self._outgrown_bytes = 0

    def open(self, config: Config) -> None:
        """Get hold of what the work needs; raise what makes it impossible."""

    def run(self) -> None:
        """Work until `should_stop()`; call `ready()` once the work can be done."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of everything, in any state that `open` may have left."""

    def wake(self) -> None:
        """Interrupt a wait in `run`; called from a signal handler."""

    def should_stop(self) -> bool:
        """Return whether somebody asked for an end."""
        return self._stopping

    def ready(self) -> None:
        """Say that the service does its work from now on."""
        self._is_ready = True
        self.notifier.send("READY=1")
        self.logger.info("%s is ready", self.name, extra={"event": "service_ready"})

    def beat(self, status: str) -> bool:
        """
        Say that the work loop is alive, and in one sentence what it does.

        Returns:
            Whether the sentence is a new one.
        """
        now = self.clock.monotonic()
        if now - self._fed_at >= self.notifier.watchdog_seconds / 4:
            self._fed_at = now
            self.notifier.send("WATCHDOG=1")
            if not self._is_ready:
                # Waiting for a broker that is down is no failure to start.
                self.notifier.send("EXTEND_TIMEOUT_USEC=60000000")
        if now - self._weighed_at >= WEIGH_SECONDS:
            self._weighed_at = now
            self._weigh()
        if status == self._status:
            return False
        self._status = status
        self.notifier.send(f"STATUS={status}")
        if self._blackbox is not None:
            self._blackbox.note(status)
        return True

    def progress(self) -> None:
        """Say that the work loop is alive, in the middle of a step."""
        self.beat(self._status)

    def main(self) -> int:
        """Be the process; return its exit code."""
        supervisor = os.environ.pop("SHOONYA_SUPERVISED", "")
        if supervisor:
            _die_with(int(supervisor))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        try:
            config = load()
            self._take_clock(config)
            self._begin_logging(config)
        except (ConfigError, LoggingSetupError) as e:
            return self._give_up(str(e), EXIT_CONFIG)
        with contextlib.suppress(OSError):
            # Without it one knows less about a hang, and that is all.
            folder = config.settings.paths.runtime_dir / self.name
            self._blackbox = BlackBox(folder, self.run_id)
        self._soft_memory_bytes = soft_limit_bytes(config.settings.soft_memory_bytes)
        if not supervisor and not self._back_off():
            return self._end() if self._stopping else EXIT_GIVEN_UP
        self.logger.info(
            "%s begins, pid %d",
            self.name,
            os.getpid(),
            extra={"event": "service_begin"},
        )
        try:
            self.open(config)
            with self._controlled(config):
                self.run()
        except (ConfigError, StoreDamaged) as e:
            self.logger.critical("%s", e.sentence, extra={"event": "service_unusable"})
            return self._give_up(str(e), EXIT_CONFIG)
        except ShoonyaError as e:
            # Who is stopped while waiting for a busy store has not failed.
            if not (self._stopping and isinstance(e, StoreBusy)):
                self.logger.critical(
                    "%s", e.sentence, extra={"event": "service_failed"}
                )
                return self._give_up(str(e), 1)
        except Exception:
            self.logger.critical(
                "%s crashed",
                self.name,
                exc_info=True,
                extra={"event": "service_crashed"},
            )
            return self._give_up("crashed; the log has the traceback", 1)
        finally:
            self.close()
        self.logger.info("%s ends in order", self.name, extra={"event": "service_end"})
        self._end()
        return self._renew() if self._outgrown_bytes else 0

    def _weigh(self) -> None:
        """End in order, at the end of the row, before the kernel ends it at once."""
        held = resident_bytes()
        if held <= self._soft_memory_bytes or self._stopping:
            return
        self._outgrown_bytes = held
        self._stopping = True
        self.logger.warning(
            "%s holds %d MB of memory, more than %d MB, and starts itself anew",
            self.name,
            held >> 20,
            self._soft_memory_bytes >> 20,
            extra={"event": "service_outgrown"},
        )

    def _renew(self) -> int:
        held = f"{self._outgrown_bytes >> 20} MB of memory"
        if self.clock.monotonic() - self._begun_at < HEALTHY_SECONDS:
            # Starting anew does not help: this is a crash, and is paused after.
            return self._give_up(f"needs {held} within a minute of its start", 1)
        self.notifier.send("STOPPING=1", f"STATUS=starting anew, held {held}")
        return EXIT_RENEW

    def _take_clock(self, config: Config) -> None:
        """Go by the recorded time where a day is replayed; the loader sees to where."""
        if config.replay_clock is None:
            return
        try:
            self.clock = ReplayClock(config.replay_clock)
        except (OSError, ValueError) as e:
            raise ConfigError(
                f"the replay's clock '{config.replay_clock}' cannot be read: {e}"
            ) from e
        self.started_at = self.clock.now()
        self._weighed_at = self._begun_at = self.clock.monotonic()

    def _begin_logging(self, config: Config) -> None:
        log = config.settings.log
        setup_application_logging(
            str(config.settings.paths.log_dir),
            log.level,
            config.settings.log_max_bytes,
            log.backup_count,
            component=self.name,
            levels=log.levels,
            form=log.form,
            forms=log.forms,
            secrets=config.secrets.known_values(),
            run_id=self.run_id,
            budget=config.settings.log_budget_bytes,
        )

    @contextlib.contextmanager
    def _controlled(self, config: Config) -> Iterator[None]:
        """Let the log level be changed; only now is it sure that we are the one."""
        log = config.settings.log
        level = LogLevel(log.levels.get(self.name, log.level), self.logger, self.clock)
        folder = config.settings.paths.runtime_dir / self.name
        try:
            control = ControlThread(folder, level)
        except OSError as e:
            self.logger.warning(
                "log levels cannot be changed at run time: %s, going on", e.strerror
            )
            yield
            return
        try:
            yield
        finally:
            control.close()

    def _back_off(self) -> bool:
        """Wait as the crashes before this run demand; return whether to begin."""
        history = CrashHistory.of_unit(os.environ, self.name)
        if history is None:
            return True
        self._note_run(history)
        policy = RestartPolicy()
        now = since_boot()
        counting = history.counting()
        crashes = policy.recent([each.since_boot_seconds for each in counting], now)
        delay = policy.delay(crashes, now)
        if delay is None:
            cause = counting[-1].cause
            message = f"{cause}; {policy.describe_end()}"
            self.logger.critical(
                "%s: %s", self.name, message, extra={"event": "service_given_up"}
            )
            self._give_up(f"{message}: systemctl start shoonya@{self.name}", 1)
            return False
        if not crashes:
            return True
        until = crashes[-1] + delay
        # Not where the run before this one ended otherwise since.
        if history.read()[-1].counts:
            self.logger.warning(
                "%s %s, %s",
                self.name,
                counting[-1].cause,
                policy.describe(len(crashes), max(0.0, until - now)),
                extra={"event": "service_backoff"},
            )
        while not self._stopping and (left := until - since_boot()) > 0:
            self.beat(policy.describe_wait(len(crashes), left))
            time.sleep(min(left, 0.5))
        return not self._stopping

    def _end(self) -> int:
        """Say that this run did not just vanish, whoever looks after it."""
        history = CrashHistory.of_unit(os.environ, self.name)
        if history is not None:
            with contextlib.suppress(OSError):
                history.forget_run()
        return 0

    def _note_run(self, history: CrashHistory) -> None:
        with contextlib.suppress(OSError):
            # Without it a death that nobody saw stays so, and that is all.
            invocation_id = os.environ.get("INVOCATION_ID", "")
            unseen = history.note_begin(invocation_id, self.run_id, self.clock.now())
            if unseen is not None:
                state_dir = Path(os.environ["STATE_DIRECTORY"])
                Incidents(state_dir).add(self.name, unseen.invocation_id)

    def _give_up(self, message: str, code: int) -> int:
        self.notifier.send("STOPPING=1", f"STATUS={message.splitlines()[0]}")
        sys.stderr.write(f"{self.name}: {message}\n")
        return code

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._stopping = True
        self.notifier.send("STOPPING=1", "STATUS=ending in order")
        self.wake()


def _die_with(supervisor: int) -> None:
    """Have the kernel end this process when the supervisor is killed."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    # It may have died before we asked.
    if os.getppid() != supervisor:
        os.kill(os.getpid(), signal.SIGTERM)
