"""The Telegram bot, against an API over real HTTP."""

import logging
import threading
from decimal import Decimal

import pytest

from shoonya_platform.domain.orders import OrderStatus
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.logging import get_component_logger
from shoonya_platform.notify.bot import Bot
from shoonya_platform.notify.telegram import BotApi, TelegramError
from shoonya_platform.risk.limits import RiskLimits
from shoonya_platform.testing.clock import BEGIN
from shoonya_platform.testing.orders import store_order
from shoonya_platform.testing.telegram import TOKEN, TelegramSimulator

OWNER, STRANGER = 1001, 6666
LIMITS = RiskLimits(
    max_daily_loss=Decimal(20_000),
    max_exposure=Decimal(5_000_000),
    max_open_positions=10,
    max_order_value=Decimal(1_000_000),
    max_symbol_exposure=Decimal(2_000_000),
)


@pytest.fixture
def telegram():
    with TelegramSimulator() as simulator:
        yield simulator


@pytest.fixture
def rings():
    return []


@pytest.fixture
def bot(telegram, store, clock, rings):
    api = BotApi(telegram.url, TOKEN)
    return Bot(
        api,
        store,
        LIMITS,
        clock,
        lambda *services: rings.extend(services),
        users=[OWNER],
        stopping=threading.Event(),
        logger=get_component_logger("recovery_service"),
    )


def ask(bot, telegram, text, *, user=OWNER, age=0.0):
    """Write to the bot; return what it answered."""
    before = len(telegram.sent)
    telegram.write(text, user=user, sent_at=BEGIN.timestamp() - age)
    bot.step()
    return [text for _, text in telegram.sent[before:]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/status", "trading is ACTIVE"),
        ("status@shoonya_bot", "trading is ACTIVE"),
        ("/risk", "symbol exposure 6500.00 of 2000000 (NFO:NIFTY28DEC27F)"),
        ("Positions", "+65 NFO:NIFTY28DEC27F NRML at 100.00"),
        ("/pnl", "P&L today 0.00"),
        ("/start", "halt [REASON]"),
    ],
)
def test_questions_are_answered(bot, telegram, store, text, words):
    store_order(store, OrderStatus.FILLED)

    (answer,) = ask(bot, telegram, text)

    assert words in answer
    assert telegram.sent[0][0] == OWNER


def test_halt_and_resume_go_the_usual_way_and_are_logged_with_the_user(
    bot, telegram, store, rings, caplog
):
    caplog.set_level(logging.INFO, "RECOVERY_SERVICE")

    assert ask(bot, telegram, "/halt exchange trouble") == [
        "trading is HALTED, was ACTIVE"
    ]
    status = store.trading.status()
    assert (status.state, status.reason) == (TradingState.HALTED, "exchange trouble")
    assert status.set_by == f"telegram:user{OWNER}"
    assert set(rings) == {"execution_guard", "command_service", "risk_manager"}
    assert f"user {OWNER}" in caplog.text
    assert ask(bot, telegram, "halt") == ["trading is HALTED already: exchange trouble"]
    assert ask(bot, telegram, "/resume") == ["trading is ACTIVE, was HALTED"]
    assert store.trading.status().state is TradingState.ACTIVE


@pytest.mark.parametrize("verb", ["halt", "resume"])
def test_order_of_yesterday_is_not_obeyed(bot, telegram, store, verb):
    before = store.trading.status()

    (answer,) = ask(bot, telegram, f"/{verb}", age=61)

    assert "write it again" in answer
    assert store.trading.status() == before


def test_stranger_is_ignored_and_logged_once(bot, telegram, store, caplog):
    caplog.set_level(logging.INFO, "RECOVERY_SERVICE")

    for text in ("/halt", "/status", "/halt"):
        assert ask(bot, telegram, text, user=STRANGER) == []

    assert store.trading.status().state is TradingState.ACTIVE
    assert caplog.text.count(str(STRANGER)) == 1


def test_message_is_answered_once(bot, telegram):
    ask(bot, telegram, "/pnl")
    ask(bot, telegram, "/risk")

    assert len(telegram.sent) == 2


@pytest.mark.parametrize(
    ("refusal", "seconds"),
    [
        ((429, {"ok": False, "parameters": {"retry_after": 17}}), 17),
        ((401, {"ok": False, "description": "Unauthorized"}), 300),
        ((409, {"ok": False, "description": "Conflict"}), 30),
        ((502, {}), 30),
    ],
)
def test_refusal_says_when_to_ask_again(bot, telegram, refusal, seconds):
    telegram.refusals.append(refusal)

    with pytest.raises(TelegramError) as caught:
        bot.step()

    assert caught.value.retry_seconds == seconds


def test_server_that_is_away_is_asked_again_without_naming_the_token(store, clock):
    with TelegramSimulator() as telegram:
        url = telegram.url
    api = BotApi(url, TOKEN)

    with pytest.raises(TelegramError, match="no answer") as caught:
        api.messages(0)

    assert TOKEN not in str(caught.value)


def test_flatten_closes_what_is_meant(bot, telegram, store, rings):
    store_order(store, OrderStatus.FILLED)
    store_order(store, OrderStatus.FILLED, strategy="other")

    assert ask(bot, telegram, "flatten") == [
        "say which: flatten STRATEGY, or flatten all"
    ]
    (answer,) = ask(bot, telegram, "flatten Other")
    assert answer.startswith("'Other' holds nothing:")
    assert rings == []

    (answer,) = ask(bot, telegram, "/flatten other")
    assert answer.startswith("closing 1 positions, canceling 0 orders")
    assert "trading_bot" in rings
    (answer,) = ask(bot, telegram, "flatten all")
    assert answer.startswith("closing 2 positions")


def test_flatten_of_a_while_ago_is_not_done(bot, telegram, store):
    store_order(store, OrderStatus.FILLED)

    (answer,) = ask(bot, telegram, "flatten all", age=61)

    assert "not done" in answer
    assert len(store.alerts.recent(limit=9)) == 1
