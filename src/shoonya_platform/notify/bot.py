"""
Answers allowed people on Telegram, and lets them halt trading and close positions.

It runs in a thread of its own.  Halting is what `shoonyactl risk halt` does: the
state in the store, and the bells of those it concerns.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from datetime import timedelta

from shoonya_platform.clock import Clock
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.errors import StoreError
from shoonya_platform.logging import ServiceLogger
from shoonya_platform.notify import figures
from shoonya_platform.notify.telegram import BotApi, Message, TelegramError
from shoonya_platform.risk.limits import RiskLimits
from shoonya_platform.store.base import OrderStore
from shoonya_platform.store.flatten import CONCERNED, Scope, flatten, positions_in
from shoonya_platform.store.trading_state import set_trading_state

#: An order to halt or resume that lay around for longer is not obeyed: it was meant
#: for another moment.
FRESH = timedelta(seconds=60)

_HELP = (
    "status, risk, positions, pnl; halt [REASON], resume [REASON], "
    "flatten [STRATEGY], or flatten all"
)

_TOO_OLD = "that was written a while ago and is not done: write it again"


class Bot:
    """
    The commands.

    Args:
        users: Who may use them, by Telegram's number of the user.

        ring: Rings the named services' doorbells.

        stopping: Set when the service ends.
    """

    def __init__(
        self,
        api: BotApi,
        store: OrderStore,
        limits: RiskLimits,
        clock: Clock,
        ring: Callable[..., None],
        *,
        users: Collection[int],
        stopping: threading.Event,
        logger: ServiceLogger,
    ) -> None:
        self._api = api
        self._store = store
        self._limits = limits
        self._clock = clock
        self._ring = ring
        self._users = users
        self._stopping = stopping
        self._logger = logger
        self._offset = 0
        self._strangers: set[int] = set()
        self._is_away = False

    def run(self) -> None:
        """Answer until the service ends."""
        while not self._stopping.is_set():
            try:
                self.step()
            except TelegramError as e:
                if not self._is_away:
                    self._logger.warning(
                        "Telegram cannot be asked, %s; trying again",
                        e,
                        extra={"event": "telegram_away"},
                    )
                self._is_away = True
                self._stopping.wait(e.retry_seconds)
            else:
                self._is_away = False

    def step(self) -> None:
        """
        Wait for messages and answer them.

        Raises:
            TelegramError: The Bot API cannot be asked.
        """
        for message in self._api.messages(self._offset):
            # An answer that fails is not worth a second deed.
            self._offset = message.update_id + 1
            if message.user_id not in self._users:
                self._note_stranger(message)
            elif message.text:
                self._api.send(message.chat_id, self.answer(message))

    def answer(self, message: Message) -> str:
        """Do what is asked; return what to say."""
        word, _, rest = message.text.strip().partition(" ")
        verb = word.removeprefix("/").partition("@")[0].lower()
        now = self._clock.now()
        try:
            if verb == "status":
                return figures.status(self._store, now)
            if verb == "risk":
                return figures.risk(self._store, self._limits, now)
            if verb == "positions":
                return figures.positions(self._store)
            if verb == "pnl":
                return figures.pnl(self._store, now)
            if verb == "halt":
                return self._set(TradingState.HALTED, message, rest)
            if verb == "resume":
                return self._set(TradingState.ACTIVE, message, rest)
            if verb == "flatten":
                return self._flatten(message, rest.strip())
        except StoreError as e:
            return f"the store does not answer: {e.message}"
        return _HELP

    def _flatten(self, message: Message, strategy: str) -> str:
        if self._clock.now() - message.sent_at > FRESH:
            return _TOO_OLD
        if not strategy:
            return "say which: flatten STRATEGY, or flatten all"
        scope = Scope(None if strategy.lower() == "all" else strategy)
        if not positions_in(self._store, scope) and scope != Scope():
            return f"'{strategy}' holds nothing:\n{figures.positions(self._store)}"
        by = _name_of(message)
        done = flatten(self._store, scope, by=by, at=self._clock.now())
        self._ring(*CONCERNED)
        self._logger.warning(
            "%s closes %d positions and cancels %d orders (user %d)",
            by,
            len(done.positions),
            len(done.canceled),
            message.user_id,
            extra={"event": "flatten"},
        )
        return (
            f"closing {len(done.positions)} positions, canceling "
            f"{len(done.canceled)} orders; 'positions' shows what is left"
        )

    def _set(self, state: TradingState, message: Message, reason: str) -> str:
        if self._clock.now() - message.sent_at > FRESH:
            return _TOO_OLD
        by = _name_of(message)
        why = reason.strip()[:200] or "by hand"
        before = self._store.trading.status()
        changed, is_obeyed = set_trading_state(self._store, state, reason=why, by=by)
        if not changed:
            return f"trading is {state} already: {before.reason}"
        self._ring("execution_guard", "command_service", "risk_manager")
        self._logger.warning(
            "trading is %s, was %s: %s, by %s (user %d)",
            state,
            before.state,
            why,
            by,
            message.user_id,
            extra={"event": "trading_state", "state": state},
        )
        still = "" if is_obeyed else "; an order was still being sent"
        return f"trading is {state}, was {before.state}{still}"

    def _note_stranger(self, message: Message) -> None:
        # Bounded: anybody may write to a bot.
        if message.user_id in self._strangers or len(self._strangers) >= 100:
            return
        self._strangers.add(message.user_id)
        self._logger.warning(
            "Telegram user %d is not in notify.telegram_users, ignoring",
            message.user_id,
            extra={"event": "telegram_stranger"},
        )


def _name_of(message: Message) -> str:
    return f"telegram:{message.user_name or message.user_id}"
