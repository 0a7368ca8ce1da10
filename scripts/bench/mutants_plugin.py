"""
pytest's part of a mutation run: which test runs which line, and only those tests.

`MUTANTS_TRACE=FILE` writes the seconds of each test and the lines of the copy that it
ran, under "" those of the imports; `MUTANTS_ONLY=FILE` runs the tests listed there, in
that order.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

Tracer = Callable[..., Any]

_TRACE = os.environ.get("MUTANTS_TRACE")
_ONLY = os.environ.get("MUTANTS_ONLY")
_COPY = os.environ.get("MUTANTS_COPY", "")


class Tracing:
    """Writes what each test has run."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._seen: set[tuple[str, int]] = set()
        self._tests: dict[str, Any] = {}
        self._begin()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        if not self._tests:
            self._end("", 0.0)
        began = time.monotonic()
        self._begin()
        try:
            return (yield)
        finally:
            self._end(item.nodeid, time.monotonic() - began)

    def pytest_sessionfinish(self) -> None:
        self._target.write_text(json.dumps(self._tests))

    def _begin(self) -> None:
        self._seen = set()
        threading.settrace(self._called)
        sys.settrace(self._called)

    def _end(self, test: str, seconds: float) -> None:
        sys.settrace(None)
        threading.settrace(None)
        lines: dict[str, list[int]] = {}
        for path, line in sorted(self._seen.copy()):
            lines.setdefault(path[len(_COPY) + 1 :], []).append(line)
        self._tests[test] = {"seconds": seconds, "lines": lines}

    def _called(self, frame: FrameType, *_: object) -> Tracer | None:
        path = frame.f_code.co_filename
        if not path.startswith(_COPY):
            return None
        self._seen.add((path, frame.f_lineno))
        add = self._seen.add

        def ran(frame: FrameType, *_: object) -> Tracer:
            add((path, frame.f_lineno))
            return ran

        return ran


class Choosing:
    """Leaves only the tests asked for."""

    def __init__(self, source: Path) -> None:
        self._order = {name: n for n, name in enumerate(json.loads(source.read_text()))}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        chosen = [item for item in items if item.nodeid in self._order]
        items[:] = sorted(chosen, key=lambda item: self._order[item.nodeid])


# Before any conftest imports what is traced.
_tracing = Tracing(Path(_TRACE)) if _TRACE else None


def pytest_configure(config: pytest.Config) -> None:
    if _tracing:
        config.pluginmanager.register(_tracing)
    if _ONLY:
        config.pluginmanager.register(Choosing(Path(_ONLY)))
