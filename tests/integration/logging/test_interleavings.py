"""
Any order of writing, rotating, compressing, killing, forking and meddling.

Each step is followed by a count of every record there ever was.  Three `LogFile`s
stand for three processes; children are real ones, killed by SIGKILL just before
their n-th system call.
"""

import contextlib
import itertools
import os
import signal
import struct
import tempfile
import threading
from collections import Counter
from pathlib import Path

import zstandard
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from shoonya_platform.logging import budget as budget_module
from shoonya_platform.logging.archives import archive_all
from shoonya_platform.logging.budget import Budget
from shoonya_platform.logging.chain import Chain
from shoonya_platform.logging.components import COMPONENTS
from shoonya_platform.logging.files import LogFile
from shoonya_platform.logging.scan import Scan, unlink_same

MAX_BYTES = 300
BACKUP_COUNT = 12
BUDGET = 9 << 20
#: Leaves room for the live file and about ten blocks of backups.
BALLAST = BUDGET - 125_000 - (1 << 20)
NAME = "dashboard.log"
#: The steps of a compression, when the copy has been made.
MOMENTS = ("utime", "fsync", "rename", "unlink")
SYSTEM_CALLS = ("rename", "chmod", "fchmod", "open", "write", "unlink", "fsync")
#: Begins the name of what came to a file while it was deleted.
LATE = "late."
_NUMBER = struct.Struct("<I")

files = st.integers(0, 2)
#: Of a record for which the budget has room only because it is kept free.
LONG = 1_000_000
# Of what a record takes; a few fill a file, one may need a file of its own.
sizes = st.integers(0, 150) | st.just(400)
deeds = st.lists(
    st.sampled_from(["write", "write", "write", "rotate", "archive", "start"]),
    min_size=1,
    max_size=8,
)


def line(number, size):
    return b"%07d %s\n" % (number, b"x" * size)


class Directory:
    """The files as they are, and a copy of what was deleted on purpose."""

    def __init__(self, root):
        self.path = root / "logs"
        self.path.mkdir()
        self.graves = root / "graves"
        self.graves.mkdir()
        self.evicted = []
        self._buried = {}
        self._unlink, self._rename = os.unlink, os.rename
        os.unlink = self.unlink
        vars(budget_module)["unlink_same"] = self.unlink_same

    def restore(self):
        os.unlink = self._unlink
        vars(budget_module)["unlink_same"] = unlink_same

    def unlink(self, path, **options):
        file = Path(path)
        name = file.name
        if (
            file.parent != self.path
            or name.startswith(".")
            # One of two forms: with it no record goes.
            or file.with_name(_other_form(name)).exists()
        ):
            self._unlink(path, **options)
            return
        number = len(list(self.graves.iterdir()))
        grave = self.graves / f"{number}.{os.getpid()}.{name}"
        # What has the name at this moment, whatever was looked at before.
        self._rename(path, grave)
        with grave.open("rb") as body:
            written = body.read()
            self._unlink(grave)
            late = body.read()
        grave.write_bytes(written)
        if late:
            # Between the two whoever wrote it may have seen that it has to do so again.
            grave.with_name(f"{LATE}{grave.name}").write_bytes(late)

    def unlink_same(self, victim):
        done = unlink_same(victim)
        if done:
            self.evicted.append((victim.path, victim.size))
        return done

    def kept(self):
        """Return the lines of all files, each backup in one of its forms."""
        found = []
        for file in self.path.iterdir():
            if file.name.startswith(".") or file.name == "ballast":
                continue
            if file.suffix == ".zst" and file.with_suffix("").exists():
                continue
            found += lines(file)
        return found

    def deleted(self, *, late=False):
        for grave in self.graves.iterdir():
            if grave.name not in self._buried:
                self._buried[grave.name] = lines(grave)
        return itertools.chain.from_iterable(
            found
            for name, found in self._buried.items()
            if name.startswith(LATE) is late
        )


def _other_form(name):
    return name.removesuffix(".zst") if name.endswith(".zst") else f"{name}.zst"


def lines(file):
    data = file.read_bytes()
    if file.suffix == ".zst":
        data = zstandard.ZstdDecompressor().decompress(data)
    return data.splitlines(keepends=True)


class Interleavings(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self._root = tempfile.TemporaryDirectory()
        self.directory = Directory(Path(self._root.name).resolve())
        self.live = self.directory.path / NAME
        with (self.directory.path / "ballast").open("wb") as ballast:
            ballast.truncate(BALLAST)
        self.files = [self.new() for _ in range(3)]
        self.ended = []
        self.next_number = 0
        self.acknowledged = set()
        self.unsure = set()
        self.truncated: Counter[bytes] = Counter()

    def teardown(self):
        for file in self.files:
            file.close()
        self.directory.restore()
        self._root.cleanup()

    def new(self):
        place = str(self.directory.path)
        return LogFile(
            str(self.live),
            max_bytes=MAX_BYTES,
            backup_count=BACKUP_COUNT,
            budget=Budget(place, BUDGET, MAX_BYTES, COMPONENTS),
        )

    def number(self):
        self.next_number += 1
        return self.next_number

    @rule(file=files, sizes=st.lists(sizes, min_size=1, max_size=6))
    def write(self, file, sizes):
        for size in sizes:
            text = line(self.number(), size)
            assert self.files[file].write(text)
            self.acknowledged.add(text)

    @rule(file=files)
    def write_a_long_one(self, file):
        # Not to what a stranger has moved away a moment ago: nobody may evict that.
        self.files[file]._live._next_path_look_at = 0.0
        self.write(file, [LONG])

    @rule(file=files)
    def rotate(self, file):
        self.files[file].rotate()

    @rule()
    def compress(self):
        archive_all(str(self.directory.path), MAX_BYTES, BACKUP_COUNT, COMPONENTS)

    @rule(file=files)
    def start_anew(self, file):
        self.files[file].close()
        self.ended.append(self.files[file])
        self.files[file] = self.new()
        self.files[file].heal()
        numbers = [backup.number for backup in self.chain.backups()]
        assert numbers == [*range(1, len(numbers) + 1)]
        assert not list(self.directory.path.glob(".*.tmp"))

    @rule()
    def truncate(self):
        if self.live.exists():
            self.truncated.update(lines(self.live))
            os.truncate(self.live, 0)

    @rule()
    def move_away(self):
        # Not a long one: what is a stranger's stays, and takes all the room.
        if self.live.exists() and self.live.stat().st_size < LONG:
            self.live.rename(self.live.with_name(f"foreign-{self.number()}"))

    @rule(file=files, rotations=st.integers(1, 3), moment=st.sampled_from(MOMENTS))
    def write_while_it_is_compressed(self, file, rotations, moment):
        """A record comes to a file that it met as the live one, and is none now."""
        other = (file + 1) % 3
        slow = Slow(lambda: self.write(file, [20]))
        for _ in range(rotations):
            self.write(other, [20])
            self.files[other].rotate()
        with at_call(moment, slow.go_on):
            self.compress()
        slow.go_on()

    @rule(
        file=files,
        deeds=deeds,
        size=sizes,
        dies_at=st.none() | st.integers(1, 40),
        meanwhile=st.integers(0, 5),
        restarted=st.booleans(),
    )
    def fork(self, file, deeds, size, dies_at, meanwhile, restarted):
        texts = [line(self.number(), size) for _ in deeds]
        told, tell = os.pipe()
        pid = os.fork()
        if not pid:
            with contextlib.suppress(BaseException):
                self.be_a_child(file, deeds, texts, dies_at, tell)
                os._exit(0)
            os._exit(1)
        os.close(tell)
        self.write(file, [30] * meanwhile)
        _, status = os.waitpid(pid, 0)
        assert status == 0 or (dies_at and os.WTERMSIG(status) == signal.SIGKILL)
        with os.fdopen(told, "rb") as pipe:
            done = {number for (number,) in _NUMBER.iter_unpack(pipe.read())}
        for number, (deed, text) in enumerate(zip(deeds, texts, strict=True)):
            if deed == "write":
                (self.acknowledged if number in done else self.unsure).add(text)
        if status and restarted:
            self.start_anew(file)

    def be_a_child(self, file, deeds, texts, dies_at, tell):
        for one in self.files:
            one.reinitialize_after_fork()
        say = os.write
        if dies_at is not None:
            die_at_call(dies_at)
        own = self.files[file]
        for number, (deed, text) in enumerate(zip(deeds, texts, strict=True)):
            if deed == "write":
                assert own.write(text)
                say(tell, _NUMBER.pack(number))
            elif deed == "rotate":
                with contextlib.suppress(OSError):
                    own.rotate()
            elif deed == "archive":
                archive_all(
                    str(self.directory.path), MAX_BYTES, BACKUP_COUNT, COMPONENTS
                )
            else:
                own.close()
                own.heal()
        own.close()

    @property
    def chain(self):
        return Chain(str(self.live), BACKUP_COUNT)

    @invariant()
    def each_acknowledged_record_is_there_once(self):
        found = Counter(self.directory.kept())
        found.update(self.directory.deleted())
        found.update(self.truncated)
        doubled = {text for text, count in found.items() if count > 1}
        assert not doubled
        late = set(self.directory.deleted(late=True))
        assert self.acknowledged - found.keys() - late == set()
        assert found.keys() - self.acknowledged - self.unsure == set()

    @invariant()
    def directory_is_within_its_budget(self):
        assert Scan(str(self.directory.path), COMPONENTS).used_bytes <= BUDGET

    @invariant()
    def whatever_was_evicted_is_told(self):
        told = [
            (notice.path, notice.count)
            for file in [*self.files, *self.ended]
            for notice in file.notices
            if notice.event == "log_evicted"
        ]
        assert sorted(told) == sorted(self.directory.evicted)


class Slow:
    """
    A thread that is held up between its look at the file and its write to it.

    Args:
        work: What it does; this returns when it has come to the write.
    """

    def __init__(self, work):
        self._held, self._released = threading.Event(), threading.Event()
        self._failed = []
        self._thread = threading.Thread(target=self._run, args=(work,))
        self._write = os.write
        os.write = self._slow_write
        self._thread.start()
        assert self._held.wait(60)
        os.write = self._write

    def go_on(self):
        """Let it do the rest; return when it is done."""
        self._released.set()
        self._thread.join()
        assert not self._failed, self._failed

    def _slow_write(self, fd, text):
        self._held.set()
        assert self._released.wait(60)
        return self._write(fd, text)

    def _run(self, work):
        try:
            work()
        except BaseException as e:  # noqa: BLE001 - told by go_on()
            self._failed.append(e)
            self._held.set()


@contextlib.contextmanager
def at_call(name, deed):
    """Do something before the first call of the system by that name."""
    real = getattr(os, name)

    def call(*arguments, **options):
        setattr(os, name, real)
        deed()
        return real(*arguments, **options)

    setattr(os, name, call)
    try:
        yield
    finally:
        setattr(os, name, real)


def die_at_call(number):
    """Let this process be killed before the *number*-th call of the system."""
    left = [number]

    def counted(call):
        def counted(*arguments, **options):
            left[0] -= 1
            if left[0] <= 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)

        return counted

    for name in SYSTEM_CALLS:
        setattr(os, name, counted(getattr(os, name)))


Interleavings.TestCase.settings = settings(
    max_examples=int(os.environ.get("INTERLEAVINGS", "25")),
    stateful_step_count=30,
)
TestInterleavings = Interleavings.TestCase
