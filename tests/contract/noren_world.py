"""The adapter against the simulator, as an account of the broker contract."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from shoonya_platform.brokers.base import ExecutionReport, PlaceOrder
from shoonya_platform.brokers.shoonya import ShoonyaBroker
from shoonya_platform.brokers.shoonya_account import Generation, ShoonyaAccount
from shoonya_platform.brokers.shoonya_download import Downloader
from shoonya_platform.brokers.shoonya_session import sha256
from shoonya_platform.brokers.shoonya_words import place_fields
from shoonya_platform.clock import SystemClock
from shoonya_platform.domain.data import market_calendar
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.domain.orders import BrokerOrderId, ClientOrderId
from shoonya_platform.errors import BrokerUnavailable
from shoonya_platform.instruments.file import FILE_NAME
from shoonya_platform.instruments.refresh import MasterRefresh
from shoonya_platform.instruments.writer import InstrumentWriter
from shoonya_platform.testing.noren.prices import MarketSettings
from shoonya_platform.testing.noren.server import NorenSimulator
from shoonya_platform.testing.waiting import eventually

LOT = 65


def far_december(today: date) -> date:
    """Return the last Tuesday of next year: an option that no test sees expire."""
    last = date(today.year + 1, 12, 31)
    return last - timedelta((last.weekday() - 1) % 7)


SYMBOL = f"NIFTY{far_december(datetime.now(UTC).date()):%d%b%y}C25700".upper()
#: The other leg of a spread.
HEDGE = SYMBOL.replace("C25700", "C26000")
#: A price of 1 is 100 rupees; blocks its value everywhere, as it is an option.
GOLD = f"GOLD{far_december(datetime.now(UTC).date()):%d%b%y}C160000".upper()


def account_of(simulator: NorenSimulator, folder: Path, **changes) -> ShoonyaAccount:
    """Return the simulator's account; OAuth's user has logged in already."""
    own = simulator.credentials
    secrets = simulator.platform_secrets()
    if simulator.generation == "oauth":
        secrets["broker_access_token"] = log_in(simulator)
    account = ShoonyaAccount(
        generation=simulator.generation,
        user_id=own.user_id,
        vendor_code=own.client_id,
        imei="test",
        api_url=simulator.api_url,
        websocket_url=simulator.websocket_url,
        login_url=simulator.login_url,
        scrip_url=f"{simulator.url}/",
        folder=folder / "shoonya",
        timeout_seconds=2.0,
        orders_per_second=1000,
        requests_per_minute=100_000,
        secret=secrets.get,
    )
    return replace(account, **changes)


def log_in(simulator: NorenSimulator) -> str:
    """Do what the user does with the browser."""
    own = simulator.credentials
    code = simulator.access.authorize()
    checksum = sha256(f"{own.client_id}{own.api_secret}{code}")
    return simulator.access.exchange({"code": code, "checksum": checksum})


def load_list(broker: ShoonyaBroker, exchange: Exchange) -> None:
    """Load an exchange's list, as recovery_service does."""
    file = InstrumentWriter(broker.account.folder / FILE_NAME)
    clock = SystemClock()
    downloader = Downloader(broker.account, clock)
    MasterRefresh(
        file,
        broker.account.scrip_url,
        market_calendar(),
        clock,
        download=downloader.download,
    ).load(exchange)
    downloader.close()
    file.close()


class SettledBroker(ShoonyaBroker):
    """Waits for what is on its way, and ends an outage once it was felt."""

    world: "NorenWorld"

    def reports(self) -> list[ExecutionReport]:
        if self.feed.is_up:
            eventually(self.has_all, message="all frames at the feed")
        try:
            return super().reports()
        except BrokerUnavailable:
            self.world.come_back()
            raise

    def has_all(self) -> bool:
        port = self.feed.local_port
        return any(
            connection.port == port and connection.sent - 1 == self.feed.received
            for connection in self.world.simulator.hub.connections()
        )


def _ending_outages(name):
    def call(self, *arguments):
        try:
            return getattr(super(SettledBroker, self), name)(*arguments)
        except BrokerUnavailable:
            self.world.come_back()
            raise

    return call


for _name in (
    *("place", "modify", "cancel", "order_book", "trade_book", "positions", "limits"),
    *("last_price", "quote", "instrument", "margin", "products"),
):
    setattr(SettledBroker, _name, _ending_outages(_name))


class NorenWorld:
    GENERATION: Generation
    PLACER = """
import sys
from pathlib import Path
from shoonya_platform.brokers.base import PlaceOrder
from shoonya_platform.brokers.shoonya import ShoonyaBroker
from shoonya_platform.brokers.shoonya_account import ShoonyaAccount
from shoonya_platform.clock import SystemClock
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import OrderType, Side, TimeInForce

(generation, api_url, websocket_url, folder, user_id, token,
 name, count, symbol, lot) = sys.argv[1:]
broker = ShoonyaBroker(
    ShoonyaAccount(
        generation=generation, user_id=user_id, vendor_code=user_id + "_U",
        imei="test", api_url=api_url, websocket_url=websocket_url, login_url="",
        scrip_url="", folder=Path(folder), timeout_seconds=30.0,
        orders_per_second=10_000, requests_per_minute=1_000_000,
        secret={"broker_access_token": token}.get,
    ),
    SystemClock(), tell=print,
)
for n in range(int(count)):
    placed = broker.place(PlaceOrder(
        client_order_id=f"{name}-{n}", exchange=Exchange.NFO, tradingsymbol=symbol,
        side=Side.SELL if n % 2 else Side.BUY, quantity=int(lot),
        order_type=OrderType.MARKET, price=None, trigger_price=None,
        product=Product.NRML, time_in_force=TimeInForce.DAY,
    ))
    print(placed, flush=True)
"""

    def __init__(self, folder: Path, clock, cash: Decimal) -> None:
        self.clock = clock
        self.simulator = NorenSimulator(
            self.GENERATION,
            market=MarketSettings(cash=cash, first_price=Decimal(100)),
            listed=[f"NFO:{SYMBOL}", f"NFO:{HEDGE}", f"MCX:{GOLD}"],
            clock=clock,
        )
        self.simulator.start()
        self.account = account_of(self.simulator, folder)
        self._is_down = False
        self._opened: list[ShoonyaBroker] = []

    def open(self) -> ShoonyaBroker:
        broker = SettledBroker(self.account, self.clock, tell=print)
        broker.world = self
        self._opened.append(broker)
        # As the services do: the books first, and from there the reports.
        broker.order_book()
        return broker

    def move_price(self, price: str) -> None:
        self.simulator.set_price(Exchange.NFO, SYMBOL, price)

    def limit_fills(self, quantity: int) -> None:
        self.simulator.account.limit_fills(quantity)

    def set_band(self, lower: str, upper: str) -> None:
        band = (Decimal(lower), Decimal(upper))
        self.simulator.account.set_bands({f"NFO:{SYMBOL}": band})

    def answer_too_late(self) -> None:
        self.simulator.add_fault("accept_then_timeout")

    def lose_request(self) -> None:
        self.simulator.add_fault("disconnect")

    def go_down(self) -> None:
        self._is_down = True
        self.simulator.go_down()

    def come_back(self) -> None:
        if self._is_down:
            self._is_down = False
            self.simulator.start()

    def place_elsewhere(self, order: PlaceOrder) -> BrokerOrderId:
        user_id = self.simulator.credentials.user_id
        nameless = replace(order, client_order_id=ClientOrderId(""))
        return BrokerOrderId(
            self.simulator.place_elsewhere(place_fields(nameless, user_id, user_id))
        )

    def spawn_placer(self, name: str, count: int) -> subprocess.Popen[str]:
        self.clock.time = datetime.now(UTC)
        # QuickAuth's processes find the session that this one has opened.
        self.open()
        account = self.account
        return subprocess.Popen(
            [
                *(sys.executable, "-c", self.PLACER, account.generation),
                *(account.api_url, account.websocket_url, str(account.folder)),
                *(account.user_id, account.secret("broker_access_token") or ""),
                *(name, str(count), SYMBOL, str(LOT)),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        for broker in self._opened:
            broker.close()
        self.simulator.close()
