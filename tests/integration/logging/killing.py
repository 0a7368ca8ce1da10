"""A death at any step of what the archiver does."""

import contextlib
import os
from collections.abc import Iterator

import pytest


class Killed(BaseException):
    """What a SIGKILL is to the code."""


@contextlib.contextmanager
def killed_at(number: int) -> Iterator[None]:
    """Die at the so-manieth change of the disk in the block, and at all after it."""
    left = number

    def dying(call):
        def die_or_call(*args, **kwargs):
            nonlocal left
            left -= 1
            if left <= 0:
                raise Killed
            return call(*args, **kwargs)

        return die_or_call

    with pytest.MonkeyPatch.context() as patches, contextlib.suppress(Killed):
        for name in ("rename", "unlink", "open", "fsync", "fchmod", "utime"):
            patches.setattr(os, name, dying(getattr(os, name)))
        yield
