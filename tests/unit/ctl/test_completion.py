"""Completion: what a shell gets to offer, asked as the shells ask."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.ctl.main import cli
from shoonya_platform.domain.orders import OrderStatus
from shoonya_platform.store.sqlite_recent import recent_alerts, recent_orders
from shoonya_platform.testing.orders import store_alert, store_order

SHOONYACTL = Path(sys.executable).with_name("shoonyactl")


@pytest.fixture
def offered(home):
    """Return what is offered behind the words, with the help of each."""

    def ask(*words, shell="zsh"):
        done = subprocess.run(
            [SHOONYACTL],
            env={
                "_SHOONYACTL_COMPLETE": f"{shell}_complete",
                "COMP_WORDS": " ".join(["shoonyactl", *words]),
                "COMP_CWORD": str(len(words)) if shell != "fish" else words[-1],
                "SHOONYA_CONFIG": str(home / "shoonya.toml"),
                "HOME": str(home),
            },
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        lines = done.stdout.splitlines()
        return dict(zip(lines[1::3], lines[2::3], strict=True))

    return ask


@pytest.fixture
def orders(store, clock):
    stored = [store_order(store, status) for status in OrderStatus]
    clock.advance(1)
    return store_alert(store), stored


@pytest.mark.parametrize(
    "words",
    [
        ("order", "show"),
        ("order", "cancel"),
        ("order", "modify"),
        ("trace",),
    ],
)
def test_newest_orders_are_offered_with_what_they_are(offered, orders, words):
    _, stored = orders

    found = offered(*words, "O")

    assert list(found) == [order.client_order_id for order in reversed(stored)]
    newest = stored[-1]
    assert found[newest.client_order_id] == (
        f"{newest.order_id}: BUY 65 NFO:NIFTY28DEC27F, {newest.status}"
    )


def test_alerts_are_offered_for_a_story(offered, orders):
    alert, _ = orders

    assert offered("trace", alert) == {alert: "alert of straddle, received"}
    assert len(offered("trace", "A")) > 1
    assert offered("order", "show", "A") == {}


def test_only_what_begins_so_is_offered(offered, orders):
    _, stored = orders

    name = stored[3].client_order_id
    assert list(offered("trace", name[:-2])) == [name]
    assert offered("trace", "X") == {}


@pytest.mark.parametrize("trouble", ["absent", "damaged", "no-tables", "configuration"])
def test_trouble_is_silent(offered, home, trouble):
    path = home / "state" / "orders.db"
    if trouble == "damaged":
        path.write_bytes(b"no database" * 1000)
    elif trouble == "no-tables":
        path.write_bytes(b"")
    elif trouble == "configuration":
        (home / "shoonya.toml").write_text("[nonsense\n")

    assert offered("trace", "O") == {}
    assert path.exists() == (trouble in ("damaged", "no-tables"))


def test_reading_makes_no_store_and_tells_only_so_many(home, store, orders):
    path = home / "state" / "orders.db"

    assert len(recent_orders(path, limit=3)) == 3
    assert orders[0] in [each.name for each in recent_alerts(path, limit=99)]
    assert recent_orders(home / "none.db", limit=3) == []
    assert not (home / "none.db").exists()


def leaves(command, *words):
    context = click.Context(command)
    yield words, command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            yield from leaves(command.get_command(context, name), *words, name)


def test_each_id_and_each_service_can_be_completed():
    completed = {
        (*words, parameter.name)
        for words, command in leaves(cli)
        for parameter in command.params
        if isinstance(parameter, click.Argument)
        and parameter.name in ("identifier", "service", "services")
        if parameter._custom_shell_complete is None
    }

    assert completed == set()


@pytest.mark.parametrize(
    ("words", "offer"),
    [
        pytest.param(["why", "risk"], ["risk_manager"], id="service"),
        pytest.param(["restart", ""], list(COMPONENTS), id="services"),
        pytest.param(["che"], ["check"], id="verb"),
        pytest.param(["order", "list", "--st"], ["--status"], id="option"),
    ],
)
def test_bash_itself_completes(home, words, offer):
    script = """
        source <("$0" completion bash)
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        compopt() { :; }
        _shoonyactl_completion shoonyactl
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        ["bash", "-c", script, SHOONYACTL, "shoonyactl", *words],
        env={
            "PATH": f"{SHOONYACTL.parent}:/usr/bin:/bin",
            "SHOONYA_CONFIG": str(home / "shoonya.toml"),
        },
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stderr == ""
    assert done.stdout.split() == offer
