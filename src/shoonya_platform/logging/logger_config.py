"""
Set-up of a process's logging, and the components' loggers.

    get_component_logger("risk_manager") ──┐
    logging.getLogger(...) of others ──────┤
                                           ▼
              root logger ──▶ FanOutHandler ─┬▶ {log_dir}/risk_manager.log
                                             ├▶ journal
                                             └▶ stderr

A second set-up replaces the one in force (`in_force.py`).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from shoonya_platform.logging.archiver import Archiver
from shoonya_platform.logging.budget import DEFAULT_BUDGET, Budget
from shoonya_platform.logging.components import (
    COMPONENTS,
    Components,
    logger_name,
)
from shoonya_platform.logging.directory import usable_directory
from shoonya_platform.logging.fanout import FanOutHandler
from shoonya_platform.logging.files import LogFile
from shoonya_platform.logging.in_force import (
    SetUp,
    put_in_force,
    run_to_go_on_with,
    setup_lock,
    shutdown_logging,
)
from shoonya_platform.logging.options import (
    checked_forms,
    checked_level,
    checked_redactor,
    console_level,
    journal_handler,
)
from shoonya_platform.logging.service_logger import (
    ServiceLogger,
    get_component_logger,
    redaction,
    standard_logger,
)
from shoonya_platform.logging.sizes import parse_size
from shoonya_platform.logging.upkeep import (
    BACKUP_COUNT,
    export_logs_summary,
    get_log_files,
    rotate_logs,
)

__all__ = [
    "COMPONENTS",
    "Components",
    "ServiceLogger",
    "export_logs_summary",
    "get_component_logger",
    "get_log_files",
    "rotate_logs",
    "setup_application_logging",
    "setup_logging",
    "shutdown_logging",
]

MAX_BYTES = 50 * 1024 * 1024


def setup_application_logging(
    log_dir: str | os.PathLike[str] = "logs",
    level: int | str = "INFO",
    max_bytes: int = MAX_BYTES,
    backup_count: int = BACKUP_COUNT,
    *,
    components: Components = COMPONENTS,
    component: str | None = None,
    levels: Mapping[str, int | str] | None = None,
    secrets: Iterable[str] = (),
    journal: bool | str | None = None,
    console: bool | None = None,
    run_id: str | None = None,
    budget: int | str | None = DEFAULT_BUDGET,
    compress: bool = True,
    form: str = "text",
    forms: Mapping[str, str] | None = None,
) -> str:
    """
    Send the records of this process to files, journal and console.

    Called once, by the program and not by a library; called again it replaces
    what was set up before.  If it raises, that is still in force.

    Args:
        log_dir: Directory of the files, made if it does not exist.

        level: The lowest level of the components.

        max_bytes: Largest size of one file.  0: no rotation.

        backup_count: Old files kept of each.  0: no rotation.

        components: Who logs into this directory: ours, or another project's.

        component:
            The service that this process is.  Records of all other loggers, at
            WARNING and up, then go to its file too; without it they go to
            journal and console only.

        levels:
            Other levels by component or logger name:
            `{"risk_manager": "DEBUG", "uvicorn.access": "INFO"}`.

        secrets: Values that must never be seen; those under four characters
            are ignored.

        journal:
            None: if systemd-python is installed.  True: it must be.  False: no
            journal.  A string: as True, with this path of journald's socket.

        console:
            True: every record on stderr.  False: none.  None: WARNING and up,
            unless stderr is the journal, which has them already.

        run_id: Names this run in every line; a random one is made up.

        budget:
            What all files in the directory may take together, in bytes or as
            "700M"; the oldest backups go first.  None, or without rotation: no
            limit.

        compress: Whether backups from the second on are compressed, where
            zstandard is installed.

        form: Of the lines in the files: "text" or "json".

        forms: Other forms by component: `{"risk_manager": "json"}`.

    Returns:
        The run id.

    Raises:
        LogDirectoryError: The directory or a file in it cannot be written.
        JournalMissingError: The journal was demanded and cannot be had.
        BudgetError: The live files alone may need more than the budget.
        ValueError: An unknown component, level or form, a negative size or count,
            or a run id with spaces.
    """
    if max_bytes < 0 or backup_count < 0:
        raise ValueError("max_bytes and backup_count must not be negative")
    if component is not None:
        components.checked(component)
    lowest = checked_level(level)
    special = {
        logger_name(name) if name in components else name: checked_level(value)
        for name, value in (levels or {}).items()
    }
    form_of_component = checked_forms(form, forms or {}, components)
    redactor = checked_redactor(secrets)
    with setup_lock:
        run = run_to_go_on_with(run_id)
        own_files = [component] if component else list(components)
        directory = usable_directory(log_dir, [f"{name}.log" for name in own_files])

        room = archiver = None
        if max_bytes and backup_count:
            if budget is not None:
                room = Budget(directory, parse_size(budget), max_bytes, components)
            if compress:
                held_to = room.budget_bytes if room is not None else 0
                archiver = Archiver(
                    directory, max_bytes, backup_count, components, held_to
                )

        def log_file(name: str) -> LogFile:
            return LogFile(
                os.path.join(directory, f"{name}.log"),
                max_bytes=max_bytes,
                backup_count=backup_count,
                budget=room,
                rotated=archiver.wake if archiver is not None else None,
            )

        def open_file(name: str) -> LogFile | None:
            return log_file(name) if name else None

        for name in own_files:
            log_file(name).heal()

        to_journal = journal_handler(journal, redactor, components)
        handler = FanOutHandler(
            run,
            open_file,
            redaction,
            components=components,
            component=component or "",
            journal=to_journal,
            console_level=console_level(console, to_journal is not None),
            archiver=archiver,
            form_of_component=form_of_component,
        )
        shutdown_logging()
        redaction.redactor = redactor
        leveled = [logging.getLogger()]
        leveled[0].setLevel(logging.WARNING)
        for name in components:
            leveled.append(standard_logger(name, components))
            leveled[-1].setLevel(lowest)
        for logger, value in special.items():
            leveled.append(logging.getLogger(logger))
            leveled[-1].setLevel(value)
        put_in_force(
            SetUp(
                handler=handler,
                components=components,
                directory=Path(directory),
                max_bytes=max_bytes,
                backup_count=backup_count,
                leveled=tuple(leveled),
            )
        )
        for name in own_files:
            handler.tell_leftovers(name, os.path.join(directory, f"{name}.log"))
        if room is not None:
            evicted, _ = room.enforce(os.path.join(directory, f"{own_files[0]}.log"))
            handler.report(evicted, component or "")
        if archiver is not None and archiver.is_wanted():
            archiver.wake()
        return run.run_id


def setup_logging(
    log_file: str | os.PathLike[str] = "webhook_bot.log", log_level: str = "INFO"
) -> logging.Logger:
    """
    Send all records of the process to one file and to stderr.

    For programs of old; new ones call `setup_application_logging`.

    Args:
        log_file: The file; 50 MB and ten backups.

        log_level: The lowest level, of all loggers.

    Returns:
        The root logger.

    Raises:
        LogDirectoryError: The file cannot be written.
        ValueError: The level is unknown.
    """
    lowest = checked_level(log_level)
    target = Path(log_file)
    with setup_lock:
        directory = usable_directory(target.parent, [target.name])
        file = LogFile(
            os.path.join(directory, target.name),
            max_bytes=MAX_BYTES,
            backup_count=BACKUP_COUNT,
        )
        handler = FanOutHandler(
            run_to_go_on_with(None),
            lambda _: file,
            redaction,
            console_level=logging.NOTSET,
        )
        shutdown_logging()
        root = logging.getLogger()
        root.setLevel(lowest)
        for name in COMPONENTS:
            standard_logger(name, COMPONENTS)
        put_in_force(
            SetUp(
                handler=handler,
                components=COMPONENTS,
                directory=None,
                max_bytes=MAX_BYTES,
                backup_count=BACKUP_COUNT,
                leveled=(root,),
            )
        )
        return root
