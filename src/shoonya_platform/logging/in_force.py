"""
The set-up that is in force: logging belongs to the process, so there is one.

Another one replaces it, and nothing of it is left.
"""

from __future__ import annotations

import logging
import secrets
import threading
from dataclasses import dataclass
from pathlib import Path

from shoonya_platform.logging.components import Components
from shoonya_platform.logging.fanout import FanOutHandler
from shoonya_platform.logging.options import checked_run_id
from shoonya_platform.logging.run import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUp:
    """
    What was set up.

    Attributes:
        handler: On the root logger.

        components: Who logs.

        directory: Of their files; None after the old `setup_logging`, which has one
            file for all.

        max_bytes: The size at which each is rotated.

        backup_count: How many backups are kept of each.

        leveled: Loggers whose level was set, to be set back.
    """

    handler: FanOutHandler
    components: Components
    directory: Path | None
    max_bytes: int
    backup_count: int
    leveled: tuple[logging.Logger, ...]


_setup: SetUp | None = None
#: Held by whoever replaces the set-up.
setup_lock = threading.RLock()


def current() -> SetUp | None:
    """Return the set-up in force, None if there is none."""
    return _setup


def put_in_force(setup: SetUp) -> None:
    """Have records go where *setup* says; there must be none in force."""
    global _setup
    logging.getLogger().addHandler(setup.handler)
    logging.captureWarnings(True)
    _setup = setup


def shutdown_logging() -> None:
    """
    Undo the set-up: levels as before it, no handler, no open file.

    At the end of a process this happens by itself.
    """
    global _setup
    with setup_lock:
        if _setup is None:
            return
        before, _setup = _setup, None
        root = logging.getLogger()
        root.removeHandler(before.handler)
        logging.captureWarnings(False)
        for logger in before.leveled:
            logger.setLevel(logging.WARNING if logger is root else logging.NOTSET)
        before.handler.flush()
        before.handler.close()


def run_to_go_on_with(run_id: str | None) -> Run:
    """
    Return the run of the next set-up: numbers must not begin anew within one.

    Args:
        run_id: Names it; None: the same as now, or a random one.

    Raises:
        ValueError: No run may have that name.
    """
    if _setup is not None:
        run = _setup.handler.run
        if run_id is None or run_id == run.run_id:
            return run
    if run_id is None:
        return Run(secrets.token_hex(4))
    return Run(checked_run_id(run_id))
