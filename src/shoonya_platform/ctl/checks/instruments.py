"""Where lots, ticks and expiries come from, and whether that is of today."""

from __future__ import annotations

from shoonya_platform.assessment.configured import configured_rules
from shoonya_platform.assessment.instruments import instrument_lists
from shoonya_platform.ctl.checks.world import Unseen, Verdict, World, is_there, ok
from shoonya_platform.domain.data import catalogue_defaults
from shoonya_platform.instruments.file import InstrumentFile
from shoonya_platform.services.findings import Level


def lists(world: World) -> Verdict:
    """Entries are denied without the broker's list; yesterday's is a guess."""
    rules = configured_rules(world.settings)
    path = rules.instruments_file
    if path is None:
        return ok(
            "lots and ticks are those of this version's table, of "
            f"{catalogue_defaults().as_of}: the paper broker has no lists"
        )
    if not is_there(path.parent):
        raise Unseen("the broker's lists: the services have never run")
    found = list(instrument_lists(world.now, rules))
    if found:
        level = Level.ERROR if found[0].severity == "critical" else Level.WARNING
        return level, found[0].text, found[0].action
    file = InstrumentFile(path)
    try:
        states = file.states()
    finally:
        file.close()
    return ok(
        f"the broker's lists of today have {sum(state.rows for state in states)} "
        "instruments"
    )
