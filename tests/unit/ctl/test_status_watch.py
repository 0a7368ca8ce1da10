"""shoonyactl status --watch: on a real terminal of several sizes."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial

import pytest
from rich.cells import cell_len

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.ctl._screen import printable
from shoonya_platform.domain.orders import OrderStatus
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.testing.orders import store_order

PROGRAM = "shoonya_platform.ctl.main"
HOME = "\x1b[H"
ALTERNATE, BACK = "\x1b[?1049h", "\x1b[?1049l"
HIDDEN, SHOWN = "\x1b[?25l", "\x1b[?25h"
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A pseudo-terminal with `shoonyactl status --watch` on it."""

    def __init__(self, columns: int, rows: int, *arguments: str) -> None:
        self._ours, self.theirs = pty.openpty()
        self._output = b""
        self.resize(columns, rows)
        self.before = termios.tcgetattr(self.theirs)
        self.process = subprocess.Popen(
            # It has to be the terminal of its session, for Ctrl-C and for its size.
            ["setsid", "--ctty", sys.executable, "-m", PROGRAM, *arguments],
            stdin=self.theirs,
            stdout=self.theirs,
            stderr=self.theirs,
            env={**os.environ, "TERM": "xterm-256color"},
            # As in a script's background job: Ctrl-C must end it all the same.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_IGN),
        )

    def resize(self, columns: int, rows: int) -> None:
        size = struct.pack("HHHH", rows, columns, 0, 0)
        self._size = columns, rows
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, size)

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    @property
    def output(self) -> str:
        while select.select([self._ours], [], [], 0)[0]:
            self._output += os.read(self._ours, 1 << 16)
        return self._output.decode("utf-8", "replace")

    def frame(self, *wanted: str, after: int = 0, timeout: float = 60) -> list[str]:
        """Wait for a whole frame, begun after so many characters, that has this."""
        deadline = time.monotonic() + timeout
        while True:
            for frame in reversed(self.output[after:].split(HOME)[1:]):
                lines = ESCAPES.sub("", frame).replace("\r", "").split("\n")
                # The newest one may be half there, others have another size.
                is_whole = (cell_len(lines[-1]), len(lines)) == self._size
                if is_whole and all(each in frame for each in wanted):
                    return lines
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, (wanted, self.output[-4000:])
            select.select([self._ours], [], [], 0.1)

    def end(self) -> int:
        # Whoever does not read lets a writer wait for ever.
        deadline = time.monotonic() + 30
        while self.process.poll() is None and time.monotonic() < deadline:
            select.select([self._ours], [], [], 0.05)
            _ = self.output
        return self.process.wait(30)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)
        os.close(self.theirs)


Watch = Callable[..., Terminal]


@pytest.fixture
def watch(home) -> Iterator[Watch]:
    with contextlib.ExitStack() as stack:

        def start(columns: int = 80, rows: int = 24, every: str = "0.2") -> Terminal:
            terminal = Terminal(columns, rows, "status", "--watch", every)
            stack.callback(terminal.close)
            return terminal

        yield start


@pytest.fixture
def write(home):
    """Add a record to a component's file."""

    def add(component, text, level="INFO", at=None):
        at = at or datetime.now().astimezone()
        stamp = f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}"
        with (home / "logs" / f"{component}.log").open("a") as file:
            file.write(f"{stamp} | {level:<8} | {component.upper():<20} | {text}\n")

    return add


@pytest.fixture
def busy(store, write):
    """A platform that has something to show."""
    for status in (
        OrderStatus.INITIALIZED,
        OrderStatus.ACCEPTED,
        OrderStatus.PARTIALLY_FILLED,
        OrderStatus.OUTCOME_UNKNOWN,
    ):
        store_order(store, status)
    with store.transaction(durable=False):
        store.trading.set(TradingState.HALTED, reason="trouble " * 30, by="me")
    for number in range(60):
        write("risk_manager", f"error {number:02d} {'long ' * 40}", "ERROR")
    write("risk_manager", "all is well")
    return store


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 40), (40, 12)])
def test_screen_fills_the_terminal_and_no_more(watch, busy, columns, rows):
    lines = watch(columns, rows).frame("dashb")

    assert len(lines) == rows
    assert max(map(cell_len, lines)) <= columns
    assert rows < 24 or lines[-1].strip() == "q or Ctrl-C ends"


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 40)])
def test_services_orders_trading_and_the_newest_errors_are_on_it(
    watch, busy, columns, rows
):
    lines = watch(columns, rows).frame("latest errors")

    text = "\n".join(lines)
    assert "0 of 8 running" in text or "8 of 8 running" in text
    assert "trading HALTED: trouble" in lines[0]
    for component in COMPONENTS:
        assert any(line.startswith(f"{component} ") for line in lines)
    heading = next(n for n, line in enumerate(lines) if "working" in line)
    counts = dict(zip(lines[heading].split(), lines[heading + 1].split(), strict=True))
    assert counts == {
        "alerts": "0",
        "risk": "1",
        "guard": "0",
        "sending": "0",
        "answer": "0",
        "working": "2",
        "changing": "0",
        "unclear": "1",
    }
    assert re.match(r"\d\d:\d\d:\d\d risk_manager      error 59 ", lines[-2])
    assert "all is well" not in text


def test_what_is_logged_meanwhile_is_counted_and_errors_appear(watch, store, write):
    terminal = watch()
    terminal.frame("no errors")
    for _ in range(500):
        write("order_watcher", "a record")
    write("order_watcher", "something\tbroke\x1b[2J", "ERROR")

    shown = terminal.frame("something broke")
    rates = re.compile(r"\norder_watcher +stopped .* (\d+|\d\.\d) ")
    assert "\x1b[2J" not in terminal.output.split(HOME)[-2]
    assert any(
        float(rate) > 10
        for rate in rates.findall(ESCAPES.sub("", terminal.output.replace("\r", "")))
    ), shown


def test_other_size_is_taken_at_once(watch, busy):
    # Not looked anew for an hour: what comes is the answer to the new size.
    terminal = watch(80, 24, every="3600")
    terminal.frame("latest errors")

    terminal.resize(120, 40)

    assert max(map(cell_len, terminal.frame("latest errors"))) == 120


@pytest.mark.parametrize("key", ["q", "Q", "\x03"])
def test_key_ends_it_with_0_and_the_terminal_is_as_before(watch, store, key):
    terminal = watch(every="3600")
    terminal.frame("q or Ctrl-C ends")

    terminal.press(key)

    assert terminal.end() == 0
    output = terminal.output
    assert output.count(ALTERNATE) == output.count(BACK) == 1
    assert output.rindex(BACK) > output.rindex(ALTERNATE)
    assert output.rindex(SHOWN) > output.rindex(HIDDEN)
    assert termios.tcgetattr(terminal.theirs) == terminal.before
    assert "Traceback" not in output


def test_signal_gives_the_terminal_back_too(watch, store):
    terminal = watch()
    terminal.frame("q or Ctrl-C ends")

    terminal.process.send_signal(signal.SIGTERM)

    assert terminal.end() == 128 + signal.SIGTERM
    assert BACK in terminal.output
    assert termios.tcgetattr(terminal.theirs) == terminal.before


def test_frame_is_drawn_over_the_one_before_without_clearing(watch, store):
    terminal = watch()
    terminal.frame("q or Ctrl-C ends")
    begun = len(terminal.output)
    terminal.frame("q or Ctrl-C ends", after=begun)

    later = terminal.output[begun:]
    assert "\x1b[2J" not in later
    assert ALTERNATE not in later


def test_without_a_store_it_says_so_and_goes_on(watch, home):
    lines = watch().frame("there is no order store")

    assert lines[-1].strip() == "q or Ctrl-C ends"


def test_without_a_terminal_it_is_one_status_and_says_so(ctl, store):
    plain = ctl("status")

    result = ctl("status", "--watch")

    assert result.code == plain.code
    assert result.out.splitlines()[0] == plain.out.splitlines()[0]
    assert result.err == "shoonyactl: no terminal to watch on: this is one status\n"


def test_json_is_not_watched(ctl, store):
    assert ctl("status", "--watch", "--json").code == 2


@pytest.mark.parametrize("text", ["a\nb", "a\x1bb", "a\x9bb", "a\u202eb", "a\x00b"])
def test_nothing_that_moves_the_cursor_is_printable(text):
    assert printable(text) == "a b"
