"""The day's risk figures beside their limits, for people."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from shoonya_platform.risk.limits import RiskBook, RiskLimits, money


@dataclass(frozen=True, slots=True)
class Figure:
    value: Decimal | int
    limit: Decimal | int | None  #: None is not limited
    of: str = ""  #: the instrument or strategy that has it


def day_figures(book: RiskBook, limits: RiskLimits) -> dict[str, Figure]:
    """Return each figure that a limit stops, in rupees or counted."""
    symbol, in_symbol = book.largest_symbol()
    strategy, in_strategy = book.largest_strategy()
    return {
        "daily_pnl": Figure(
            money(book.daily_pnl), limits.lowest_pnl(max(book.best_pnl, book.daily_pnl))
        ),
        "exposure": Figure(money(book.exposure), limits.max_exposure),
        "symbol_exposure": Figure(money(in_symbol), limits.max_symbol_exposure, symbol),
        "strategy_exposure": Figure(
            money(in_strategy), limits.max_strategy_exposure, strategy
        ),
        "open_positions": Figure(len(book.instruments()), limits.max_open_positions),
        "orders_today": Figure(book.orders_today, limits.max_orders_per_day),
        "losing_days": Figure(book.losing_days, limits.loss_days or None),
    }
