"""The README's message for TradingView, filled in as TradingView does, trades."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from shoonya_platform.ctl.simulate import settings_text
from shoonya_platform.domain.alert_template import template
from shoonya_platform.domain.derivatives import monthly
from shoonya_platform.domain.instruments import Exchange, Kind, Right
from shoonya_platform.domain.orders import AlertId
from shoonya_platform.errors import NothingFilled
from shoonya_platform.instruments.file import FILE_NAME, InstrumentFile
from shoonya_platform.testing.noren.server import NorenSimulator
from shoonya_platform.testing.waiting import eventually
from tests.acceptance.platform import SECRET, Platform

EXIT = '"execution_type": "exit", "id": "first"'
README = Path(__file__).parents[2] / "README.md"
QUICK = """
[service]
poll_seconds = 0.2
[recovery]
interval_seconds = 2.0
"""


def message() -> str:
    """Return what the README has people paste."""
    found: str
    (found,) = [
        block
        for block in re.findall(r"```json\n(.*?)```", README.read_text(), re.DOTALL)
        if "{{ticker}}" in block
    ]
    assert '"…"' in found
    return found.replace('"…"', f'"{SECRET}"')


def filled_in(text: str, values: Mapping[str, str]) -> str:
    """Return a message as TradingView sends it."""
    for name, value in values.items():
        text = text.replace("{{" + name + "}}", value)
    return text


def test_readme_message_is_what_the_command_prints():
    printed = template(strategy="mine", secret=SECRET)

    assert json.loads(message()) == json.loads(printed)


def sent(ticker: str, exchange: str, action: str, size: int, close: str) -> bytes:
    """Return the message of an order from flat, or back to flat."""
    is_entry = action == "buy"
    now = datetime.now(UTC)
    text = filled_in(
        message(),
        {
            "ticker": ticker,
            "exchange": exchange,
            "close": close,
            "timenow": f"{now:%Y-%m-%dT%H:%M:%SZ}",
            "strategy.order.action": action,
            "strategy.order.contracts": str(size),
            "strategy.market_position": "long" if is_entry else "flat",
            "strategy.market_position_size": str(size if is_entry else 0),
            "strategy.prev_market_position": "flat" if is_entry else "long",
            "strategy.prev_market_position_size": str(0 if is_entry else size),
        },
    )
    assert "{{" not in text
    return text.encode()


@pytest.fixture(scope="module")
def paper(tmp_path_factory) -> Iterator[Platform]:
    with Platform(tmp_path_factory.mktemp("paper"), QUICK) as running:
        yield running


@pytest.fixture(scope="module")
def simulator() -> Iterator[NorenSimulator]:
    with NorenSimulator("quickauth", step_seconds=0.2) as running:
        yield running


@pytest.fixture(scope="module")
def noren(simulator, tmp_path_factory) -> Iterator[Platform]:
    """The eight on the Shoonya broker, with the simulator's lists loaded."""
    root = tmp_path_factory.mktemp("noren")
    sections = {"shoonya": simulator.platform_settings()["shoonya"]}
    text = f"{settings_text(sections)}requests_per_minute = 10000\n"
    platform = Platform(root, f'{text}[broker]\nname = "shoonya"{QUICK}')
    for name, value in simulator.platform_secrets().items():
        credential = root / "credentials" / name
        credential.touch(mode=0o600)
        credential.write_text(value)
    with platform:
        file = listed(platform)
        eventually(
            lambda: all(state.is_loaded for state in file.states()),
            30,
            message="lists of instruments",
        )
        file.close()
        yield platform


def listed(platform: Platform) -> InstrumentFile:
    return InstrumentFile(platform.config.settings.shoonya_dir / FILE_NAME)


def traded(platform: Platform, body: bytes) -> tuple[str, str, int]:
    """Send an alert, wait for its end; return side, instrument, filled quantity."""
    status, answer = platform.post(body)
    assert status == 202, answer
    assert platform.outcome(answer["alert_id"]) == "filled", platform.tail()
    store = platform.store()
    try:
        (order,) = store.orders.of_alert(AlertId(answer["alert_id"]))
    finally:
        store.close()
    return order.side, f"{order.exchange}:{order.tradingsymbol}", order.filled_quantity


def check(platform: Platform, ticker: str, want: str, size: int, close: str) -> None:
    entry = sent(ticker, "NSE", "buy", size, close)
    # First only looked at: nothing is taken, so the same message is no duplicate.
    looked = platform.ctl("alert", "check", "-", "--json", stdin=entry.decode())
    assert looked.returncode == 0, looked.stdout + looked.stderr
    assert '"verdict": "would be sent"' in looked.stdout
    assert want.partition(":")[2] in looked.stdout

    assert traded(platform, entry) == ("BUY", want, size)
    assert traded(platform, sent(ticker, "NSE", "sell", size, close)) == (
        "SELL",
        want,
        size,
    )


def test_readme_message_trades_cash_future_and_option_on_paper(paper):
    year = datetime.now(UTC).year + 1
    check(paper, "RELIANCE", "NSE:RELIANCE-EQ", 10, "1400")
    check(
        paper,
        f"NIFTY{year % 100}0105C26000",
        f"NFO:NIFTY05JAN{year % 100}C26000",
        65,
        "200",
    )
    status, answer = paper.post(sent("NIFTY1!", "NSE_DLY", "buy", 65, "26000"))
    assert status == 202, answer
    assert paper.outcome(answer["alert_id"]) == "filled"
    # All of it is closed once; then nothing is left to fill.
    leave = f'{{"ticker": "NIFTY1!", "exchange": "NSE", "strategy": "mine", {EXIT}}}'
    assert paper.ctl("alert", "send", "-", "--wait", stdin=leave).returncode == 0
    leave = leave.replace("first", "second")
    again = paper.ctl("alert", "send", "-", "--wait", stdin=leave)
    assert again.returncode == NothingFilled.exit_code, again.stderr
    traced = paper.ctl("trace", answer["alert_id"]).stdout
    assert "NSE:NIFTY1!" in traced


def test_readme_message_trades_cash_future_and_option_on_the_simulator(
    noren, simulator
):
    file = listed(noren)
    today = datetime.now(UTC).date()
    current = [
        each.instrument
        for each in file.futures(Exchange.NFO, "NIFTY")
        if not each.instrument.has_expired(today)
    ]
    future = monthly(Exchange.NFO, current)[0]
    assert future.expiry is not None
    option = next(
        each.instrument
        for each in file.options_near(
            Exchange.NFO, "NIFTY", future.expiry, Decimal(26000), limit=9
        )
        if each.instrument.right is Right.CALL
    )
    file.close()
    assert option.kind is Kind.OPTION
    assert option.expiry is not None
    lot = future.lot_size
    for exchange, symbol, price in (
        (Exchange.NSE, "RELIANCE-EQ", "1400"),
        (Exchange.NFO, future.tradingsymbol, "26000"),
        (Exchange.NFO, option.tradingsymbol, "200"),
    ):
        simulator.set_price(exchange, symbol, price)

    check(noren, "RELIANCE", "NSE:RELIANCE-EQ", 10, "1400")
    check(noren, "NIFTY1!", f"NFO:{future.tradingsymbol}", lot, "26000")
    ticker = f"NIFTY{option.expiry:%y%m%d}C{option.strike}"
    check(noren, ticker, f"NFO:{option.tradingsymbol}", option.lot_size, "200")
