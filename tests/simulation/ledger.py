"""
What really happened, as no service knows it: alerts, requests, what became of them.

The checks compare the store with this and with the exchange.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from shoonya_platform.domain.alerts import Alert, named_order
from shoonya_platform.domain.instruments import Product
from shoonya_platform.domain.orders import Side
from tests.simulation.promises import Promise


@dataclass(slots=True, kw_only=True)
class Sent:
    """One PlaceOrder as it left a client."""

    name: str
    at: float
    #: How often the store had been put back by then: what it forgets it may send again,
    #: once the order book has shown that the broker has not got it.
    restores: int
    #: The broker may have executed it, as far as any client can know.
    is_ambiguous: bool = True


@dataclass(slots=True)
class Ledger:
    """Everything that the checks need and no service knows."""

    #: By id, all alerts that were ever in the store, lost ones too.
    alerts: dict[str, Alert] = field(default_factory=dict)
    #: When an alert was made, as its age is counted.
    alerted_at: dict[str, datetime] = field(default_factory=dict)
    #: The senders' own: accepted with a 202.
    accepted: dict[str, Alert] = field(default_factory=dict)
    accepted_at: dict[str, float] = field(default_factory=dict)
    lost_by_restore: set[str] = field(default_factory=set)
    restores: int = 0
    sent: list[Sent] = field(default_factory=list)
    #: What a person closed from the broker's app: symbol, product, the position's
    #: sign, and when.
    closed_by_hand: list[tuple[str, Product, int, datetime]] = field(
        default_factory=list
    )
    #: Quantities that an operator asked for, by leg.
    asked_quantities: dict[tuple[str, int], int] = field(default_factory=dict)
    violations: list[tuple[Promise, str]] = field(default_factory=list)
    #: Services and what they crashed with, those that a fault ended apart.
    crashes: list[tuple[str, str]] = field(default_factory=list)
    given_up: dict[str, str] = field(default_factory=dict)
    #: Records of ERROR and above, as (time, sentence with its fields).
    errors: list[tuple[float, str]] = field(default_factory=list)
    #: Since when trading is halted, as the operator knows it; None is not halted.
    halted_at: float | None = None
    #: Since when this start of the platform runs, and what it has read since.
    started_at: float = 0.0
    read_at: dict[str, float] = field(default_factory=lambda: defaultdict(lambda: -1.0))

    def note_alert(self, alert_id: str, alert: Alert, received_at: datetime) -> None:
        # One that is made again of what the broker has knows less than the first.
        if alert_id in self.alerts:
            return
        self.alerts[alert_id] = alert
        sent = alert.sent_at
        self.alerted_at[alert_id] = (
            received_at if sent is None else min(sent, received_at)
        )

    def accept(self, alert_id: str, alert: Alert, at: float) -> None:
        """Note that a sender got an alert's 202."""
        self.accepted[alert_id] = alert
        self.accepted_at[alert_id] = at

    def lose_since(self, at: float) -> None:
        """Excuse the alerts that a copy of the store cannot have."""
        self.restores += 1
        self.lost_by_restore.update(
            alert_id for alert_id, when in self.accepted_at.items() if when >= at
        )

    def leg_of(self, name: str) -> tuple[str, int] | None:
        """Return alert and leg of an order by its name."""
        named = named_order(name)
        return None if named is None else (named.alert_id, named.leg)

    def alert_of(self, name: str) -> Alert | None:
        leg = self.leg_of(name)
        return None if leg is None else self.alerts.get(leg[0])

    def side_of(self, name: str) -> Side | None:
        """Return the side of an order's leg; one of the other side closes it."""
        leg, alert = self.leg_of(name), self.alert_of(name)
        if leg is None or alert is None or leg[1] > len(alert.legs):
            return None
        return alert.legs[leg[1] - 1].side

    def violate(self, reason: Promise, text: str) -> None:
        if (reason, text) not in self.violations:
            self.violations.append((reason, text))
