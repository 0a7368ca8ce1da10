"""
Making the standard library's record, a little faster than it does itself.

The constructor takes a file's name apart and asks for the interpreter's
processes for every record; here that is remembered.  What comes out has the same
attributes, so formatters and handlers of others cannot tell.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Mapping
from types import FrameType

_PATHS_KEPT = 1000
# Path to (file name, module name).
_paths: dict[str, tuple[str, str]] = {}
_STARTED = time.time()
# Newer than the oldest Python that we run on.
_HAS_TASK_NAME = "taskName" in vars(logging.makeLogRecord({}))
_pid = os.getpid()
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
    file_and_module = _paths.get(path)
    if file_and_module is None:
        file = os.path.basename(path)
        file_and_module = (file, os.path.splitext(file)[0])
        if len(_paths) < _PATHS_KEPT:
            _paths[path] = file_and_module
    arguments: object = args
    if len(args) == 1 and args[0] and isinstance(args[0], Mapping):
        arguments = args[0]
    created = time.time()
    record = logging.LogRecord.__new__(logging.LogRecord)
    record.__dict__ = {
        "name": name,
        "msg": msg,
        "args": arguments,
        "levelname": logging.getLevelName(level),
        "levelno": level,
        "pathname": path,
        "filename": file_and_module[0],
        "module": file_and_module[1],
        "exc_info": exc_info,
        "exc_text": None,
        "stack_info": stack,
        "lineno": line,
        "funcName": function,
        "created": created,
        "msecs": int((created - int(created)) * 1000) + 0.0,
        "relativeCreated": (created - _STARTED) * 1000,
        "thread": threading.get_ident(),
        "threadName": threading.current_thread().name,
        "processName": _process_name(),
        "process": _pid,
    }
    if _HAS_TASK_NAME:
        record.__dict__["taskName"] = None
    return record


def _process_name() -> str:
    # Only a program that uses it has other names than this one.
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing is None:
        return "MainProcess"
    name: str = multiprocessing.current_process().name
    return name


def _remember_pid() -> None:
    global _pid
    _pid = os.getpid()


os.register_at_fork(after_in_child=_remember_pid)


def _in_event_loop() -> bool:
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None
