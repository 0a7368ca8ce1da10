"""
The defects of the order path before this one, by number: none of them comes back.

Each test is named for its number, and fails on the behaviour that `DEFECTS` tells.

Long, as it is one numbered list, held against the table whole.
"""

import json
import logging
import re
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from shoonya_platform.brokers.base import PlaceOrder
from shoonya_platform.brokers.shoonya import ShoonyaBroker
from shoonya_platform.brokers.shoonya_words import order_of, place_fields, position_of
from shoonya_platform.clock import SystemClock
from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.catalogue import Catalogue
from shoonya_platform.domain.data import catalogue_defaults
from shoonya_platform.domain.days import trading_day
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.margins import Margin
from shoonya_platform.domain.orders import (
    Intent,
    OrderStatus,
    OrderTrigger,
    OrderType,
    Side,
)
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.errors import BrokerError, BrokerRejected, BrokerUnavailable
from shoonya_platform.execution.command_service import CommandService
from shoonya_platform.execution.exchange_rules import GuardRules
from shoonya_platform.execution.execution_guard import ExecutionGuard
from shoonya_platform.execution.order_watcher import (
    RECONCILE_SECONDS,
    OrderWatcherEngine,
)
from shoonya_platform.execution.outcomes import RecoveryRules
from shoonya_platform.execution.recovery import RecoveryService
from shoonya_platform.execution.trading_bot import TradingBot
from shoonya_platform.execution.webhook import Intake, create_app
from shoonya_platform.risk.limits import RiskLimits
from shoonya_platform.risk.supreme_risk import WATCH_SECONDS, SupremeRiskManager
from shoonya_platform.testing.brokers import RecordingBroker
from shoonya_platform.testing.clock import BEGIN
from shoonya_platform.testing.noren.server import NorenSimulator
from shoonya_platform.testing.orders import (
    SYMBOL,
    a_fill,
    a_leg,
    alert_body,
    an_alert,
    store_alert,
    store_order,
)
from shoonya_platform.testing.tickers import packaged_tickers
from tests.contract.broker_worlds import an_order
from tests.contract.noren_world import SYMBOL as OPTION
from tests.contract.noren_world import account_of
from tests.preconditions import at_any_moment

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

#: What the system before this one did, as its source was read.
DEFECTS = {
    1: "any refusal counted as an empty answer: a new login, the order sent up to "
    "three times again, the reason lost",
    2: "an exception while sending left the row as it was: sent again every second",
    3: "entries from alerts were stored as exits at the market, type and price dropped",
    4: "one exception ended the watcher for good",
    5: "'CANCELLED' was looked for, the broker says CANCELED: such orders never closed",
    6: "recovery updated no row, as it took the broker's number for ours, and read a "
    "field that positions do not have",
    7: "a strategy's own orders were never found, so no duplicate ever was",
    8: "every position of the account counted as the strategy's: it blocked entries",
    9: "the loss limit held only once a profit had been seen, and was looked at once "
    "a minute",
    10: "breach, losing days and cool-down were forgotten by a restart; profits "
    "warned as losses do; a log line could not be written",
    11: "the broker's product codes were taken for words: a risk exit would have sold "
    "deliveries",
    12: "the webhook logged in, asked the broker and told Telegram while the sender "
    "waited, answered 500, and logged the secret",
    13: "part fills, and a canceled rest, could not be told",
    14: "a webhook secret and a server's address were committed",
}
ROOT = Path(__file__).parents[2]
S, T = OrderStatus, OrderTrigger
INSTRUMENTS = Catalogue(catalogue_defaults())
NFO = Exchange.NFO
SECRET = "correct-horse-battery"
LIMITS = RiskLimits(
    max_daily_loss=Decimal(1000),
    max_exposure=Decimal(10**9),
    max_open_positions=100,
    max_order_value=Decimal(10**9),
    loss_days=2,
)


def test_each_defect_has_its_test():
    numbers = {
        int(match[1])
        for match in (re.match(r"test_d(\d\d)_", name) for name in globals())
        if match
    }

    assert numbers == set(DEFECTS) == set(range(1, 15))


def no_ring(*services):
    """Nobody is rung."""


@pytest.fixture
def broker(clock):
    return RecordingBroker(clock)


@pytest.fixture
def command(store, broker, clock):
    service = CommandService(store, broker, clock, no_ring, at_any_moment(store))
    service.begin()
    return service


@pytest.fixture
def risk(store, clock):
    return SupremeRiskManager(store, LIMITS, clock, no_ring)


@pytest.fixture
def guard(store, clock):
    rules = GuardRules(calendar=None, max_alert_age_seconds=1e9)
    catalogue = Catalogue(catalogue_defaults())
    return ExecutionGuard(store, catalogue, rules, clock, no_ring)


@pytest.fixture
def bot(store, broker, clock):
    class Quotes:
        last_price = broker.last_price
        quote = broker.quote
        positions = broker.positions
        unreadable = broker.unreadable

        def instrument(self, exchange, tradingsymbol):
            return None

        def margin(self, orders):
            return Margin(required=Decimal(0), available=Decimal(1))

        def products(self):
            return None

        def note_price(self, exchange, tradingsymbol, price):
            pass

    return TradingBot(
        store, Quotes(), clock, no_ring, instruments=INSTRUMENTS, replan_seconds=0
    )


def at_broker(broker, order):
    claim = broker.accept(
        PlaceOrder.of(order),
        order.broker_order_id,
    )
    return claim.broker_order_id


def now(store, order):
    return store.orders.get(order.order_id)


def trade(store, quantity, price, **changes):
    order = store_order(store, S.ACCEPTED, quantity=quantity, **changes)
    with store.transaction(durable=False):
        store.orders.fill(order, a_fill(quantity, price))
    return order


def lose(store, rupees=1000, filled_at=BEGIN):
    for side, price in ((Side.BUY, 10_000), (Side.SELL, 10_000 - rupees)):
        order = store_order(
            store,
            S.ACCEPTED,
            quantity=1,
            side=side,
            strategy="loser",
            tradingsymbol="BANKNIFTY28DEC27F",
        )
        with store.transaction(durable=False):
            store.orders.fill(order, a_fill(1, price, filled_at=filled_at))


def test_d01_refusal_is_told_with_its_reason_and_the_order_sent_once(tmp_path):
    with NorenSimulator("quickauth", listed=[f"NFO:{OPTION}"]) as simulator:
        broker = ShoonyaBroker(
            account_of(simulator, tmp_path), SystemClock(), tell=print
        )
        simulator.add_fault("refuse")

        with pytest.raises(BrokerRejected, match="refused on demand"):
            broker.place(an_order())

        broker.close()
        assert simulator.app.asked["PlaceOrder"] == 1
        assert simulator.access.logins == 1


@pytest.mark.parametrize("error", [BrokerError("odd"), RuntimeError("a bug")])
def test_d02_order_whose_sending_raised_is_never_sent_again(
    store, broker, command, clock, error
):
    order = store_order(store, S.GUARD_PASSED)

    def fail(_):
        raise error

    broker.on_place = fail
    try:
        command.step()
    except RuntimeError:
        # The process ends of it, and is started anew.
        command = CommandService(store, broker, clock, no_ring, at_any_moment(store))
        command.begin()
    broker.on_place = None
    for _ in range(5):
        clock.advance(1)
        command.step()

    assert now(store, order).status is S.OUTCOME_UNKNOWN
    assert len(broker.placed) == 1


def test_d03_entry_keeps_its_intent_type_and_price(store, bot):
    leg = a_leg(order_type="SL-LMT", price="101.5", trigger_price="101")
    alert_id = store_alert(store, an_alert(leg))

    bot.step()

    (order,) = store.orders.of_alert(alert_id)
    assert (order.intent, order.order_type) == (Intent.ENTRY, OrderType.STOP_LIMIT)
    assert (order.price, order.trigger_price) == (Decimal("101.5"), Decimal(101))


def test_d04_watcher_goes_on_after_an_error_and_misses_nothing(store, broker, clock):
    order = store_order(store, S.ACCEPTED)
    number = at_broker(broker, order)
    watcher = OrderWatcherEngine(store, broker, clock, no_ring)
    broker.is_down = True
    for _ in range(3):
        with pytest.raises(BrokerUnavailable):
            watcher.step()
    broker.fill(number, 65)
    # What was told meanwhile is lost, too.
    broker.news.clear()
    broker.is_down = False
    clock.advance(RECONCILE_SECONDS + 1)

    watcher.step()

    assert now(store, order).status is S.FILLED


@pytest.mark.parametrize("word", ["CANCELED", "CANCELLED", "canceled"])
def test_d05_canceled_order_closes_however_it_is_spelt(store, broker, clock, word):
    order = store_order(store, S.ACCEPTED)
    number = at_broker(broker, order)
    row = {
        **place_fields(broker_order(order), "U", "U"),
        "norenordno": number,
        "status": word,
    }
    claim = order_of(row, now=clock.now())
    broker.book[number] = claim
    clock.advance(RECONCILE_SECONDS + 1)

    OrderWatcherEngine(store, broker, clock, no_ring).begin()

    assert now(store, order).status is S.CANCELED


def broker_order(order):
    return PlaceOrder.of(order)


def test_d06_recovery_moves_the_row_that_the_broker_speaks_of(store, broker, clock):
    order = store_order(store, S.OUTCOME_UNKNOWN)
    number = at_broker(broker, order)
    broker.fill(number, 65, 101)
    rules = RecoveryRules(
        interval_seconds=30, absent_reads=3, absent_seconds=8, exit_absent_seconds=8
    )

    RecoveryService(
        store, broker, rules, clock, no_ring, instruments=INSTRUMENTS
    ).step()

    after = now(store, order)
    assert (after.status, after.broker_order_id) == (S.FILLED, number)
    assert after.average_price == 101


def test_d06_position_has_the_price_that_the_broker_tells():
    row = {"exch": "NFO", "tsym": SYMBOL, "prd": "M", "netqty": "65"}

    assert position_of({**row, "netavgprc": "101.50"}).average_price == Decimal("101.5")


@pytest.mark.parametrize("status", [S.ACCEPTED, S.FILLED])
def test_d07_second_entry_of_a_strategy_is_a_duplicate(store, bot, guard, status):
    first = store_order(store, status)
    alert_id = store_alert(store, an_alert(strategy_name=first.strategy))
    bot.step()
    (order,) = store.orders.of_alert(alert_id)
    with store.transaction(durable=False):
        store.orders.record(order, T.RISK_PASSED)

    guard.step()

    assert now(store, order).reason.startswith("DUPLICATE_ENTRY")


def test_d08_position_of_another_strategy_blocks_no_entry(store, guard):
    trade(store, 65, 100, strategy="another")
    order = store_order(store, S.RISK_PASSED, strategy="straddle")

    guard.step()

    assert now(store, order).status is S.GUARD_PASSED


def test_d09_loss_limit_holds_from_the_first_trade_on(store, risk):
    lose(store)
    order = store_order(store)

    risk.step()

    assert now(store, order).reason.startswith("DAILY_LOSS_LIMIT")


def test_d09_loss_is_looked_at_every_few_seconds_without_any_order(store, risk, clock):
    risk.step()
    lose(store)
    clock.advance(WATCH_SECONDS)

    risk.step()

    assert WATCH_SECONDS <= 5
    assert store.trading.status().state is TradingState.REDUCING


def test_d10_breach_outlives_a_restart(store, risk, clock):
    lose(store)
    risk.step()
    order = store_order(store)

    SupremeRiskManager(store, LIMITS, clock, no_ring).step()

    day = store.risk.day(trading_day(clock.now()))
    assert day is not None
    assert day.breached
    assert now(store, order).reason.startswith("DAILY_LOSS_LIMIT")


def test_d10_losing_days_and_their_cool_down_outlive_restarts(store, clock):
    for _ in range(2):
        lose(store, 500, clock.now())
        SupremeRiskManager(store, LIMITS, clock, no_ring).step()
        clock.advance(timedelta(days=1).total_seconds())
    order = store_order(store)

    SupremeRiskManager(store, LIMITS, clock, no_ring).step()

    assert now(store, order).reason.startswith("LOSS_DAYS_COOLDOWN")


@pytest.mark.parametrize(("rupees", "warns"), [(900, True), (-900, False)])
def test_d10_losses_warn_and_profits_do_not(store, risk, caplog, rupees, warns):
    lose(store, rupees)
    with caplog.at_level(logging.INFO, "RISK_MANAGER"):
        risk.step()

    told = [record for record in caplog.records if record.event == "risk_warning"]
    assert bool(told) is warns
    # A format that cannot be filled in raises here.
    assert all(record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(
    ("code", "product"), [("C", Product.CNC), ("M", Product.NRML), ("I", Product.MIS)]
)
def test_d11_product_codes_mean_the_same_in_both_directions(code, product):
    row = {"exch": "NSE", "tsym": "INFY-EQ", "prd": code, "netqty": "10"}

    assert position_of(row).product is product
    assert place_fields(replace(an_order(), product=product), "U", "U")["prd"] == code


def test_d11_risk_exit_closes_what_we_hold_in_its_product_and_nothing_else(
    store, risk, bot, broker
):
    trade(store, 65, 100, strategy="mis", product=Product.MIS)
    # The account's own deliveries are no strategy's, and nobody's to sell.
    broker.add(
        replace(
            broker.accept(an_order("elsewhere", product=Product.CNC)),
            client_order_id=None,
        )
    )
    lose(store)
    risk.step()
    bot.step()

    orders = [o for o in store.orders.recent(limit=99) if o.intent is Intent.EXIT]
    assert [(o.strategy, o.product, o.side, o.quantity) for o in orders] == [
        ("mis", Product.MIS, Side.SELL, 65)
    ]


@pytest.fixture
def client(store, clock):
    with ThreadPoolExecutor(1) as executor:
        intake = Intake(
            store,
            SECRET,
            clock,
            no_ring,
            max_body_bytes=4096,
            executor=executor,
            tickers=packaged_tickers(),
        )
        app = create_app(intake, lambda: {"ok": True})
        with TestClient(app, raise_server_exceptions=False) as opened:
            yield opened


def test_d12_webhook_answers_without_asking_any_broker(client, store):
    # There is no broker in it: the alert is stored, and that is all.
    body = {"secret_key": SECRET, **alert_body()}

    answer = client.post("/webhook", content=json.dumps(body))

    assert answer.status_code == 202
    (alert,) = store.alerts.recent(limit=9)
    assert alert.status is AlertStatus.RECEIVED


@pytest.mark.parametrize(
    "content",
    [
        f'{{"secret_key": "{SECRET}", "legs": [',
        f'{{"secret_key": "{SECRET}", "legs": 7}}',
        f'{{"secret_key": "{SECRET}x"}}',
        f"secret_key={SECRET}",
        "\x00",
    ],
)
def test_d12_bad_alert_is_no_server_error_and_its_secret_in_no_log(
    client, caplog, content
):
    with caplog.at_level(logging.DEBUG):
        answer = client.post("/webhook", content=content)

    assert 400 <= answer.status_code < 500
    assert SECRET not in answer.text
    assert all(SECRET not in str(vars(record)) for record in caplog.records)


def test_d13_part_fill_and_canceled_rest_are_both_told(store, broker, clock):
    order = store_order(store, S.ACCEPTED)
    number = at_broker(broker, order)
    broker.news.clear()
    watcher = OrderWatcherEngine(store, broker, clock, no_ring)
    broker.fill(number, 25)
    watcher.step()
    assert (now(store, order).status, now(store, order).leaves_quantity) == (
        S.PARTIALLY_FILLED,
        40,
    )

    broker.end(number, S.CANCELED)
    watcher.step()

    after = now(store, order)
    assert (after.status, after.filled_quantity) == (S.CANCELED, 25)
    assert [position.quantity for position in store.positions.open()] == [25]


def test_d14_no_secret_and_no_servers_address_is_committed():
    folders = [ROOT / name for name in ("src", "scripts", "docs", "units", ".ci")]
    files = [ROOT / "README.md"] + [
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    # Quoted and long enough to be one; placeholders have dots or brackets in them.
    secret = re.compile(r"""secret_key["']?\s*[:=]\s*["']([A-Za-z0-9_+/=-]{6,})["']""")
    address = re.compile(r"(?<![\d.])(\d{1,3}(?:\.\d{1,3}){3})(?![\d.])")
    ours = re.compile(
        r"(0|10|127|169\.254|192\.0\.2|192\.168|198\.51\.100|203\.0\.113)\."
    )
    # Those that TradingView sends from, as it publishes them.
    public = {"52.89.214.238", "34.212.75.30", "54.218.53.128", "52.32.178.7"}
    assert len(files) > 100
    for path in files:
        text = path.read_text(encoding="utf-8", errors="replace")
        assert secret.findall(text) == [], path
        # One digit four times is a chapter.
        found = {each for each in address.findall(text) if len(each) > 7}
        assert {each for each in found if not ours.match(each)} <= public, path
