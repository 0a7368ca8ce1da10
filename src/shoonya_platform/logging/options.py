"""What the options of a set-up stand for; a wrong one is refused here."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from shoonya_platform.logging.components import Components
from shoonya_platform.logging.console import stderr_is_journal
from shoonya_platform.logging.datagrams import JOURNAL_SOCKET
from shoonya_platform.logging.errors import JournalMissingError
from shoonya_platform.logging.forms import FORMS
from shoonya_platform.logging.redaction import Redactor
from shoonya_platform.logging.transport import JournalTransport

if TYPE_CHECKING:
    from shoonya_platform.logging.journal import ServiceJournalHandler


def journal_handler(
    journal: bool | str | None, redactor: Redactor, components: Components
) -> ServiceJournalHandler | None:
    """
    Return what sends to the journal, None for no journal.

    Raises:
        JournalMissingError: It was demanded and cannot be had.
    """
    if journal is False:
        return None
    try:
        from shoonya_platform.logging.journal import ServiceJournalHandler
    except ImportError as e:
        if journal is None:
            return None
        raise JournalMissingError(
            "the journal is wanted and the package 'systemd-python' is missing",
            hint="pip install systemd-python, or set up with journal=False",
        ) from e
    path = journal if isinstance(journal, str) else JOURNAL_SOCKET
    return ServiceJournalHandler(
        JournalTransport(path), redactor=redactor, components=components
    )


def console_level(console: bool | None, has_journal: bool) -> int | None:
    """Return the lowest level that goes to stderr, None for nothing."""
    if console is None:
        if has_journal and stderr_is_journal():
            return None
        return logging.WARNING
    return logging.NOTSET if console else None


def checked_level(level: int | str) -> int:
    """
    Return the number of *level*.

    Raises:
        ValueError: It is unknown; the message lists those that are not.
    """
    if isinstance(level, int):
        return level
    names = logging.getLevelNamesMapping()
    with contextlib.suppress(KeyError):
        return names[level.upper()]
    raise ValueError(f"unknown level {level!r}, the levels are: {', '.join(names)}")


def checked_forms(
    form: str, forms: Mapping[str, str], components: Components
) -> Callable[[str], str]:
    """Return what gives the form of a component's lines."""
    for name in (form, *forms.values()):
        if name not in FORMS:
            raise ValueError(
                f"unknown form {name!r}, the forms are: {', '.join(FORMS)}"
            )
    own = {components.checked(component): name for component, name in forms.items()}
    return lambda component: own.get(component, form)


def checked_redactor(secrets: Iterable[str]) -> Redactor:
    """
    Return what takes *secrets* out of texts.

    Raises:
        ValueError: It is one value and not a list.
    """
    if isinstance(secrets, str | bytes):
        # Its characters would be taken for the secrets, and ignored as too short.
        raise ValueError("secrets must be a list of values, not one value")
    return Redactor([str(secret) for secret in secrets])


def checked_run_id(run_id: str) -> str:
    """
    Return *run_id* if it can stand in a line without quotes.

    Raises:
        ValueError: It cannot.
    """
    if not re.fullmatch(r"[A-Za-z0-9_.:-]{1,64}", run_id):
        raise ValueError(
            f"run id {run_id!r} must be 1 to 64 letters, digits or '_', '.', ':', '-'"
        )
    return run_id
