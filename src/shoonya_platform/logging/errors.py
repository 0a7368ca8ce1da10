"""What can be wrong at set-up; afterwards nothing here raises any more."""

from __future__ import annotations


class LoggingSetupError(Exception):
    """
    Logging cannot be set up as asked.

    Args:
        message: Lower case, no full stop, names quoted.

        hint: What to do about it.
    """

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}"


class LogDirectoryError(LoggingSetupError):
    """The directory of the log files, or a file in it, cannot be written."""


class JournalMissingError(LoggingSetupError):
    """The journal was demanded and systemd-python is not installed."""


class BudgetError(LoggingSetupError):
    """The log files may need more room than they are given."""
