"""What is checked of each order at the moment at which it leaves."""

from __future__ import annotations

from decimal import Decimal

from shoonya_platform.domain.alerts import Alert
from shoonya_platform.domain.orders import Intent, Side
from tests.simulation import rows
from tests.simulation.exchange import Market
from tests.simulation.ledger import Ledger
from tests.simulation.network import Request
from tests.simulation.promises import Promise
from tests.simulation.world import World

#: From the last look to the first byte: the wait for the network is part of sending.
_SENDING_SECONDS = 6.0

#: No order of the traffic is further from the market, as a share of its price.
_FAR = Decimal("0.4")


class Sending:
    """Judges placements, and notes in the ledger what must not have left."""

    def __init__(
        self, world: World, market: Market, ledger: Ledger, max_alert_age_seconds: float
    ) -> None:
        self._world = world
        self._market = market
        self._ledger = ledger
        self._max_age_seconds = max_alert_age_seconds + _SENDING_SECONDS

    def judge(self, request: Request) -> None:
        """Judge a request that is about to leave."""
        if request.route != "PlaceOrder":
            return
        ledger, world = self._ledger, self._world
        name = request.fields.get("remarks", "")
        price = Decimal(request.fields["prc"])
        market = self._market.prices[request.fields["tsym"]]
        if price and abs(price - market) > market * _FAR:
            ledger.violate(
                Promise.PRICE,
                f"{name}: {price}, the market is at {market}",
            )
        alert = ledger.alert_of(name)
        side = rows.SIDES[request.fields["trantype"]]
        if alert is None or alert.intent is Intent.EXIT:
            return
        if side is not ledger.side_of(name) or self._shrinks(request, alert, side):
            # It closes what a leg had too much, or takes back what was closed twice.
            return
        if ledger.halted_at is not None and world.time > ledger.halted_at:
            ledger.violate(
                Promise.HALT,
                f"{name}, {world.time - ledger.halted_at:.3f} s after it",
            )
        if alert.intent is not Intent.ENTRY:
            return
        leg = ledger.leg_of(name)
        assert leg is not None
        age = (world.clock.now() - ledger.alerted_at[leg[0]]).total_seconds()
        if age > self._max_age_seconds:
            ledger.violate(Promise.AGE, f"{name}, {age:.0f} s old")
        unread = [
            book
            for book in ("OrderBook", "TradeBook", "PositionBook")
            if ledger.read_at[book] < ledger.started_at
        ]
        if unread:
            ledger.violate(
                Promise.BOOKS,
                f"{name}: {', '.join(unread)}",
            )

    def _shrinks(self, request: Request, alert: Alert, side: Side) -> bool:
        """Return whether an order can only make its strategy's position smaller."""
        held = 0
        for placed in self._market.orders.values():
            other = self._ledger.alert_of(placed.name or "")
            if (
                other is not None
                and not placed.is_foreign
                and other.strategy == alert.strategy
                and placed.claim.tradingsymbol == request.fields["tsym"]
            ):
                held += placed.claim.side.sign * placed.claim.filled_quantity
        return int(request.fields["qty"]) <= -held * side.sign
