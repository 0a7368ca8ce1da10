"""What a monitoring system's probe makes of the conditions: one state, one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from shoonya_platform.assessment.conditions import Condition, Rules, Severity
from shoonya_platform.assessment.waiting import Waiting
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.services.units import ServiceView

#: Conditions named on the line; the rest is counted.
_MOST_NAMED = 5


class Result(IntEnum):
    """A plugin's exit codes, as Nagios and its kin read them."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What there is to say."""

    services: Sequence[ServiceView]
    conditions: Sequence[Condition]
    waiting: Waiting | None  #: None if the store could not be read
    trading: TradingState | None  #: likewise
    trouble: str = ""  #: why the store could not be read

    @property
    def result(self) -> Result:
        """The worst; what is certainly broken outweighs what is unknown."""
        severities = {condition.severity for condition in self.conditions}
        if Severity.CRITICAL in severities:
            return Result.CRITICAL
        if self.trouble:
            return Result.UNKNOWN
        return Result.WARNING if severities else Result.OK

    @property
    def problems(self) -> list[str]:
        """What is wrong in sentences, the worst first."""
        critical, others = list[str](), list[str]()
        for each in self.conditions:
            is_critical = each.severity is Severity.CRITICAL
            (critical if is_critical else others).append(each.text)
        return [*critical, *([self.trouble] if self.trouble else []), *others]


def summary(facts: Facts) -> str:
    """Return `8 of 8 running, trading ACTIVE, nothing waits`."""
    parts = [f"{_running(facts)} of {len(facts.services)} running"]
    if facts.trading is not None:
        parts.append(f"trading {facts.trading}")
    if facts.waiting is not None:
        number = facts.waiting.number
        parts.append(
            f"{number} waiting, the oldest for {facts.waiting.oldest_seconds:.0f} s"
            if number
            else "nothing waits"
        )
    return ", ".join(parts)


def text_of(facts: Facts) -> str:
    """Return the line's text: the first problems, and how all is."""
    problems = facts.problems
    rest = len(problems) - _MOST_NAMED
    more = [f"and {rest} more: shoonyactl status"] if rest > 0 else []
    return "; ".join([*problems[:_MOST_NAMED], *more, summary(facts)])


def line(result: Result, text: str, figures: str = "") -> str:
    """Return the plugin's line: the text before the bar, the figures behind it."""
    words = " ".join(text.replace("|", "/").split())
    return f"SHOONYA {result.name} - {words}" + (f" | {figures}" if figures else "")


def figures(facts: Facts, rules: Rules) -> str:
    """Return `name=value;warn;crit;min;max` of each figure."""
    total = len(facts.services)
    parts = [f"running={_running(facts)};;;0;{total}"]
    parts.append(f"restarts={sum(view.restarts for view in facts.services)};;;0")
    if facts.waiting is not None:
        parts.append(f"waiting={facts.waiting.number};;;0")
        parts.append(
            f"oldest={facts.waiting.oldest_seconds:.0f}s;"
            f"{rules.warn_seconds:g};{rules.crit_seconds:g};0"
        )
        found = sum(each.discrepancy_id is not None for each in facts.conditions)
        parts.append(f"discrepancies={found};;;0")
    return " ".join(parts)


def _running(facts: Facts) -> int:
    return sum(view.state == "running" for view in facts.services)
