"""The parts of a platform that log: their names, and who a record belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterator


class Components:
    """
    The names of all that log into one directory, and of the project they are of.

    What `web` logs is in `web.log`; its logger is "WEB", so that
    `logging.getLogger("WEB")` finds it too, and those below such as "WEB.requests";
    in the journal it is `acme@web`.  Iterating gives the names; nothing changes them.

    Example:
        COMPONENTS = Components("web", "worker", project="acme")

    Args:
        names: Lower-case letters, digits and "_", a letter first.

        project: The same; what the journal knows them by.

    Raises:
        ValueError: A name is none, or is there twice, or there is no name at all.
    """

    __slots__ = ("_by_logger", "project")

    def __init__(self, *names: str, project: str) -> None:
        for name in (*names, project):
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
                raise ValueError(
                    f"name {name!r} must be lower-case letters, digits and '_', "
                    "a letter first"
                )
        self.project = project
        self._by_logger = {logger_name(name): name for name in names}
        if not names or len(self._by_logger) < len(names):
            raise ValueError(
                f"components must be one or more, and each only once, not: "
                f"{', '.join(names) or 'none'}"
            )

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_logger.values())

    def __len__(self) -> int:
        return len(self._by_logger)

    def __contains__(self, name: object) -> bool:
        return name in self._by_logger.values()

    def checked(self, name: str) -> str:
        """
        Return *name* if it is one of them.

        Raises:
            ValueError: It is not; the message lists those that are.
        """
        if name not in self:
            raise ValueError(
                f"unknown component {name!r}, the components are: {', '.join(self)}"
            )
        return name

    def of(self, logger: str) -> str:
        """Return the component a logger belongs to, "" for all other loggers."""
        own = self._by_logger.get(logger)
        if own is not None:
            return own
        # "DASHBOARD.APP" is part of the dashboard.
        return self._by_logger.get(logger.partition(".")[0], "")


def logger_name(component: str) -> str:
    """Return what stands in the line's third column, "" for no component."""
    return component.upper()


def belongs(logger: str, component: str) -> bool:
    """Say whether a logger is the component's, or one below it."""
    return logger.partition(".")[0] == logger_name(component)


#: The eight of this platform: what all functions go by that are given no others.
COMPONENTS = Components(
    "execution_service",
    "trading_bot",
    "command_service",
    "order_watcher",
    "risk_manager",
    "execution_guard",
    "dashboard",
    "recovery_service",
    project="shoonya",
)
