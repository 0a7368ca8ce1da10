"""A made-up world, which a test gives a fault."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pytest

from shoonya_platform.config.settings import COMPONENTS, Paths, Settings
from shoonya_platform.ctl import _layout, _units
from shoonya_platform.ctl.checks import diagnose as checks
from shoonya_platform.ctl.checks import journal
from shoonya_platform.ctl.checks.world import User, World
from shoonya_platform.ctl.context import store_path
from shoonya_platform.services.child import ServiceStatus
from shoonya_platform.services.findings import Level
from shoonya_platform.services.units import ServiceView, Supervisor
from shoonya_platform.store.sqlite import SqliteOrderStore

MACHINE_ID = "0123456789abcdef0123456789abcdef"
INDIA = datetime.fromisoformat("2026-11-24T09:10:00+05:30")
GIB = 1 << 30
ALL = {**checks.ANYWHERE, **checks.SYSTEMD, **checks.UNITS}


def view(name: str, state: ServiceStatus = ServiceStatus.RUNNING) -> ServiceView:
    return ServiceView(
        service=name,
        state=state,
        pid=1,
        since=None,
        restarts=0,
        text="",
        cause="killed by SIGKILL" if state is ServiceStatus.FAILED else "",
        memory_bytes=None,
        supervisor=Supervisor.SYSTEMD,
    )


@dataclass
class Programs:
    """What the machine's programs answer, by their first words."""

    answers: dict[str, str | None] = field(default_factory=dict)

    def __call__(self, command: Sequence[str]) -> str | None:
        said = " ".join(command)
        for words, answer in reversed(self.answers.items()):
            if said.startswith(words):
                return answer
        return None


@pytest.fixture
def programs() -> Programs:
    return Programs(
        {
            "systemctl --version": "systemd 252 (252.39)\n",
            "systemctl show": "LogRateLimitBurst=1000000\nNeedDaemonReload=no\n"
            "UnitFileState=enabled\n",
            "timedatectl": "NTP=yes\nCanNTP=yes\nNTPSynchronized=yes\n",
            "journalctl": "",
            f"journalctl --quiet --output=json --all MESSAGE_ID={journal.SPACE}": (
                json.dumps({"JOURNAL_NAME": "System Journal", "LIMIT": str(GIB)})
            ),
            "/opt/shoonya/venv/bin/python --version": "Python 3.11.2\n",
        }
    )


@pytest.fixture
def world(tmp_path, programs, clock) -> World:
    """A machine on which all is well."""
    for name in ("state", "logs", "credentials", "etc"):
        (tmp_path / name).mkdir(mode=0o750)
    (tmp_path / "credentials").chmod(0o700)
    secret = tmp_path / "credentials" / "webhook_secret"
    secret.write_text("0123456789")
    secret.chmod(0o600)
    config = tmp_path / "etc" / "shoonya.toml"
    config.touch(mode=0o644)
    root = tmp_path / "root"
    layout = _layout.of_machine(root)
    files = _units.shipped_files(layout=layout)
    _units.apply(_units.plan(files, layout))
    for path, text in {
        "etc/machine-id": f"{MACHINE_ID}\n",
        f"var/log/journal/{MACHINE_ID}/system.journal": "",
        "opt/shoonya/venv/bin/python": "",
        "proc/net/tcp": "  sl  local_address rem_address   st\n",
        "usr/bin/apt-get": "",
        "sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory pids\n",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    (root / "opt/shoonya/venv/bin/python").chmod(0o755)
    # As on a real machine, whatever the umask of the user who runs the tests.
    for folder in (root, *(path for path in root.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    # pytest's own folder is its owner's alone, and lies above the made-up root.
    user = User(name="shoonya", uid=os.getuid(), gids=frozenset({os.getgid()}))
    settings = Settings(
        paths=Paths(
            state_dir=tmp_path / "state",
            log_dir=tmp_path / "logs",
            runtime_dir=tmp_path / "run",
            credentials_dir=tmp_path / "credentials",
        )
    )
    SqliteOrderStore(
        store_path(settings), service="tests", run_id="r", clock=clock
    ).close()
    return World(
        settings=settings,
        config_path=config,
        views=[view(name) for name in COMPONENTS],
        user=User(name="trader", uid=1000, groups=frozenset({"systemd-journal"})),
        service_user=user,
        is_root=True,
        has_systemd=True,
        is_installed=True,
        root=root,
        now=INDIA,
        run=programs,
        free_bytes=lambda path: (20 * GIB, 10 * GIB),
        python=_units.DEFAULT_PYTHON,
    )


def found(world: World, check: str) -> tuple[Level, str, str]:
    (finding,) = (each for each in checks.diagnose(world) if each.check == check)
    return finding.level, finding.sentence, finding.command
