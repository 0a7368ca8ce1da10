"""
Processes that log into one directory as fast as they can, and are killed.

Each one notes in shared memory the number of its last record whose call has
returned, and whether it is inside a rotation: memory survives a SIGKILL.
"""

import contextlib
import ctypes
import mmap
import os
import random
import signal
import struct
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from shoonya_platform.logging import (
    get_component_logger,
    setup_application_logging,
)
from shoonya_platform.logging.chain import Chain

_SLOT = struct.Struct("<QB7x")
_PHASES = {"rotate": 1, "heal": 2}
_PHASE_NAMES = {0: "writing", 1: "rotating", 2: "healing"}
_PR_SET_CHILD_SUBREAPER = 36
ROTATES_WITHIN_SECONDS = 1.0
#: Between two records of a writer whose kill is due.
DUE_SECONDS = 0.001


@dataclass(frozen=True, kw_only=True)
class Plan:
    """
    What is done to the directory.

    Attributes:
        directory: Of the log files; made if missing.

        seed: Of everything that is random.

        components: Whose file each writer writes.

        records: How many each of them has to write; None: as many as it can until
            all kills are done.

        kills: How often one of them is killed and started again.

        lifetime_seconds: The range a writer lives until it is killed.

        lifetime_records: The range of records it writes until then, instead: the
            same number of kills on a machine of any speed.

        rotation_share: The share of kills that wait until their writer rotates.

        max_bytes, backup_count, budget: As for `setup_application_logging`.

        long_records: One record in so many takes several pages.

        long_bytes: How long such a record is.

        disturb: Done ten times a second by somebody who is none of the writers.

        disturbances: Each writer goes on until it has been done so often.
    """

    directory: Path
    seed: int
    components: tuple[str, ...]
    records: int | None
    kills: int
    lifetime_seconds: tuple[float, float] = (0.005, 0.15)
    lifetime_records: tuple[int, int] | None = None
    rotation_share: float = 0.0
    max_bytes: int
    backup_count: int
    budget: str | None = None
    long_records: int
    long_bytes: tuple[int, int] = (3000, 9000)
    disturb: Callable[[], None] | None = None
    disturbances: int = 0


@dataclass
class Outcome:
    """
    What was done.

    Attributes:
        acknowledged: By run, the number of the last record whose call returned.

        killed: How many processes were killed, by what they were doing.

        seconds: How long it took.
    """

    acknowledged: dict[str, int] = field(default_factory=dict)
    killed: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


class _Writer:
    """One of the processes, through all its lives."""

    def __init__(self, component: str, left: int | None) -> None:
        self.component = component
        self.left = left
        self.pid = 0
        self.slot = -1
        self.dies_at = 0.0
        self.last_record = 0
        self.dies_rotating = False


class Storm:
    """
    Carries a plan out.

    Args:
        plan: What to do.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._random = random.Random(plan.seed)
        self._outcome = Outcome()
        slots = plan.kills + len(plan.components)
        self._memory = mmap.mmap(-1, _SLOT.size * (slots + 1))
        # Behind all writers': how often they have been disturbed.
        self._disturbed_slot = _SLOT.size * slots
        self._used = 0
        self._disturbed_at = time.monotonic()
        # Whether the next archiver is to be killed when it has begun.
        self._hunting = False
        self._not_ours: set[int] = set()

    def run(self) -> Outcome:
        """Return when all records are written, or all kills are done."""
        plan = self._plan
        # The archivers of those that were killed become our children.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._not_ours = _children()
        plan.directory.mkdir(exist_ok=True)
        began = time.monotonic()
        writers = [_Writer(name, plan.records) for name in plan.components]
        for writer in writers:
            self._start(writer)
        try:
            while any(writer.pid for writer in writers):
                now = time.monotonic()
                for writer in writers:
                    self._look_after(writer, now)
                if self._hunting and list(plan.directory.glob(".*.tmp")):
                    self._hunting = not self._kill_archivers()
                if plan.disturb is not None and now >= self._disturbed_at + 0.1:
                    self._disturbed_at = now
                    plan.disturb()
                    _SLOT.pack_into(
                        self._memory, self._disturbed_slot, self._disturbances + 1, 0
                    )
                time.sleep(0.0005)
        finally:
            for writer in writers:
                if writer.pid:
                    os.kill(writer.pid, signal.SIGKILL)
            self._reap_all()
        self._outcome.seconds = time.monotonic() - began
        return self._outcome

    @property
    def _disturbances(self) -> int:
        count, _ = _SLOT.unpack_from(self._memory, self._disturbed_slot)
        return int(count)

    @property
    def _kills(self) -> int:
        return self._outcome.killed.total() - self._outcome.killed["compressing"]

    def _look_after(self, writer: _Writer, now: float) -> None:
        if not writer.pid:
            return
        done = self._kills >= self._plan.kills
        if writer.left is not None:
            ended, status = os.waitpid(writer.pid, os.WNOHANG)
            if ended:
                self._note(writer)
                assert status == 0, "a writer has failed"
                assert writer.left == 0 or (writer.left < 0 and self._plan.disturb)
                return
        if self._is_due(writer, now) and not (done and writer.left is not None):
            self._kill(writer)
            if self._kills < self._plan.kills or writer.left:
                self._start(writer)

    def _is_due(self, writer: _Writer, now: float) -> bool:
        count, phase = self._slot(writer)
        if count < writer.last_record or now < writer.dies_at:
            return False
        # Not for ever: one whose disk is slow may be writing all the time.
        hunted = writer.dies_rotating and now < writer.dies_at + ROTATES_WITHIN_SECONDS
        return not hunted or phase == _PHASES["rotate"]

    def _slot(self, writer: _Writer) -> tuple[int, int]:
        """Return the number of its last record, and what it is doing."""
        count, phase = _SLOT.unpack_from(self._memory, writer.slot * _SLOT.size)
        return int(count), int(phase)

    def _kill(self, writer: _Writer) -> None:
        os.kill(writer.pid, signal.SIGKILL)
        os.waitpid(writer.pid, 0)
        _, phase = self._slot(writer)
        self._outcome.killed[_PHASE_NAMES[phase]] += 1
        self._note(writer)
        self._hunting = self._hunting or self._random.random() < 0.3

    def _note(self, writer: _Writer) -> None:
        count, _ = self._slot(writer)
        self._outcome.acknowledged[f"run{writer.slot}"] = count
        if writer.left is not None:
            writer.left -= count
        writer.pid = 0

    def _kill_archivers(self) -> bool:
        """Kill who compresses; say whether it was in the middle of a file."""
        for pid in self._archivers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        left = bool(list(self._plan.directory.glob(".*.tmp")))
        self._outcome.killed["compressing"] += left
        return left

    def _archivers(self) -> list[int]:
        wanted = os.fsencode(self._plan.directory)
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (folder / "cmdline").read_bytes().split(b"\0")
                if wanted in words and b"shoonya_platform.logging" in words:
                    found.append(int(folder.name))
        return found

    def _reap_all(self) -> None:
        # By descent: one that a writer was just starting has no name yet.
        while left := _children() - self._not_ours:
            for pid in left:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
            time.sleep(0.01)

    def _start(self, writer: _Writer) -> None:
        writer.slot, self._used = self._used, self._used + 1
        seed = self._random.random()
        plan = self._plan
        if plan.lifetime_records is None:
            lifetime = self._random.uniform(*plan.lifetime_seconds)
            writer.dies_at = time.monotonic() + lifetime
        else:
            writer.last_record = self._random.randint(*plan.lifetime_records)
        writer.dies_rotating = self._random.random() < plan.rotation_share
        writer.pid = os.fork()
        if not writer.pid:
            status = 1
            try:
                self._write(writer, random.Random(seed))
                status = 0
            except BaseException:  # noqa: BLE001 - nobody above us is ours
                traceback.print_exc()
            finally:
                os._exit(status)

    def _write(self, writer: _Writer, chance: random.Random) -> None:
        plan = self._plan
        at = writer.slot * _SLOT.size
        self._tell_phases(at + 8)
        setup_application_logging(
            plan.directory,
            component=writer.component,
            max_bytes=plan.max_bytes,
            backup_count=plan.backup_count,
            budget=plan.budget,
            compress=plan.budget is not None,
            journal=False,
            console=False,
            run_id=f"run{writer.slot}",
        )
        log = get_component_logger(writer.component)
        number = 0
        while (
            writer.left is None
            or number < writer.left
            or self._disturbances < plan.disturbances
        ):
            number += 1
            size = chance.randrange(120)
            if not chance.randrange(plan.long_records):
                size = chance.randrange(*plan.long_bytes)
            log.info("record", n=number, pad="x" * size, size=size)
            struct.pack_into("<Q", self._memory, at, number)
            if plan.kills and plan.lifetime_records and number >= writer.last_record:
                # Its kill is due: it goes on, but no faster than the kill can come.
                time.sleep(DUE_SECONDS)

    def _tell_phases(self, at: int) -> None:
        """Note in shared memory when this process is inside a change of the chain."""
        for name, phase in _PHASES.items():
            setattr(Chain, name, _noted(getattr(Chain, name), self._memory, at, phase))


def _children() -> set[int]:
    return {
        int(pid)
        for thread in Path("/proc/self/task").iterdir()
        for pid in (thread / "children").read_text().split()
    }


def _noted(real, memory, at, phase):
    def noted(*arguments):
        memory[at] = phase
        try:
            return real(*arguments)
        finally:
            memory[at] = 0

    return noted
