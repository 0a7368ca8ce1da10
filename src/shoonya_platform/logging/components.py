"""The eight components, their loggers' names, and who a record belongs to."""

from __future__ import annotations

import re

COMPONENTS: tuple[str, ...] = (
    "execution_service",
    "trading_bot",
    "command_service",
    "order_watcher",
    "risk_manager",
    "execution_guard",
    "dashboard",
    "recovery_service",
)

#: Component to the name of its standard logger: what stands in the line's third
#: column, and what `logging.getLogger("RISK_MANAGER")` finds too.
LOGGER_NAMES: dict[str, str] = {name: name.upper() for name in COMPONENTS}

_BY_LOGGER_NAME = {logger: name for name, logger in LOGGER_NAMES.items()}


def checked_component(name: str) -> str:
    """
    Return *name* if it is one of the eight.

    Raises:
        ValueError: It is not; the message lists those that are.
    """
    if name not in LOGGER_NAMES:
        raise ValueError(
            f"unknown component {name!r}, the components are: {', '.join(COMPONENTS)}"
        )
    return name


def component_of(logger_name: str) -> str:
    """Return the component a logger belongs to, "" for all other loggers."""
    own = _BY_LOGGER_NAME.get(logger_name)
    if own is not None:
        return own
    # "DASHBOARD.APP" is part of the dashboard.
    return _BY_LOGGER_NAME.get(logger_name.partition(".")[0], "")


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
