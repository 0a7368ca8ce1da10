"""Each way to log, set up to write the same record; used in a process of its own."""

from __future__ import annotations

import logging
import logging.handlers
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MESSAGE = "Order %s risk passed: exposure %d < %d"
LAYOUT = (
    "%(asctime)s | %(levelname)-8s | %(name)-20s | %(message)s"
    " | order_id=%(ORDER_ID)s event=%(EVENT)s"
)
MAX_BYTES = 50 * 1024 * 1024
BACKUP_COUNT = 10


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """
    Attributes:
        log: Logs record number so and so.

        settle: Waits until all that was logged has arrived.

        keep_pace: Waits while more than half of what may wait is waiting.
    """

    log: Callable[[int], None]
    settle: Callable[[], None] = _nothing
    keep_pace: Callable[[], None] = _nothing


def ours(
    folder: Path,
    *,
    journal: bool,
    form: str = "text",
    max_bytes: int = MAX_BYTES,
    backup_count: int = BACKUP_COUNT,
    compress: bool = False,
) -> Contender:
    from shoonya_platform.logging import (
        get_component_logger,
        setup_application_logging,
    )
    from shoonya_platform.logging.fanout import FanOutHandler

    setup_application_logging(
        folder,
        max_bytes=max_bytes,
        backup_count=backup_count,
        component="risk_manager",
        journal=journal,
        console=False,
        budget=None,
        compress=compress,
        form=form,
        secrets=["a-secret-value", "another-secret"],
    )
    logger = get_component_logger("risk_manager")

    def log(number: int) -> None:
        logger.info(MESSAGE, number, 45, 60, order_id=number, event="risk_passed")

    if not journal:
        return Contender(log=log)
    (handler,) = (h for h in logging.getLogger().handlers if type(h) is FanOutHandler)
    if handler.journal is None:
        raise RuntimeError("systemd-python is missing")
    transport = handler.journal.transport

    def settle() -> None:
        if left := transport.flush(10):
            raise RuntimeError(f"journald did not take {left} records within 10 s")
        if transport.dropped:
            raise RuntimeError(f"{transport.dropped} records were dropped")

    def keep_pace() -> None:
        if transport.waiting > 1500:
            settle()

    return Contender(log=log, settle=settle, keep_pace=keep_pace)


def with_handlers(*handlers: logging.Handler) -> Contender:
    logger = logging.getLogger("RISK_MANAGER")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    for handler in handlers:
        handler.setFormatter(logging.Formatter(LAYOUT))
        logger.addHandler(handler)

    def log(number: int) -> None:
        extra = {"ORDER_ID": number, "EVENT": "risk_passed"}
        logger.info(MESSAGE, number, 45, 60, extra=extra)

    return Contender(log=log)


def rotating(
    folder: Path, max_bytes: int = MAX_BYTES, backup_count: int = BACKUP_COUNT
) -> logging.Handler:
    return logging.handlers.RotatingFileHandler(
        folder / "risk_manager.log", maxBytes=max_bytes, backupCount=backup_count
    )


def concurrent(
    folder: Path, max_bytes: int = MAX_BYTES, backup_count: int = BACKUP_COUNT
) -> logging.Handler:
    from concurrent_log_handler import ConcurrentRotatingFileHandler

    handler: logging.Handler = ConcurrentRotatingFileHandler(
        str(folder / "risk_manager.log"), maxBytes=max_bytes, backupCount=backup_count
    )
    return handler


def journal_handler() -> logging.Handler:
    from systemd.journal import JournalHandler

    handler: logging.Handler = JournalHandler(SYSLOG_IDENTIFIER="bench")
    return handler


def cysystemd() -> logging.Handler:
    from cysystemd.journal import JournaldLogHandler

    handler: logging.Handler = JournaldLogHandler()
    return handler


def loguru(folder: Path, *, enqueue: bool) -> Contender:
    from loguru import logger

    logger.remove()
    logger.add(
        folder / "risk_manager.log",
        rotation=MAX_BYTES,
        retention=BACKUP_COUNT,
        enqueue=enqueue,
        format="{time:YYYY-MM-DD HH:mm:ss.SSS} | {level:<8} | RISK_MANAGER         | "
        "{message} | order_id={extra[order_id]} event={extra[event]}",
    )

    def log(number: int) -> None:
        logger.bind(order_id=number, event="risk_passed").info(
            "Order {} risk passed: exposure {} < {}", number, 45, 60
        )

    return Contender(log=log, settle=logger.complete)


def picologging(folder: Path) -> Contender:
    import picologging as pico
    from picologging.handlers import RotatingFileHandler

    handler = RotatingFileHandler(
        str(folder / "risk_manager.log"), maxBytes=MAX_BYTES, backupCount=BACKUP_COUNT
    )
    # It knows neither widths nor fields: those are arguments here.
    handler.setFormatter(
        pico.Formatter(
            "%(asctime)s | %(levelname)s | %(name)s | %(message)s",
            "%Y-%m-%d %H:%M:%S",  # its own default prints rubbish
        )
    )
    logger = pico.getLogger("RISK_MANAGER")
    logger.setLevel(pico.INFO)
    logger.addHandler(handler)
    message = f"{MESSAGE} | order_id=%s event=%s"

    def log(number: int) -> None:
        logger.info(message, number, 45, 60, number, "risk_passed")

    return Contender(log=log)


CONTENDERS: dict[str, Callable[[Path], Contender]] = {
    "ours, file only": lambda folder: ours(folder, journal=False),
    "ours, file only, JSON": lambda folder: ours(folder, journal=False, form="json"),
    "ours, fan-out": lambda folder: ours(folder, journal=True),
    "FileHandler": lambda folder: with_handlers(
        logging.FileHandler(folder / "risk_manager.log")
    ),
    "RotatingFileHandler": lambda folder: with_handlers(rotating(folder)),
    "concurrent-log-handler": lambda folder: with_handlers(concurrent(folder)),
    "loguru": lambda folder: loguru(folder, enqueue=False),
    "loguru, enqueue": lambda folder: loguru(folder, enqueue=True),
    "picologging": picologging,
    "JournalHandler": lambda _: with_handlers(journal_handler()),
    "cysystemd": lambda _: with_handlers(cysystemd()),
    "naive fan-out": lambda folder: with_handlers(rotating(folder), journal_handler()),
}
