"""shoonyactl replay"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Any

import click

from shoonya_platform.clock import ReplayClock, set_replay_clock
from shoonya_platform.config.loader import load
from shoonya_platform.config.secrets import variable
from shoonya_platform.ctl.alert import post, with_secret
from shoonya_platform.ctl.context import Ctl
from shoonya_platform.ctl.output import console, json_option, print_json, print_table
from shoonya_platform.domain.days import INDIA
from shoonya_platform.errors import ShoonyaError
from shoonya_platform.replay.player import Player
from shoonya_platform.replay.recording import Recording, read
from shoonya_platform.replay.results import ReplayResult, collect
from shoonya_platform.replay.settled import Settled
from shoonya_platform.services.parts import open_paper
from shoonya_platform.services.runtime import open_store
from shoonya_platform.services.service_manager import ServiceManager


@click.command()
@click.argument(
    "file", type=click.Path(path_type=Path, dir_okay=False, exists=True), required=False
)
@click.option("--sample", is_flag=True, help="Replay the day that comes along.")
@click.option(
    "--speed",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="N",
    help="So many times faster than the day was  [default: as fast as it goes]",
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="Leave store and logs in this directory, which must be empty.",
)
@json_option
def cli(
    file: Path | None, sample: bool, speed: float, keep: Path | None, as_json: bool
) -> None:
    """Run a recorded day through the eight services on the paper broker.

    The services see the day's own time: its market hours, its stale alerts.  They run
    in a directory of their own; the live store, the live configuration and the
    broker are not touched.  The same file gives the same result each time.

    \b
    Examples:
      shoonyactl replay --sample
      shoonyactl record 2026-11-25 > day.jsonl && shoonyactl replay day.jsonl
      shoonyactl replay day.jsonl --speed 600 --keep ./replayed
    """
    if (file is None) != sample:
        raise click.UsageError("name a FILE, or say --sample")
    if file is None:
        place = resources.files("shoonya_platform.ctl") / "samples" / "day.jsonl"
        text = place.read_text(encoding="utf-8")
    else:
        text = file.read_text(encoding="utf-8")
    recording = read(text.splitlines())
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        result = replay(recording, _directory(stack, keep), speed=speed)
    _say(f"{result.events} events in {time.monotonic() - began:.1f} s")
    if as_json:
        print_json(result)
    else:
        _print(result)


def _directory(stack: contextlib.ExitStack, keep: Path | None) -> Path:
    if keep is None:
        root = Path(tempfile.mkdtemp(prefix="shoonya-replay-"))
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        return root
    keep.mkdir(parents=True, exist_ok=True)
    if any(keep.iterdir()):
        raise click.UsageError(f"'{keep}' is not empty")
    return keep.resolve()


def replay(recording: Recording, root: Path, *, speed: float = 0.0) -> ReplayResult:
    """
    Replay a day in an empty directory.

    Raises:
        ShoonyaError: The day's settings cannot be used, or a service gave up.
    """
    clock_path = root / "state" / "clock"
    for name in ("state", "logs", "credentials"):
        (root / name).mkdir()
    set_replay_clock(clock_path, recording.begin)
    _say(f"replaying {recording.begin.astimezone(INDIA):%Y-%m-%d} in {root}")
    environ = _environment(root, recording, clock_path)
    ctl = Ctl(root / "shoonya.toml")
    ctl.use(load(root / "shoonya.toml", environ))
    with contextlib.closing(ctl), (root / "logs" / "stderr").open("ab") as stderr:
        return _run(ctl, recording, clock_path, environ, speed, stderr.fileno())


def _run(
    ctl: Ctl,
    recording: Recording,
    clock_path: Path,
    environ: Mapping[str, str],
    speed: float,
    stderr: int,
) -> ReplayResult:
    """Supervise the services in this thread, while another one plays the day."""
    said: list[str] = []
    manager = ServiceManager(
        ctl.settings.paths.runtime_dir,
        environ=environ,
        tell=lambda service, sentence: said.append(f"{service}: {sentence}"),
        stderr=stderr,
    )
    stopping = threading.Event()
    outcome: list[ReplayResult | ShoonyaError] = []

    def play() -> None:
        try:
            outcome.append(_play(ctl, recording, clock_path, speed, stopping))
        except ShoonyaError as e:
            outcome.append(e)
        finally:
            manager.stop()

    def give_up(service: str) -> None:
        said.append(f"{service}: does not come up")
        manager.stop()

    player = threading.Thread(target=play, name="player")
    manager.run(on_ready=player.start, on_failed=give_up)
    stopping.set()
    if player.ident is not None:
        player.join()
    for each in outcome:
        if isinstance(each, ReplayResult):
            return each
        raise each
    raise ShoonyaError(f"the replay was not finished: {'; '.join(said[-3:])}")


def _environment(root: Path, recording: Recording, clock_path: Path) -> dict[str, str]:
    """Return the children's environment: nothing of ours leads out of the directory."""
    webhook, dashboard = _free_ports(2)
    sections: dict[str, Mapping[str, Any]] = {
        **recording.settings,
        "paths": {
            "state_dir": str(root / "state"),
            "runtime_dir": str(root / "run"),
            "log_dir": str(root / "logs"),
            "credentials_dir": str(root / "credentials"),
        },
        "webhook": {"port": webhook},
        "dashboard": {"port": dashboard},
        "service": {"poll_seconds": 0.05, "heartbeat_seconds": 600},
        "broker": {"name": "paper"},
    }
    path = root / "shoonya.toml"
    path.write_text("".join(_toml(sections)), encoding="utf-8")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SHOONYA_") and name != "CREDENTIALS_DIRECTORY"
    }
    return {
        **kept,
        "SHOONYA_CONFIG": str(path),
        "SHOONYA_REPLAY_CLOCK": str(clock_path),
        variable("webhook_secret"): secrets.token_hex(24),
    }


def _toml(sections: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines = []
    for name, section in sections.items():
        scalars = {k: v for k, v in section.items() if not isinstance(v, dict)}
        lines.append(f"[{name}]\n")
        lines += [f"{key} = {_toml_value(value)}\n" for key, value in scalars.items()]
        for key, value in section.items():
            if isinstance(value, dict):
                lines += _toml({f"{name}.{json.dumps(key)}": value})
    return lines


def _toml_value(value: object) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    return json.dumps(value)


def _play(
    ctl: Ctl,
    recording: Recording,
    clock_path: Path,
    speed: float,
    stopping: threading.Event,
) -> ReplayResult:
    clock = ReplayClock(clock_path)
    settings = ctl.settings
    store = open_store(settings, "replay", str(os.getpid()), clock)
    broker = open_paper(settings, clock)
    try:
        player = Player(
            recording,
            clock_path,
            broker,
            Settled(
                store, broker, clock, halts_on_breach=settings.risk.on_breach == "halt"
            ),
            send=lambda text: post(ctl, with_secret(ctl, text)),
            ring=ctl.ring,
            speed=speed,
            stopping=stopping,
        )
        player.play()
        if stopping.is_set():
            raise ShoonyaError("the replay was stopped")
        return collect(
            store,
            begin=recording.begin,
            end=recording.end,
            events=len(recording.events),
            lines=player.lines,
            refused=player.refused,
        )
    finally:
        broker.close()
        store.close()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _print(result: ReplayResult) -> None:
    print_table(
        [
            "order>",
            "line>",
            "time",
            "strategy",
            "order",
            "filled>",
            "average>",
            "status",
            "reason",
        ],
        [
            (
                order.order_id,
                order.alert_line,
                f"{order.created_at.astimezone(INDIA):%H:%M:%S}",
                order.strategy,
                order.summary,
                order.filled_quantity,
                "" if order.average_price is None else f"{order.average_price:.2f}",
                order.status,
                order.reason,
            )
            for order in result.orders
        ],
    )
    out = console()
    for alert in result.refused:
        out.print(f"line {alert.line}: refused, {alert.code}: {alert.reason}")
    for held in result.positions:
        out.print(
            f"held: {held.quantity:+d} {held.instrument} at {held.average_price:.2f}, "
            f"P&L {held.unrealised_pnl:.2f} ({held.strategy})"
        )
    out.print(
        f"\n{len(result.orders)} orders, {result.denied} denied, "
        f"{len(result.refused)} alerts refused\n"
        f"P&L {result.total_pnl:.2f}: {result.realised_pnl:.2f} realised, "
        f"{result.unrealised_pnl:.2f} unrealised\n"
        f"trading is {result.trading_state}: {result.trading_reason}"
    )


def _say(sentence: str) -> None:
    sys.stderr.write(f"shoonya: {sentence}\n")
