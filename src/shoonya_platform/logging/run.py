"""One run of a process: its name in every line, and the numbers of its records."""

from __future__ import annotations

import itertools
import os
import secrets


class Run:
    """
    Who we are in every line: a run id, and a counter for each component.

    A component's numbers have no gaps in its own file, whatever else the process
    logs for others: so one file tells by itself whether something is missing.

    Args:
        run_id: Names this run of this process.
    """

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.pid = os.getpid()
        self._counters: dict[str, itertools.count[int]] = {}

    def counter(self, component: str) -> itertools.count[int]:
        """Return the counter of *component*; next() on it is atomic."""
        return self._counters.setdefault(component, itertools.count(1))

    def fork(self) -> Run:
        """Return the run of a child: its numbers must not meet the parent's."""
        return Run(f"{self.run_id[:40]}.{secrets.token_hex(3)}")
