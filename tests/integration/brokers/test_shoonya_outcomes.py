"""What an answer proves: of each fault, the error raised and what was placed."""

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from shoonya_platform.brokers.base import UnreadableRow
from shoonya_platform.brokers.shoonya import ShoonyaBroker
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import OrderStatus
from shoonya_platform.errors import (
    BrokerRejected,
    BrokerUnavailable,
    OutcomeUnknown,
)
from shoonya_platform.testing.noren import masters
from shoonya_platform.testing.waiting import eventually
from tests.contract.broker_worlds import (
    StandingClock,
    a_change,
    a_limit_order,
    an_order,
    in_book,
    named,
)
from tests.contract.noren_world import SYMBOL, load_list
from tests.integration.brokers.conftest import only_oauth, only_quickauth


@pytest.mark.parametrize(
    ("fault", "is_placed"),
    [
        ("accept_then_timeout", True),
        ("lose_request", False),
        ("broken_reply", True),
        ("disconnect", False),
        ("bad_gateway", False),
        ("bad_gateway_after", True),
        ("server_timeout", True),
        ("other_reply", True),
        ("deep_json", True),
        ("truncated_json", True),
    ],
)
def test_place_without_a_readable_answer_is_an_unknown_outcome_and_sent_once(
    simulator, broker, fault, is_placed
):
    broker.order_book()
    simulator.add_fault(fault)

    with pytest.raises(OutcomeUnknown):
        broker.place(an_order("O-1"))

    assert len(named(broker, "O-1")) == int(is_placed)
    assert simulator.app.asked["PlaceOrder"] == 1


def test_answer_slower_than_the_time_out_is_an_unknown_outcome(simulator, broker):
    simulator.add_fault("slow", seconds=1.5)

    with pytest.raises(OutcomeUnknown):
        broker.place(an_order("O-1"))

    assert len(named(broker, "O-1")) == 1


def test_slow_answer_within_the_time_out_is_an_answer(simulator, broker):
    simulator.add_fault("slow", seconds=0.3)

    assert in_book(broker, broker.place(an_order())).status is OrderStatus.FILLED


def test_refused_place_is_rejected_with_the_brokers_words(simulator, broker):
    simulator.add_fault("refuse")

    with pytest.raises(BrokerRejected, match="refused on demand"):
        broker.place(an_order())

    assert broker.order_book() == []


def test_refusal_with_a_lone_surrogate_can_be_logged(simulator, broker):
    simulator.add_fault("lone_surrogate")

    with pytest.raises(BrokerRejected) as refused:
        broker.place(an_order())

    assert refused.value.message.encode().decode() == "Rejected : \ufffd on demand"


def test_late_arrival_is_an_unknown_outcome_and_an_absence_that_ends(simulator, broker):
    simulator.add_fault("late_arrival", seconds=3600)

    with pytest.raises(OutcomeUnknown):
        broker.place(an_order("O-1"))

    assert named(broker, "O-1") == []
    simulator.let_arrive()
    assert len(named(broker, "O-1")) == 1


def test_foreign_row_takes_no_book_away(simulator, broker):
    placed = broker.place(an_order())
    simulator.add_fault("foreign_row", count=2)

    assert [order.broker_order_id for order in broker.order_book()] == [placed]
    assert len(broker.positions()) == 1
    assert [(row.book, row.subject) for row in broker.unreadable()] == [
        ("order_book", "99000000000001"),
        ("positions", "SBIN-EQ"),
    ]


def test_nobody_there_is_proven_unsent(simulator, broker):
    broker.order_book()
    simulator.go_down()

    with pytest.raises(BrokerUnavailable):
        broker.place(an_order())

    simulator.start()
    assert broker.order_book() == []
    assert simulator.access.logins == 1


@pytest.mark.parametrize(
    "fault",
    [
        *("accept_then_timeout", "broken_reply", "bad_gateway", "server_timeout"),
        *("deep_json", "truncated_json", "lone_surrogate"),
    ],
)
def test_failed_reading_is_unavailable_and_never_looks_empty(simulator, broker, fault):
    broker.place(an_order())
    for route in ("OrderBook", "TradeBook", "PositionBook", "Limits"):
        simulator.add_fault(fault, on=route)

    for reading in (
        broker.order_book,
        broker.trade_book,
        broker.positions,
        broker.limits,
    ):
        with pytest.raises(BrokerUnavailable):
            reading()


def test_order_the_rms_rejects_was_accepted_before(simulator, broker):
    broker.order_book()
    simulator.add_fault("reject")

    placed = broker.place(an_order())

    order = in_book(broker, placed)
    assert order.status is OrderStatus.REJECTED
    assert "Margin Shortfall" in order.reason
    assert eventually(broker.reports)[-1].order == order


@pytest.mark.parametrize(
    ("rules", "order", "reason"),
    [
        ({"market_orders": False}, an_order(), "not allowed through API"),
        ({"is_open": False}, a_limit_order(), "closed"),
    ],
    ids=["market-order", "closed-market"],
)
def test_rules_of_the_exchange_reject_after_the_acceptance(
    simulator, broker, rules, order, reason
):
    simulator.set_rules(**rules)

    found = in_book(broker, broker.place(order))

    assert found.status is OrderStatus.REJECTED
    assert reason in found.reason


def test_symbol_with_an_ampersand_goes_there_and_back(simulator, broker):
    simulator.set_price(Exchange.NSE, "M&M-EQ", "3000")
    order = a_limit_order(
        tradingsymbol="M&M-EQ", quantity=1, product=Product.CNC, price="3000"
    )

    placed = broker.place(replace(order, exchange=Exchange.NSE))

    found = in_book(broker, placed)
    assert (found.tradingsymbol, found.product) == ("M&M-EQ", Product.CNC)
    assert found.status is OrderStatus.FILLED
    assert broker.positions()[0].tradingsymbol == "M&M-EQ"
    assert broker.last_price(Exchange.NSE, "M&M-EQ") == 3000


# -- the session ---------------------------------------------------------------


@only_quickauth
def test_place_with_a_dead_session_is_sent_again_once_after_a_log_in(simulator, broker):
    broker.order_book()
    simulator.add_fault("expire_session", on="PlaceOrder")

    placed = broker.place(an_order("O-1"))

    assert [order.broker_order_id for order in named(broker, "O-1")] == [placed]
    assert simulator.access.logins == 2
    assert simulator.app.asked["PlaceOrder"] == 2


@only_quickauth
def test_session_that_dies_again_at_once_ends_the_call_without_a_loop(
    simulator, broker
):
    broker.order_book()
    simulator.add_fault("expire_session", count=2, on="PlaceOrder")

    with pytest.raises(BrokerUnavailable, match="new session"):
        broker.place(an_order("O-1"))

    assert simulator.app.asked["PlaceOrder"] == 2
    assert named(broker, "O-1") == []


@only_quickauth
def test_session_ended_over_and_over_is_not_fought_for(simulator, broker):
    for _ in range(3):
        broker.order_book()
        simulator.expire_session()

    for _ in range(3):
        with pytest.raises(BrokerUnavailable, match="was ended"):
            broker.order_book()

    assert simulator.access.logins == 3


@only_quickauth
def test_processes_of_an_account_share_one_session(simulator, open_broker):
    first, second = open_broker(), open_broker()
    first.order_book()
    second.order_book()
    assert simulator.access.logins == 1

    simulator.expire_session()
    second.order_book()
    first.order_book()

    assert simulator.access.logins == 2


@only_quickauth
def test_refused_log_in_is_tried_by_no_process_again(simulator, open_broker):
    wrong = {
        **simulator.platform_secrets(),
        "broker_password": "not the password",
    }
    for broker in (open_broker(secret=wrong.get), open_broker(secret=wrong.get)):
        for _ in range(3):
            with pytest.raises(BrokerUnavailable, match="Wrong Password"):
                broker.order_book()

    assert simulator.app.asked == {"QuickAuth": 1}


@only_oauth
def test_dead_token_is_asked_with_once_and_waits_for_the_user(
    simulator, open_broker, tmp_path
):
    token = {"broker_access_token": "the token of yesterday"}
    broker = open_broker(secret=token.get)
    for _ in range(3):
        with pytest.raises(BrokerUnavailable) as error:
            broker.place(an_order("O-1"))
    assert error.value.hint is not None
    assert "shoonyactl broker login" in error.value.hint
    assert simulator.app.asked["PlaceOrder"] == 1

    secret = simulator.credentials.api_secret
    open_broker().session.exchange(simulator.access.authorize(), secret)

    broker.place(an_order("O-1"))
    assert len(named(broker, "O-1")) == 1


def test_outage_is_no_reason_for_a_log_in(simulator, broker):
    broker.order_book()
    logins = simulator.access.logins
    simulator.go_down()
    with pytest.raises(BrokerUnavailable):
        broker.order_book()
    simulator.start()

    broker.order_book()

    assert simulator.access.logins == logins


# -- circuit, limits, secrets --------------------------------------------------


def test_circuit_opens_after_failures_and_says_when_it_tries_again(simulator, broker):
    broker.order_book()
    simulator.add_fault("bad_gateway", count=5, on="OrderBook")
    for _ in range(5):
        with pytest.raises(BrokerUnavailable):
            broker.order_book()
    asked = simulator.app.asked["OrderBook"]

    with pytest.raises(BrokerUnavailable, match=r"5 times.*again at \d\d:\d\d:\d\d"):
        broker.order_book()
    with pytest.raises(BrokerUnavailable, match="trying again"):
        broker.place(an_order())

    assert simulator.app.asked["OrderBook"] == asked
    assert "PlaceOrder" not in simulator.app.asked


def test_circuit_opens_after_requests_that_nobody_answers(simulator, broker):
    broker.order_book()
    simulator.add_fault("disconnect", count=5, on="OrderBook")
    for _ in range(5):
        with pytest.raises(BrokerUnavailable):
            broker.order_book()

    with pytest.raises(BrokerUnavailable, match="5 times"):
        broker.order_book()


def test_circuit_counts_only_failures_in_a_row(simulator, broker):
    for _ in range(2):
        broker.order_book()
        simulator.add_fault("bad_gateway", count=4, on="OrderBook")
        for _ in range(4):
            with pytest.raises(BrokerUnavailable, match="502"):
                broker.order_book()

    assert broker.order_book() == []


def test_orders_keep_to_the_brokers_rate(simulator, open_broker):
    simulator.set_rules(orders_per_second=9)
    first = open_broker(orders_per_second=9, timeout_seconds=5.0)
    second = open_broker(orders_per_second=9, timeout_seconds=5.0)

    for n in range(12):
        (first, second)[n % 2].place(an_order(f"O-{n}"))

    assert len(first.order_book()) == 12


def test_used_up_minute_is_unavailable_and_nothing_is_sent(simulator, open_broker):
    broker = open_broker(requests_per_minute=12)
    broker.session.token()
    # A log-in is a request too.
    for _ in range(10 - simulator.app.asked.get("QuickAuth", 0)):
        broker.limits()
    with pytest.raises(BrokerUnavailable, match="rate limit"):
        broker.limits()
    asked = simulator.app.asked["Limits"]

    # Reading has left room for orders, and orders leave some for cancels.
    placed = broker.place(a_limit_order())
    with pytest.raises(BrokerUnavailable, match="rate limit"):
        broker.limits()
    broker.cancel(placed)

    assert simulator.app.asked["Limits"] == asked


def test_no_secret_is_in_a_log_a_repr_or_an_error(simulator, broker, caplog):
    caplog.set_level(logging.DEBUG)
    errors: list[BaseException | None] = []
    broker.reports()
    eventually(lambda: broker.feed.is_up)
    token = broker.session.token()
    simulator.add_fault("bad_gateway")
    simulator.add_fault("refuse")
    simulator.add_fault("lose_request")
    for _ in range(3):
        try:
            broker.place(an_order())
        except (BrokerRejected, OutcomeUnknown) as e:
            errors += [e, e.__cause__]
    secrets = [token, *simulator.platform_secrets().values()]

    shown = caplog.text + "".join(f"{e!r}{e}" for e in errors)
    shown += repr(broker.account) + repr(vars(broker.session)["_account"])

    assert len(errors) == 6
    assert [secret for secret in secrets if secret in shown] == []


@only_oauth
@pytest.mark.parametrize("token", ["two\nlines", "mün", "a\x00b"])
def test_damaged_token_is_told_before_anything_is_sent(simulator, open_broker, token):
    broker = open_broker(secret={"broker_access_token": token}.get)

    with pytest.raises(BrokerUnavailable, match="damaged"):
        broker.place(an_order())

    assert simulator.app.asked == {}


def test_answer_that_is_no_json_or_something_else_is_unknown(simulator, broker):
    answers: list[object] = [[], {}, {"stat": "Ok"}]
    for answer in answers:
        simulator.app.routes.changing["PlaceOrder"] = lambda _, answer=answer: answer

        with pytest.raises(OutcomeUnknown):
            broker.place(an_order())


def test_rows_of_segments_we_do_not_trade_are_left_out(simulator, broker):
    broker.place(an_order())
    rows = simulator.orders()
    foreign = {**rows[0], "norenordno": "1", "exch": "BCD"}
    simulator.app.routes.reading["OrderBook"] = lambda _: [foreign, *rows]

    assert len(broker.order_book()) == 1


@pytest.mark.parametrize(
    ("change", "why"),
    [
        pytest.param({"prd": "F"}, "'prd' is 'F'", id="product-mtf"),
        pytest.param({"status": "HALTED"}, "'status' is 'HALTED'", id="status"),
        pytest.param({"exch": "NCX"}, "'exch' is 'NCX'", id="exchange"),
        pytest.param({"trantype": None}, "'trantype' is missing", id="missing"),
        pytest.param({"qty": "65 lots"}, "'qty' is '65 lots'", id="number"),
        pytest.param({"qty": {"a": []}}, "'qty' is a dict", id="not-text"),
    ],
)
def test_bad_row_of_the_order_book_affects_only_itself(simulator, broker, change, why):
    placed = broker.place(an_order())
    (row,) = simulator.orders()
    bad = {**row, "norenordno": "7", **change}
    simulator.app.routes.reading["OrderBook"] = lambda _: [bad, row]

    assert [order.broker_order_id for order in broker.order_book()] == [placed]
    expected = UnreadableRow(
        book="order_book",
        subject="7",
        why=why,
        may_be_ours=False,
        tradingsymbol=row["tsym"],
    )
    assert broker.unreadable() == [expected]
    assert broker.unreadable() == [expected]
    assert {report.order.broker_order_id for report in broker.reports()} == {placed}

    simulator.app.routes.reading["OrderBook"] = lambda _: [
        {**row, "norenordno": "7"},
        row,
    ]
    assert len(broker.order_book()) == 2
    assert broker.unreadable() == []


@pytest.mark.parametrize(
    ("remarks", "may_be_ours"),
    [
        ({"remarks": "O261125-7K3M9QXZ-1"}, True),
        ({"remarks": ["O261125-7K3M9QXZ-1"]}, True),
        ({"remarks": "of another program"}, False),
        ({}, False),
    ],
)
def test_bad_row_says_whether_it_may_be_an_order_of_ours(
    simulator, broker, remarks, may_be_ours
):
    broker.place(an_order())
    (row,) = simulator.orders()
    bad = {key: value for key, value in row.items() if key != "remarks"} | remarks
    simulator.app.routes.reading["OrderBook"] = lambda _: [{**bad, "prd": "F"}, row]

    broker.order_book()

    assert [each.may_be_ours for each in broker.unreadable()] == [may_be_ours]


@pytest.mark.parametrize("row", ["noise", "7", None, [], {}])
def test_row_that_is_not_an_order_at_all_has_a_digest_for_a_name(
    simulator, broker, row
):
    broker.place(an_order())
    rows = simulator.orders()
    simulator.app.routes.reading["OrderBook"] = lambda _: [row, *rows]

    assert len(broker.order_book()) == 1
    (found,) = broker.unreadable()
    assert len(found.subject) == 12
    broker.order_book()
    assert broker.unreadable() == [found]


def test_bad_rows_of_each_book_are_listed_until_that_book_is_read_again(
    simulator, broker
):
    broker.place(an_order())
    trades = simulator.account.trade_book()
    held = simulator.account.positions()
    simulator.app.routes.reading["TradeBook"] = lambda _: [{**trades[0], "flprc": "x"}]
    simulator.app.routes.reading["PositionBook"] = lambda _: [
        *held,
        {**held[0], "prd": "F", "tsym": "SBIN-EQ"},
    ]

    assert broker.trade_book() == []
    assert len(broker.positions()) == 1

    found = {(row.book, row.subject, row.why) for row in broker.unreadable()}
    number = trades[0]["norenordno"]
    assert found == {
        ("trade_book", number, "'flprc' is 'x'"),
        ("positions", "SBIN-EQ", "'prd' is 'F'"),
    }
    simulator.app.routes.reading["PositionBook"] = lambda _: held
    broker.positions()
    assert {row.book for row in broker.unreadable()} == {"trade_book"}


def test_quote_of_another_instrument_is_asked_for_again(simulator, broker):
    wrong = {"exch": "NSE", "token": "26000", "tsym": "Nifty 50", "lp": "24391.00"}
    real, answers = simulator.app.routes.reading["GetQuotes"], []

    def quote(asked):
        answers.append(asked)
        return {"stat": "Ok", **wrong} if len(answers) < 3 else real(asked)

    simulator.app.routes.reading["GetQuotes"] = quote

    assert broker.last_price(Exchange.NFO, SYMBOL) == 100
    assert len(answers) == 3
    simulator.app.routes.reading["GetQuotes"] = lambda _: {"stat": "Ok", **wrong}
    with pytest.raises(BrokerUnavailable, match=r"NSE\|26000"):
        broker.quote(Exchange.NFO, SYMBOL)


@pytest.mark.parametrize(
    "wrong", [{"exch": "NSE"}, {"token": "26000"}, {"tsym": "Nifty 50"}]
)
def test_each_name_of_a_quoted_scrip_has_to_match(simulator, broker, wrong):
    real, answers = simulator.app.routes.reading["GetQuotes"], []

    def quote(asked):
        answers.append(asked)
        row = real(asked)
        return {**row, "lp": "24391.00", **wrong} if len(answers) == 1 else row

    simulator.app.routes.reading["GetQuotes"] = quote

    assert broker.last_price(Exchange.NFO, SYMBOL) == 100
    assert len(answers) == 2


def test_doubled_trade_is_one(simulator, broker):
    broker.place(an_order())
    trades = simulator.account.trade_book()
    simulator.app.routes.reading["TradeBook"] = lambda _: [*trades, *trades]

    assert len(broker.trade_book()) == 1


def test_instrument_has_lot_and_tick_of_the_list_and_freeze_of_the_broker(
    simulator, broker
):
    load_list(broker, Exchange.NFO)
    for _ in range(3):
        found = broker.instrument(Exchange.NFO, SYMBOL)

    assert (found.lot_size, str(found.tick_size)) == (65, "0.05")
    assert found.freeze_quantity == 1800
    assert simulator.app.asked["GetSecurityInfo"] == 1


def test_price_of_what_is_not_in_the_list_is_searched_for(simulator, broker):
    lines = masters.HEADINGS["NFO"], "NFO,1,1,X,X29DEC26F,29-DEC-2026,FUTSTK,XX,0,0.05,"
    simulator.account.scrips.file = lambda _: masters.zipped("NFO", "\n".join(lines))
    load_list(broker, Exchange.NFO)

    assert broker.last_price(Exchange.NFO, SYMBOL) == 100
    assert simulator.app.asked["SearchScrip"] == 1


def test_quote_has_the_band_of_the_day_and_serves_as_a_price_for_a_while(
    simulator, broker
):
    name = SYMBOL
    simulator.account.set_bands({f"NFO:{name}": (Decimal(90), Decimal(110))})

    quote = broker.quote(Exchange.NFO, name)

    assert (quote.last_price, quote.band.lower, quote.band.upper) == (100, 90, 110)
    assert broker.last_price(Exchange.NFO, name) == 100
    assert simulator.app.asked["GetQuotes"] == 1


def test_quote_is_asked_for_again_once_it_has_aged(simulator, open_broker):
    clock = StandingClock(datetime.now(UTC))
    account = open_broker().account
    broker = ShoonyaBroker(account, clock, tell=print)
    name = SYMBOL
    try:
        assert broker.last_price(Exchange.NFO, name) == 100
        simulator.set_price(Exchange.NFO, name, "101")
        assert broker.last_price(Exchange.NFO, name) == 100

        clock.time += timedelta(seconds=2)

        assert broker.last_price(Exchange.NFO, name) == 101
    finally:
        broker.close()


# -- other terms -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "holds"),
    [
        ("accept_then_timeout", True),
        ("lose_request", False),
        ("broken_reply", True),
        ("disconnect", False),
        ("bad_gateway", False),
        ("bad_gateway_after", True),
        ("server_timeout", True),
    ],
)
def test_terms_without_a_readable_answer_are_an_unknown_outcome_and_sent_once(
    simulator, broker, fault, holds
):
    placed = broker.place(a_limit_order(price="90"))
    simulator.add_fault(fault)

    with pytest.raises(OutcomeUnknown):
        broker.modify(a_change(placed, price="95"))

    assert in_book(broker, placed).price == (95 if holds else 90)
    assert simulator.app.asked["ModifyOrder"] == 1


def test_terms_that_the_exchange_refuses_afterwards_are_told_as_refused(
    simulator, broker
):
    broker.order_book()
    placed = broker.place(a_limit_order(price="90"))
    eventually(lambda: broker.reports(), message="the order's own reports")
    simulator.add_fault("reject_replace")

    broker.modify(a_change(placed, price="95"))

    def refused():
        return [report for report in broker.reports() if report.is_replace_refused]

    (report,) = eventually(refused, message="the refusal")
    assert report.order.reason == "RED:new terms refused on demand"
    assert in_book(broker, placed).price == 90


@only_quickauth
def test_session_that_ends_with_new_terms_is_renewed_and_they_are_sent(
    simulator, broker
):
    placed = broker.place(a_limit_order(price="90"))
    simulator.expire_session()

    broker.modify(a_change(placed, price="95"))

    assert in_book(broker, placed).price == 95
