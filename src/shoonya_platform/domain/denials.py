"""Why an order was denied: refused by us, before the broker heard of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from shoonya_platform.domain.trading import TradingStatus


class DenialCode(StrEnum):
    """A stable word for each reason; programs may match on it."""

    #: The day's loss has reached `risk.max_daily_loss`.
    DAILY_LOSS_LIMIT = "DAILY_LOSS_LIMIT"
    #: Holding this too would exceed `risk.max_exposure`.
    EXPOSURE_EXCEEDS_MAXIMUM = "EXPOSURE_EXCEEDS_MAXIMUM"
    #: One more open position would exceed `risk.max_open_positions`.
    POSITIONS_EXCEED_MAXIMUM = "POSITIONS_EXCEED_MAXIMUM"
    #: Holding this too would exceed `risk.max_symbol_exposure`.
    SYMBOL_EXPOSURE_EXCEEDS_MAXIMUM = "SYMBOL_EXPOSURE_EXCEEDS_MAXIMUM"
    #: Holding this too would exceed `risk.max_strategy_exposure`.
    STRATEGY_EXPOSURE_EXCEEDS_MAXIMUM = "STRATEGY_EXPOSURE_EXCEEDS_MAXIMUM"
    #: The day has had `risk.max_orders_per_day` orders.
    ORDERS_EXCEED_MAXIMUM = "ORDERS_EXCEED_MAXIMUM"
    #: So many days in a row ended in a loss that entries pause.
    LOSS_DAYS_COOLDOWN = "LOSS_DAYS_COOLDOWN"
    #: Quantity times price exceeds `risk.max_order_value`.
    ORDER_VALUE_EXCEEDS_MAXIMUM = "ORDER_VALUE_EXCEEDS_MAXIMUM"
    #: No price is known, so the order's value cannot be judged.
    PRICE_UNKNOWN = "PRICE_UNKNOWN"
    #: Trading is HALTED: only exits go out.
    TRADING_HALTED = "TRADING_HALTED"
    #: Trading is REDUCING: only what shrinks a position goes out.
    TRADING_REDUCING = "TRADING_REDUCING"
    #: The broker's books were not compared with ours yet since the platform started.
    AWAITING_RECONCILIATION = "AWAITING_RECONCILIATION"
    #: The strategy already holds or is entering this instrument.
    DUPLICATE_ENTRY = "DUPLICATE_ENTRY"
    #: Another strategy holds or is entering the instrument the other way round.
    CROSS_STRATEGY_CONFLICT = "CROSS_STRATEGY_CONFLICT"
    #: Another leg of the same entry was denied: all of it or nothing.
    SIBLING_DENIED = "SIBLING_DENIED"
    #: The price is further from the last one than `guard.max_price_deviation`.
    PRICE_OUTSIDE_BAND = "PRICE_OUTSIDE_BAND"
    #: The price lies outside what the exchange takes today, as the broker quotes it.
    PRICE_BEYOND_CIRCUIT = "PRICE_BEYOND_CIRCUIT"
    #: The broker told no price band of today; see `guard.without_price_band`.
    PRICE_BAND_UNKNOWN = "PRICE_BAND_UNKNOWN"
    #: It is too late in the day for a position that is squared off today.
    MIS_SQUARE_OFF = "MIS_SQUARE_OFF"
    STRATEGY_SQUARE_OFF = "STRATEGY_SQUARE_OFF"
    #: Nothing of this name is known on the exchange.
    INSTRUMENT_UNKNOWN = "INSTRUMENT_UNKNOWN"
    #: The contract's last day of trading is past.
    INSTRUMENT_EXPIRED = "INSTRUMENT_EXPIRED"
    #: The broker's list of instruments was never loaded, so no figure is certain.
    INSTRUMENTS_UNAVAILABLE = "INSTRUMENTS_UNAVAILABLE"
    #: The quantity is not a multiple of the lot size.
    QUANTITY_NOT_IN_LOTS = "QUANTITY_NOT_IN_LOTS"
    #: The quantity exceeds what the exchange takes in one order.
    QUANTITY_EXCEEDS_FREEZE = "QUANTITY_EXCEEDS_FREEZE"
    #: New terms ask for no more than what is filled: cancel the order instead.
    QUANTITY_FILLED_ALREADY = "QUANTITY_FILLED_ALREADY"
    #: New terms would have an exit close more than the strategy holds.
    EXIT_EXCEEDS_POSITION = "EXIT_EXCEEDS_POSITION"
    #: The price is not a multiple of the tick size.
    PRICE_NOT_ON_TICK = "PRICE_NOT_ON_TICK"
    #: The account may not use this product on the exchange.
    PRODUCT_NOT_ALLOWED = "PRODUCT_NOT_ALLOWED"
    #: The entry needs more margin than the account has, as the broker says.
    MARGIN_INSUFFICIENT = "MARGIN_INSUFFICIENT"
    #: The broker did not say what margin is needed; see `guard.without_margin`.
    MARGIN_UNKNOWN = "MARGIN_UNKNOWN"
    #: The broker shows no position, or a smaller one, that a delayed exit would close.
    POSITION_CLOSED = "POSITION_CLOSED"
    #: The exchange's segment is closed at this moment.
    MARKET_CLOSED = "MARKET_CLOSED"
    #: The alert is older than `guard.max_alert_age_seconds`.
    ALERT_STALE = "ALERT_STALE"


@dataclass(frozen=True, slots=True)
class Denial:
    """
    A refusal with its figures.

    `figures` holds what was compared, in the order a reader wants it.
    """

    code: DenialCode
    figures: Mapping[str, object] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """`CODE: key=value, key=value`, or the code alone."""
        if not self.figures:
            return str(self.code)
        figures = ", ".join(f"{key}={value}" for key, value in self.figures.items())
        return f"{self.code}: {figures}"


def denied_by(trading: TradingStatus) -> Denial:
    """Return the refusal of a state that is not ACTIVE, with who set it and why."""
    return Denial(
        DenialCode(f"TRADING_{trading.state}"),
        {"by": trading.set_by, "reason": trading.reason},
    )
