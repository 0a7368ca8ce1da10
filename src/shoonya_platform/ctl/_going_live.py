"""
What `broker check` walks through: the steps of docs/noren.md, and what is missing.

A step whose condition is not met yet is an error with the command that meets it; what
only a person can see (the address registered at the broker) is a note.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from shoonya_platform.assessment.session import ACTION
from shoonya_platform.brokers.base import Limits
from shoonya_platform.config.loader import Config
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.errors import BrokerError, ConfigError, ShoonyaError
from shoonya_platform.instruments.rows import MasterState
from shoonya_platform.services.broker_login import session_verdict
from shoonya_platform.services.child import ServiceStatus
from shoonya_platform.services.findings import Finding, Level
from shoonya_platform.services.parts import shoonya_account
from shoonya_platform.services.units import ServiceView
from shoonya_platform.store.base import OrderStore

PAGE = "docs/noren.md"

#: The checks in the order of the page, and its sections.
SECTIONS = {
    "configuration": "1-the-account-and-its-api-key",
    "api_key": "1-the-account-and-its-api-key",
    "static_ip": "2-the-static-ip-address",
    "switch": "3-switch-from-paper-to-live",
    "instruments": "4-the-lists-of-instruments",
    "login": "5-the-daily-login",
    "funds": "6-funds",
    "services": "7-a-first-order-of-one-lot",
    "trading": "7-a-first-order-of-one-lot",
}


class GoingLive:
    """
    Walks through the steps.

    Args:
        ask_limits: Asks the broker for the account's money.

        find_store: Returns the account's book; raises if there is none yet.

        views: How the services are.

        list_states: Returns how the broker's list of each exchange is.
    """

    def __init__(
        self,
        config: Config,
        now: datetime,
        *,
        ask_limits: Callable[[], Limits],
        find_store: Callable[[], OrderStore],
        views: Callable[[], list[ServiceView]],
        list_states: Callable[[], list[MasterState]],
    ) -> None:
        self._config = config
        self._now = now
        self._ask_limits = ask_limits
        self._find_store = find_store
        self._views = views
        self._list_states = list_states

    def walk(self) -> Iterator[Finding]:
        """Yield a finding a step; without the configuration no step follows."""
        settings = self._config.settings
        if settings.broker.name != "shoonya":
            yield _finding(
                "configuration",
                Level.ERROR,
                f"broker.name is '{settings.broker.name}': no order goes to Shoonya",
                "sudoedit /etc/shoonya/shoonya.toml",
            )
            return
        yield _finding(
            "configuration",
            Level.OK,
            f"orders go to {shoonya_account(self._config).api_url} as "
            f"{settings.shoonya.user_id}",
        )
        yield self._api_key()
        yield self._static_ip()
        yield from self._switch()
        yield self._instruments()
        yield from self._session()
        yield self._services()
        yield from self._trading()

    def _api_key(self) -> Finding:
        settings = self._config.settings
        oauth = settings.shoonya.generation == "oauth"
        names = ("broker_api_secret",) if oauth else settings.broker_secrets
        for name in names:
            try:
                self._config.secrets.get(name)
            except ConfigError as e:
                return _finding("api_key", Level.ERROR, e.message, e.hint or "")
        return _finding("api_key", Level.OK, f"{', '.join(names)} is here")

    def _static_ip(self) -> Finding:
        return _finding(
            "static_ip",
            Level.NOTE,
            "only the broker knows which address is registered: compare it with this "
            "server's",
            "ip -brief address",
        )

    def _switch(self) -> Iterator[Finding]:
        try:
            others = self._find_store().other_books()
        except ShoonyaError as e:
            yield _finding("switch", Level.NOTE, e.message, "sudo shoonyactl restart")
            return
        if not others:
            yield _finding("switch", Level.OK, "no other account has open positions")
        for book in others:
            yield _finding(
                "switch",
                Level.WARNING,
                f"the book of '{book.account}' has {book.text}; it is not traded now",
                "shoonyactl status",
            )

    def _instruments(self) -> Finding:
        command = "sudo shoonyactl instrument refresh"
        try:
            states = self._list_states()
        except ShoonyaError as e:
            return _finding("instruments", Level.ERROR, e.message, command)
        good, wrong = [], []
        for each in states:
            if each.problem:
                wrong.append(f"{each.exchange} ({each.problem})")
            elif not each.is_current(self._now):
                wrong.append(f"{each.exchange} (not loaded today)")
            else:
                good.append(str(each.exchange))
        if wrong or not good:
            text = f"not usable: {', '.join(wrong) or 'no list is here'}"
            level = Level.WARNING if good else Level.ERROR
            return _finding("instruments", level, text, command)
        return _finding("instruments", Level.OK, f"loaded today: {', '.join(good)}")

    def _session(self) -> Iterator[Finding]:
        verdict = session_verdict(self._config.settings, self._now)
        try:
            limits = self._ask_limits()
        except (BrokerError, ConfigError) as e:
            level = Level.ERROR if verdict.is_needed else Level.WARNING
            # What the file says of the session is already in the broker's words.
            is_known = verdict.text.startswith(e.message)
            text = verdict.text if is_known else e.message
            yield _finding("login", level, text, f"sudo {ACTION}")
            yield _finding("funds", Level.NOTE, "not seen: that needs the login")
            return
        yield _finding("login", Level.OK, "the broker answers to the session")
        money = f"{limits.available:,.2f} of {limits.cash:,.2f} rupees are available"
        if limits.available > 0:
            yield _finding("funds", Level.OK, money)
        else:
            yield _finding("funds", Level.ERROR, f"{money}: add money at the broker")

    def _services(self) -> Finding:
        down = [
            each.service
            for each in self._views()
            if each.state is not ServiceStatus.RUNNING
        ]
        if down:
            text = f"not running: {', '.join(down)}"
            return _finding("services", Level.ERROR, text, "sudo shoonyactl start")
        return _finding("services", Level.OK, "all eight services are running")

    def _trading(self) -> Iterator[Finding]:
        try:
            status = self._find_store().trading.status()
        except ShoonyaError:
            return
        if status.state is TradingState.ACTIVE:
            yield _finding("trading", Level.OK, "entries and exits go out")
        else:
            yield _finding(
                "trading",
                Level.WARNING,
                f"trading is {status.state}: {status.reason}",
                "sudo shoonyactl risk resume",
            )


def _finding(check: str, level: Level, sentence: str, command: str = "") -> Finding:
    return Finding(
        check=check,
        level=level,
        sentence=sentence,
        command=command,
        runbook="" if level is Level.OK else f"{PAGE}#{SECTIONS[check]}",
    )
