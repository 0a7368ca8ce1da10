"""shoonyactl instrument"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import click

from shoonya_platform.ctl._instruments import Entered, find_listed, find_packaged
from shoonya_platform.ctl._owners import hand_over
from shoonya_platform.ctl.context import Ctl
from shoonya_platform.ctl.output import (
    console,
    json_option,
    local,
    print_json,
    print_table,
)
from shoonya_platform.domain.days import trading_day
from shoonya_platform.domain.instruments import Exchange, Source
from shoonya_platform.errors import BrokerUnavailable, NotAllowed
from shoonya_platform.instruments.file import InstrumentFile
from shoonya_platform.instruments.rows import (
    InstrumentsUnavailable,
    Listed,
    MasterState,
)
from shoonya_platform.services.parts import (
    catalogue,
    instrument_refresh,
    instruments_path,
)


class _Group(click.Group):
    """A symbol that is not one of the commands is shown."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] in self.commands:
            return super().resolve_command(ctx, args)
        return "show", self.commands["show"], args


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of an instrument; these are the keys of the JSON document."""

    exchange: str
    tradingsymbol: str
    token: str  #: empty where it is not known
    kind: str
    instrument_type: str
    underlying: str
    expiry: date | None
    is_expired: bool
    strike: Decimal | None
    right: str | None
    lot_size: int
    tick_size: Decimal
    price_factor: Decimal
    freeze_quantity: int | None
    largest_quantity: int | None  #: of one order
    freeze_asked_on: date | None  #: None if the broker was not asked yet
    precision: int | None
    source: str
    loaded_at: datetime | None  #: of the broker's list
    made_on: date | None  #: as the list says
    problem: str  #: why a newer list was not used
    is_overridden: bool  #: lot, tick and freeze quantity are the configuration's


@click.group(cls=_Group, subcommand_metavar="SYMBOL | COMMAND [ARGS]...")
def cli() -> None:
    """Show what is known of an instrument, and where that comes from.

    SYMBOL is `EXCHANGE:TRADINGSYMBOL`, or a trading symbol alone.  With the Shoonya
    broker the figures are those of its daily lists and of its security information;
    the paper broker goes by the table of this version.  What `[instruments]` in the
    configuration says counts most.

    \b
    Examples:
      shoonyactl instrument RELIANCE-EQ
      shoonyactl instrument MCX:GOLD05DEC26 --json
      shoonyactl instrument refresh
    """


@cli.command()
@click.argument("symbol", metavar="SYMBOL")
@json_option
@click.pass_obj
def show(ctl: Ctl, symbol: str, as_json: bool) -> None:
    """Show what is known of a symbol, and its source.

    \b
    Examples:
      shoonyactl instrument show NSE:RELIANCE-EQ
      shoonyactl instrument show NIFTY28DEC27F --json
    """
    found = _find(ctl, Entered.of(symbol))
    if as_json:
        print_json(found)
        return
    for number, known in enumerate(found):
        if number:
            click.echo()
        print_table(["", ""], _lines(known, ctl))


@cli.command()
@click.argument(
    "exchanges",
    nargs=-1,
    type=click.Choice([exchange.value for exchange in Exchange]),
    metavar="[EXCHANGE]...",
)
@click.pass_obj
def refresh(ctl: Ctl, exchanges: tuple[str, ...]) -> None:
    """Load the broker's lists again.

    All of them, or those of the exchanges named.  recovery_service does the same
    once a trading day, at 8:00 in India.  A list that cannot be had or used leaves
    the one at hand as it is; then this ends with 21.

    \b
    Examples:
      shoonyactl instrument refresh
      shoonyactl instrument refresh NFO MCX
    """
    if ctl.settings.broker.name != "shoonya":
        raise NotAllowed(
            f"the broker is '{ctl.settings.broker.name}', which has no lists to load",
            hint="its figures are those of this version's table",
        )
    opened = instrument_refresh(ctl.config, ctl.clock)
    problems = 0
    try:
        for exchange in [Exchange(name) for name in exchanges] or list(Exchange):
            click.echo(f"loading {exchange} …", err=True)
            began = time.monotonic()
            state = opened.masters.load(exchange, only_if_due=False)
            problems += bool(state.problem)
            console().print(_loaded(state, time.monotonic() - began))
    finally:
        opened.close()
        hand_over(ctl.settings.paths.state_dir, instruments_path(ctl.settings).parent)
    if problems:
        raise click.exceptions.Exit(BrokerUnavailable.exit_code)


def _loaded(state: MasterState, seconds: float) -> str:
    if not state.problem:
        return (
            f"{state.exchange}: {state.rows} instruments in {seconds:.1f} s, "
            f"rows left out: {state.skipped or 'none'}"
        )
    if state.loaded_at is None:
        return f"{state.exchange}: {state.problem}; there is no list"
    return (
        f"{state.exchange}: {state.problem}; still {state.rows} instruments, loaded "
        f"at {local(state.loaded_at)}"
    )


def _find(ctl: Ctl, entered: Entered) -> list[Known]:
    table, today = catalogue(ctl.settings), trading_day(ctl.clock.now())
    if ctl.settings.broker.name == "shoonya":
        file = InstrumentFile(instruments_path(ctl.settings))
        try:
            states = {state.exchange: state for state in file.states()}
            if any(state.is_loaded for state in states.values()):
                return [
                    _known(each, states[each.instrument.exchange], today)
                    for each in find_listed(file, table, entered, today)
                ]
        except InstrumentsUnavailable as e:
            click.echo(f"shoonyactl: {e.sentence}", err=True)
        finally:
            file.close()
        click.echo(
            "shoonyactl: the broker's lists were never loaded, this is a guess from "
            "the table of this version; entries are denied until they are",
            err=True,
        )
    return [
        _known(Listed(instrument=each), None, today)
        for each in find_packaged(table, entered)
    ]


def _known(listed: Listed, state: MasterState | None, today: date) -> Known:
    found, security = listed.instrument, listed.security
    return Known(
        exchange=found.exchange,
        tradingsymbol=found.tradingsymbol,
        token=found.token,
        kind=found.kind,
        instrument_type=found.instrument_type,
        underlying=found.underlying,
        expiry=found.expiry,
        is_expired=found.has_expired(today),
        strike=found.strike,
        right=found.right,
        lot_size=found.lot_size,
        tick_size=found.tick_size,
        price_factor=found.price_factor,
        freeze_quantity=found.freeze_quantity,
        largest_quantity=found.largest_quantity,
        freeze_asked_on=None if security is None else security.asked_on,
        precision=found.precision,
        source=found.source,
        loaded_at=None if state is None else state.loaded_at,
        made_on=None if state is None else state.made_on,
        problem="" if state is None else state.problem,
        is_overridden=found.is_overridden,
    )


def _lines(known: Known, ctl: Ctl) -> list[tuple[str, object]]:
    expiry = ""
    if known.expiry is not None:
        expiry = f"{known.expiry}{', expired' * known.is_expired}"
    option = f"{known.right} {known.strike}" if known.right else ""
    lines: list[tuple[str, object]] = [
        ("instrument", f"{known.exchange}:{known.tradingsymbol}"),
        ("kind", " ".join(p for p in (known.kind, option, known.instrument_type) if p)),
        ("underlying", known.underlying),
        ("expiry", expiry),
        ("token", known.token),
        ("lot", known.lot_size),
        ("tick", known.tick_size),
        ("price factor", known.price_factor),
        ("freeze quantity", _freeze(known)),
        ("precision", known.precision),
        ("source", _source(known, ctl)),
    ]
    return [line for line in lines if line[1] not in ("", None)]


def _freeze(known: Known) -> str:
    if known.freeze_quantity is not None:
        return f"{known.freeze_quantity}, one order at most {known.largest_quantity}"
    if known.source == Source.PACKAGED or known.freeze_asked_on is not None:
        return "none"
    return "the broker was not asked yet"


def _source(known: Known, ctl: Ctl) -> str:
    if known.source == Source.PACKAGED:
        as_of = catalogue(ctl.settings).defaults.as_of
        text = f"the table of this version, of {as_of}; no broker was asked"
    elif known.source == Source.SECURITY_INFO:
        text = "the broker's security information; its list lacks it"
    else:
        text = f"the broker's list of {known.exchange}"
        if known.loaded_at is not None:
            text += f", loaded at {local(known.loaded_at)}"
        if known.problem:
            text += f" ({known.problem})"
    if known.is_overridden:
        text += "; lot, tick and freeze quantity: [instruments] of the configuration"
    return text
