"""trading_bot: turns alerts into orders."""

from __future__ import annotations

from shoonya_platform.execution.trading_bot import TradingBot
from shoonya_platform.services.ending import end_process
from shoonya_platform.services.parts import Quotes, catalogue
from shoonya_platform.services.runtime import Parts, run_worker


def build(parts: Parts) -> TradingBot:
    return TradingBot(
        parts.store,
        Quotes(parts.broker()),
        parts.clock,
        parts.ring,
        instruments=catalogue(parts.settings),
        replan_seconds=parts.settings.recovery.replan_seconds,
        all_or_nothing=parts.settings.guard.all_or_nothing,
    )


def main() -> int:
    return run_worker("trading_bot", build)


if __name__ == "__main__":
    end_process(main())
