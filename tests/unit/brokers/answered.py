"""The adapter over a real server's answers, each to be replaced by a test."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shoonya_platform.brokers.shoonya import ShoonyaBroker
from shoonya_platform.brokers.shoonya_http import Reply
from shoonya_platform.brokers.shoonya_limits import CircuitBreaker
from shoonya_platform.clock import SystemClock
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.domain.orders import BrokerOrderId
from shoonya_platform.testing.noren.server import NorenSimulator
from tests.contract.broker_worlds import SYMBOL, a_change, a_limit_order, an_order
from tests.contract.noren_world import account_of

READINGS = {
    "order_book": lambda broker: broker.order_book(),
    "trade_book": lambda broker: broker.trade_book(),
    "positions": lambda broker: broker.positions(),
    "limits": lambda broker: broker.limits(),
    "reports": lambda broker: broker.reports(),
    "last_price": lambda broker: broker.last_price(Exchange.NFO, SYMBOL),
    "quote": lambda broker: broker.quote(Exchange.NFO, SYMBOL),
    "instrument": lambda broker: broker.instrument(Exchange.NFO, SYMBOL),
    "search": lambda broker: broker.quote(Exchange.NFO, "NOSUCHTHING"),
}


class AnsweredBroker(ShoonyaBroker):
    """Asks its queue instead of the network; what it really got is recorded."""

    resting: BrokerOrderId

    def begin_recording(self) -> None:
        self.recorded: dict[str, tuple[int, bytes]] = {}
        self.canned: dict[str, tuple[int, bytes]] | None = None
        real = self._transport._exchange

        def exchange(method, url, name, body, headers):
            if self.canned is not None:
                return Reply(*self.canned.get(name, (200, b"")))
            reply = real(method, url, name, body, headers)
            self.recorded[name] = (reply.status, reply.content)
            return reply

        for owner, name, stand_in in (
            (self._transport, "_exchange", exchange),
            (self._limiter, "take", lambda *arguments: None),
            (self.feed, "begin", lambda wait_seconds: None),
        ):
            setattr(owner, name, stand_in)

    def forget(self) -> None:
        for token in list(self.session._dead):
            self.session.works(token)
        self._transport._breaker = CircuitBreaker(SystemClock())
        self._tokens.clear()
        self._quotes.clear()
        self._instruments._securities.clear()
        self._instruments._failed_at.clear()
        self._instruments._found.clear()
        self._polled_at = float("-inf")


@contextmanager
def answered_broker(folder: Path) -> Iterator[AnsweredBroker]:
    """Yield a broker that has recorded an answer to each of its questions."""
    with NorenSimulator("oauth", listed=[f"NFO:{SYMBOL}"]) as simulator:
        simulator.set_price(Exchange.NFO, SYMBOL, "100")
        account = account_of(simulator, folder)
        made = AnsweredBroker(account, SystemClock(), tell=lambda text: None)
        made.begin_recording()
        made.place(an_order("O-1"))
        made.resting = made.place(a_limit_order("O-2", price="50"))
        made.modify(a_change(made.resting, price="51"))
        for call in READINGS.values():
            call(made)
        user_id = account.user_id
        made._transport.post(
            "SearchScrip",
            {"uid": user_id, "exch": "NFO", "stext": SYMBOL},
            token=made.session.token(),
        )
        canceled = made.place(a_limit_order("O-3", price="50"))
        made.cancel(canceled)
        yield made
        made.close()
