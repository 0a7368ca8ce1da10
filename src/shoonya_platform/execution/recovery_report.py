"""What a reconciliation found, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import msgspec

from shoonya_platform.domain.days import INDIA

#: Reports that differed from the one before them, kept beside the newest.
KEPT = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderNote:
    """An order somebody may want to look at, ours or another program's."""

    order_id: int | None  #: None: not ours
    broker_order_id: str | None
    summary: str  #: `BUY 65 NFO:NIFTY28DEC27F`
    text: str  #: what is the matter with it


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionNote:
    """An instrument of which we hold another quantity than the broker says."""

    exchange: str
    tradingsymbol: str
    product: str
    ours: int  #: units, signed
    brokers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryReport:
    """
    One reconciliation.

    `failure` says why the broker could not be asked; nothing else is known then, and
    the lists say nothing about the account.
    """

    began_at: datetime
    finished_at: datetime
    run_id: str
    failure: str = ""
    orders_at_broker: int = 0
    caught_up: list[OrderNote] = field(default_factory=list)
    contradicted: list[OrderNote] = field(default_factory=list)
    #: Rows with one of our ids that are about another order.
    foreign: list[OrderNote] = field(default_factory=list)
    missing: list[OrderNote] = field(default_factory=list)
    unknown: list[OrderNote] = field(default_factory=list)
    stuck: list[OrderNote] = field(default_factory=list)
    old: list[OrderNote] = field(default_factory=list)
    external: list[OrderNote] = field(default_factory=list)
    differences: list[PositionNote] = field(default_factory=list)

    @property
    def succeeded(self) -> bool:
        return not self.failure

    @property
    def findings(self) -> dict[str, list[OrderNote]]:
        """Return the lists that hold something, by their heading."""
        lists = {
            "brought up to the broker's books": self.caught_up,
            "contradicted by the broker, left to you": self.contradicted,
            "under our ids with other terms, not booked": self.foreign,
            "not in the broker's order book": self.missing,
            "outcome unknown, being looked for": self.unknown,
            "stuck": self.stuck,
            "at work for long": self.old,
            "of other programs, left alone": self.external,
        }
        return {heading: notes for heading, notes in lists.items() if notes}

    @property
    def summary(self) -> str:
        """One sentence."""
        if self.failure:
            return f"the broker's books could not be read: {self.failure}"
        parts = [f"{self.orders_at_broker} orders at the broker"]
        parts += [f"{len(notes)} {heading}" for heading, notes in self.findings.items()]
        if self.differences:
            count = len(self.differences)
            parts.append(f"{count} position{' differs' if count == 1 else 's differ'}")
        else:
            parts.append("positions agree")
        return ", ".join(parts)

    def encode(self) -> str:
        return msgspec.json.encode(self).decode()


def decode(text: str) -> RecoveryReport:
    return msgspec.json.decode(text, type=RecoveryReport)


def render(report: RecoveryReport) -> str:
    """Return the report as some lines of plain text, times in India."""
    return "".join(f"{line}\n" for line in _lines(report))


def _lines(report: RecoveryReport) -> Iterator[str]:
    at = report.finished_at.astimezone(INDIA)
    word = "succeeded" if report.succeeded else "FAILED"
    yield f"reconciliation {word} at {at:%Y-%m-%d %H:%M:%S} (run {report.run_id})"
    yield report.summary
    if not report.succeeded:
        yield "nothing is known of orders and positions until it succeeds"
        return
    for heading, notes in report.findings.items():
        yield from ("", f"orders {heading}:", *_table(notes))
    if report.differences:
        yield from ("", "positions that differ, never mended by trading:")
        for held in report.differences:
            yield (
                f"  {held.exchange}:{held.tradingsymbol} {held.product}: "
                f"we hold {held.ours}, the broker says {held.brokers}"
            )


def _table(notes: Sequence[OrderNote]) -> Iterator[str]:
    for note in notes:
        own = "" if note.order_id is None else f"order {note.order_id} "
        number = f"broker order {note.broker_order_id} " * bool(note.broker_order_id)
        yield f"  {own}{number}{note.summary}: {note.text}"


class ReportFolder:
    """
    Keeps the newest report as a file for people, and those that found something else.

    Args:
        folder: Made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._told: object = None

    def keep(self, report: RecoveryReport) -> None:
        """
        Write `report.txt` and `report.json`.

        Raises:
            OSError: They cannot be written.
        """
        self._folder.mkdir(exist_ok=True)
        text = render(report)
        _replace(self._folder / "report.json", report.encode() + "\n")
        _replace(self._folder / "report.txt", text)
        told = (report.failure, report.findings, report.differences)
        if told == self._told:
            return
        self._told = told
        name = f"{report.finished_at:%Y%m%dT%H%M%S.%f}Z.txt"
        _replace(self._folder / name, text)
        for old in sorted(self._folder.glob("2*Z.txt"))[:-KEPT]:
            old.unlink(missing_ok=True)


def _replace(path: Path, text: str) -> None:
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)
