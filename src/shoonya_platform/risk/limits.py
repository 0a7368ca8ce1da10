"""The risk rules, pure: an order and the book in, a denial or nothing out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Set
from dataclasses import dataclass, field
from decimal import Decimal
from operator import itemgetter

from shoonya_platform.domain.book import Book, Instrument
from shoonya_platform.domain.denials import Denial, DenialCode
from shoonya_platform.domain.orders import Intent, Order
from shoonya_platform.domain.positions import ZERO, Position, shrinks

#: More than any account holds, for a limit that is not set.
UNLIMITED = Decimal(10) ** 15


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLimits:
    """The limits, in rupees unless told otherwise."""

    max_daily_loss: Decimal
    max_exposure: Decimal
    max_open_positions: int  #: instruments
    max_order_value: Decimal
    max_symbol_exposure: Decimal = UNLIMITED
    max_strategy_exposure: Decimal = UNLIMITED
    max_orders_per_day: int = 1_000_000_000
    #: For each such step of the day's best profit the loss limit rises by a step.
    trail_step: Decimal = UNLIMITED
    #: Share of the loss limit at which a warning is due.
    warning_share: Decimal = Decimal("0.8")
    #: Losing days in a row after which entries pause; 0 never.
    loss_days: int = 0

    def lowest_pnl(self, best_pnl: Decimal) -> Decimal:
        """
        Return the day's P&L at which entries end, in rupees.

        Args:
            best_pnl: The highest P&L of the day, at least 0.
        """
        steps = best_pnl // self.trail_step
        return steps * self.trail_step - self.max_daily_loss


@dataclass(slots=True, kw_only=True)
class RiskBook:
    """
    What is held and on its way, as the rules see it.

    Sums are made once and kept up to date with what passes: summing anew for each
    order would make a flood of orders cost its square.
    """

    positions: list[Position]
    working: list[Order] = field(default_factory=list)
    realised_today: Decimal = ZERO
    best_pnl: Decimal = ZERO  #: the day's highest so far
    orders_today: int = 0  #: made today and let pass
    losing_days: int = 0  #: in a row, up to yesterday
    #: Realised today plus unrealised, in rupees.
    daily_pnl: Decimal = field(init=False)
    #: Gross rupees of all positions and of the entries on their way.
    exposure: Decimal = field(init=False, default=ZERO)
    _book: Book = field(init=False)
    _by_symbol: dict[Instrument, Decimal] = field(init=False)
    _by_strategy: dict[str, Decimal] = field(init=False)
    _instruments: set[Instrument] = field(init=False)

    def __post_init__(self) -> None:
        unrealised = (position.unrealised_pnl for position in self.positions)
        self.daily_pnl = self.realised_today + sum(unrealised, ZERO)
        self._book = Book(self.positions, self.working)
        self._by_symbol = defaultdict(Decimal)
        self._by_strategy = defaultdict(Decimal)
        self._instruments = set()
        for position in self.positions:
            if position.quantity:
                self._count(position, position.exposure)
        for order in self.working:
            self._count_entry(order)

    def add(self, order: Order) -> None:
        """Take in an order that passed."""
        self.orders_today += 1
        self._book.add(order)
        self._count_entry(order)

    def instruments(self) -> Set[Instrument]:
        """Return what is held or being entered, as (exchange, tradingsymbol)."""
        return self._instruments

    def symbol_exposure(self, order: Order) -> Decimal:
        """Return the gross rupees in the order's instrument, over all strategies."""
        return self._by_symbol.get((order.exchange, order.tradingsymbol), ZERO)

    def strategy_exposure(self, order: Order) -> Decimal:
        """Return the gross rupees of the order's strategy, over all instruments."""
        return self._by_strategy.get(order.strategy, ZERO)

    def largest_symbol(self) -> tuple[str, Decimal]:
        """Return the instrument with most gross rupees in it, and them."""
        (exchange, tradingsymbol), value = max(
            self._by_symbol.items(), key=itemgetter(1), default=(("", ""), ZERO)
        )
        return (f"{exchange}:{tradingsymbol}" if tradingsymbol else ""), value

    def largest_strategy(self) -> tuple[str, Decimal]:
        """Return the strategy with most gross rupees, and them."""
        return max(self._by_strategy.items(), key=itemgetter(1), default=("", ZERO))

    def shrinks(self, order: Order) -> bool:
        """Return whether the order can only make its strategy's position smaller."""
        return shrinks(order, self._book.positions(order), self._book.working(order))

    def _count_entry(self, order: Order) -> None:
        if order.intent is not Intent.EXIT:
            self._count(order, leaves_value(order))

    def _count(self, part: Position | Order, value: Decimal) -> None:
        instrument = (part.exchange, part.tradingsymbol)
        self.exposure += value
        self._by_symbol[instrument] += value
        self._by_strategy[part.strategy] += value
        self._instruments.add(instrument)


def leaves_value(order: Order) -> Decimal:
    """Return what may still be filled, in rupees; 0 when no price is known."""
    price = order.price or order.reference_price or ZERO
    return order.leaves_quantity * price * order.price_factor


def judge(order: Order, book: RiskBook, limits: RiskLimits) -> Denial | None:
    """Return why the order may not pass, or None.  What shrinks a position may."""
    if book.shrinks(order):
        return None
    return (
        _day(book, limits)
        or _value(order, limits)
        or _exposure(order, book, limits)
        or _positions(order, book, limits)
    )


def _day(book: RiskBook, limits: RiskLimits) -> Denial | None:
    lowest = limits.lowest_pnl(book.best_pnl)
    if book.daily_pnl <= lowest:
        return Denial(
            DenialCode.DAILY_LOSS_LIMIT,
            {"daily_pnl": money(book.daily_pnl), "limit": lowest},
        )
    if limits.loss_days and book.losing_days >= limits.loss_days:
        return Denial(
            DenialCode.LOSS_DAYS_COOLDOWN,
            {"losing_days": book.losing_days, "maximum": limits.loss_days},
        )
    if book.orders_today >= limits.max_orders_per_day:
        return Denial(
            DenialCode.ORDERS_EXCEED_MAXIMUM,
            {"orders": book.orders_today, "maximum": limits.max_orders_per_day},
        )
    return None


def _value(order: Order, limits: RiskLimits) -> Denial | None:
    if order.price is None and order.reference_price is None:
        return Denial(
            DenialCode.PRICE_UNKNOWN,
            {"tradingsymbol": f"{order.exchange}:{order.tradingsymbol}"},
        )
    value = leaves_value(order)
    if value > limits.max_order_value:
        return Denial(
            DenialCode.ORDER_VALUE_EXCEEDS_MAXIMUM,
            {"value": money(value), "maximum": limits.max_order_value},
        )
    return None


def _exposure(order: Order, book: RiskBook, limits: RiskLimits) -> Denial | None:
    value = leaves_value(order)
    for code, exposure, maximum in (
        (
            DenialCode.SYMBOL_EXPOSURE_EXCEEDS_MAXIMUM,
            book.symbol_exposure(order),
            limits.max_symbol_exposure,
        ),
        (
            DenialCode.STRATEGY_EXPOSURE_EXCEEDS_MAXIMUM,
            book.strategy_exposure(order),
            limits.max_strategy_exposure,
        ),
        (
            DenialCode.EXPOSURE_EXCEEDS_MAXIMUM,
            book.exposure,
            limits.max_exposure,
        ),
    ):
        if exposure + value > maximum:
            return Denial(
                code,
                {
                    "exposure": money(exposure),
                    "order": money(value),
                    "maximum": maximum,
                },
            )
    return None


def _positions(order: Order, book: RiskBook, limits: RiskLimits) -> Denial | None:
    instruments = book.instruments()
    if (order.exchange, order.tradingsymbol) not in instruments and len(
        instruments
    ) >= limits.max_open_positions:
        return Denial(
            DenialCode.POSITIONS_EXCEED_MAXIMUM,
            {"open": len(instruments), "maximum": limits.max_open_positions},
        )
    return None


def money(value: Decimal) -> Decimal:
    """Round to paise, for figures that people read."""
    return value.quantize(Decimal("0.01"))
