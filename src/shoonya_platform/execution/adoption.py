"""
Orders of ours that the broker has and the store lacks.

That is a store restored from an earlier copy: the orders were sent by what came after
it.  They are adopted before any entry goes out, with their fills, so that book and
broker agree.  Of an alert that the store lacks too, an order that closes what exactly
one strategy holds was that strategy's exit; any other belongs to a strategy of its own,
which an exit alert can close.
"""

from __future__ import annotations

from shoonya_platform.brokers.base import BrokerOrder
from shoonya_platform.clock import Clock
from shoonya_platform.domain.alert_form import parse
from shoonya_platform.domain.alerts import (
    AlertStatus,
    NamedOrder,
    StoredAlert,
    named_order,
)
from shoonya_platform.domain.discrepancies import DiscrepancyKind
from shoonya_platform.domain.orders import (
    BrokerOrderId,
    ClientOrderId,
    Intent,
    NewOrder,
    Order,
    OrderType,
)
from shoonya_platform.errors import ShoonyaError, StoreBusy, StoreDamaged
from shoonya_platform.execution.claims import Matched, Verdict
from shoonya_platform.execution.discrepancies import Discrepancies
from shoonya_platform.execution.exchange_rules import Instruments
from shoonya_platform.execution.price_factors import price_factor
from shoonya_platform.logging import ServiceLogger
from shoonya_platform.store.base import OrderStore

#: The strategy of orders whose alert the store lacks.
STRATEGY = "recovered"
_ADOPTED = "adopted-"


class Adoption:
    """Adopts orders inside a transaction of the store."""

    def __init__(
        self,
        store: OrderStore,
        instruments: Instruments,
        clock: Clock,
        logger: ServiceLogger,
    ) -> None:
        self._store = store
        self._instruments = instruments
        self._clock = clock
        self._discrepancies = Discrepancies(store, logger)

    def adopt(self, claim: BrokerOrder) -> Matched:
        """Store the order of a row whose id is of our making, if it can be."""
        try:
            with self._store.savepoint():
                return self._try(claim)
        except (StoreBusy, StoreDamaged):
            raise
        except ShoonyaError as e:
            why = f"it cannot be adopted: {e.message}"
            return Matched(claim, Verdict.FOREIGN, None, why)

    def _try(self, claim: BrokerOrder) -> Matched:
        name = claim.client_order_id
        named = None if name is None else named_order(name)
        if name is None or named is None:
            return Matched(claim, Verdict.EXTERNAL)
        stored = self._store.alerts.get(named.alert_id)
        if stored is None:
            stored = self._add_alert(named, claim)
        elif not _is_of(claim, named, stored):
            why = f"no leg of alert {named.alert_id} is in that instrument"
            return Matched(claim, Verdict.FOREIGN, None, why)
        holder = self._store.orders.by_broker_order_id(claim.broker_order_id)
        number = claim.broker_order_id if holder is None else None
        order = self._adopt(name, named, claim, stored, number)
        self._discrepancies.note(
            DiscrepancyKind.ORDER_ADOPTED,
            name,
            f"the broker has order {claim.broker_order_id} ({order.summary}) under an "
            f"id of ours that the store lacked; it is order {order.order_id} of "
            f"'{order.strategy}' now",
            "check that the store is not an old copy; compare positions",
            order,
        )
        if holder is not None and holder.is_number_confirmed:
            return Matched(claim, Verdict.OURS, order, shares_with=holder)
        return Matched(claim, Verdict.OURS, order, wrong_holder=holder)

    def _adopt(
        self,
        name: ClientOrderId,
        named: NamedOrder,
        claim: BrokerOrder,
        stored: StoredAlert,
        number: BrokerOrderId | None,
    ) -> Order:
        taken = {
            order.attempt
            for order in self._store.orders.of_alert(named.alert_id)
            if (order.leg, order.part) == (named.leg, named.part)
        }
        attempt = named.attempt
        while attempt in taken:
            attempt += 1
        alert = stored.alert
        strategy, intent = alert.strategy, alert.intent
        if _is_adopted(stored):
            strategy, intent = self._owner(claim)
        elif (
            named.leg <= len(alert.legs)
            and alert.legs[named.leg - 1].side is not claim.side
        ):
            # It closed what the leg had too much; an exit's side is the position's.
            intent = Intent.EXIT
        return self._store.orders.adopt(
            NewOrder(
                client_order_id=name,
                alert_id=named.alert_id,
                leg=named.leg,
                attempt=attempt,
                part=named.part,
                strategy=strategy,
                intent=intent,
                exchange=claim.exchange,
                tradingsymbol=claim.tradingsymbol,
                side=claim.side,
                quantity=claim.quantity,
                order_type=OrderType.MARKET if not claim.price else OrderType.LIMIT,
                price=claim.price or None,
                product=claim.product,
                price_factor=price_factor(
                    self._store,
                    self._instruments,
                    strategy,
                    claim.exchange,
                    claim.tradingsymbol,
                ),
            ),
            number,
            alerted_at=stored.received_at,
            text=f"broker order {claim.broker_order_id}, which the store lacked",
        )

    def _owner(self, claim: BrokerOrder) -> tuple[str, Intent]:
        """Return whose order it was, as far as the positions show, and what for."""
        closed = {
            position.strategy
            for position in self._store.positions.open()
            if (position.exchange, position.tradingsymbol, position.product)
            == (claim.exchange, claim.tradingsymbol, claim.product)
            and -position.quantity * claim.side.sign >= claim.quantity
        }
        if len(closed) == 1:
            return closed.pop(), Intent.EXIT
        return STRATEGY, Intent.ADJUST

    def _add_alert(self, named: NamedOrder, claim: BrokerOrder) -> StoredAlert:
        now = self._clock.now()
        alert = parse(
            {
                "execution_type": Intent.ADJUST.value,
                "strategy_name": STRATEGY,
                "exchange": claim.exchange.value,
                "dedupe_id": f"{_ADOPTED}{named.alert_id}",
                "legs": [
                    {
                        "tradingsymbol": claim.tradingsymbol,
                        "direction": claim.side.value,
                        "qty": claim.quantity,
                        "product_type": claim.product.value,
                    }
                ],
            }
        )
        self._store.alerts.add(alert, named.alert_id, received_at=now)
        self._store.alerts.record(
            named.alert_id,
            AlertStatus.PLANNED,
            outcome="",
            text="adopted: the broker has orders of it",
        )
        stored = self._store.alerts.get(named.alert_id)
        if stored is None:
            raise AssertionError("an alert that was just stored is there")
        return stored


def _is_of(claim: BrokerOrder, named: NamedOrder, stored: StoredAlert) -> bool:
    alert = stored.alert
    return _is_adopted(stored) or (
        alert.exchange is claim.exchange
        and named.leg <= len(alert.legs)
        and alert.legs[named.leg - 1].tradingsymbol == claim.tradingsymbol
    )


def _is_adopted(stored: StoredAlert) -> bool:
    return stored.alert.dedupe_key.endswith(f":{_ADOPTED}{stored.alert_id}")
