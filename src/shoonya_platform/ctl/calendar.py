"""shoonyactl calendar"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time

import click

from shoonya_platform.config.calendar import calendar as calendar_of
from shoonya_platform.ctl.context import Ctl
from shoonya_platform.ctl.output import console, json_option, print_json, print_table
from shoonya_platform.domain.calendar import MarketCalendar
from shoonya_platform.domain.days import INDIA
from shoonya_platform.domain.instruments import Exchange


@dataclass(frozen=True, slots=True)
class _OtherSession:
    name: str
    opens: str
    closes: str
    note: str
    is_verified: bool


@dataclass(frozen=True, slots=True)
class _DayOff:
    day: str
    name: str


@dataclass(frozen=True, slots=True)
class _View:
    """One exchange on one day; these are the keys of the JSON document."""

    exchange: str
    opens: str | None  #: None on a day without trading
    closes: str | None
    why: str  #: why there is none, or what is special
    sessions: list[_OtherSession]
    is_open_now: bool
    why_closed_now: str
    next_open: datetime
    unverified: list[str]
    holidays: list[_DayOff]  #: of the year, from the day on
    holidays_known_until: str | None  #: the last day; None if none are known


@click.command()
@click.option(
    "--exchange",
    "exchanges",
    type=click.Choice([exchange.value for exchange in Exchange]),
    multiple=True,
    help="Only this exchange; may be repeated.",
)
@click.option(
    "--date",
    "day",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The day in India  [default: today]",
)
@json_option
@click.pass_obj
def cli(
    ctl: Ctl, exchanges: tuple[str, ...], day: datetime | None, as_json: bool
) -> None:
    """Show when the exchanges trade, and which holidays come.

    Times are India's.  What nobody has verified is marked; a file of your own
    (guard.calendar_file) adds to it or corrects it.

    \b
    Examples:
      shoonyactl calendar
      shoonyactl calendar --exchange NSE --date 2026-12-25
      shoonyactl calendar --exchange NFO --json
    """
    calendar = calendar_of(ctl.settings)
    now = ctl.clock.now()
    wanted = now.astimezone(INDIA).date() if day is None else day.date()
    views = [
        _view(calendar, Exchange(name), wanted, now)
        for name in exchanges or tuple(Exchange)
    ]
    keeps_hours = ctl.settings.guard.market_hours == "exchange"
    if as_json:
        print_json(
            {
                "date": wanted.isoformat(),
                "as_of": calendar.as_of.isoformat(),
                "guard_keeps_hours": keeps_hours,
                "exchanges": views,
            }
        )
        return
    out = console()
    out.print(f"{wanted:%A %Y-%m-%d}, in India's time; as of {calendar.as_of}")
    for end, names in _known_until(calendar, views).items():
        out.print(f"holidays of {' '.join(names)} {end}")
    if not keeps_hours:
        out.print(
            'the guard lets pass at any hour: guard.market_hours is "round_the_clock"'
        )
    out.print()
    _print_hours(views)
    _print_shared("other sessions", views, _sessions)
    _print_shared("not verified", views, lambda view: view.unverified)
    _print_shared(
        "holidays", views, lambda view: [f"{d.day} {d.name}" for d in view.holidays]
    )


def _view(
    calendar: MarketCalendar, exchange: Exchange, day: date, now: datetime
) -> _View:
    window = calendar.window(exchange, day)
    end = calendar.known_until(exchange)
    return _View(
        exchange=exchange.value,
        opens=None if window is None else _clock(window[0]),
        closes=None if window is None else _clock(window[1]),
        why=calendar.why(exchange, day),
        sessions=[
            _OtherSession(
                each.name,
                _clock(each.opens),
                _clock(each.closes),
                each.note,
                each.is_verified,
            )
            for each in calendar.sessions_of(exchange, day)
        ],
        is_open_now=calendar.is_open(exchange, now),
        why_closed_now=calendar.why_closed(exchange, now),
        next_open=calendar.next_open(exchange, now),
        unverified=calendar.unverified(exchange, day),
        holidays=[
            _DayOff(each.day.isoformat(), each.name)
            for each in calendar.days_off(exchange, day.year)
            if each.day >= day
        ],
        holidays_known_until=None if end is None else end.isoformat(),
    )


def _known_until(
    calendar: MarketCalendar, views: Iterable[_View]
) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for view in views:
        end = calendar.known_until(Exchange(view.exchange))
        text = "are not known" if end is None else f"are known until {end}"
        found.setdefault(text, []).append(view.exchange)
    return found


def _clock(moment: time) -> str:
    return f"{moment:%H:%M}"


def _print_hours(views: Iterable[_View]) -> None:
    rows = []
    for view in views:
        trades = view.why if view.opens is None else f"{view.opens}-{view.closes}"
        if view.opens is not None and view.why:
            trades += f", {view.why}"
        now = "open" if view.is_open_now else f"closed: {view.why_closed_now}"
        opens = f"{view.next_open.astimezone(INDIA):%a %Y-%m-%d %H:%M}"
        rows.append((view.exchange, trades, now, "" if view.is_open_now else opens))
    print_table(["exchange", "that day", "now", "opens"], rows)


def _sessions(view: _View) -> list[str]:
    return [
        f"{each.opens}-{each.closes} {each.name}" + (f": {each.note}" * bool(each.note))
        for each in view.sessions
    ]


def _print_shared(
    title: str, views: Iterable[_View], lines_of: Callable[[_View], Iterable[str]]
) -> None:
    """Print each line once, with the exchanges that share it."""
    shared: dict[str, list[str]] = {}
    for view in views:
        for line in lines_of(view):
            shared.setdefault(line, []).append(view.exchange)
    if not shared:
        return
    click.echo()
    print_table(
        ["exchanges", title],
        [(" ".join(names), line) for line, names in shared.items()],
    )
