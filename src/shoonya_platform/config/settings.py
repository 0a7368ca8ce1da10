"""
Every setting, with its unit, default and the reason for it.

`shoonyactl config sample` prints these; the docstrings are what a user reads.
"""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct, field

#: The eight services, in the order they start; they stop in reverse.
COMPONENTS = (
    "recovery_service",
    "order_watcher",
    "command_service",
    "execution_guard",
    "risk_manager",
    "trading_bot",
    "execution_service",
    "dashboard",
)


def is_local(url: str) -> bool:
    """Return whether a URL leads to this machine."""
    return urlsplit(url).hostname in ("127.0.0.1", "::1", "localhost")


Port = Annotated[int, Meta(ge=1, le=65535)]
#: Up to a day: the kernel's waiting calls take no infinity.
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Count = Annotated[int, Meta(ge=1)]
Rupees = Annotated[Decimal, Meta(description="rupees")]
Form = Literal["text", "json"]
Level = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
#: An empty one would listen on every address of the machine.
Host = Annotated[str, Meta(min_length=1)]


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all sections: a key that is not below is an error, not a surprise."""


class Paths(Section, frozen=True):
    """Where things lie."""

    #: The order store and the paper broker's book.
    state_dir: Path = Path("/var/lib/shoonya")
    #: Doorbells and control sockets; emptied at boot.
    runtime_dir: Path = Path("/run/shoonya")
    #: One file for each component.
    log_dir: Path = Path("/opt/shoonya/logs")
    #: Files with one secret each, where systemd does not hand them over.
    credentials_dir: Path = Path("/etc/shoonya/credentials")


class Log(Section, frozen=True):
    """The log files and the journal."""

    #: Below this nothing is logged.
    level: Level = "INFO"
    #: Other levels for single components, for example { risk_manager = "DEBUG" }.
    levels: dict[str, Level] = field(default_factory=dict)
    #: Form of the lines in the files: "text" for people, "json" for programs.
    form: Form = "text"
    #: Other forms for single components, for example { dashboard = "json" }.
    forms: dict[str, Form] = field(default_factory=dict)
    #: Size at which a file is rotated, in bytes or as "50M".
    max_bytes: int | str = "50M"
    #: How many old files each component keeps; those from the second on compressed.
    backup_count: Annotated[int, Meta(ge=0, le=1000)] = 10
    #: What all log files together may take on the disk, in bytes or as "700M"; the
    #: oldest of the component that uses most go first.
    budget: int | str = "700M"


class Service(Section, frozen=True):
    """What all eight services have in common."""

    #: Seconds between two looks at the store when no doorbell rings.
    poll_seconds: Seconds = 1.0
    #: Seconds between two heartbeats in the store.
    heartbeat_seconds: Seconds = 5.0
    #: With more resident memory than this a service finishes its row, ends in order and
    #: is started anew; 4/5 of the unit's MemoryMax= where that is less.
    soft_memory_bytes: int | str = "1600M"


class Webhook(Section, frozen=True):
    """Where execution_service listens for alerts."""

    #: Only this machine by default; TradingView comes through a proxy with TLS.
    host: Host = "127.0.0.1"
    #: The proxy's target: TradingView itself reaches ports 80 and 443 only.
    port: Port = 5000
    #: A larger body is refused; alerts take some hundred bytes.
    max_body_bytes: Annotated[int, Meta(ge=256, le=10_000_000)] = 65_536
    #: On so many last days of a future, its expiry counted, entries of `NIFTY1!` go to
    #: the next one; 0 trades it to its end, as TradingView's chart does.
    roll_days: Annotated[int, Meta(ge=0, le=30)] = 0


class Dashboard(Section, frozen=True):
    """Where the dashboard listens."""

    #: Only this machine by default; elsewhere it needs a password.
    host: Host = "127.0.0.1"
    #: Of the page and of its API.
    port: Port = 8000
    #: Other names it answers to, as a proxy with TLS passes them on, for example
    #: ["trading.example.com"]; needs a password too.
    names: list[str] = field(default_factory=list)


class Broker(Section, frozen=True):
    """Which broker takes the orders."""

    #: "paper" trades with invented money; "shoonya" with yours.
    name: Literal["paper", "shoonya"] = "paper"
    #: Seconds until a request's outcome counts as unknown.
    timeout_seconds: Seconds = 5.0


class Paper(Section, frozen=True):
    """The embedded paper broker."""

    #: Invented money in rupees; orders beyond it are rejected.
    cash: Rupees = Decimal(10_000_000)
    #: "last" trades at the last price heard of (from alerts, or set by hand),
    #: "walk" lets prices wander from there.
    price_source: Literal["last", "walk"] = "last"
    #: Where a price begins that nobody has named, in rupees.
    first_price: Rupees = Decimal(100)
    #: Fixed prices in rupees, for example { "NFO:NIFTY28DEC27F" = "26000" }.
    prices: dict[str, Rupees] = field(default_factory=dict)
    #: The lowest and the highest price the exchange takes today, for example
    #: { "NSE:INFY-EQ" = ["1400", "1700"] }; others have no band.
    bands: dict[str, tuple[Rupees, Rupees]] = field(default_factory=dict)
    #: Orders, modifications and cancels a second to one exchange, as exchanges allow
    #: 10; more wait.  0 is no limit: paper has no exchange.
    orders_per_second: Annotated[int, Meta(ge=0, le=1000)] = 0
    #: Makes the wandering repeatable.
    seed: int = 1
    #: Fills at most this many units at once; 0 fills all that can be filled.
    max_fill_quantity: Annotated[int, Meta(ge=0)] = 0


class Shoonya(Section, frozen=True):
    """The account at Shoonya, used where broker.name = "shoonya"."""

    #: "oauth" needs a login with a browser each day (shoonyactl broker login);
    #: "quickauth" logs in by password and TOTP, as Shoonya did until March 2026.
    generation: Literal["oauth", "quickauth"] = "oauth"
    #: The client id, for example "FA12345"; needed.
    user_id: str = ""
    #: Vendor code or OAuth client id; empty is the user id with "_U" behind it.
    vendor_code: str = ""
    #: Any name for this machine; only quickauth sends it.
    imei: str = "shoonya-platform"
    #: Where requests go; empty is Shoonya's own place for the generation.
    api_url: str = ""
    #: Where order messages and prices come from; empty is Shoonya's own.
    websocket_url: str = ""
    #: The page for the daily login with a browser; empty is Shoonya's own.
    login_url: str = ""
    #: Where the scrip masters lie.
    scrip_url: str = "https://api.shoonya.com/"
    #: Orders, modifications and cancels a second to one exchange, all services
    #: together; exchanges allow 10.  Exits and cancels have room where entries wait.
    orders_per_second: Annotated[int, Meta(ge=2, le=1000)] = 9
    #: Requests a minute, all services together; Shoonya allows 200.
    requests_per_minute: Annotated[int, Meta(ge=10, le=100_000)] = 180

    @property
    def is_simulated(self) -> bool:
        """Whether requests go to this machine, to `shoonyactl simulate noren`."""
        return is_local(self.api_url)


class Risk(Section, frozen=True):
    """What risk_manager lets pass."""

    #: No entries once the day has lost this much (realised and unrealised), rupees.
    max_daily_loss: Rupees = Decimal(20_000)
    #: Gross value of all positions and working entries together, rupees.
    max_exposure: Rupees = Decimal(5_000_000)
    #: How many instruments may be held at once.
    max_open_positions: Count = 10
    #: Quantity times price times price factor of one order, rupees: 15000000 for a lot
    #: of GOLD at 150000.  The default lets one lot of an index future pass.
    max_order_value: Rupees = Decimal(2_000_000)
    #: Gross value in one instrument, over all strategies, rupees.
    max_symbol_exposure: Rupees = Decimal(2_000_000)
    #: Gross value of one strategy, rupees.
    max_strategy_exposure: Rupees = Decimal(5_000_000)
    #: Orders a day, those that were denied not counted.
    max_orders_per_day: Count = 500
    #: For each such step of the day's best profit the loss limit rises by a step.
    trail_step: Rupees = Decimal(5_000)
    #: Share of the loss limit at which a warning is given, once a day.
    warning_share: Annotated[Decimal, Meta(description="0 to 1")] = Decimal("0.8")
    #: After so many losing days in a row no entries for a day; 0 never.
    loss_days: Annotated[int, Meta(ge=0)] = 3
    #: After a breach: "reduce", or "halt" once all is closed; exits pass in both.
    on_breach: Literal["reduce", "halt"] = "reduce"
    #: On a breach every position is closed.
    exit_on_breach: bool = True


#: Hours and minutes, in India.
TimeOfDay = Annotated[str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class Guard(Section, frozen=True):
    """What execution_guard lets pass."""

    #: "round_the_clock" ignores hours and holidays, for paper and the simulator alone;
    #: "exchange" keeps them, and the real broker needs it.
    market_hours: Literal["round_the_clock", "exchange"] = "round_the_clock"
    #: With exchange hours: exits outside of them "wait" for the next session, and go
    #: out first then; or "deny" refuses them.
    exits_outside_hours: Literal["wait", "deny"] = "wait"
    #: A file with holidays, hours and sessions of your own beside the built-in ones
    #: (see docs/calendar.md); empty is none.
    calendar_file: str = ""
    #: Entries from an older alert are denied: the market has moved on.
    max_alert_age_seconds: Seconds = 120.0
    #: "protect" gives market orders a limit a little worse than the last price, as
    #: exchanges demand of programs; "pass" leaves them.
    market_orders: Literal["protect", "pass"] = "protect"
    #: A limit worse than the last price by more than this share is denied.
    max_price_deviation: Annotated[Decimal, Meta(description="0 to 1")] = Decimal("0.2")
    #: Entries while the broker tells no price band of today: "deny" them, or "pass"
    #: them by max_price_deviation alone.  Exits pass.
    without_price_band: Literal["deny", "pass"] = "deny"
    #: "check" asks the broker before each entry what margin it needs, and denies what
    #: the account cannot afford: one request an entry, two with several legs; "off"
    #: leaves it to the broker's own refusal.
    margin: Literal["check", "off"] = "check"
    #: Entries whose margin the broker does not tell: "pass" them, as the broker refuses
    #: what is too much, or "deny" them.  Exits are never asked about.
    without_margin: Literal["pass", "deny"] = "pass"
    #: With exchange hours: from then on, in India, MIS positions are closed and none is
    #: opened; on MCX, CDS and days with hours of their own 25 minutes before the close.
    mis_square_off: TimeOfDay = "15:10"
    #: The same for all that a strategy holds: [guard.square_off] straddle = "15:00".
    square_off: dict[str, TimeOfDay] = field(default_factory=dict)
    #: Whether two strategies may hold an instrument in opposite directions.
    allow_conflicts: bool = False
    #: An alert may state what its strategy held before it.  Where our book differs, an
    #: alert was missed: "deny" does nothing, "reach" brings the position to what the
    #: alert states for afterwards.
    stated_position: Literal["deny", "reach"] = "deny"
    #: What exceeds the exchange's freeze quantity: "split" sends several orders,
    #: "deny" none.
    freeze: Literal["split", "deny"] = "split"
    #: An entry of which a leg fails: cancel the others, exit what filled of them.
    all_or_nothing: bool = True


class Failure(Section, frozen=True):
    """Who is told when a service dies."""

    #: Is run once for each death, as a list of words, with the story on its standard
    #: input and its first line in $INCIDENT_HEADLINE; empty runs nothing.
    command: list[str] = field(default_factory=list)


class Notify(Section, frozen=True):
    """What recovery_service tells people; whom, the secret notify_urls says."""

    #: What is told: start, ready, alert, refused (by the webhook), order (its end),
    #: denial, breach (each change
    #: of the trading state too), difference (with the broker), failure, daily.
    events: list[
        Literal[
            "start",
            "ready",
            "alert",
            "refused",
            "order",
            "denial",
            "breach",
            "difference",
            "failure",
            "daily",
        ]
    ] = field(
        default_factory=lambda: [
            "start",
            "ready",
            "refused",
            "order",
            "denial",
            "breach",
            "difference",
            "failure",
            "daily",
        ]
    )
    #: Seconds between two messages; what happens meanwhile goes into the next one.
    interval_seconds: Seconds = 5.0
    #: Lines in one message; what is beyond them is counted.
    max_lines: Annotated[int, Meta(ge=1, le=100)] = 15
    #: The same news within so many seconds is counted and not told again.
    repeat_seconds: Annotated[float, Meta(ge=0, le=86_400)] = 300.0
    #: When the day's report is due, in India.
    daily_at: Annotated[str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")] = "15:45"
    #: Telegram's numbers of the users who may ask, halt and resume; needs the secret
    #: telegram_token.
    telegram_users: list[int] = field(default_factory=list)
    #: Where Telegram's Bot API is.
    telegram_url: str = "https://api.telegram.org"


class InstrumentLimits(Section, frozen=True):
    """What differs of one instrument, or of all of one underlying."""

    #: Units; quantities are multiples of it.
    lot_size: Count = 1
    #: In rupees; prices are multiples of it.
    tick_size: Rupees = Decimal("0.05")
    #: The most units that the exchange takes in one order; absent is no limit.
    freeze_quantity: Count | None = None
    #: Rupees that one unit gains when its price rises by one, 100 for GOLD; absent is
    #: what the broker's list or the built-in table says.
    price_factor: Decimal | None = None


class Recovery(Section, frozen=True):
    """How recovery_service settles what is unclear."""

    #: Seconds between two looks at everything.
    interval_seconds: Seconds = 30.0
    #: After a start of the platform entries are denied until the broker's books have
    #: been read and compared once; exits and cancels pass.
    entries_wait: bool = True
    #: An order that works at the broker for longer is told of, once; 0 never is.
    old_order_seconds: Annotated[float, Meta(ge=0, le=86_400)] = 3_600.0
    #: Readings of the order book that must all lack an order before it is given up;
    #: only those count that have everything that is known to be there.
    absent_reads: Annotated[int, Meta(ge=2, le=100)] = 3
    #: Those readings must span at least this many seconds for an entry.  A request on
    #: a broken route may arrive minutes later, so make it longer than any such delay.
    absent_seconds: Seconds = 900.0
    #: The same for an exit, as waiting leaves its position open: then it is sent again,
    #: for no more than the broker's own position shows at that moment.
    exit_absent_seconds: Seconds = 20.0
    #: The same for one of several orders of an entry, with guard.all_or_nothing: it
    #: counts as failed, the others are exited, and what turns up of it is closed.
    lost_leg_seconds: Seconds = 60.0
    #: An entry that was given up is planned again, under a new id and with all checks,
    #: while its alert is younger than this; 0 never does.  If the first turns up after
    #: all, one of the two is canceled or closed again, at a loss of the spread.
    replan_seconds: Annotated[float, Meta(ge=0, le=86_400)] = 0.0


class Settings(Section, frozen=True):
    """The whole configuration."""

    paths: Paths = Paths()
    log: Log = Log()
    service: Service = Service()
    webhook: Webhook = Webhook()
    dashboard: Dashboard = Dashboard()
    broker: Broker = Broker()
    paper: Paper = Paper()
    shoonya: Shoonya = Shoonya()
    risk: Risk = Risk()
    guard: Guard = Guard()
    recovery: Recovery = Recovery()
    failure: Failure = Failure()
    notify: Notify = Notify()
    #: Limits that differ from the built-in ones, for example
    #: [instruments."NFO:FINNIFTY"].
    instruments: dict[str, InstrumentLimits] = field(default_factory=dict)

    @property
    def account(self) -> str:
        """Whose money is traded: `paper`, or the broker and the user's id there."""
        if self.broker.name == "paper":
            return "paper"
        user = re.sub(r"[^A-Z0-9]", "_", self.shoonya.user_id.upper())
        return f"{self.broker.name}-{user}"

    @property
    def shoonya_dir(self) -> Path:
        """Where session, rate limits and lists of the Shoonya broker are kept."""
        return self.paths.state_dir / "shoonya"

    @property
    def paper_path(self) -> Path:
        return self.paths.state_dir / "paper.db"

    @property
    def needed_secrets(self) -> tuple[str, ...]:
        """The secrets without which the services do not begin."""
        return ("webhook_secret", *self.broker_secrets)

    @property
    def expected_secrets(self) -> tuple[str, ...]:
        """Those that are there when all is well, OAuth's own too."""
        if self.broker.name == "shoonya" and self.shoonya.generation == "oauth":
            return (*self.needed_secrets, "broker_api_secret", "broker_access_token")
        return self.needed_secrets

    @property
    def broker_secrets(self) -> tuple[str, ...]:
        """What the configured broker needs to begin; OAuth's token comes later."""
        if self.broker.name != "shoonya" or self.shoonya.generation == "oauth":
            return ()
        return ("broker_api_secret", "broker_password", "broker_totp_secret")

    @property
    def soft_memory_bytes(self) -> int:
        return parse_bytes(self.service.soft_memory_bytes)

    @property
    def log_max_bytes(self) -> int:
        return parse_bytes(self.log.max_bytes)

    @property
    def log_budget_bytes(self) -> int:
        return parse_bytes(self.log.budget)


_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_BYTES = re.compile(r"\s*(\d+)\s*([KMG]?)i?B?\s*", re.IGNORECASE)


def parse_bytes(size: int | str) -> int:
    """
    Read a size as people write it: `52428800`, `50M`, `2 GiB`.

    Raises:
        ValueError: It is no size, or smaller than 1024 bytes.
    """
    match = _BYTES.fullmatch(str(size))
    if match is None:
        raise ValueError(f"expected bytes or a size such as '50M', was '{size}'")
    number = int(match[1]) * _UNITS[match[2].upper()]
    if number < 1024:
        raise ValueError(f"expected at least 1024 bytes, was '{size}'")
    return number
