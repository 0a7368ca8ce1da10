"""
A machine is set up, run and mended with nothing but what the guides show.

All five guides, the runbook, and what README.md says of operating.  Each block and
each command in a sentence is typed as it stands, by a user with sudo, and must end
with 0; the tables below name each exception with its reason.
"""

import re
import subprocess
from pathlib import Path

import pytest

from shoonya_platform.testing.waiting import eventually
from tests.booted.conftest import WHEELHOUSE, wheelhouse
from tests.booted.guides import Step, steps
from tests.booted.machine import Machine, alone, booted
from tests.booted.supplies import DEBS, debs, lay_checkout, offer

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
USER = "trader"
HOME = f"/home/{USER}"
ORIGIN = "/srv/origin"
#: Where the program goes while a guide takes it away, as building it takes time.
KEPT = "/srv/kept"
#: The first of the quick start; README.md has it too, for a machine without it.
INSTALL = "sudo ./scripts/install\n"
#: What follows a log is let do so for so long.
SECONDS = 1

OPERATING = (
    "README_SERVICE_ISOLATION.md",
    "LOG_ROTATION_GUIDE.md",
    "SERVICE_ISOLATION_IMPLEMENTATION.md",
    "runbook.md",
)
#: Of README.md.
SECTIONS = ("See what happens", "When something breaks", "On a server")

#: Not typed, and why.
NOT_TYPED = {
    "sudo SERVER_DOMAIN=trading.example.com SERVER_EMAIL=you@example.com "
    "./scripts/ec2-user-data.sh\n": "asks Let's Encrypt",
    "sudo systemctl edit shoonya@dashboard": "opens an editor",
    "sudo shoonyactl upgrade shoonya_platform-0.2.0-py3-none-any.whl": "not made yet",
    "sudo shoonyactl upgrade 0.2.0": "asks an index of packages",
    "sudo shoonyactl broker login": "logs in to the real broker",
    "sudo shoonyactl broker status": "asks the real broker",
    # The same as blocks.
    "sudo shoonyactl broker login\n": "logs in to the real broker",
    "sudo shoonyactl broker status\n": "asks the real broker",
    "sudo shoonyactl doctor\nsudo shoonyactl instrument refresh\n": (
        "loads the real broker's lists"
    ),
    "sudo timedatectl set-ntp true": "a container keeps no clock",
    "shoonyactl up": "for machines without systemd",
    'grep "order_id=42" .shoonya/logs/*.log': "of scripts/run, which has no systemd",
    "shoonyactl install-units --user --now": "with a path in the quick start",
    # Names of commands, in sentences.
    "journalctl --update-catalog": "what install-units does",
    "shoonyactl install-units": "how it works",
    "shoonyactl why": "what it shows",
    "shoonyactl discrepancy show": "what it names",
    "shoonyactl discrepancy acknowledge": "what ends an incident",
    # No order is at work.
    "sudo shoonyactl order modify 42 --price 101": "needs an order at work",
    "sudo shoonyactl order cancel 42": "needs an order at work",
    "systemctl stop": "what it does to sockets",
    "sudo shoonyactl flatten --yes": "closes what other guides look at",
    "sudo shoonyactl flatten --strategy NAME": "the same",
    "shoonyactl flatten": "the same",
    "sudo shoonyactl position adopt SYMBOL": "needs a position that differs",
    "sudo shoonyactl broker status\nsudo shoonyactl order list --status open\n": (
        "asks the real broker"
    ),
}

#: What is typed for what a reader fills in, or cannot be had here.
GIVEN = {
    "YOUR-CLONE-URL": ORIGIN,
    # The one in use: going to another is what the blocks before show.
    "sudo shoonyactl upgrade ID": (
        'sudo shoonyactl upgrade "$(basename "$(readlink /opt/shoonya/venv)")"'
    ),
    "trace ID": "trace 1",
    "trace 42": "trace 1",
    "order show 42": "order show 1",
    "discrepancy acknowledge ID": "discrepancy acknowledge 3 --yes",
    "why NAME": "why risk_manager",
    "start NAME": "start risk_manager",
    "start SERVICE": "start risk_manager",
    "logs SERVICE": "logs risk_manager",
    # An order is not in each of them.
    '"order_id=12345" *.zst': '"order_id=" *.zst || [ $? = 1 ]',
    '"order_id=12345"': '"order_id="',
    # They ask on a terminal, and there is none.
    "risk resume": "risk resume --yes",
    "uninstall-units --user": "uninstall-units --user --yes",
    "restore /var/backups/shoonya/shoonya-20261124-033000.tar.gz": (
        "restore --yes /var/backups/shoonya/"
        "$(sudo ls /var/backups/shoonya | grep ^shoonya- | tail -n 1)"
    ),
    # Fetches what the tests of a clone need; the program is that of the installation.
    "scripts/bootstrap\n": (
        f"sudo cp -al {KEPT} /opt/shoonya && mkdir -p .venv/bin && "
        "ln -s /opt/shoonya/venv/bin/shoonyactl .venv/bin/\n"
    ),
    # The disk is that of whoever tests, of any size.
    "du -xh /var /opt": "du -xh /opt",
    "du -xh / ": "du -xh /opt ",
    # Programs that take the whole terminal.
    "lnav /opt/": "lnav -n /opt/",
    # Another one, too: a command before has shifted it.
    "risk_manager.log.2.zst | less": "risk_manager.log.[23].zst",
}

#: Lines that may end with something else than 0, which their guides explain.
MAY_END = {
    "sudo shoonyactl doctor": (1, "nobody keeps the clock of a container"),
    "shoonyactl doctor": (1, "the same"),
    "sudo shoonyactl check": (1, "trading was halted by a command before"),
    "shoonyactl check": (1, "the same"),
    "shoonyactl status": (3, "one was stopped by a command before"),
    "sudo shoonyactl upgrade": (2, "none was interrupted"),
    "    sudo shoonyactl alert send - --wait": (32, "no order was adopted"),
    "shoonyactl logs verify": (40, "services were killed"),
    "sudo shoonyactl logs verify": (40, "the same"),
    "sudo shoonyactl logs verify --since 1d": (40, "the same"),
}

#: Three incidents that wait to be acknowledged.
INCIDENTS = """
from shoonya_platform.clock import SystemClock
from shoonya_platform.domain.discrepancies import Discrepancy, DiscrepancyKind
from shoonya_platform.store.sqlite import SqliteOrderStore
from pathlib import Path
path = Path("/var/lib/shoonya/orders.db")
store = SqliteOrderStore(path, service="tests", run_id="tests", clock=SystemClock())
kind = DiscrepancyKind.OUTCOME_LOST
for name in ("one", "two", "three"):
    with store.transaction(durable=True):
        found = Discrepancy(kind=kind, subject=name, text="a test", action="look")
        store.discrepancies.note(found)
        store.discrepancies.resolve(kind, name)
"""

#: Commands after which somebody looks before going on.
CHANGES = re.compile("start|stop|kill|install|upgrade|restore")
#: No service of ours is on its way, and the broker's books were compared.
SETTLED = """
    [ -z "$(systemctl list-units -q --state=activating,deactivating 'shoonya*')" ] &&
    { ! systemctl is-active -q shoonya@recovery_service ||
        shoonyactl recovery >/dev/null; }
"""


class Reader:
    """Somebody who types what a guide shows."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._typed: set[str] = set()
        self.unused = {*NOT_TYPED, *GIVEN, *MAY_END}

    def follow(self, guide: list[Step], user: str = USER) -> list[str]:
        """Type all of it in its order; return what went wrong."""
        self.machine.run("rm", "-f", f"{HOME}/.at", "/root/.at")
        wrong = []
        for step in guide:
            self.unused.discard(step.text)
            # A sentence's command counts as typed where it was; a block is a whole.
            if step.text in NOT_TYPED or (
                step.text in self._typed and not step.is_block
            ):
                continue
            self._typed.update(step.text.splitlines())
            done = self._type(step, user)
            if done.returncode != 0:
                said = (done.stdout + done.stderr)[-1500:]
                wrong.append(f"{step}\nended with {done.returncode}\n{said}")
            if CHANGES.search(step.text):
                eventually(self._is_settled, 60, message=f"all at rest after {step}")
        return wrong

    def _type(self, step: Step, user: str) -> subprocess.CompletedProcess[str]:
        text = step.text
        for shown, typed in GIVEN.items():
            if shown in text:
                self.unused.discard(shown)
                text = text.replace(shown, typed)
        lines = "\n".join(map(self._ending, text.splitlines()))
        # Where one block ends, the next one begins.
        script = f"""
            set -eEo pipefail
            export XDG_RUNTIME_DIR=/run/user/$(id -u) PAGER=cat SYSTEMD_PAGER=cat
            at=$(cat ~/.at 2>/dev/null || echo {HOME}/shoonya)
            cd "$at" 2>/dev/null || cd {HOME}
            trap 'pwd >~/.at' EXIT
            trap 'echo "this failed: $BASH_COMMAND" >&2' ERR
{lines}
        """
        return self.machine.run(
            *("runuser", "-l", user, "-c", script), check=False, timeout_seconds=200
        )

    def _ending(self, line: str) -> str:
        """Return a line that ends, also where its command would go on for ever."""
        self.unused.discard(line)
        if line in MAY_END:
            return f"{line} || [ $? = {MAY_END[line][0]} ]"
        command = line.partition(" #")[0]
        if {"-f", "-F"} & set(command.split()):
            return f"timeout -s INT {SECONDS} {command} || [ $? = 124 ]"
        return line

    def _is_settled(self) -> bool:
        return self.machine.run("sh", "-c", SETTLED, check=False).returncode == 0


@pytest.fixture(scope="module")
def machine():
    """A machine with nothing of ours but a repository, and a user with sudo."""
    with alone(ROOT / ".venv"):
        binds = {WHEELHOUSE: wheelhouse(), DEBS: debs()}
    with booted("guides", binds) as machine:
        offer(machine, WHEELHOUSE)
        machine.run("useradd", "--create-home", "--shell=/bin/bash", USER)
        machine.run("tee", "/etc/sudoers.d/us", stdin=f"{USER} ALL=NOPASSWD: ALL\n")
        machine.run("loginctl", "enable-linger", USER)
        _publish(machine)
        yield machine


def _publish(machine: Machine) -> None:
    """Lay this checkout, as it is, into a repository in the machine."""
    lay_checkout(machine, ORIGIN)
    _commit(machine, "git init -q -b main")
    machine.run("runuser", "-l", USER, "-c", f"git clone -q {ORIGIN} shoonya")


def _commit(machine: Machine, before: str) -> None:
    machine.run(
        "sh",
        "-c",
        f"cd {ORIGIN} && chown -R {USER} . && runuser -u {USER} -- sh -c '{before} && "
        "git add -A && git -c user.name=us -c user.email=us@example.com "
        "commit -q -m newer'",
    )


@pytest.mark.timeout(900)
def test_what_the_guides_show_works_when_it_is_typed_in_their_order(machine):
    reader = Reader(machine)

    wrong = [
        *_quick_start(reader),
        *_server_in_the_cloud(reader),
        *_operating(reader),
    ]

    assert not wrong, "\n\n".join(wrong)
    assert reader.unused == set(), "exceptions that nobody needs"


def _quick_start(reader: Reader) -> list[str]:
    """Type what leads from nothing to nothing."""
    first, *rest = steps(DOCS / "QUICK_START_SERVICE_ISOLATION.md")
    assert first.text == INSTALL
    wrong = reader.follow([first])
    assert not wrong, wrong[0]
    reader.machine.run("mkdir", KEPT)
    reader.machine.run("cp", "-al", "/opt/shoonya/releases", "/opt/shoonya/venv", KEPT)
    return reader.follow(rest)


def _server_in_the_cloud(reader: Reader) -> list[str]:
    guide = list(steps(DOCS / "EC2_DEPLOYMENT_GUIDE.md"))
    upgrade = next(n for n, step in enumerate(guide) if "git pull" in step.text)
    machine = reader.machine
    machine.run("rm", "-rf", f"{HOME}/shoonya", "/opt/shoonya")
    machine.run("cp", "-al", KEPT, "/opt/shoonya")
    wrong = reader.follow(guide[:upgrade])
    _commit(machine, "echo >>src/shoonya_platform/__init__.py")
    return wrong + reader.follow(guide[upgrade:])


def _operating(reader: Reader) -> list[str]:
    """Type the rest on the server as it is after some days."""
    machine = reader.machine
    machine.run("usermod", "-aG", "shoonya,systemd-journal", USER)
    for _ in range(2):
        machine.run("shoonyactl", "logs", "rotate")
        # An empty file is not rotated.
        machine.run("shoonyactl", "restart", "risk_manager")
    archive = "/opt/shoonya/logs/risk_manager.log.2.zst"
    eventually(
        lambda: machine.run("test", "-e", archive, check=False).returncode == 0, 60
    )
    machine.run("shoonyactl", "risk", "resume", "--yes")
    python = "/opt/shoonya/venv/bin/python"
    machine.run("runuser", "-u", "shoonya", "--", python, "-c", INCIDENTS)
    sample = f"{HOME}/shoonya/src/shoonya_platform/ctl/samples/two_legs.json"
    # It ends with 32 where an earlier guide has left the strategy in that position.
    machine.run("shoonyactl", "alert", "send", sample, "--wait", check=False)
    wrong = []
    for name in OPERATING:
        wrong += reader.follow(list(steps(DOCS / name)))
    readme = steps(ROOT / "README.md", SECTIONS)
    return wrong + reader.follow([s for s in readme if s.text != INSTALL], user="root")
