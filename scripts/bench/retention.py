"""
A full set of log files as eight busy services leave them, made anew from numbers.

An order's records depend on its number only, so that whoever wants some of them
again, for a journal say, need not read gigabytes.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.logging.archives import archive_all
from shoonya_platform.logging.chain import Chain
from shoonya_platform.logging.files import LogFile
from shoonya_platform.logging.frames import read_table

#: Orders written at once.
BATCH = 1000
#: Four a second, from 09:15 to 15:30.
ORDERS_A_DAY = 90_000
_FIRST_DAY = datetime(2026, 2, 2, 9, 15).astimezone()
_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [one + other for one in _LETTERS for other in _LETTERS]
_CLOCK = [
    f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
    for second in range(9 * 3600 + 15 * 60, 16 * 3600)
]
_STRATEGIES = ("short-straddle-9f3d", "Momentum", "iron-condor", "ORB-15", "vwap-fade")
_TRACEBACK = """\
    | Traceback (most recent call last):
    |   File "/opt/shoonya/venv/lib/python3.11/site-packages/httpx/_client.py", line 914
    |     response = self._send_handling_auth(request, auth=auth)
    | httpx.ReadTimeout: The read operation timed out
"""


@dataclass(frozen=True, slots=True)
class Order:
    """What the records about one order have in common; all of it from its number."""

    number: int
    at: datetime
    alert_id: str
    client_order_id: str
    broker_order_id: str
    strategy: str

    @property
    def ids(self) -> set[str]:
        own = str(self.number)
        return {own, self.alert_id, self.client_order_id, self.broker_order_id}


def order(number: int) -> Order:
    day, within = divmod(number, ORDERS_A_DAY)
    at = _FIRST_DAY + timedelta(days=day, milliseconds=250 * within)
    date = _date(day).replace("-", "")[2:]
    code = _code(number)
    return Order(
        number,
        at,
        f"A{date}-{code}",
        f"O{date}-{code}-1",
        f"{date}{number:08d}",
        _STRATEGIES[number * 7919 % len(_STRATEGIES)],
    )


def _code(number: int) -> str:
    # Of forty bits, each time others: as random as the real ones, and each once.
    mixed = number * 0x9E3779B97F4A7C15 & (1 << 40) - 1
    return (
        _PAIRS[mixed >> 30]
        + _PAIRS[mixed >> 20 & 1023]
        + (_PAIRS[mixed >> 10 & 1023] + _PAIRS[mixed & 1023])
    )


@functools.lru_cache
def _date(day: int) -> str:
    return f"{_FIRST_DAY + timedelta(days=day):%Y-%m-%d}"


@functools.lru_cache
def _heads(day: int) -> dict[str, tuple[str, str]]:
    """Return the columns behind the level, and the run, of each component."""
    return {
        name: (f" | {name.upper():<20} | ", f"{(day * 8 + k) * 0x9E3779B1 % 2**32:08x}")
        for k, name in enumerate(COMPONENTS)
    }


def fill(log_dir: Path, max_bytes: int, backups: int) -> None:
    """Write until every component has all its backups, unless that was done before."""
    if (log_dir / "orders").exists():
        return
    files = {
        name: LogFile(
            str(log_dir / f"{name}.log"), max_bytes=max_bytes, backup_count=backups
        )
        for name in COMPONENTS
    }
    began = time.monotonic()
    number = 1
    while not all(
        (log_dir / f"{name}.log.{backups}.zst").exists() for name in COMPONENTS
    ):
        texts: dict[str, list[str]] = {name: [] for name in COMPONENTS}
        for each in range(number, number + BATCH):
            for name, line in lines(each):
                texts[name].append(line)
        for name, file in files.items():
            file.write("".join(texts[name]).encode())
        number += BATCH
        if number % (40 * BATCH) < BATCH:
            archive_all(str(log_dir), max_bytes, backups, COMPONENTS)
            print(f"{number} orders, {time.monotonic() - began:.0f} s", file=sys.stderr)
    for file in files.values():
        file.close()
    archive_all(str(log_dir), max_bytes, backups, COMPONENTS)
    (log_dir / "orders").write_text(str(number))


def kept(log_dir: Path) -> range:
    """Return the orders of which every component still has all records."""
    oldest = ""
    for name in COMPONENTS:
        chain = Chain(str(log_dir / f"{name}.log"), 0)
        with Path(chain.backups()[-1].path).open("rb") as file:
            table = read_table(file.fileno())
        if table is None:
            raise SystemExit(f"the oldest archive of {name} has no table")
        oldest = max(oldest, table[0].first_at)
    since = datetime.fromisoformat(oldest).astimezone() - _FIRST_DAY
    within = timedelta(seconds=since.seconds, microseconds=since.microseconds)
    number = since.days * ORDERS_A_DAY + within // timedelta(milliseconds=250)
    return range(number + 10, int((log_dir / "orders").read_text()))


def lines(number: int) -> Iterator[tuple[str, str]]:
    """Yield all lines about one order, and what was said meanwhile, by component."""
    this = order(number)
    day, within = divmod(number, ORDERS_A_DAY)
    date, heads = _date(day), _heads(day)
    dice = number * 2654435761 & 0xFFFFFFFF
    counts = dict.fromkeys(COMPONENTS, within * 6)
    of_alert = f" alert_id={this.alert_id} strategy={this.strategy} "
    of_order = f" order_id={number} client_order_id={this.client_order_id}{of_alert}"
    placed = f"{of_order}broker_order_id={this.broker_order_id} "

    def line(
        after: int, component: str, text: str, fields: str, level: str = "INFO    "
    ) -> tuple[str, str]:
        counts[component] += 1
        second, millis = divmod(within * 250 + after, 1000)
        head, run = heads[component]
        return component, (
            f"{date} {_CLOCK[second]}.{millis:03d} | {level}{head}{text} |{fields} "
            f"run={run} seq={counts[component]}\n"
        )

    quantity = 65 * (1 + dice % 12)
    symbol = f"NFO:NIFTY26{'FMAJ'[day % 4]}{24000 + dice % 61 * 50}"
    summary = f"{'SELL' if dice & 4 else 'BUY'} {quantity} {symbol} @ MARKET"
    took = 5 + (dice >> 11 & 127)
    text = f"Alert {this.alert_id} accepted: entry for '{this.strategy}', 1 legs"
    yield line(0, "execution_service", text, f"{of_alert}event=alert_accepted")
    text = f"Order {number} planned: {summary}"
    yield line(4, "trading_bot", text, f"{of_order}event=order_created")
    text = f"Order {number} risk passed: exposure {quantity * (dice >> 9 & 255)}.00"
    yield line(6, "risk_manager", f"{text} <= 5000000", f"{of_order}event=risk_passed")
    if number % 50 == 7:
        text = f"Order {number} denied: price is {dice % 19 + 6} % from the last one"
        fields = f"{of_order}event=order_denied code=PRICE_BAND"
        yield line(8, "execution_guard", text, fields, "WARNING ")
    else:
        text = f"Order {number} guard passed: {summary}"
        yield line(8, "execution_guard", text, f"{of_order}event=guard_passed")
        text = f"Order {number} submitted: {summary}"
        yield line(9, "command_service", text, f"{of_order}event=order_submitted")
        text = f"Order {number} is with the broker as {this.broker_order_id}"
        yield line(9 + took, "command_service", text, f"{placed}event=order_accepted")
        text = f"Order {number} filled {quantity} of {quantity} at an average of"
        text += f" {dice >> 7 & 511}.{dice >> 5 & 15:02d}"
        yield line(20 + took, "order_watcher", text, f"{placed}event=order_filled")
        text = f"Alert {this.alert_id} completed: filled"
        yield line(22 + took, "trading_bot", text, f"{of_alert}event=alert_completed")
    if number % 400 == 13:
        text = f"Order {number}: the broker did not answer, asking the books"
        fields = f"{of_order}event=outcome_unknown"
        name, first = line(60, "recovery_service", text, fields, "ERROR   ")
        yield name, first + _TRACEBACK
    # What names no order: of each component so much that all files fill alike.
    some, millis = dice >> 5 & 63, dice >> 13 & 1023
    for after in (40, 140, 220):
        text = (
            f"order book read: {dice % 97 + after} orders, {millis % 83}.{after % 9} ms"
        )
        text += ", all of them as they are in the store"
        fields = f" trades={dice % 301} readings={number % 7} event=books_read"
        yield line(after, "recovery_service", text, fields)
        page = ("orders", "api/positions", "log", f"orders/{number - dice % 900}")
        text = f"GET /{page[dice >> after % 20 & 3]} answered in {millis % 47} ms"
        fields = f" user=admin status=200 bytes={3000 + (dice >> after % 9) % 40_000}"
        yield line(
            after,
            "dashboard",
            text,
            f"{fields} etag={dice:08x}{number:08x} referer=/orders event=page",
        )
    for after in (31, 57):
        text = f"connection of 52.89.{dice % 255}.{after} answered, {some} are open"
        fields = f" status=202 ms={millis / 100} agent=Go-http-client/1.1 event=request"
        yield line(after, "execution_service", text, fields)
    for after in (90, 190):
        text = f"watching {some} open orders, P&L {dice % 90_000 - 40_000}.50"
        fields = f" queue={dice >> 4 & 7} last_price={24_000 + millis}.35 event=looked"
        for name in ("risk_manager", "execution_guard", "order_watcher"):
            yield line(after, name, text, fields)
    text = f"{symbol} is at {dice >> 7 & 511}.{dice >> 5 & 15:02d}, {millis} ms ago"
    yield line(235, "trading_bot", text, f" volume={dice % 700_001} event=quoted")
    yield line(
        235, "command_service", text, f" limit={some} used={some // 3} event=rate"
    )
