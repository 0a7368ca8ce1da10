"""What happened to a file, to be told in the log by whoever can."""

from __future__ import annotations

import logging
from dataclasses import dataclass

#: By event: the sentence, with the notice's attributes in it, and the level.
SENTENCES = {
    "file_failed": (
        "'%(path)s' cannot be written: %(why)s, records wait in memory "
        "and go to the journal",
        logging.WARNING,
    ),
    "file_gap": (
        "%(count)d records are missing in '%(path)s', the journal may have them",
        logging.WARNING,
    ),
    "rotation_failed": (
        "rotation of '%(path)s' failed: %(why)s, writing on in the same file",
        logging.WARNING,
    ),
    "log_evicted": (
        "'%(path)s' was deleted to keep the log directory within its budget, "
        "%(count)d bytes",
        logging.INFO,
    ),
    "log_over_budget": (
        "the log directory of '%(path)s' is larger than its budget and no backup "
        "is left to delete, writing on",
        logging.WARNING,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """
    One thing that happened.

    Attributes:
        event: `file_failed`, `file_gap`, `rotation_failed`, `log_evicted` or
            `log_over_budget`.

        path: The file it happened to.

        why: The system's word for the cause, "" if there is none.

        count: Records lost or bytes freed, 0 if neither.
    """

    event: str
    path: str
    why: str = ""
    count: int = 0


def notice_of(event: str, path: str, error: OSError) -> Notice:
    """Return a notice of *event* with the system's word for *error*."""
    return Notice(event=event, path=path, why=error.strerror or type(error).__name__)
