"""The logger that a component's code holds: sentences with fields."""

from __future__ import annotations

import io
import logging
import sys
import traceback
from collections.abc import Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any

from shoonya_platform.logging.components import COMPONENTS, Components, logger_name
from shoonya_platform.logging.context import (
    CONTEXT_ATTRIBUTE,
    call_context,
    normalized,
)
from shoonya_platform.logging.entries import RedactionFilter, prepare
from shoonya_platform.logging.records import make_record
from shoonya_platform.logging.redaction import Redactor

if TYPE_CHECKING:
    from typing import Self

    _Adapter = logging.LoggerAdapter[logging.Logger]
else:
    _Adapter = logging.LoggerAdapter

#: On the logger of each component, so that no handler, ours or not, sees a
#: record before it.  Set-up gives it the secrets; names such as `pwd` it knows.
redaction = RedactionFilter(Redactor())
_ONLY_REDACTION = [redaction]

_STANDARD_KEYWORDS = frozenset({"exc_info", "stack_info", "stacklevel", "extra"})


def standard_logger(component: str, components: Components) -> logging.Logger:
    """Return the standard library's logger of a component, with the filter on."""
    logger = logging.getLogger(logger_name(components.checked(component)))
    logger.addFilter(redaction)
    return logger


class ServiceLogger(_Adapter):
    """
    Logs for one component.

    Each method takes a sentence with `%s` places, its arguments, and fields by
    keyword.  `exc_info=`, `stack_info=`, `stacklevel=` and `extra=` work as with
    the standard library.  A field may be spelt `order_id` or `ORDER_ID`; one that
    is None is left out.  `message_id=` names an entry of the journal's catalog.
    No call raises or waits for the journal, whatever is handed to it.

    Example:
        logger = get_component_logger("order_watcher").bind(order_id=12345)
        logger.info("Order filled at %s", price, event="order_filled")

    Args:
        component_key: One of *components*.

        context: Fields of every record.

        components: Ours, or another project's.

    Raises:
        ValueError: The component is none of them; the message lists them.
    """

    def __init__(
        self,
        component_key: str,
        context: Mapping[str, object] | None = None,
        *,
        components: Components = COMPONENTS,
    ) -> None:
        super().__init__(standard_logger(component_key, components), {})
        self._components = components
        self.component = component_key
        self._context = normalized(context or {})

    def bind(self, **context: object) -> Self:
        """Return a logger with these fields on each record, besides its own."""
        return type(self)(
            self.component,
            {**self._context, **normalized(context)},
            components=self._components,
        )

    # Unlike the base class these collect keywords as fields, and find their
    # caller in one step.

    def debug(self, msg: object, *args: object, **context: Any) -> None:
        """Log what only a developer wants to know."""
        if self.logger.isEnabledFor(logging.DEBUG):
            self._write(logging.DEBUG, msg, args, context)

    def info(self, msg: object, *args: object, **context: Any) -> None:
        """Log what happened as it should."""
        if self.logger.isEnabledFor(logging.INFO):
            self._write(logging.INFO, msg, args, context)

    def warning(self, msg: object, *args: object, **context: Any) -> None:
        """Log what was tolerated, and how: "…, ignoring"."""
        if self.logger.isEnabledFor(logging.WARNING):
            self._write(logging.WARNING, msg, args, context)

    def error(self, msg: object, *args: object, **context: Any) -> None:
        """Log what failed."""
        if self.logger.isEnabledFor(logging.ERROR):
            self._write(logging.ERROR, msg, args, context)

    def exception(self, msg: object, *args: object, **context: Any) -> None:
        """Log what failed, with the exception being handled."""
        if self.logger.isEnabledFor(logging.ERROR):
            context.setdefault("exc_info", True)
            self._write(logging.ERROR, msg, args, context)

    def critical(self, msg: object, *args: object, **context: Any) -> None:
        """Log what a person has to see to at once."""
        if self.logger.isEnabledFor(logging.CRITICAL):
            self._write(logging.CRITICAL, msg, args, context)

    def log(self, level: int, msg: object, *args: object, **context: Any) -> None:
        """Log at a level that is known only at run time."""
        if self.logger.isEnabledFor(level):
            self._write(level, msg, args, context)

    def startup(self, message: str, **context: Any) -> None:
        """Log that the component starts."""
        self.info(message, **{"event": "startup", "stacklevel": 2, **context})

    def shutdown(self, message: str, **context: Any) -> None:
        """Log that the component ends."""
        self.info(message, **{"event": "shutdown", "stacklevel": 2, **context})

    def event(self, event_type: str, action: str, **context: Any) -> None:
        """Log an event of the business: `event("fill", "BUY 50", order_id=1)`."""
        self.info(action, **{"stacklevel": 2, **context, "event": event_type})

    def error_with_context(self, message: str, **context: Any) -> None:
        """Do the same as `error`; kept for callers of old."""
        self.error(message, **{"stacklevel": 2, **context})

    def debug_trace(self, message: str, **context: Any) -> None:
        """Do the same as `debug`; kept for callers of old."""
        self.debug(message, **{"stacklevel": 2, **context})

    def _write(
        self, level: int, msg: object, args: tuple[object, ...], context: dict[str, Any]
    ) -> None:
        frame: FrameType | None = sys._getframe(2)
        exc_info = stack = None
        if not _STANDARD_KEYWORDS.isdisjoint(context):
            exc_info = context.pop("exc_info", None)
            wants_stack = context.pop("stack_info", False)
            frame = _caller(frame, context.pop("stacklevel", 1))
            extra = context.pop("extra", None)
            if extra and isinstance(extra, Mapping):
                context = {**extra, **context}
            exc_info = _triple(exc_info) if exc_info else None
            stack = _stack_text(frame) if wants_stack else None
        logger = self.logger
        record = make_record(logger.name, level, frame, msg, args, exc_info, stack)
        attributes = record.__dict__
        attributes[CONTEXT_ATTRIBUTE] = call_context(self._context, context, attributes)
        if logger.filters == _ONLY_REDACTION:
            # What handle() does, without the way round through the filters.
            prepare(record, redaction.redactor)
            logger.callHandlers(record)
        else:
            logger.handle(record)


def get_component_logger(
    name: str, components: Components = COMPONENTS
) -> ServiceLogger:
    """
    Return the logger of a component.

    Works before and after set-up, from any module, in any order: what is logged
    before set-up goes where the standard library puts it.

    Args:
        name: One of *components*: `"risk_manager"`.

        components: Ours, or another project's.

    Raises:
        ValueError: It is none of them; the message lists them.
    """
    return ServiceLogger(name, components=components)


def _caller(frame: FrameType | None, level: object) -> FrameType | None:
    steps = level - 1 if isinstance(level, int) else 0
    while steps > 0 and frame is not None:
        frame = frame.f_back
        steps -= 1
    return frame


def _triple(exc_info: object) -> Any:
    if isinstance(exc_info, BaseException):
        return (type(exc_info), exc_info, exc_info.__traceback__)
    if isinstance(exc_info, tuple):
        return exc_info
    return sys.exc_info()


def _stack_text(frame: FrameType | None) -> str:
    buffer = io.StringIO("Stack (most recent call last):\n")
    buffer.seek(0, io.SEEK_END)
    traceback.print_stack(frame, file=buffer)
    return buffer.getvalue().rstrip("\n")
