"""
Delivers the news: in batches, not too often, and never in the order path's way.

It runs in a thread of its own over a connection of its own and only reads.  While it
waits or a target is slow, the news wait in the store.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from shoonya_platform.clock import Clock
from shoonya_platform.errors import StoreError
from shoonya_platform.logging import ServiceLogger
from shoonya_platform.notify.news import Cursor, Kind, News, NewsReader, repeated
from shoonya_platform.notify.targets import Target

#: Waited before another try, where a delivery failed; after them it is dropped.
RETRY_SECONDS = (2.0, 8.0)

#: What is longer is cut: Telegram takes 4096 characters.
MOST_CHARACTERS = 3500


@dataclass(frozen=True, slots=True, kw_only=True)
class HeraldRules:
    """What is told, and how often."""

    kinds: Collection[Kind]
    #: Between two messages; what happens meanwhile goes into the next one.
    interval_seconds: float
    #: Lines in one message; what is beyond them is counted.
    most_lines: int
    #: The same news within this time is counted and not told.
    repeat_seconds: float


class Herald:
    """
    Reads the news and sends them to every target.

    Args:
        place: The file with how far was told.

        stopping: Set when the service ends; no wait outlasts it.
    """

    def __init__(
        self,
        reader: NewsReader,
        targets: Sequence[Target],
        rules: HeraldRules,
        clock: Clock,
        *,
        title: str,
        place: Path,
        stopping: threading.Event,
        logger: ServiceLogger,
    ) -> None:
        self._reader = reader
        self._targets = targets
        self._rules = rules
        self._clock = clock
        self._title = title
        self._place = place
        self._stopping = stopping
        self._logger = logger
        self._cursor: Cursor | None = None
        self._next_at = float("-inf")
        self._told_at: dict[str, float] = {}
        self._left_out: Counter[str] = Counter()
        self.delivered = 0
        self.dropped = 0

    def run(self) -> None:
        """Tell until the service ends; a store that is busy is asked again."""
        while True:
            try:
                if self._cursor is None:
                    # At once: what happens from here on is news.
                    self._cursor = self._load()
                else:
                    self.step()
            except (StoreError, OSError) as e:
                self._logger.warning(
                    "notifications wait: %s", e, extra={"event": "notify_waiting"}
                )
                self._stopping.wait(10.0)
            if self._stopping.wait(1.0):
                return

    def step(self) -> None:
        """
        Send one message, if one is due and there is something to tell.

        Raises:
            StoreError: The store does not answer.
            OSError: How far was told cannot be written down.
        """
        now = self._clock.monotonic()
        if now < self._next_at:
            return
        before = self._cursor or self._load()
        news, after = self._reader.read(before)
        lines = self._choose(news, now)
        if lines:
            if not self._deliver(self._compose(lines)):
                return
            self._next_at = self._clock.monotonic() + self._rules.interval_seconds
        self._cursor = after
        if after != before:
            self._save(after)

    def _choose(self, news: Sequence[News], now: float) -> list[News]:
        """Return what is wanted and was not told a moment ago."""
        horizon = now - self._rules.repeat_seconds
        self._told_at = {key: at for key, at in self._told_at.items() if at > horizon}
        chosen = []
        for each in news:
            if each.kind not in self._rules.kinds:
                continue
            if each.key in self._told_at and not each.is_loud:
                self._left_out[each.key] += 1
                continue
            self._told_at[each.key] = now
            chosen.append(repeated(each, self._left_out.pop(each.key, 0)))
        # A message may be too long for all of them: the urgent are not cut.
        return sorted(chosen, key=lambda each: not each.is_loud)

    def _compose(self, news: Sequence[News]) -> str:
        """Return one text; what does not fit is counted by its kind."""
        shown = list(news[: self._rules.most_lines])
        while len(shown) > 1 and sum(len(n.text) + 1 for n in shown) > MOST_CHARACTERS:
            shown.pop()
        lines = [each.text for each in shown]
        rest = Counter(str(each.kind) for each in news[len(shown) :])
        if rest:
            kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(rest.items()))
            lines.append(f"and {rest.total()} more: {kinds}")
        return "\n".join(lines)[:MOST_CHARACTERS]

    def _deliver(self, body: str) -> bool:
        """Return whether that is done; the next run begins anew with what is not."""
        left = list(self._targets)
        for wait in (*RETRY_SECONDS, None):
            left = [each for each in left if not self._send(each, body)]
            if not left:
                return True
            if wait is None:
                break
            if self._stopping.wait(wait):
                return False
        self.dropped += len(left)
        for target in left:
            self._logger.error(
                "a message to %s was not taken and is dropped, %d so far",
                target.name,
                self.dropped,
                extra={"event": "notify_dropped"},
            )
        return True

    def _send(self, target: Target, body: str) -> bool:
        try:
            taken = target.send(self._title, body)
        except Exception as e:  # noqa: BLE001 a hundred kinds of targets, any error
            self._logger.warning(
                "%s failed: %s",
                target.name,
                type(e).__name__,
                extra={"event": "notify_failed"},
            )
            return False
        self.delivered += taken
        return taken

    def _load(self) -> Cursor:
        try:
            return msgspec.json.decode(self._place.read_bytes(), type=Cursor)
        except (FileNotFoundError, msgspec.DecodeError):
            # Written at once: what happens before the first message is not history.
            cursor = self._reader.begin()
            self._save(cursor)
            return cursor

    def _save(self, cursor: Cursor) -> None:
        self._place.parent.mkdir(exist_ok=True)
        new = self._place.with_suffix(".new")
        new.write_bytes(msgspec.json.encode(cursor))
        new.replace(self._place)
