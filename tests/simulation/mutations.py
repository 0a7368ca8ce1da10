"""
Deliberate defects: each takes one safeguard out of the real code.

A check that finds none of them checks nothing; a safeguard that none of them needs is
one that the simulation does not reach.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from shoonya_platform.brokers import shoonya_answers, shoonya_words
from shoonya_platform.domain import orders as domain_orders
from shoonya_platform.domain.denials import DenialCode
from shoonya_platform.domain.orders import OrderStatus, OrderTrigger
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.errors import BrokerUnavailable, OutcomeUnknown
from shoonya_platform.execution import booking, claims, execution_guard, reports
from shoonya_platform.execution.behind import BehindBroker
from shoonya_platform.execution.booking import Booking
from shoonya_platform.execution.canceling import Canceler
from shoonya_platform.execution.command_service import CommandService
from shoonya_platform.execution.conditions import PositionDifferences
from shoonya_platform.execution.exit_cap import ExitCap
from shoonya_platform.execution.outcomes import OutcomeSearch
from shoonya_platform.execution.preconditions import SendPreconditions
from shoonya_platform.execution.refusal_watch import RefusalWatch
from shoonya_platform.execution.replacements import ReplacementSearch
from shoonya_platform.execution.stated_positions import StatedPositions
from shoonya_platform.execution.surplus import SurplusCloser
from shoonya_platform.execution.takeover import Takeover
from shoonya_platform.execution.taking_back import TakingBack
from shoonya_platform.store.sendlock import SendLock
from shoonya_platform.store.sqlite_alerts import SqliteAlerts
from shoonya_platform.store.sqlite_recovery import SqliteRecovery
from tests.simulation.engine import SimulatedStore, SqliteEngine
from tests.simulation.faults import Fault
from tests.simulation.run import Options

F = Fault
_LOST_ANSWERS = (F.RESET_AFTER, F.HTTP_502, F.TRUNCATED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """A defect, where to look for it, and within how many seeds it is found."""

    name: str
    #: The faults of the histories that look for it.
    faults: tuple[Fault, ...]
    seeds: int
    apply: Callable[[], AbstractContextManager[object]]

    @property
    def options(self) -> Options:
        """What the histories that look for it are made of."""
        return Options(allowed=self.faults, everything=True, intensity=2.0)


def _instead(place: object, name: str, part: object) -> Callable[[], Any]:
    return lambda: patch.object(place, name, part)


def _all(*changes: Callable[[], Any]) -> Callable[[], AbstractContextManager[object]]:
    @contextmanager
    def apply() -> Iterator[None]:
        with ExitStack() as stack:
            for change in changes:
                stack.enter_context(change())
            yield

    return apply


def _resend() -> Callable[[], Any]:
    place = CommandService._place

    def careless(self: Any, order: Any) -> Any:
        answer = place(self, order)
        if isinstance(answer, OutcomeUnknown):
            return BrokerUnavailable(answer.message)
        return answer

    return _instead(CommandService, "_place", careless)


def _no_duplicates() -> Callable[[], Any]:
    book = Booking._book

    def passes_over(self: Any, row: Any) -> Any:
        if row.matched.verdict is claims.Verdict.DUPLICATE:
            return None
        return book(self, row)

    return _instead(Booking, "_book", passes_over)


def _not_whole() -> Callable[[], Any]:
    bring_up_to = reports.bring_up_to

    def without_fills(
        store: Any, order: Any, claim: Any, fills: Any, **rest: Any
    ) -> Any:
        if order.is_closed:
            fills = ()
        return bring_up_to(store, order, claim, fills, **rest)

    return _instead(booking, "bring_up_to", without_fills)


def _without(*steps: tuple[OrderStatus, OrderTrigger]) -> Callable[[], Any]:
    left = {
        step: after
        for step, after in domain_orders.TRANSITIONS.items()
        if step not in steps
    }
    return _instead(domain_orders, "TRANSITIONS", left)


def _plain_json(content: bytes) -> object:
    return json.loads(content)


def _not_dedupes() -> Callable[[], Any]:
    add = SqliteAlerts.add

    def again(self: Any, alert: Any, alert_id: Any, *, received_at: Any) -> Any:
        query = self._session.query
        with patch.object(
            type(self._session),
            "query",
            lambda session, sql, parameters=(): (
                [] if "dedupe_key = ?" in sql else query(sql, parameters)
            ),
        ):
            return add(self, alert, alert_id, received_at=received_at)

    return _instead(SqliteAlerts, "add", again)


def _no_hours() -> Callable[[], Any]:
    time = SendPreconditions._time

    def careless(self: Any, order: Any) -> Any:
        denial = time(self, order)
        is_closed = denial is not None and denial.code is DenialCode.MARKET_CLOSED
        return None if is_closed else denial

    return _instead(SendPreconditions, "_time", careless)


def _never(*_: Any, **__: Any) -> bool:
    return False


def _only_while_active(state: TradingState, *_: Any) -> bool:
    return state is TradingState.ACTIVE


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _no_work(*_: Any, **__: Any) -> int:
    return 0


_S, _T = OrderStatus, OrderTrigger

MUTATIONS = (
    Mutation(
        name="an order is sent again after an unknown outcome",
        faults=_LOST_ANSWERS,
        seeds=10,
        apply=_resend(),
    ),
    Mutation(
        name="an unknown outcome is never looked for",
        faults=(F.RESET_BEFORE, F.RESET_DURING),
        seeds=20,
        apply=_instead(OutcomeSearch, "step", _nothing),
    ),
    Mutation(
        name="what an earlier run was sending is forgotten",
        faults=(F.DEATH_AFTER_CALL, F.DEATH_BEFORE_CALL, F.DEATH_ANYWHERE),
        seeds=30,
        apply=_instead(CommandService, "begin", _nothing),
    ),
    Mutation(
        name="the intention is not durable before it is sent",
        faults=(F.POWER_CUT, F.RESET_AFTER),
        seeds=60,
        apply=_instead(SqliteEngine, "note_sync", _nothing),
    ),
    Mutation(
        name="a row is believed without comparing symbol, side and product",
        faults=(F.FOREIGN_REMARKS,),
        seeds=30,
        apply=_all(
            _instead(claims, "_difference", lambda order, claim: ""),
            _instead(claims, "_other_quantity", lambda store, order, claim: ""),
        ),
    ),
    Mutation(
        name="a number in a reply is believed at once",
        faults=(F.WRONG_NUMBER,),
        seeds=30,
        apply=_all(
            _instead(CommandService, "_checked", lambda self, order, answer: answer),
        ),
    ),
    Mutation(
        name="one row that cannot be booked undoes all others",
        faults=(F.WRONG_NUMBER, F.FOREIGN_REMARKS, F.DUPLICATED),
        seeds=60,
        apply=_all(
            _instead(SimulatedStore, "savepoint", lambda self: nullcontext()),
            _instead(Booking, "book", lambda self, row: self._book(row)),
            _instead(claims, "_difference", lambda order, claim: ""),
            _instead(claims, "_other_quantity", lambda store, order, claim: ""),
        ),
    ),
    Mutation(
        name="a second order under one id is passed over",
        faults=(F.DUPLICATED,),
        seeds=20,
        apply=_no_duplicates(),
    ),
    Mutation(
        name="what a leg has too much stays",
        faults=(F.DUPLICATED, F.LATE),
        seeds=20,
        apply=_instead(SurplusCloser, "step", _no_work),
    ),
    Mutation(
        name="the age is not checked when an order is sent",
        faults=(F.REFUSED, F.POWER_CUT, F.PAUSE),
        seeds=60,
        apply=_instead(
            SendPreconditions,
            "denial",
            lambda self, order, trading: self._trading_state(order, trading),
        ),
    ),
    Mutation(
        name="market hours are not checked when an order is sent",
        faults=(F.MARKET_CLOSES, F.REFUSED, F.SLOW),
        seeds=60,
        apply=_no_hours(),
    ),
    Mutation(
        name="a halt is not checked when an order is sent",
        faults=(F.HALT,),
        seeds=30,
        apply=_all(
            _instead(SendPreconditions, "_trading_state", _nothing),
        ),
    ),
    Mutation(
        name="a halt keeps exits back too",
        faults=(F.HALT,),
        seeds=20,
        apply=_instead(execution_guard, "lets_out", _only_while_active),
    ),
    Mutation(
        name="an exit that ends without closing is not shown",
        faults=(F.HALT, F.MARKET_CLOSES, F.EXCHANGE_REJECTS),
        seeds=60,
        apply=_instead(RefusalWatch, "note_failed", _nothing),
    ),
    Mutation(
        name="an exit that rests blocks the next one",
        faults=(F.SLOW,),
        seeds=40,
        apply=_instead(Takeover, "waiting", lambda self, stored: set[int]()),
    ),
    Mutation(
        name="what fills after its end is not exited",
        faults=(F.FILL_AFTER_END, F.EXCHANGE_REJECTS),
        seeds=40,
        apply=_instead(TakingBack, "look", _nothing),
    ),
    Mutation(
        name="an exit is not bounded by the broker's position",
        faults=(F.MANUAL_TRADE,),
        seeds=40,
        apply=_instead(ExitCap, "bound", lambda self, order: order),
    ),
    Mutation(
        name="what an alert states is not looked at",
        faults=(F.EXCHANGE_REJECTS, F.HALT),
        seeds=40,
        apply=_all(
            _instead(StatedPositions, "settle", lambda self, stored: stored),
            _instead(StatedPositions, "waits", _never),
        ),
    ),
    Mutation(
        name="a halt does not wait for the order that is being sent",
        faults=(F.HALT, F.SLOW),
        seeds=40,
        apply=_instead(SendLock, "wait", lambda self, seconds: True),
    ),
    Mutation(
        name="entries do not wait for this start's books",
        faults=(F.POWER_CUT, F.REFUSED, F.HTTP_502, F.HTML),
        seeds=100,
        apply=_instead(SqliteRecovery, "is_awaited", _never),
    ),
    Mutation(
        name="an old copy of the store sends again what it has forgotten",
        faults=(F.RESTORE, F.BOOK_STALE),
        seeds=200,
        apply=_all(
            _instead(BehindBroker, "look", _nothing),
            _instead(BehindBroker, "number_of", _nothing),
            _instead(BehindBroker, "waits", _never),
        ),
    ),
    Mutation(
        name="a cancel that was confirmed is never asked again",
        faults=(F.CANCEL_IGNORED,),
        seeds=40,
        apply=_instead(Canceler, "_repeat", _nothing),
    ),
    Mutation(
        name="a fill after a cancel is not booked",
        faults=(F.FILL_AFTER_END,),
        seeds=40,
        apply=_all(
            _not_whole(),
            _without(
                (_S.CANCELED, _T.PARTIALLY_FILLED),
                (_S.CANCELED, _T.FILLED),
                (_S.EXPIRED, _T.PARTIALLY_FILLED),
                (_S.EXPIRED, _T.FILLED),
            ),
        ),
    ),
    Mutation(
        name="a position that differs is not reported",
        faults=(F.FOREIGN_REMARKS,),
        seeds=30,
        apply=_instead(PositionDifferences, "look", _nothing),
    ),
    Mutation(
        name="new terms without an answer are never looked for",
        faults=(F.RESET_BEFORE, F.RESET_DURING),
        seeds=100,
        apply=_instead(ReplacementSearch, "step", _nothing),
    ),
    Mutation(
        name="an answer nested too deep is not caught",
        faults=(F.DEEP,),
        seeds=20,
        apply=_instead(shoonya_answers, "decode", _plain_json),
    ),
    Mutation(
        name="the quote of another instrument is believed",
        faults=(F.QUOTE_OF_ANOTHER,),
        seeds=20,
        apply=_instead(shoonya_words, "scrip_of", lambda row: _Anything()),
    ),
    Mutation(
        name="an alert that is sent again is taken again",
        faults=(F.DEATH_AFTER_COMMIT, F.DEATH_ANYWHERE, F.PAUSE),
        seeds=100,
        apply=_not_dedupes(),
    ),
)


class _Anything:
    """Equal to whatever it is compared with."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]
