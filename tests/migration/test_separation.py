"""A book of before accounts, in which paper and real orders are mixed, is separated."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from shoonya_platform.domain.orders import OrderStatus
from shoonya_platform.errors import OtherAccount
from shoonya_platform.store.accounts import account_of, find_store
from shoonya_platform.store.sqlite import SqliteOrderStore, migrations

LIVE = "shoonya-FA12345"
#: The last schema in which no book had an account.
VERSION = 14
BEGIN = datetime(2026, 11, 24, 4, 30, tzinfo=UTC)
S = OrderStatus


class OldBook:
    """Writes rows as a version before accounts did."""

    def __init__(self, path) -> None:
        self.path = path
        self._orders = 0
        with closing(sqlite3.connect(path)) as connection:
            for script in migrations()[:VERSION]:
                connection.executescript(script)
            connection.execute(f"PRAGMA application_id = {0x53484F4F}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.commit()

    def order(
        self,
        broker,
        quantity,
        *,
        strategy="s",
        symbol="NIFTY28DEC27F",
        price=100,
        status="filled",
        intent="entry",
        product="NRML",
    ):
        """Add an order and, if it is filled, its fill; return its number."""
        self._orders += 1
        number = self._orders
        at = (BEGIN + timedelta(minutes=number)).isoformat(timespec="microseconds")
        side = "BUY" if quantity > 0 else "SELL"
        filled = abs(quantity) if status == "filled" else 0
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute(
                "INSERT INTO alerts (alert_id, dedupe_key, received_at, strategy, body,"
                " status, outcome) VALUES (?, ?, ?, ?, '{}', 'planned', '')",
                (f"A{number}", f"k{number}", at, strategy),
            )
            row = {
                "order_id": number,
                "client_order_id": f"O{number}-1",
                "alert_id": f"A{number}",
                "leg": 1,
                "attempt": 1,
                "part": 1,
                "strategy": strategy,
                "intent": intent,
                "exchange": "NFO",
                "tradingsymbol": symbol,
                "side": side,
                "quantity": abs(quantity),
                "order_type": "MARKET",
                "product": product,
                "time_in_force": "DAY",
                "status": status,
                "broker_order_id": f"B{number}",
                "filled_quantity": filled,
                "alerted_at": at,
                "created_at": at,
                "updated_at": at,
            }
            insert(connection, "orders", row)
            if broker is not None:
                event = {
                    "alert_id": f"A{number}",
                    "order_id": number,
                    "trigger": "submitted",
                    "order_status": "submitted",
                    "service": "command_service",
                    "run_id": "r",
                    "occurred_at": at,
                    "text": f"to the {broker} broker",
                }
                insert(connection, "events", event)
            if filled:
                fill = {
                    "order_id": number,
                    "trade_id": f"T{number}",
                    "quantity": filled,
                    "price": str(price),
                    "realised_pnl": "0",
                    "filled_at": at,
                }
                insert(connection, "fills", fill)
            connection.commit()
        return number

    def position(self, quantity, average, *, strategy="s", symbol="NIFTY28DEC27F"):
        row = {
            "strategy": strategy,
            "exchange": "NFO",
            "tradingsymbol": symbol,
            "product": "NRML",
            "quantity": quantity,
            "realised_pnl": "0",
            "average_price": str(average),
            "updated_at": BEGIN.isoformat(),
        }
        with closing(sqlite3.connect(self.path)) as connection:
            insert(connection, "positions", row)
            connection.commit()


def insert(connection, table, row):
    names = ", ".join(row)
    marks = ", ".join("?" * len(row))
    statement = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608
    connection.execute(statement, tuple(row.values()))


@pytest.fixture
def old(tmp_path):
    return OldBook(tmp_path / "orders.db")


@pytest.fixture
def open_book(tmp_path, clock):
    opened = []

    def make(account):
        store = SqliteOrderStore(
            find_store(tmp_path, account),
            service="tests",
            run_id="r",
            clock=clock,
            account=account,
        )
        opened.append(store)
        return store

    yield make
    for store in opened:
        store.close()


def held(store):
    return [
        (each.strategy, each.tradingsymbol, each.quantity, each.average_price)
        for each in store.positions.open()
    ]


def test_paper_positions_and_orders_do_not_come_into_the_live_account(
    old, open_book, tmp_path
):
    old.order("paper", 65, strategy="paper only")
    old.position(65, 100, strategy="paper only")
    resting = old.order("paper", 65, strategy="resting", status="accepted")
    old.order("shoonya", -130, strategy="live", price=90)
    old.position(-130, 90, strategy="live")
    working = old.order("shoonya", 65, strategy="live", status="accepted")

    live, paper = open_book(LIVE), open_book("paper")

    assert held(live) == [("live", "NIFTY28DEC27F", -130, Decimal(90))]
    assert live.orders.get(resting).status is S.EXPIRED
    assert "paper account" in live.orders.get(resting).reason
    assert live.orders.get(working).status is S.ACCEPTED
    assert paper.path == tmp_path / "orders-paper.db"
    assert held(paper) == [("paper only", "NIFTY28DEC27F", 65, Decimal(100))]
    assert paper.orders.get(resting).status is S.ACCEPTED
    assert paper.orders.get(working).status is S.EXPIRED
    assert [event.trigger for event in live.orders.events(order_id=resting)] == [
        "submitted",
        "expired",
    ]
    # What the other account holds is shown.
    (book,) = live.other_books()
    assert (book.account, "1 open positions" in book.text) == ("paper", True)


def test_holding_of_both_is_what_each_has_filled(old, open_book):
    old.order("paper", 130, price=100)
    old.order("shoonya", 65, price=90)
    old.order("paper", -65, price=120, intent="exit")
    old.order("shoonya", 65, price=110)
    old.position(195, 95)

    assert held(open_book(LIVE)) == [("s", "NIFTY28DEC27F", 130, Decimal(100))]
    assert held(open_book("paper")) == [("s", "NIFTY28DEC27F", 65, Decimal(100))]


def test_live_positions_do_not_come_into_the_paper_account_either(
    old, open_book, tmp_path
):
    old.order("shoonya", 65)
    old.position(65, 100)
    old.order("paper", 65, strategy="paper")
    old.position(65, 100, strategy="paper")

    paper = open_book("paper")
    live = open_book(LIVE)

    assert paper.path == tmp_path / "orders.db"
    assert [strategy for strategy, *_ in held(paper)] == ["paper"]
    assert [strategy for strategy, *_ in held(live)] == ["s"]
    assert account_of(live.path) == LIVE
    assert open_book(LIVE).path == live.path


def test_exit_that_was_not_sent_stays_where_its_position_is(old, open_book):
    old.order("paper", 65, strategy="paper")
    old.position(65, 100, strategy="paper")
    old.order("shoonya", 65, strategy="live")
    old.position(65, 100, strategy="live")
    waiting = {
        name: old.order(None, -65, strategy=name, status="guard_passed", intent="exit")
        for name in ("paper", "live")
    }

    live, paper = open_book(LIVE), open_book("paper")

    assert live.orders.get(waiting["live"]).status is S.GUARD_PASSED
    assert live.orders.get(waiting["paper"]).status is S.EXPIRED
    assert paper.orders.get(waiting["paper"]).status is S.GUARD_PASSED
    assert paper.orders.get(waiting["live"]).status is S.EXPIRED


def test_other_account_without_anything_open_gets_no_book(old, open_book, tmp_path):
    old.order("paper", 65)
    old.order("paper", -65, intent="exit")
    old.order("shoonya", 65, strategy="live")
    old.position(65, 100, strategy="live")

    live = open_book(LIVE)

    assert len(held(live)) == 1
    assert [path.name for path in tmp_path.glob("*.db")] == ["orders.db"]


@pytest.mark.parametrize("broker", ["paper", "shoonya"])
def test_book_of_one_account_is_not_touched(old, open_book, broker, tmp_path):
    old.order(broker, 65)
    # A product that was converted: its fills are of another one.
    old.position(130, 100)
    # Adopted: no event says who got it.
    adopted = old.order(None, 65, status="accepted")

    store = open_book("paper" if broker == "paper" else LIVE)
    assert store.orders.get(adopted).status is S.ACCEPTED

    assert held(store) == [("s", "NIFTY28DEC27F", 130, Decimal(100))]
    assert [path.name for path in tmp_path.glob("*.db")] == ["orders.db"]


def test_holding_that_its_fills_do_not_explain_is_refused_with_a_command(
    old, open_book, tmp_path
):
    old.order("paper", 65)
    old.order("shoonya", 65)
    old.position(195, 100)

    for _ in range(2):
        with pytest.raises(OtherAccount) as refused:
            open_book(LIVE)
        assert "195 of NFO:NIFTY28DEC27F" in refused.value.message
        assert "the fills show 130" in refused.value.message
        assert f"mv '{old.path}'" in (refused.value.hint or "")

    assert [path.name for path in tmp_path.glob("*.db")] == ["orders.db"]
    with closing(sqlite3.connect(old.path)) as connection:
        assert connection.execute("SELECT quantity FROM positions").fetchall() == [
            (195,)
        ]


def test_book_that_the_other_account_has_already_is_never_overwritten(
    old, open_book, tmp_path
):
    old.order("paper", 65)
    old.position(65, 100)
    old.order("shoonya", 65, strategy="live")
    with closing(sqlite3.connect(tmp_path / "orders-paper.db")) as connection:
        connection.execute("CREATE TABLE its_own (x)")

    with pytest.raises(OtherAccount, match="exists already"):
        open_book(LIVE)


def test_separation_is_made_once(old, open_book):
    old.order("paper", 65)
    old.position(65, 100)
    old.order("shoonya", 65, strategy="live")
    old.position(65, 100, strategy="live")
    for _ in range(2):
        live = open_book(LIVE)
        assert len(held(live)) == 1
    paper = open_book("paper")
    with paper.transaction(durable=True):
        paper.trading.set("HALTED", reason="a test", by="tests")

    open_book(LIVE)

    assert open_book("paper").trading.status().reason == "a test"


def test_position_of_one_broker_stays_whole_after_a_change_of_its_product(
    old, open_book
):
    old.order("paper", 65, strategy="paper")
    old.position(65, 100, strategy="paper")
    old.order("shoonya", 65, strategy="live", product="MIS")
    old.position(65, 100, strategy="live")

    assert [strategy for strategy, *_ in held(open_book(LIVE))] == ["live"]
    assert [strategy for strategy, *_ in held(open_book("paper"))] == ["paper"]


def test_open_order_of_an_unknown_broker_is_refused(old, open_book):
    old.order("paper", 65)
    old.order("shoonya", 65)
    old.order(None, 65, status="accepted")

    with pytest.raises(OtherAccount, match="which broker got order 3"):
        open_book(LIVE)


def test_position_without_fills_is_refused_in_a_mixed_book(old, open_book):
    old.order("paper", 65)
    old.order("shoonya", 65)
    old.position(65, 100, strategy="from nowhere")

    with pytest.raises(OtherAccount, match="'from nowhere', and the fills show 0"):
        open_book(LIVE)
