"""Waiting for something to become true, instead of sleeping and hoping."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(
    predicate: Callable[[], T | None],
    timeout_seconds: float = 30.0,
    *,
    interval_seconds: float = 0.02,
    message: str = "",
) -> T:
    """
    Call *predicate* until it returns something true, and return that.

    An `AssertionError` raised by the predicate counts as "not yet", so a
    predicate may itself be a few asserts; the last one is then the cause of
    the failure.

    Args:
        predicate: Asked at least once, and once more when the time is over.

        timeout_seconds: How long to go on asking, by the monotonic clock.

        interval_seconds: Pause between two questions.

        message: What was waited for, in the words of the failure.

    Raises:
        AssertionError: It was still not true when the time was over.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        last_chance = time.monotonic() >= deadline
        cause: AssertionError | None = None
        result: T | None = None
        try:
            result = predicate()
        except AssertionError as e:
            cause = e
        if result:
            return result
        if last_chance:
            what = message or getattr(predicate, "__name__", "the condition")
            raise AssertionError(
                f"waited {timeout_seconds:g} s in vain for {what}, last: {result!r}"
            ) from cause
        time.sleep(interval_seconds)
