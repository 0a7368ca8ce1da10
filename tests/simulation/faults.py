"""
What goes wrong, how often, and when not at all.

Each history draws its own mix: some kinds of faults often, some seldom, some never.
A history in which everything fails all the time gets nowhere, and finds nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from random import Random


class Fault(StrEnum):
    """Everything that can be made to happen."""

    # Processes.
    DEATH_BEFORE_COMMIT = "death-before-commit"
    DEATH_AFTER_COMMIT = "death-after-commit"
    DEATH_BEFORE_CALL = "death-before-call"
    DEATH_AFTER_CALL = "death-after-call"
    DEATH_ANYWHERE = "death-anywhere"
    POWER_CUT = "power-cut"
    PAUSE = "pause"
    WALL_JUMP = "wall-jump"
    MONOTONIC_JUMP = "monotonic-jump"
    # Requests.
    REFUSED = "refused"
    SLOW = "slow"
    RESET_BEFORE = "reset-before"
    RESET_DURING = "reset-during"
    RESET_AFTER = "reset-after"
    HTTP_502 = "http-502"
    HTML = "html"
    TRUNCATED = "truncated"
    DEEP = "deep-json"
    SURROGATE = "surrogate"
    SWAPPED = "reply-of-another"
    LATE = "late-arrival"
    DUPLICATED = "duplicated"
    TOKEN_EXPIRES = "token-expires"
    WRONG_NUMBER = "wrong-number"
    # Data.
    BOOK_EMPTY = "book-empty"
    BOOK_STALE = "book-stale"
    BOOK_SHUFFLED = "book-shuffled"
    BOOK_LACKS_NEWEST = "book-lacks-newest"
    ROW_UNKNOWN_PRODUCT = "row-unknown-product"
    ROW_LACKS_FIELD = "row-lacks-field"
    FOREIGN_REMARKS = "foreign-remarks"
    QUOTE_OF_ANOTHER = "quote-of-another"
    REPORT_LOST = "report-lost"
    REPORT_DOUBLED = "report-doubled"
    REPORT_LATE = "report-late"
    FEED_BROKEN = "feed-broken"
    FEED_GARBAGE = "feed-garbage"
    CANCEL_IGNORED = "cancel-ignored"
    FILL_AFTER_END = "fill-after-end"
    EXCHANGE_REJECTS = "exchange-rejects"
    MARKET_CLOSES = "market-closes"
    # The operator.
    RESTORE = "restore"
    MANUAL_TRADE = "manual-trade"
    HALT = "halt"


#: How often, where a history has the kind at all: per opportunity, or per minute for
#: what comes by itself.
RATES: Mapping[Fault, float] = {
    Fault.DEATH_BEFORE_COMMIT: 0.004,
    Fault.DEATH_AFTER_COMMIT: 0.004,
    Fault.DEATH_BEFORE_CALL: 0.006,
    Fault.DEATH_AFTER_CALL: 0.01,
    Fault.DEATH_ANYWHERE: 0.5,
    Fault.POWER_CUT: 0.25,
    Fault.PAUSE: 0.3,
    Fault.WALL_JUMP: 0.3,
    Fault.MONOTONIC_JUMP: 0.2,
    Fault.REFUSED: 0.05,
    Fault.SLOW: 0.2,
    Fault.RESET_BEFORE: 0.03,
    Fault.RESET_DURING: 0.03,
    Fault.RESET_AFTER: 0.04,
    Fault.HTTP_502: 0.04,
    Fault.HTML: 0.03,
    Fault.TRUNCATED: 0.03,
    Fault.DEEP: 0.02,
    Fault.SURROGATE: 0.02,
    Fault.SWAPPED: 0.02,
    Fault.LATE: 0.08,
    Fault.DUPLICATED: 0.04,
    Fault.TOKEN_EXPIRES: 0.3,
    Fault.WRONG_NUMBER: 0.04,
    Fault.BOOK_EMPTY: 0.05,
    Fault.BOOK_STALE: 0.1,
    Fault.BOOK_SHUFFLED: 0.3,
    Fault.BOOK_LACKS_NEWEST: 0.1,
    Fault.ROW_UNKNOWN_PRODUCT: 0.1,
    Fault.ROW_LACKS_FIELD: 0.1,
    Fault.FOREIGN_REMARKS: 0.2,
    Fault.QUOTE_OF_ANOTHER: 0.1,
    Fault.REPORT_LOST: 0.15,
    Fault.REPORT_DOUBLED: 0.15,
    Fault.REPORT_LATE: 0.2,
    Fault.FEED_BROKEN: 0.5,
    Fault.FEED_GARBAGE: 0.3,
    Fault.CANCEL_IGNORED: 0.2,
    Fault.FILL_AFTER_END: 0.3,
    Fault.EXCHANGE_REJECTS: 0.05,
    Fault.MARKET_CLOSES: 0.03,
    Fault.RESTORE: 0.2,
    Fault.MANUAL_TRADE: 0.2,
    Fault.HALT: 0.03,
}

#: Kinds a history has, at most.
MOST_KINDS = 9


@dataclass(slots=True)
class Scripted:
    """A fault that a scripted case asks for, at the nth opportunity that fits."""

    fault: Fault
    where: str  #: in the opportunity's description
    skip: int = 0
    times: int = 1
    figure: float | None = None  #: seconds, as the fault takes them


class Faults:
    """
    Decides at each opportunity, and counts.

    Args:
        allowed: Kinds that may occur; each history draws its mix of these.

        everything: Instead of a mix each history has all of them.

        intensity: What all rates are multiplied by.
    """

    def __init__(
        self,
        random: Random,
        allowed: Collection[Fault],
        *,
        script: Collection[Scripted] = (),
        everything: bool = False,
        intensity: float = 1.0,
    ) -> None:
        self._random = random
        self.counts: Counter[Fault] = Counter()
        self._script = list(script)
        #: Set once the faults are over: the world is well from here on.
        self.is_over = False
        kinds = [kind for kind in Fault if kind in allowed]
        if not everything and len(kinds) > MOST_KINDS:
            kinds = random.sample(kinds, random.randint(1, MOST_KINDS))
        self.rates = {
            kind: RATES[kind] * random.choice((0.3, 1.0, 1.0, 3.0)) * intensity
            for kind in kinds
        }
        if script:
            self.rates = {}

    def happens(self, kind: Fault, where: str = "", *, share: float = 1.0) -> bool:
        """Return whether a fault happens at this opportunity, and count it."""
        if self._scripted(kind, where) is not None:
            return True
        rate = self.rates.get(kind)
        if self.is_over or rate is None or self._random.random() >= rate * share:
            return False
        self.counts[kind] += 1
        return True

    def figure(self, kind: Fault, low: float, high: float) -> float:
        """Return a fault's seconds: a script's, or some between two."""
        for entry in self._script:
            if entry.fault is kind and entry.figure is not None:
                return entry.figure
        return self._random.uniform(low, high)

    def _scripted(self, kind: Fault, where: str) -> Scripted | None:
        for entry in self._script:
            if entry.fault is not kind or entry.where not in where or not entry.times:
                continue
            if entry.skip:
                entry.skip -= 1
                continue
            entry.times -= 1
            self.counts[kind] += 1
            return entry
        return None
