"""
Making the standard library's record, a little faster than it does itself.

The constructor takes a file's name apart and asks for the interpreter's
processes for every record; here a model of each source file's records is copied.
What comes out has the same attributes, so formatters and handlers of others cannot
tell.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Mapping
from types import FrameType

from shoonya_platform.logging.context import CONTEXT_ATTRIBUTE, ENTRY_ATTRIBUTE

_PATHS_KEPT = 1000
# What the records of a source file have in common, by its path.
_models: dict[str, dict[str, object]] = {}
_STARTED = time.time()
# Newer than the oldest Python that we run on.
_HAS_TASK_NAME = "taskName" in vars(logging.makeLogRecord({}))
_NOWHERE = ("(unknown file)", 0, "(unknown function)")


def make_record(
    name: str,
    level: int,
    frame: FrameType | None,
    msg: object,
    args: tuple[object, ...],
    exc_info: object,
    stack: str | None,
) -> logging.LogRecord:
    """
    Return the record of a call.

    Args:
        name: The logger's.

        level: The call's.

        frame: Where it was made.

        msg: Sentence with places for the arguments.

        args: The arguments; one mapping alone serves `%(name)s` places.

        exc_info: The triple, or None.

        stack: The stack as text, or None.
    """
    if frame is None:
        path, line, function = _NOWHERE
    else:
        code = frame.f_code
        path, line, function = code.co_filename, frame.f_lineno, code.co_name
    factory = logging.getLogRecordFactory()
    if factory is not logging.LogRecord or (_HAS_TASK_NAME and _in_event_loop()):
        # Somebody wants more on each record, or the task's name has to be found.
        return factory(name, level, path, line, msg, args, exc_info, function, stack)
    arguments: object = args
    if len(args) == 1 and args[0] and isinstance(args[0], Mapping):
        arguments = args[0]
    model = _models.get(path) or _model(path)
    attributes = model.copy()
    created = time.time()
    attributes["name"] = name
    attributes["msg"] = msg
    attributes["args"] = arguments
    attributes["levelname"] = logging.getLevelName(level)
    attributes["levelno"] = level
    attributes["exc_info"] = exc_info
    attributes["stack_info"] = stack
    attributes["lineno"] = line
    attributes["funcName"] = function
    attributes["created"] = created
    attributes["msecs"] = int((created - int(created)) * 1000) + 0.0
    attributes["relativeCreated"] = (created - _STARTED) * 1000
    attributes["thread"] = threading.get_ident()
    attributes["threadName"] = threading.current_thread().name
    # Only a program that uses it has other names than the usual one.
    if (multiprocessing := sys.modules.get("multiprocessing")) is not None:
        attributes["processName"] = multiprocessing.current_process().name
    record = logging.LogRecord.__new__(logging.LogRecord)
    record.__dict__ = attributes
    return record


def _model(path: str) -> dict[str, object]:
    """Make the model of a source file's records, with room for what comes later."""
    model = vars(logging.LogRecord("", 0, path, 0, "", (), None))
    model["processName"] = "MainProcess"
    # Filled in by whoever logs; a table that has them need not grow for each record.
    model[CONTEXT_ATTRIBUTE] = model[ENTRY_ATTRIBUTE] = None
    if len(_models) < _PATHS_KEPT:
        _models[path] = model
    return model


# The process is in them.
os.register_at_fork(after_in_child=_models.clear)


def _in_event_loop() -> bool:
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None
