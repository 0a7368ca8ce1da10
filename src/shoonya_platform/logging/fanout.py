"""
One handler for all copies of a record: file, journal, console.

The record is worked out once and the text is shared.  Whatever goes wrong here
stays here; what could not be kept is counted and told in the copies that work.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import logging
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from shoonya_platform.logging import leftover
from shoonya_platform.logging.components import COMPONENTS, Components, logger_name
from shoonya_platform.logging.console import write_to_console
from shoonya_platform.logging.entries import RedactionFilter, prepare
from shoonya_platform.logging.files import LogFile
from shoonya_platform.logging.forms import form_of
from shoonya_platform.logging.notices import SENTENCES, Notice
from shoonya_platform.logging.run import Run

if TYPE_CHECKING:
    from shoonya_platform.logging.archiver import Archiver
    from shoonya_platform.logging.journal import ServiceJournalHandler

_NEVER = sys.maxsize
# Signal handlers that log inside each other, before the rest has to wait: far from
# the interpreter's recursion limit, where a record would be lost half-way.
_DEEPEST = 5
_ROUTES_KEPT = 1000

_live: weakref.WeakSet[FanOutHandler] = weakref.WeakSet()


def _always_text(component: str) -> str:  # noqa: ARG001 - whichever it is
    return "text"


class _Channel:
    """What the records of one component have in common."""

    __slots__ = ("component", "counter", "file", "form")

    def __init__(
        self, component: str, file: LogFile | None, run: Run, form: str
    ) -> None:
        self.component = component
        self.file = file
        self.counter = run.counter(component)
        self.form = form_of(form, component, run.run_id)


class _Here(threading.local):
    """Where a thread is: how deep in log calls, and whether it tells of ourselves."""

    depth = 0
    reporting = False


class FanOutHandler(logging.Handler):
    """
    Writes a record to the file of its component, to the journal, to stderr.

    Args:
        run: Run id and sequence numbers.

        open_file: Gives the file of a component ("" for everybody else's
            records), None if it has none.

        redaction: Takes secrets out of records that come from loggers without
            it.

        components: Whose loggers' names it knows.

        component: The service this process is; other loggers' records are
            filed under it.  "" if the process is none.

        journal: Sends to the journal; None for no journal.

        console_level: The lowest level that goes to stderr, None for nothing.

        archiver: Compresses old files, if anybody does.

        form_of_component: Gives the form of its lines, one of `forms.FORMS`.
    """

    def __init__(
        self,
        run: Run,
        open_file: Callable[[str], LogFile | None],
        redaction: RedactionFilter,
        *,
        components: Components = COMPONENTS,
        component: str = "",
        journal: ServiceJournalHandler | None = None,
        console_level: int | None = None,
        archiver: Archiver | None = None,
        form_of_component: Callable[[str], str] = _always_text,
    ) -> None:
        super().__init__()
        self._form_of = form_of_component
        self._archiver = archiver
        self.run = run
        self.journal = journal
        self.failures = 0
        self._open_file = open_file
        self._redaction = redaction
        self._components = components
        self._component = component
        self._console_level = _NEVER if console_level is None else console_level
        self._channels: dict[str, _Channel] = {}
        # By the name of the logger.
        self._routes: dict[str, _Channel] = {}
        # Whether the file says already that the journal gets nothing.
        self._dropping = False
        self._here = _Here()
        self._late: collections.deque[logging.LogRecord] = collections.deque()
        if journal is not None:
            journal.transport.on_drops = self._tell_of_drops
        _register(self)

    def handle(self, record: logging.LogRecord) -> bool:
        """Deliver *record*; never raises and takes no lock of its own."""
        here = self._here
        depth = here.depth
        if depth >= _DEEPEST:
            # The calls that are interrupted deliver it, before they return.
            self._late.append(record)
            return True
        here.depth = depth + 1
        try:
            passed = self._try(record)
            while self._late:
                # Another thread may be faster.
                with contextlib.suppress(IndexError):
                    self._try(self._late.popleft())
        finally:
            here.depth = depth
        return passed

    def emit(self, record: logging.LogRecord) -> None:
        """Do the same as `handle`."""
        self.handle(record)

    def files(self) -> dict[str, LogFile]:
        """Return the files in use by component."""
        return {
            name: channel.file
            for name, channel in list(self._channels.items())
            if channel.file is not None
        }

    def flush(self) -> None:
        """Give the journal a chance to take what waits; bounded in time."""
        if self.journal is not None:
            self.journal.flush()

    def close(self) -> None:
        """
        Close files and socket; a record that comes later opens them again.

        What the journal has not taken by now is counted in the file, and what the
        file has not taken in the journal and by whoever opens the file next.
        """
        if self.journal is not None:
            lost = self.journal.transport.abandon()
            if lost:
                self._report_journal_gap(lost)
                self.journal.transport.abandon()
        for component, file in self.files().items():
            self._settle(component, file)
            file.close()
        if self._archiver is not None:
            self._archiver.close()
        if self.journal is not None:
            # What the files have told just now.
            self.journal.flush()
            self.journal.close()
        _live.discard(self)
        super().close()

    def tell_leftovers(self, component: str, path: str) -> None:
        """Tell in the file at *path* what an earlier process could not write to it."""
        for left in leftover.found(path):
            self._report(
                component,
                "earlier_file_gap",
                "%(count)d records of run %(run)s are missing in '%(path)s': the disk "
                "took none until it ended, the journal may have them",
                {"count": left.count, "run": left.run, "path": path},
                left.count,
                of=(left.run, left.last),
            )
            channel = self._channels.get(component)
            if channel is not None and channel.file and not channel.file.waiting:
                leftover.forget(left)

    def _settle(self, component: str, file: LogFile) -> None:
        self.report(file.notices, component)
        lost = file.settle()
        if not lost:
            self.report(file.notices, component)
            return
        message, level = SENTENCES["file_gap"]
        arguments = {"count": lost, "path": file.path}
        last = self._report(component, "file_gap", message, arguments, lost, level)
        if file.waiting:
            leftover.leave(file.path, self.run.run_id, last, lost)

    def reinitialize_after_fork(self) -> None:
        """Begin a run of its own in the child."""
        for file in self.files().values():
            file.reinitialize_after_fork()
        if self._archiver is not None:
            self._archiver.reinitialize_after_fork()
        self.run = self.run.fork()
        self._dropping = False
        self._here = _Here()
        self._late.clear()
        self._channels = {
            name: _Channel(name, channel.file, self.run, self._form_of(name))
            for name, channel in self._channels.items()
        }
        self._routes.clear()

    def _try(self, record: logging.LogRecord) -> bool:
        try:
            if self.filters and not self.filter(record):
                return False
            self._deliver(record)
        except Exception as e:  # noqa: BLE001 - the log call never raises
            self._fail(record, e)
        return True

    def _deliver(self, record: logging.LogRecord) -> int:
        entry = prepare(record, self._redaction.redactor)
        channel = self._routes.get(record.name) or self._route(record.name)
        seq = next(channel.counter)
        line = channel.form.line(record, entry, seq)
        file = channel.file
        if file is not None:
            file.write(line.encode("utf-8", "backslashreplace"))
        journal = self.journal
        if journal is not None:
            journal.deliver(record, entry, channel.component, self.run.run_id, seq)
        if record.levelno >= self._console_level:
            write_to_console(line)
        if self._here.reporting:
            return seq
        if file is not None and file.notices:
            self.report(file.notices, channel.component)
        if journal is not None and journal.transport.dropped:
            self._tell_of_drops()
        return seq

    def _route(self, logger: str) -> _Channel:
        component = self._components.of(logger) or self._component
        channel = self._channels.get(component)
        if channel is None:
            channel = self._open_channel(component)
        if len(self._routes) < _ROUTES_KEPT:
            self._routes[logger] = channel
        return channel

    def _open_channel(self, component: str) -> _Channel:
        file = self._open_file(component)
        channel = _Channel(component, file, self.run, self._form_of(component))
        if file is not None:
            file.on_notice = functools.partial(self.report, file.notices, component)
        # Another thread may have been here; its channel is the one.
        return self._channels.setdefault(component, channel)

    def report(self, notices: list[Notice], component: str) -> None:
        """Tell in the log what happened to files; empties *notices*."""
        while True:
            try:
                notice = notices.pop(0)
            except IndexError:
                # Another thread tells the rest.
                return
            message, level = SENTENCES[notice.event]
            self._report(
                component,
                notice.event,
                message,
                dataclasses.asdict(notice),
                notice.count if notice.event == "file_gap" else 0,
                level,
            )

    def _tell_of_drops(self) -> None:
        assert self.journal is not None  # noqa: S101 - for the type checker
        lost = self.journal.transport.take_dropped()
        if lost:
            self._dropping = False
            self._report_journal_gap(lost)
        elif not self._dropping:
            # At once, for the file's reader: the number comes when it is known.
            self._dropping = True
            self._report(
                self._component,
                "journal_dropping",
                "the journal takes no records and the memory for them is full, "
                "the files go on",
                (),
                0,
            )

    def _report_journal_gap(self, lost: int) -> None:
        self._report(
            self._component,
            "journal_gap",
            "%(lost)d records did not reach the journal, the files have them",
            {"lost": lost},
            lost,
        )

    def _report(
        self,
        component: str,
        event: str,
        message: str,
        arguments: object,
        lost: int,
        level: int = logging.WARNING,
        of: tuple[str, int] | None = None,
    ) -> int:
        """Write a record about ourselves into all copies; return its number."""
        with self._as_reporter():
            record = logging.LogRecord(
                logger_name(component) or self._any_name(),
                level,
                __file__,
                0,
                message,
                (arguments,) if arguments else (),
                None,
                "_report",
            )
            record.__dict__["EVENT"] = event
            if lost:
                record.__dict__["LOST"] = lost
            if of is not None:
                record.__dict__["OF_RUN"], record.__dict__["UNTIL"] = of
            return self._deliver(record)

    def _any_name(self) -> str:
        """Name a logger whose file we write, so that the report gets there too."""
        for component in self._channels:
            if component:
                return logger_name(component)
        return __name__

    @contextlib.contextmanager
    def _as_reporter(self) -> Iterator[None]:
        # A report that fails must not be reported: once in, not again.
        # Each thread by itself: two that report at once must not end as one for ever.
        here = self._here
        before, here.reporting = here.reporting, True
        try:
            yield
        finally:
            here.reporting = before

    def _fail(self, record: logging.LogRecord, error: Exception) -> None:
        self.failures += 1
        if self.failures > 1:
            return
        # Neither message nor arguments: they may hold what must not be seen.
        write_to_console(
            f"logging failed with {type(error).__name__} for a record of "
            f"{record.name!r} at {record.pathname}:{record.lineno}, ignoring\n"
        )


_hooked = False


def _register(handler: FanOutHandler) -> None:
    global _hooked
    _live.add(handler)
    if not _hooked:
        _hooked = True
        os.register_at_fork(after_in_child=_reinitialize_after_fork)


def _reinitialize_after_fork() -> None:
    for handler in list(_live):
        handler.reinitialize_after_fork()
