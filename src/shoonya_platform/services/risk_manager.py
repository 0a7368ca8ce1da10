"""risk_manager: lets pass what the account can bear."""

from __future__ import annotations

import sys

from shoonya_platform.risk.day_watch import BreachRules
from shoonya_platform.risk.limits import RiskLimits
from shoonya_platform.risk.supreme_risk import SupremeRiskManager
from shoonya_platform.services.runtime import Parts, run_worker


def build(parts: Parts) -> SupremeRiskManager:
    risk = parts.settings.risk
    limits = RiskLimits(
        max_daily_loss=risk.max_daily_loss,
        max_exposure=risk.max_exposure,
        max_open_positions=risk.max_open_positions,
        max_order_value=risk.max_order_value,
        max_symbol_exposure=risk.max_symbol_exposure,
        max_strategy_exposure=risk.max_strategy_exposure,
        max_orders_per_day=risk.max_orders_per_day,
        trail_step=risk.trail_step,
        warning_share=risk.warning_share,
        loss_days=risk.loss_days,
    )
    breach = BreachRules(then=risk.on_breach, exit_all=risk.exit_on_breach)
    return SupremeRiskManager(parts.store, limits, parts.clock, parts.ring, breach)


def main() -> int:
    return run_worker("risk_manager", build)


if __name__ == "__main__":
    sys.exit(main())
