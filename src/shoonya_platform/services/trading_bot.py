"""trading_bot: turns alerts into orders."""

from __future__ import annotations

from shoonya_platform.execution.figures import FigureKeeper
from shoonya_platform.execution.trading_bot import TradingBot
from shoonya_platform.services.ending import end_process
from shoonya_platform.services.parts import Quotes, instruments
from shoonya_platform.services.runtime import Parts, run_worker


def build(parts: Parts) -> TradingBot:
    quotes = Quotes(parts.broker())
    listed = instruments(parts.settings)
    figures = None
    if parts.settings.broker.name == "shoonya":
        figures = FigureKeeper(parts.store, listed, quotes, parts.clock)
    return TradingBot(
        parts.store,
        quotes,
        parts.clock,
        parts.ring,
        instruments=listed,
        replan_seconds=parts.settings.recovery.replan_seconds,
        all_or_nothing=parts.settings.guard.all_or_nothing,
        figures=figures,
        reaches_stated=parts.settings.guard.stated_position == "reach",
        asks_margin=parts.settings.guard.margin == "check",
    )


def main() -> int:
    return run_worker("trading_bot", build)


if __name__ == "__main__":
    end_process(main())
