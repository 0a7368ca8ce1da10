"""
The Shoonya broker: an account behind Noren, of either generation.

What an answer proves is decided in `shoonya_http`, the dialect is read and written in
`shoonya_words`; here the two become the port's promises.  A dead session is renewed
once for each call, never in a loop, and a call refused for want of a session was
certainly not carried out, so it alone is sent a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal

from shoonya_platform.brokers import shoonya_margins as margins
from shoonya_platform.brokers import shoonya_words as words
from shoonya_platform.brokers.base import (
    BrokerOrder,
    BrokerPosition,
    BrokerTrade,
    ExecutionReport,
    Limits,
    ModifyOrder,
    PlaceOrder,
    Quote,
    UnreadableRow,
)
from shoonya_platform.brokers.remembered import Remembered
from shoonya_platform.brokers.shoonya_account import ShoonyaAccount
from shoonya_platform.brokers.shoonya_answers import (
    Answer,
    NotOk,
    SessionExpired,
    word,
)
from shoonya_platform.brokers.shoonya_books import (
    ORDERS,
    POSITIONS,
    TRADES,
    Book,
    Rows,
)
from shoonya_platform.brokers.shoonya_feed import Feed
from shoonya_platform.brokers.shoonya_http import Transport
from shoonya_platform.brokers.shoonya_instruments import ShoonyaInstruments
from shoonya_platform.brokers.shoonya_limits import CircuitBreaker, Kind, RateLimiter
from shoonya_platform.brokers.shoonya_reports import Told
from shoonya_platform.brokers.shoonya_session import Session
from shoonya_platform.brokers.shoonya_words import Row, Unreadable
from shoonya_platform.clock import Clock
from shoonya_platform.domain.instruments import Exchange, Instrument, Product
from shoonya_platform.domain.margins import Margin
from shoonya_platform.domain.orders import BrokerOrderId
from shoonya_platform.errors import (
    BrokerRejected,
    BrokerUnavailable,
    LoginNeeded,
    OutcomeUnknown,
)
from shoonya_platform.instruments.file import FILE_NAME
from shoonya_platform.instruments.writer import InstrumentWriter

#: While the feed is down, `reports` reads the books at most this often.
POLL_SECONDS = 3.0
#: How long the first `reports` waits for the feed.
_FEED_SECONDS = 3.0
#: A price out of GetQuotes serves this long; longer where the feed should tell it and
#: cannot, as asking for each position every second would use up the rate limit.
_PRICE_SECONDS = 1.0
_FEED_PRICE_SECONDS = 15.0
#: How often a scrip's figures are asked for until they are of that scrip.
_SCRIP_TRIES = 3


class ShoonyaBroker:
    """
    The `Broker` over the wire.

    Opening it asks nobody anything: the first call logs in.

    Args:
        tell: Gets a sentence for the operator about what is tolerated.
    """

    def __init__(
        self,
        account: ShoonyaAccount,
        clock: Clock,
        *,
        tell: Callable[[str], None],
        breaker: CircuitBreaker | None = None,
    ) -> None:
        self._account = account
        self._clock = clock
        self._limiter = RateLimiter(
            account.folder / "calls",
            clock,
            orders_per_second=account.orders_per_second,
            requests_per_minute=account.requests_per_minute,
        )
        self._transport = Transport(
            account.api_url,
            bearer=account.generation == "oauth",
            timeout_seconds=account.timeout_seconds,
            limiter=self._limiter,
            breaker=breaker or CircuitBreaker(clock),
            clock=clock,
        )
        self._session = Session(account, self._transport, clock)
        self._rows = Rows()
        self._feed = Feed(
            account,
            lambda: self._session.current,
            tell=tell,
            pass_over=self._rows.add_report,
        )
        self._told = Told()
        self._polled_at = float("-inf")
        self._instruments = ShoonyaInstruments(
            InstrumentWriter(account.folder / FILE_NAME),
            clock,
            search=self._search,
            ask=self._security_info,
        )
        self._tokens: dict[tuple[Exchange, str], str] = {}
        self._quotes: dict[str, tuple[float, Quote]] = {}
        self._booked = Remembered[BrokerOrderId, Row, BrokerOrder](
            lambda row: words.order_of(row, now=clock.now())
        )
        #: Of the orders seen so far; each exchange counts its own.
        self._exchanges: dict[BrokerOrderId, Exchange] = {}

    @property
    def name(self) -> str:
        return "shoonya"

    @property
    def account(self) -> ShoonyaAccount:
        return self._account

    @property
    def session(self) -> Session:
        return self._session

    @property
    def feed(self) -> Feed:
        return self._feed

    def place(self, order: PlaceOrder) -> BrokerOrderId:
        fields = words.place_fields(order, self._account.user_id, self._account.user_id)
        kind = Kind.EXIT if order.is_exit else Kind.PLACE
        answer = self._change("PlaceOrder", fields, kind, order.exchange)
        try:
            placed = words.number_of(answer)
        except Unreadable as e:
            raise OutcomeUnknown(
                f"the broker took the order and gave it no usable number: {e}"
            ) from e
        self._told.note_placed(placed)
        self._exchanges[placed] = order.exchange
        return placed

    def modify(self, change: ModifyOrder) -> None:
        user_id = self._account.user_id
        fields = words.modify_fields(change, user_id, user_id)
        answer = self._change("ModifyOrder", fields, Kind.PLACE, change.exchange)
        _raise_if_of_another(answer, change.broker_order_id)

    def cancel(self, broker_order_id: BrokerOrderId) -> None:
        fields = {"uid": self._account.user_id, "norenordno": broker_order_id}
        exchange = self._exchanges.get(broker_order_id)
        answer = self._change("CancelOrder", fields, Kind.CANCEL, exchange)
        _raise_if_of_another(answer, broker_order_id)

    def reports(self) -> list[ExecutionReport]:
        self._session.token()
        self._feed.begin(min(_FEED_SECONDS, self._account.timeout_seconds))
        found: list[ExecutionReport] = []
        reread = self._feed.take_reread()
        if reread or self._has_to_poll():
            try:
                found += self._read_books()
            except BrokerUnavailable:
                if reread:
                    self._feed.ask_reread()
                raise
        for frame in self._feed.drain():
            report = self._report(frame)
            if report is not None:
                found.append(report)
        return found

    def order_book(self) -> list[BrokerOrder]:
        orders = self._read_orders()
        if not self._told.has_begun:
            self._told.begin(orders, self.trade_book() if _any_filled(orders) else [])
        return orders

    def trade_book(self) -> list[BrokerTrade]:
        now = self._clock.now()
        trades = self._read_book(
            TRADES, self._named(), lambda row: words.trade_of(row, now=now)
        )
        unique = {trade.fill.trade_id: trade for trade in trades}
        # Noren lists the newest first; a fill's place is its time.
        return sorted(
            unique.values(),
            key=lambda trade: (trade.fill.filled_at, trade.fill.trade_id),
        )

    def positions(self) -> list[BrokerPosition]:
        positions = self._read_book(POSITIONS, self._named(), words.position_of)
        return list(
            {
                (position.exchange, position.tradingsymbol, position.product): position
                for position in positions
            }.values()
        )

    def unreadable(self) -> list[UnreadableRow]:
        return self._rows.unreadable()

    def limits(self) -> Limits:
        try:
            return words.limits_of(self._object("Limits", self._named()))
        except Unreadable as e:
            raise _not_readable("Limits", e) from e

    def margin(self, orders: Sequence[PlaceOrder]) -> Margin:
        user_id = self._account.user_id
        fields = margins.margin_fields(orders, user_id, user_id)
        route = "GetOrderMargin" if len(orders) == 1 else "GetBasketMargin"
        row = self._object(route, fields)
        try:
            if len(orders) == 1:
                return margins.order_margin(row)
            return margins.basket_margin(row, self._object("Limits", self._named()))
        except Unreadable as e:
            raise _not_readable(route, e) from e

    def products(self) -> Mapping[Exchange, frozenset[Product]] | None:
        self._session.token()
        known = self._session.products()
        if known is not None:
            return known
        # The answer to a login with a browser may lack them.
        row = self._object("UserDetails", {"uid": self._account.user_id}, nothing={})
        found = margins.products_of(row)
        if found is not None:
            self._session.keep_products(found)
        return found

    def last_price(self, exchange: Exchange, tradingsymbol: str) -> Decimal | None:
        token = self._token(exchange, tradingsymbol)
        if token is None:
            return None
        key = f"{exchange}|{token}"
        self._feed.watch(key)
        told = self._feed.last_price(key)
        if told is not None:
            return told
        at, quote = self._quotes.get(key, (float("-inf"), None))
        longest = _FEED_PRICE_SECONDS if self._feed.has_begun else _PRICE_SECONDS
        if quote is None or self._clock.monotonic() - at > longest:
            quote = self._quote(exchange, token, tradingsymbol)
        return quote.last_price

    def quote(self, exchange: Exchange, tradingsymbol: str) -> Quote | None:
        token = self._token(exchange, tradingsymbol)
        if token is None:
            return None
        return self._quote(exchange, token, tradingsymbol)

    def instrument(self, exchange: Exchange, tradingsymbol: str) -> Instrument | None:
        return self._instruments.find(exchange, tradingsymbol)

    def log_out(self) -> bool:
        """
        End the session; return whether there was one.

        Raises:
            BrokerUnavailable: It may still live.
        """
        token = self._session.token()
        fields = {"uid": self._account.user_id}
        try:
            self._transport.post("Logout", fields, token=token)
        except SessionExpired:
            self._session.forget()
            return False
        except NotOk as e:
            raise BrokerUnavailable(f"the broker refused to log out: {e.emsg}") from e
        except OutcomeUnknown as e:
            raise BrokerUnavailable(e.message, hint=e.hint) from e
        self._session.forget()
        return True

    def close(self) -> None:
        self._feed.close()
        self._instruments.close()
        self._transport.close()
        self._limiter.close()

    # -- reports ---------------------------------------------------------------

    def _has_to_poll(self) -> bool:
        if self._feed.is_up:
            return False
        return self._clock.monotonic() - self._polled_at >= POLL_SECONDS

    def _read_books(self) -> list[ExecutionReport]:
        orders = self._read_orders()
        self._polled_at = self._clock.monotonic()
        # What this process has placed is news even to a first look.
        if not self._told.has_begun:
            self._told.begin(orders, self.trade_book() if _any_filled(orders) else [])
        if not self._told.differs(orders):
            return []
        trades = self.trade_book() if _any_filled(orders) else []
        return self._told.catch_up(orders, trades)

    def _report(self, frame: Row) -> ExecutionReport | None:
        try:
            report = words.report_of(frame, now=self._clock.now())
            if words.is_only_asked(frame):
                return None
        except Unreadable as e:
            # The books have it too, in full.
            self._rows.add_report(frame, e)
            self._feed.ask_reread()
            return None
        # It changes no claim: the order is as it was.
        return report if report.is_replace_refused else self._told.news(report)

    def _read_orders(self) -> list[BrokerOrder]:
        orders = self._read_book(
            ORDERS,
            {"uid": self._account.user_id},
            lambda row: self._booked.of(words.number_of(row), row),
        )
        unique = {order.broker_order_id: order for order in orders}
        self._booked.keep(unique)
        self._exchanges.update(
            (number, order.exchange) for number, order in unique.items()
        )
        return sorted(unique.values(), key=lambda order: order.broker_order_id)

    # -- scrips ----------------------------------------------------------------

    def _token(self, exchange: Exchange, tradingsymbol: str) -> str | None:
        key = (exchange, tradingsymbol)
        if key not in self._tokens:
            token = self._instruments.token(exchange, tradingsymbol)
            if token is None:
                return None
            self._tokens[key] = token
        return self._tokens[key]

    def _search(self, exchange: Exchange, tradingsymbol: str) -> str | None:
        answer = self._object(
            "SearchScrip",
            {
                "uid": self._account.user_id,
                "exch": str(exchange),
                "stext": tradingsymbol,
            },
            nothing={},
        )
        values = answer.get("values")
        for row in values if isinstance(values, list) else []:
            try:
                if isinstance(row, Mapping) and words.symbol_of(row) == tradingsymbol:
                    return words.text_of(row, "token") or None
            except Unreadable:
                continue
        return None

    def _quote(self, exchange: Exchange, token: str, tradingsymbol: str) -> Quote:
        quote = self._scrip_figures(
            "GetQuotes", exchange, token, tradingsymbol, words.quote_of
        )
        self._quotes[f"{exchange}|{token}"] = (self._clock.monotonic(), quote)
        return quote

    def _security_info(self, exchange: Exchange, token: str) -> Row:
        return self._scrip_figures(
            "GetSecurityInfo", exchange, token, None, lambda row: row
        )

    def _scrip_figures(
        self,
        route: str,
        exchange: Exchange,
        token: str,
        tradingsymbol: str | None,
        read: Callable[[Row], words.T],
    ) -> words.T:
        """
        Read what one call says of a scrip, if it is this scrip it speaks of.

        Args:
            tradingsymbol: Compared too; None where only the token is known.
        """
        fields = {"uid": self._account.user_id, "exch": str(exchange), "token": token}

        other = ""
        # Shoonya answers with another instrument now and then; the next answer is
        # nearly always right.
        for _ in range(_SCRIP_TRIES):
            row = self._object(route, fields, nothing={})
            try:
                if not row:
                    return read(row)
                found = (*words.scrip_of(row), words.symbol_of(row))
                if found == (exchange, token, tradingsymbol or found[-1]):
                    return read(row)
                other = words.shown("|".join(found))
            except Unreadable as e:
                raise _not_readable(route, e) from e
        raise BrokerUnavailable(
            f"the broker answered {route} for {exchange}|{token} with {other}"
        )

    # -- asking ----------------------------------------------------------------

    def _named(self) -> dict[str, str]:
        return {"uid": self._account.user_id, "actid": self._account.user_id}

    def _change(
        self,
        route: str,
        fields: Mapping[str, object],
        kind: Kind,
        exchange: Exchange | None,
    ) -> Mapping[str, object]:
        try:
            answer = self._ask(route, fields, kind, exchange)
        except NotOk as e:
            raise BrokerRejected(e.emsg) from e
        if not isinstance(answer, dict) or word(answer, "stat") != "ok":
            raise OutcomeUnknown(f"the broker answered {route} with something else")
        return answer

    def _read_book(
        self, book: Book, fields: Mapping[str, object], read: Callable[[Row], words.T]
    ) -> list[words.T]:
        """Read a list; one that is empty comes as `no data`."""
        try:
            answer = self._read(book.route, fields)
        except NotOk as e:
            if e.is_no_data:
                self._rows.is_empty(book)
                return []
            raise BrokerUnavailable(f"the broker refused {book.route}: {e.emsg}") from e
        return self._rows.usable(book, answer, read)

    def _object(
        self,
        route: str,
        fields: Mapping[str, object],
        *,
        nothing: Row | None = None,
    ) -> Row:
        """Read a single result; `nothing` stands for one that is not there."""
        try:
            answer = self._read(route, fields)
        except NotOk as e:
            if e.is_no_data and nothing is not None:
                return nothing
            raise BrokerUnavailable(f"the broker refused {route}: {e.emsg}") from e
        if not isinstance(answer, dict):
            raise BrokerUnavailable(f"the broker answered {route} with a list")
        return answer

    def _read(self, route: str, fields: Mapping[str, object]) -> Answer:
        try:
            return self._ask(route, fields, Kind.READ)
        except OutcomeUnknown as e:
            raise BrokerUnavailable(e.message, hint=e.hint) from e

    def _ask(
        self,
        route: str,
        fields: Mapping[str, object],
        kind: Kind,
        exchange: Exchange | None = None,
    ) -> Answer:
        token = self._session.token()
        try:
            answer = self._transport.post(
                route, fields, token=token, kind=kind, exchange=exchange
            )
        except SessionExpired as e:
            token = self._session.renew(token, e.emsg)
            self._feed.session_changed()
        else:
            self._session.works(token)
            return answer
        try:
            return self._transport.post(
                route, fields, token=token, kind=kind, exchange=exchange
            )
        except SessionExpired as e:
            self._session.bury(token, e.emsg)
            raise LoginNeeded(
                f"a new session was refused as well: {e.emsg}",
                hint="log in again: shoonyactl broker login",
            ) from e


def _any_filled(orders: Iterable[BrokerOrder]) -> bool:
    return any(order.filled_quantity for order in orders)


def _raise_if_of_another(answer: Row, broker_order_id: BrokerOrderId) -> None:
    """Hold the answer to a change of an order against the order that was meant."""
    try:
        number = words.text_of(answer, "result")
    except Unreadable as e:
        raise OutcomeUnknown(f"the broker's answer cannot be read: {e}") from e
    if number != broker_order_id:
        raise OutcomeUnknown(
            f"the broker answered for order '{words.shown(number)}' when "
            f"'{broker_order_id}' was meant"
        )


def _not_readable(route: str, error: Unreadable) -> BrokerUnavailable:
    return BrokerUnavailable(f"the broker's answer to {route} cannot be read: {error}")
