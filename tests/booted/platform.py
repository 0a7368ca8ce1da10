"""The installed platform in a booted machine, as an operator's hands and eyes."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.testing.waiting import eventually
from tests.booted.machine import Machine

CONFIG = "/etc/shoonya/shoonya.toml"
LOGS = "/opt/shoonya/logs"
#: pip finds everything in a folder: the machine has no network.
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/srv/wheelhouse"}

SAMPLE = (
    Path(__file__).parents[2] / "src/shoonya_platform/ctl/samples/two_legs.json"
).read_text(encoding="utf-8")


def unit(name: str) -> str:
    return f"shoonya@{name}.service"


class Platform:
    """
    Args:
        machine: Where it is installed, or will be.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._alerts = 0

    def install(self, *options: str) -> str:
        """Run the documented command; return what it said."""
        done = self.machine.run(
            "/srv/shoonya/scripts/install", *options, env=OFFLINE, timeout_seconds=240
        )
        return done.stdout + done.stderr

    def ctl(self, *arguments: str, stdin: str | None = None) -> Any:
        """Run shoonyactl with `--json`; return the document."""
        done = self.machine.run("shoonyactl", *arguments, "--json", stdin=stdin)
        return json.loads(done.stdout)

    def show(self, name: str, *properties: str) -> dict[str, str]:
        """Return properties of one service's unit."""
        lines = self.machine.run(
            "systemctl", "show", f"--property={','.join(properties)}", unit(name)
        ).stdout.splitlines()
        return dict(line.split("=", 1) for line in lines)

    def pids(self) -> dict[str, int]:
        """Return the main process of each service, 0 where there is none."""
        shown = self.machine.run(
            "systemctl", "show", "--property=Id,MainPID", *map(unit, COMPONENTS)
        ).stdout
        blocks = [
            dict(line.split("=", 1) for line in block.split())
            for block in shown.split("\n\n")
        ]
        found = {block["Id"]: int(block["MainPID"]) for block in blocks}
        return {name: found[unit(name)] for name in COMPONENTS}

    def states(self) -> dict[str, str]:
        """Return what systemd says of each service: `active` means READY=1."""
        words = self.machine.run(
            "systemctl", "is-active", *map(unit, COMPONENTS), check=False
        ).stdout.split()
        return dict(zip(COMPONENTS, words, strict=True))

    def begin_anew(self) -> None:
        """Have eight ready services that never died, whatever was before."""
        self.machine.run("systemctl", "reset-failed", "shoonya*")
        self.machine.run("rm", "-rf", "/var/lib/shoonya/crashes")
        self.machine.run("systemctl", "start", "shoonya.target")
        self.wait_until_ready()

    def wait_until_ready(self, timeout_seconds: float = 30.0) -> None:
        eventually(
            lambda: set(self.states().values()) == {"active"},
            timeout_seconds,
            message=f"eight active services, were {self.states()}",
        )

    @contextmanager
    def drop_in(self, name: str, lines: str) -> Iterator[None]:
        """
        Run a service, or with "" all of them, with lines of the test's own.

        Args:
            lines: Belong into [Service].
        """
        of = unit(name)
        folder = f"/run/systemd/system/{of}.d"
        again = ("systemctl", "restart", of if name else "shoonya.target")
        self.machine.run("mkdir", "-p", folder)
        self.machine.run("tee", f"{folder}/test.conf", stdin=f"[Service]\n{lines}\n")
        try:
            self.machine.run("systemctl", "daemon-reload")
            self.machine.run(*again)
            yield
        finally:
            self.machine.run("rm", "-r", folder)
            self.machine.run("systemctl", "daemon-reload")
            self.machine.run(*again)
            self.wait_until_ready()

    def patched(self, name: str, code: str) -> str:
        """Return lines for `drop_in` with which a service runs *code* at its start."""
        folder = f"/opt/shoonya/patches/{name}"
        self.machine.run("mkdir", "-p", folder)
        # The name is Python's own: it is imported before anything else.
        self.machine.run("tee", f"{folder}/sitecustomize.py", stdin=code)
        return f"Environment=PYTHONPATH={folder}"

    def kill(self, name: str) -> int:
        """Kill a service's process; return which it was."""
        pid = self.pids()[name]
        assert pid > 0, f"{name} does not run"
        self.machine.run("kill", "-KILL", str(pid))
        return pid

    def wait_for_replacement(
        self, name: str, killed: int, timeout_seconds: float = 15.0
    ) -> None:
        """Wait until a new process of a service is ready."""
        eventually(
            lambda: (
                self.pids()[name] not in (0, killed) and self.states()[name] == "active"
            ),
            timeout_seconds,
            message=f"another {name} than process {killed}",
        )

    def send(self, **changes: object) -> str:
        """Send a two-leg alert of a strategy of its own; return the alert's id."""
        self._alerts += 1
        alert = {
            **json.loads(SAMPLE),
            "strategy_name": f"booted {self._alerts}",
            **changes,
        }
        answer = self.ctl("alert", "send", "-", stdin=json.dumps(alert))
        return str(answer["alert_id"])

    def orders(self, alert_id: str) -> list[dict[str, Any]]:
        """Return the orders of one alert."""
        newest = self.ctl("order", "list", "--limit", "200")
        return [order for order in newest if order["alert_id"] == alert_id]

    def wait_until_filled_once(self, alert_id: str) -> None:
        """Wait until both legs are filled, and see each of them once at the broker."""

        def is_filled() -> bool:
            orders = self.orders(alert_id)
            assert [order["status"] for order in orders] == ["filled"] * 2, orders
            return True

        eventually(is_filled, 30.0)
        orders = self.orders(alert_id)
        assert sorted(order["leg"] for order in orders) == [1, 2]
        assert all(order["filled_quantity"] == order["quantity"] for order in orders)
        ids = sorted(order["client_order_id"] for order in orders)
        assert self.at_broker(alert_id) == ids

    def at_broker(self, alert_id: str) -> list[str]:
        """Return our ids of all orders the paper broker ever took for an alert."""
        script = (
            "import sqlite3, sys; "
            "book = sqlite3.connect('/var/lib/shoonya/paper.db'); "
            "print(*(row[0] for row in book.execute('SELECT client_order_id "
            "FROM orders WHERE client_order_id LIKE ? ORDER BY 1', sys.argv[1:])))"
        )
        # An order's id is its alert's with another letter, and the leg's number.
        done = self.machine.run(
            "runuser",
            "-u",
            "shoonya",
            "--",
            "/opt/shoonya/venv/bin/python",
            "-c",
            script,
            f"O{alert_id[1:]}-%",
        )
        return done.stdout.split()

    def journal(self, *matches: str) -> list[Mapping[str, Any]]:
        """Return the journal's entries that match."""
        lines = self.machine.run(
            "journalctl", "--quiet", "--output=json", "--all", *matches
        ).stdout.splitlines()
        return [json.loads(line) for line in lines]

    def log(self, name: str) -> list[str]:
        """Return the lines of a component's file."""
        return self.machine.run("cat", f"{LOGS}/{name}.log").stdout.splitlines()
