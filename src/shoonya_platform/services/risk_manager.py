"""risk_manager: lets pass what the account can bear."""

from __future__ import annotations

from shoonya_platform.config.calendar import calendar
from shoonya_platform.risk.day_watch import BreachRules
from shoonya_platform.risk.supreme_risk import SupremeRiskManager
from shoonya_platform.services.ending import end_process
from shoonya_platform.services.parts import risk_limits, square_off_times
from shoonya_platform.services.runtime import Parts, run_worker


def build(parts: Parts) -> SupremeRiskManager:
    risk = parts.settings.risk
    keeps_hours = parts.settings.guard.market_hours == "exchange"
    breach = BreachRules(
        then=risk.on_breach,
        exit_all=risk.exit_on_breach,
        calendar=calendar(parts.settings) if keeps_hours else None,
    )
    return SupremeRiskManager(
        parts.store,
        risk_limits(parts.settings),
        parts.clock,
        parts.ring,
        breach,
        square_off_times(parts.settings),
    )


def main() -> int:
    return run_worker("risk_manager", build)


if __name__ == "__main__":
    end_process(main())
