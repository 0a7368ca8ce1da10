"""Colours: on a terminal that wants them, and never in a pipe."""

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from shoonya_platform.ctl.main import cli
from shoonya_platform.domain.orders import OrderStatus, OrderTrigger
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.testing.orders import store_order

SHOONYACTL = Path(sys.executable).with_name("shoonyactl")
#: A colour, as opposed to bold and the like.
COLOUR = re.compile(r"\x1b\[(\d+;)*(3[0-8]|4[0-8]|9[0-7])(;\d+)*m")

#: What shows something, and needs neither root nor running services.
SHOWING = {
    "status": [],
    "check": [],
    "why": ["risk_manager"],
    "logs": [],
    "logs errors": [],
    "logs verify": [],
    "logs disk": [],
    "trace": ["1"],
    "order list": [],
    "order show": ["1"],
    "calendar": [],
    "risk show": [],
    "recovery": [],
    "paper faults": [],
    "config show": [],
    "config sample": [],
    "completion": ["bash"],
}


def leaves(command, *words):
    context = click.Context(command)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            yield from leaves(command.get_command(context, name), *words, name)
    else:
        yield " ".join(words)


VERBS = sorted(leaves(cli))


@pytest.fixture
def world(home, store):
    """Something to show in many colours."""
    for status in OrderStatus:
        store_order(store, status)
    with store.transaction(durable=False):
        store.trading.set(TradingState.HALTED, reason="trouble", by="me")
    log = home / "logs" / "risk_manager.log"
    log.write_text(
        "2026-02-08 14:25:31.123 | ERROR    | RISK_MANAGER         | it broke\n"
        "2026-02-08 14:25:31.124 | WARNING  | RISK_MANAGER         | it may break\n"
    )
    return home


@pytest.mark.parametrize("verb", VERBS)
def test_help_in_a_pipe_is_plain(ctl, verb):
    result = ctl(*verb.split(), "--help")

    assert "\x1b" not in result.out + result.err


@pytest.mark.parametrize("verb", SHOWING)
def test_output_in_a_pipe_is_plain(ctl, world, monkeypatch, verb):
    monkeypatch.setenv("TERM", "xterm-256color")

    result = ctl(*verb.split(), *SHOWING[verb])

    assert result.out + result.err
    assert "\x1b" not in result.out + result.err


def test_row_in_a_pipe_is_a_line_without_blanks_behind_it(ctl, store):
    why = "too far from the last price, " * 20
    order = store_order(store, OrderStatus.REJECTED)
    sent = store_order(store, OrderStatus.SUBMITTED)
    with store.transaction(durable=False):
        store.orders.record(sent, OrderTrigger.REJECTED, reason=why)

    lines = ctl("order", "list").out.splitlines()

    assert len(lines) == 3
    assert lines[1].endswith(why.strip())
    assert lines[2].lstrip().startswith(str(order.order_id))
    assert [line for line in lines if line != line.rstrip()] == []


def on_terminal(home, *arguments, **environ):
    """Return what a verb writes to a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [SHOONYACTL, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={
            "SHOONYA_CONFIG": str(home / "shoonya.toml"),
            "TERM": "xterm-256color",
            "PATH": os.environ["PATH"],
            **environ,
        },
    )
    os.close(theirs)
    output, deadline = b"", time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                read = os.read(ours, 1 << 16)
            except OSError:  # nobody has the other end any more
                break
            output += read
    os.close(ours)
    process.wait(60)
    return output.decode()


@pytest.mark.parametrize("verb", ["status", "order list", "logs", "logs errors"])
def test_terminal_gets_colours_unless_it_wants_none(world, verb):
    words = verb.split()

    assert COLOUR.search(on_terminal(world, *words))
    assert not COLOUR.search(on_terminal(world, *words, NO_COLOR="1"))
