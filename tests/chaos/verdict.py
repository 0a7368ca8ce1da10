"""What must hold once the dust has settled, whatever was killed meanwhile."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from dataclasses import dataclass, field

from shoonya_platform.brokers.base import BrokerOrder
from shoonya_platform.ctl.context import store_path
from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.instruments import Product
from shoonya_platform.domain.orders import AlertId, Order, OrderStatus
from shoonya_platform.store.base import OrderStore
from tests.chaos.count import Count
from tests.chaos.traffic import Traffic
from tests.chaos.worlds import World

#: What never reached the broker.
_UNSENT = (OrderStatus.NOT_PLACED, OrderStatus.DENIED)
_MORE = 10**6


PROMISES = (
    "alerts lost",
    "orders lost",
    "orders placed twice",
    "orders not at an end",
    "positions that differ",
    "quantities at the broker",
    "traces with a gap",
)


@dataclass(slots=True)
class Verdict:
    """Sentences about what does not hold, by the promise that is broken."""

    orders: int = 0
    at_broker: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    broken: dict[str, list[str]] = field(
        default_factory=lambda: {name: [] for name in PROMISES}
    )

    def add(self, promise: str, sentence: str) -> None:
        self.broken[promise].append(sentence)

    @property
    def is_good(self) -> bool:
        return not any(self.broken.values())

    def __str__(self) -> str:
        return "\n".join(
            f"{promise}: {len(found)} broken, for example {found[:3]}"
            for promise, found in self.broken.items()
            if found
        )


def judge(world: World, traffic: Traffic, counted: Count) -> Verdict:
    """Compare the store, the broker's books and the logs; all must be at rest."""
    verdict = Verdict()
    for sentence in counted.wrong:
        verdict.add("quantities at the broker", sentence)
    store = world.platform.store()
    try:
        alerts = traffic.all()
        stored = {alert.alert_id: alert for alert in store.alerts.recent(limit=_MORE)}
        for alert_id in alerts:
            if alert_id not in stored:
                verdict.add("alerts lost", f"{alert_id} was accepted, and is not there")
        # Stored once each, whatever a sender had to repeat; the platform's own alerts,
        # which undo half an entry, are not counted.
        sent = [
            alert_id
            for alert_id, each in stored.items()
            if ":undo-" not in each.alert.dedupe_key
        ]
        if len(sent) != len(set(alerts)) or len(alerts) != len(set(alerts)):
            verdict.add("alerts lost", f"{len(alerts)} accepted, {len(sent)} stored")

        orders = store.orders.recent(limit=_MORE)
        claims = world.orders()
        verdict.orders, verdict.at_broker = len(orders), len(claims)
        verdict.statuses.update(str(order.status) for order in orders)
        if world.delivery.repeats:
            # Then two orders for one leg are the network's; the count says whether
            # the excess was closed.
            _judge_ends(verdict, orders)
        else:
            _judge_orders(verdict, orders, claims)
            _judge_legs(verdict, orders, traffic, _overtaken(store, traffic))

        ours: Counter[tuple[str, Product]] = Counter()
        for held in store.positions.open():
            ours[held.tradingsymbol, held.product] += held.quantity
        theirs = Counter(
            {(p.tradingsymbol, p.product): p.quantity for p in world.positions()}
        )
        for key in sorted({*ours, *theirs}):
            if ours[key] != theirs[key]:
                text = f"{key}: {ours[key]} here, {theirs[key]} there"
                verdict.add("positions that differ", text)
        by_strategy: Counter[str] = Counter()
        for held in store.positions.open():
            by_strategy[held.strategy] += abs(held.quantity)
        for number in traffic.exits:
            if by_strategy[f"chaos-{number}"]:
                verdict.add("positions that differ", f"chaos-{number} has exited")
    finally:
        store.close()
    _judge_traces(verdict, world)
    return verdict


def _judge_ends(verdict: Verdict, orders: list[Order]) -> None:
    for order in orders:
        if not order.is_closed:
            verdict.add(
                "orders not at an end", f"{order.client_order_id} is {order.status}"
            )


def _judge_orders(
    verdict: Verdict, orders: list[Order], claims: list[BrokerOrder]
) -> None:
    sent = Counter(claim.client_order_id for claim in claims)
    for name, count in sent.items():
        if count > 1:
            verdict.add("orders placed twice", f"{name} is there {count} times")
    there = {claim.client_order_id: claim for claim in claims}
    for name in there.keys() - {order.client_order_id for order in orders}:
        verdict.add("orders lost", f"{name} is at the broker, and not in the store")
    for order in orders:
        if not order.is_closed:
            verdict.add(
                "orders not at an end", f"{order.client_order_id} is {order.status}"
            )
            continue
        claim = there.get(order.client_order_id)
        mine = (order.status, order.filled_quantity)
        if claim is None:
            # Filled or refused by nobody: it was never there.
            if order.status not in (*_UNSENT, OrderStatus.CANCELED) or mine[1]:
                verdict.add("orders lost", f"{order.client_order_id}: {mine}, no claim")
        elif mine != (claim.status, claim.filled_quantity):
            verdict.add(
                "orders lost",
                f"{order.client_order_id}: {mine} here, "
                f"{(claim.status, claim.filled_quantity)} there",
            )


def _overtaken(store: OrderStore, traffic: Traffic) -> set[AlertId]:
    """Return the entries that were given up for their own exit, and say so."""
    return {
        entry
        for number, entry in traffic.entries.items()
        if (stored := store.alerts.get(entry)) is not None
        and stored.status is AlertStatus.SKIPPED
        and number in traffic.exits
        and traffic.exits[number] in stored.outcome
    }


def _judge_legs(
    verdict: Verdict, orders: list[Order], traffic: Traffic, overtaken: set[AlertId]
) -> None:
    """Each leg of an entry is filled once, unless its exit came before."""
    filled = Counter(
        (order.alert_id, order.leg)
        for order in orders
        if order.status is OrderStatus.FILLED
    )
    # An exit that comes early has its entry canceled.
    canceled = {
        (order.alert_id, order.leg)
        for order in orders
        if order.status in (OrderStatus.CANCELED, OrderStatus.NOT_PLACED)
    }
    for number, alert_id in traffic.entries.items():
        for leg in (1, 2):
            count = filled[alert_id, leg]
            if count > 1:
                text = f"leg {leg} of {alert_id} was filled {count} times"
                verdict.add("orders placed twice", text)
            early = alert_id in overtaken or (
                number in traffic.exits and (alert_id, leg) in canceled
            )
            if not count and not early:
                verdict.add("orders lost", f"leg {leg} of {alert_id} was not filled")


_ORDER_ID = re.compile(r"\border_id=(\d+)")
_ALERT_ID = re.compile(r"\balert_id=(\S+)")


def _judge_traces(verdict: Verdict, world: World) -> None:
    """Each service that moved an order or an alert has a line about it."""
    lines: set[tuple[str, str]] = set()
    for path in world.platform.log_dir.glob("*.log"):
        text = path.read_text()
        for pattern in (_ORDER_ID, _ALERT_ID):
            lines.update((path.stem, found) for found in pattern.findall(text))
    connection = sqlite3.connect(store_path(world.platform.config.settings))
    moved = connection.execute(
        "SELECT DISTINCT service, coalesce(order_id, alert_id) FROM events"
    ).fetchall()
    connection.close()
    for service, what in moved:
        if (service, str(what)) not in lines:
            verdict.add("traces with a gap", f"{service}.log says nothing of {what}")
