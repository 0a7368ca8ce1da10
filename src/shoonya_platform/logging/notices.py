"""What happened to a file, to be told in the log by whoever can."""

from __future__ import annotations

from dataclasses import dataclass


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
