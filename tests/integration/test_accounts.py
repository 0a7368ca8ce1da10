"""Each account has a book of its own: none ever finds another one's positions."""

import sqlite3

import pytest

from shoonya_platform.assessment.assess import assess
from shoonya_platform.assessment.conditions import ConditionKind
from shoonya_platform.config.settings import Broker, Settings, Shoonya
from shoonya_platform.domain.orders import OrderStatus, OrderTrigger
from shoonya_platform.errors import OtherAccount
from shoonya_platform.store.accounts import account_of, find_store
from shoonya_platform.store.sqlite import SqliteOrderStore
from shoonya_platform.testing.clock import FakeClock
from shoonya_platform.testing.orders import a_fill, store_order

LIVE = "shoonya-FA12345"


@pytest.fixture
def open_book(tmp_path):
    opened = []

    def open_one(account):
        path = find_store(tmp_path, account)
        clock = FakeClock()
        store = SqliteOrderStore(
            path, service="tests", run_id="r", clock=clock, account=account
        )
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        store.close()


def hold(store):
    """Have a position of one order in a book."""
    order = store_order(store, OrderStatus.GUARD_PASSED)
    with store.transaction(durable=True):
        order = store.orders.record(
            order, OrderTrigger.SUBMITTED, text="to the paper broker"
        )
        order = store.orders.record(order, OrderTrigger.ACCEPTED)
        store.orders.fill(order, a_fill(order.quantity))
    return order


def make_unclaimed(path):
    """Turn a store into one of a version that did not know accounts."""
    with sqlite3.connect(path) as store:
        store.execute("DELETE FROM account")
    store.close()


def test_first_account_has_orders_db_and_each_other_a_file_of_its_own(
    open_book, tmp_path
):
    open_book("paper")
    open_book(LIVE)
    open_book("shoonya-FB1")

    names = {path.name for path in tmp_path.glob("*.db")}
    assert names == {"orders.db", f"orders-{LIVE}.db", "orders-shoonya-FB1.db"}
    assert account_of(tmp_path / f"orders-{LIVE}.db") == LIVE
    assert find_store(tmp_path, "paper") == tmp_path / "orders.db"


def test_position_of_one_account_is_not_in_the_book_of_another(open_book):
    hold(open_book("paper"))

    assert open_book(LIVE).positions.open() == []
    assert len(open_book("paper").positions.open()) == 1


def test_live_account_that_came_first_keeps_orders_db(open_book, tmp_path):
    open_book(LIVE)
    paper = open_book("paper")

    assert find_store(tmp_path, LIVE) == tmp_path / "orders.db"
    assert paper.path == tmp_path / "orders-paper.db"


def test_book_of_an_earlier_version_belongs_to_the_broker_of_its_latest_order(
    open_book, tmp_path
):
    hold(open_book("paper"))
    make_unclaimed(tmp_path / "orders.db")

    assert account_of(tmp_path / "orders.db") == "paper"
    assert open_book(LIVE).path == tmp_path / f"orders-{LIVE}.db"
    assert len(open_book("paper").positions.open()) == 1
    with sqlite3.connect(tmp_path / "orders.db") as store:
        assert store.execute("SELECT name FROM account").fetchall() == [("paper",)]
    store.close()


def test_book_of_an_earlier_version_without_orders_is_taken_over(open_book, tmp_path):
    open_book("paper")
    make_unclaimed(tmp_path / "orders.db")

    assert open_book(LIVE).path == tmp_path / "orders.db"
    assert account_of(tmp_path / "orders.db") == LIVE


def test_book_of_another_account_is_refused(open_book, tmp_path):
    open_book("paper").close()

    with pytest.raises(OtherAccount, match=f"the book of 'paper', and '{LIVE}'"):
        SqliteOrderStore(
            tmp_path / "orders.db",
            service="tests",
            run_id="r",
            clock=FakeClock(),
            account=LIVE,
        )


def test_what_another_book_holds_is_shown_until_it_is_closed(open_book):
    paper = open_book("paper")
    order = hold(paper)
    live = open_book(LIVE)

    def others():
        return [
            (each.subject, each.text)
            for each in assess(live, FakeClock().now())
            if each.kind is ConditionKind.OTHER_ACCOUNT_OPEN
        ]

    ((subject, text),) = others()
    assert subject == "paper"
    assert f"1 open positions (NFO:{order.tradingsymbol} " in text
    assert open_book(LIVE).other_books()
    assert paper.other_books() == []
    with sqlite3.connect(paper.path) as store:
        store.execute("UPDATE positions SET quantity = 0")
    store.close()
    assert others() == []


@pytest.mark.parametrize(
    ("user_id", "account"), [("fa12345", LIVE), ("../x", "shoonya-___X")]
)
def test_account_names_a_file(user_id, account):
    settings = Settings(broker=Broker(name="shoonya"), shoonya=Shoonya(user_id=user_id))

    assert settings.account == account
    assert Settings().account == "paper"
