"""Whether the broker's lists of instruments are at hand, and of today."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from shoonya_platform.assessment.conditions import (
    Condition,
    ConditionKind,
    Rules,
    Severity,
)
from shoonya_platform.instruments.file import InstrumentFile
from shoonya_platform.instruments.rows import InstrumentsUnavailable, MasterState

_ACTION = "shoonyactl instrument refresh"


def instrument_lists(now: datetime, rules: Rules) -> Iterator[Condition]:
    """Yield what is missing or old; nothing for a broker without lists."""
    if rules.instruments_file is None:
        return
    file = InstrumentFile(rules.instruments_file)
    try:
        states = file.states()
    except InstrumentsUnavailable as e:
        yield _missing(f"{e.message}; all entries are denied")
        return
    finally:
        file.close()
    missing = [state for state in states if not state.is_loaded]
    if missing:
        yield _missing(
            f"no list of the instruments of {_names(missing)} was ever loaded"
            f"{_why(missing)}; entries there are denied"
        )
    # A new day's lists take a moment to load.
    moment = now - timedelta(seconds=rules.list_seconds)
    old = [
        state
        for state in states
        if state.is_loaded and (state.is_old or not state.is_current(moment))
    ]
    if old:
        yield Condition(
            kind=ConditionKind.INSTRUMENTS_OLD,
            severity=Severity.WARNING,
            text=f"the instruments of {_names(old)} are those of an earlier day"
            f"{_why(old)}",
            action=_ACTION,
            since=min(state.loaded_at for state in old if state.loaded_at is not None),
        )


def _missing(text: str) -> Condition:
    return Condition(
        kind=ConditionKind.INSTRUMENTS_MISSING,
        severity=Severity.CRITICAL,
        text=text,
        action=_ACTION,
    )


def _names(states: list[MasterState]) -> str:
    return ", ".join(state.exchange for state in states)


def _why(states: list[MasterState]) -> str:
    why = [f"{state.exchange}: {state.problem}" for state in states if state.problem]
    return f" ({'; '.join(why)})" if why else ""
