"""Each check of the doctor, against a made-up world that has its fault."""

import json
import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from shoonya_platform.config.settings import (
    COMPONENTS,
    Log,
    Paths,
    Settings,
    Webhook,
)
from shoonya_platform.ctl import _layout, _manifest, _units, doctor
from shoonya_platform.ctl.checks import diagnose as checks
from shoonya_platform.ctl.checks import journal
from shoonya_platform.ctl.checks.world import Unseen, User, World, this_machine
from shoonya_platform.services import findings
from shoonya_platform.services.child import ServiceStatus
from shoonya_platform.services.findings import Finding, Level
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
            "systemctl show": "LogRateLimitIntervalUSec=0\nNeedDaemonReload=no\n"
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
        settings.store_path, service="tests", run_id="r", clock=clock
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


def test_all_is_well_on_a_well_made_machine(world):
    findings = list(checks.diagnose(world))

    assert {f.check for f in findings} == set(ALL)
    assert [f for f in findings if f.level is not Level.OK] == []


def test_under_up_only_what_applies_is_looked_at(world):
    views = [replace(each, supervisor=Supervisor.MANAGER) for each in world.views]
    without = replace(world, has_systemd=False, is_installed=False, views=views)

    assert {f.check for f in checks.diagnose(without)} == set(checks.ANYWHERE)


# --- journal


def test_journal_in_memory_is_found(world):
    kept = world.root / f"var/log/journal/{MACHINE_ID}"
    lost = world.root / f"run/log/journal/{MACHINE_ID}"
    lost.parent.mkdir(parents=True)
    kept.rename(lost)

    level, sentence, command = found(world, "journal_storage")

    assert level is Level.WARNING
    assert "memory" in sentence
    assert "Storage=persistent" in command


@pytest.mark.parametrize(
    ("limit", "level"),
    [
        pytest.param(journal.SMALLEST_BYTES, Level.OK, id="just-enough"),
        pytest.param(journal.SMALLEST_BYTES - 1, Level.WARNING, id="tiny"),
    ],
)
def test_tiny_journal_is_found_and_made_larger(world, programs, limit, level):
    programs.answers["journalctl --quiet"] = "\n".join(
        json.dumps(entry)
        for entry in (
            {"JOURNAL_NAME": "System Journal", "LIMIT": "1"},
            {"JOURNAL_NAME": "System Journal", "LIMIT": str(limit)},
            {"JOURNAL_NAME": "Runtime Journal", "LIMIT": "1"},
        )
    )

    assert found(world, "journal_size")[0] is level


@pytest.mark.parametrize(
    ("limited", "lost", "level"),
    [
        pytest.param(False, False, Level.OK, id="neither"),
        pytest.param(True, True, Level.WARNING, id="limited-and-lost"),
        pytest.param(True, False, Level.WARNING, id="may-lose"),
        pytest.param(False, True, Level.NOTE, id="mended-since"),
    ],
)
def test_lines_that_journald_dropped_are_found(world, programs, limited, lost, level):
    if limited:
        programs.answers["systemctl show"] = "LogRateLimitIntervalUSec=30s\n"
    if lost:
        other = {"MESSAGE": "Suppressed 3 messages from cron.service"}
        ours = {"MESSAGE": "Suppressed 42 messages from shoonya@dashboard.service"}
        programs.answers[
            f"journalctl --quiet --output=json --all MESSAGE_ID={journal.DROPPED}"
        ] = f"{json.dumps(other)}\n{json.dumps(ours)}"

    told = found(world, "journal_dropped")

    assert told[0] is level
    assert ("42" in told[1]) == lost
    assert bool(told[2]) == (level is Level.WARNING)


def test_user_without_access_to_the_journal_is_told_the_group(world):
    stranger = replace(world, user=User(name="guest", uid=1000), is_root=False)

    level, _, command = found(stranger, "journal_access")

    assert level is Level.NOTE
    assert "usermod -aG systemd-journal,shoonya guest" in command
    assert found(stranger, "journal_size")[1].startswith("not seen: ")
    assert found(stranger, "journal_size")[2] == "sudo shoonyactl doctor"


# --- clock


@pytest.mark.parametrize(
    ("said", "command"),
    [
        pytest.param("NTP=no\nCanNTP=yes\n", "timedatectl set-ntp true", id="off"),
        pytest.param("NTP=no\nCanNTP=no\n", "apt-get install -y chrony", id="missing"),
        pytest.param("NTP=yes\nCanNTP=yes\n", "systemctl restart", id="not-yet"),
    ],
)
def test_clock_that_is_not_synchronized_is_found(world, programs, said, command):
    programs.answers["timedatectl"] = f"{said}NTPSynchronized=no\n"

    told = found(world, "clock")

    assert told[0] is Level.WARNING
    assert command in told[2]


def test_another_zone_than_indias_is_a_note(world):
    told = found(replace(world, now=INDIA.astimezone(UTC)), "time_zone")

    assert told[0] is Level.NOTE
    assert "set-timezone Asia/Kolkata" in told[2]


# --- disk


@pytest.mark.parametrize(
    ("free", "level"),
    [
        pytest.param(GIB, Level.OK, id="enough"),
        pytest.param(GIB - 1, Level.WARNING, id="low"),
        pytest.param(100 << 20, Level.ERROR, id="full"),
    ],
)
def test_low_disk_is_found(world, free, level):
    less = replace(world, free_bytes=lambda path: (20 * GIB, free))

    assert found(less, "disk_space")[0] is level


def test_log_budget_beyond_the_disk_is_mended_by_its_command(world):
    less = replace(world, free_bytes=lambda path: (GIB, 300 << 20))

    level, sentence, command = found(less, "log_budget")

    assert level is Level.WARNING
    assert "300 MB are free" in sentence
    assert str(world.config_path) in command
    words = dict(
        part.split(" = ")
        for part in command.replace('"', "").replace("/'", "|").split("|")
        if " = " in part
        for part in [part.rsplit("/", 1)[-1]]
    )
    fitting = Log(budget=words["budget"], max_bytes=words["max_bytes"])
    held = replace(
        less,
        settings=Settings(paths=world.settings.paths, log=fitting),
    )
    assert found(held, "log_budget")[0] is Level.OK


# --- units


def test_unit_that_differs_is_found(world):
    path = world.root / _layout.UNIT_DIR / "shoonya@.service"
    path.write_text(path.read_text().replace("NoNewPrivileges=yes\n", ""))

    level, sentence, command = found(world, "units")

    assert level is Level.WARNING
    assert "shoonya@.service" in sentence
    assert "install-units" in command


def test_interrupted_installation_is_found(world):
    noted = _manifest.Manifest(version="1", systemd=252, complete=False)
    _manifest.write(_layout.of_machine(world.root), noted)

    level, sentence, command = found(world, "units")

    assert level is Level.WARNING
    assert "interrupted" in sentence
    assert "install-units" in command


def test_obsolete_unit_is_found(world):
    old = world.root / _layout.UNIT_DIR / "shoonya@dashboard.service.d" / "05-old.conf"
    old.write_text(f"{_units.MARK}\n[Service]\n")

    level, sentence, _ = found(world, "obsolete_units")

    assert level is Level.WARNING
    assert "05-old.conf" in sentence


def test_operators_own_drop_in_is_no_finding(world):
    own = world.root / _layout.UNIT_DIR / "shoonya@dashboard.service.d" / "own.conf"
    own.write_text("[Service]\nMemoryMax=512M\n")

    assert found(world, "obsolete_units")[0] is Level.OK
    assert found(world, "units")[0] is Level.OK


@pytest.mark.parametrize(
    ("check", "said"),
    [
        pytest.param("units_reloaded", "NeedDaemonReload=yes\n", id="reload"),
        pytest.param("started_at_boot", "UnitFileState=disabled\n", id="disabled"),
    ],
)
def test_what_systemd_has_not_heard_of_is_found(world, programs, check, said):
    programs.answers["systemctl show"] = said

    assert found(world, check)[0] is Level.WARNING


@pytest.mark.parametrize(
    ("state", "level", "command"),
    [
        (ServiceStatus.FAILED, Level.ERROR, "sudo shoonyactl start dashboard"),
        (ServiceStatus.BACKOFF, Level.WARNING, "sudo shoonyactl why dashboard"),
        (ServiceStatus.STOPPED, Level.WARNING, "sudo shoonyactl start dashboard"),
    ],
)
def test_service_that_does_not_run_is_found(world, state, level, command):
    views = [view(n, state) if n == "dashboard" else view(n) for n in COMPONENTS]

    told = found(replace(world, views=views), "services")

    assert told[0] is level
    assert "dashboard" in told[1]
    assert told[2] == command


@pytest.mark.parametrize(
    ("said", "level"),
    [
        ("systemd 257 (257.13)", Level.OK),
        ("systemd 252 (252.39)", Level.OK),
        ("systemd 251 (251.4)", Level.ERROR),
    ],
)
def test_systemd_too_old_is_found(world, programs, said, level):
    programs.answers["systemctl --version"] = said

    assert found(world, "systemd_version")[0] is level


def test_limits_that_nobody_keeps_are_a_note(world):
    (world.root / "sys/fs/cgroup/cgroup.controllers").write_text("cpuset cpu io\n")

    level, sentence, _ = found(world, "limits")

    assert level is Level.NOTE
    assert "memory, pids" in sentence


# --- program


def test_python_too_old_is_found(world, programs):
    programs.answers["/opt/shoonya/venv/bin/python --version"] = "Python 3.9.2\n"

    assert found(world, "python_version")[0] is Level.ERROR


def test_folder_that_the_services_user_may_not_pass_is_named(world):
    closed = world.root / "opt" / "shoonya"
    closed.chmod(0o600)
    nobody = User(name="shoonya", uid=os.getuid() + 1, gids=frozenset())
    try:
        level, sentence, command = found(replace(world, service_user=nobody), "program")
    finally:
        closed.chmod(0o755)

    assert level is Level.ERROR
    assert "'/opt/shoonya'" in sentence
    assert command == "sudo chmod a+rx /opt/shoonya"


def test_interpreter_in_a_home_directory_is_found(world):
    python = "/home/trader/venv/bin/python"
    (world.root / python[1:]).parent.mkdir(parents=True)
    (world.root / python[1:]).touch(mode=0o755)

    level, sentence, _ = found(replace(world, python=python), "program")

    assert level is Level.ERROR
    assert "home directory" in sentence


def test_missing_user_is_found(world):
    assert found(replace(world, service_user=None), "program")[0] is Level.ERROR


# --- ports


def listening(world: World, port: int, uid: int, inode: int = 77) -> None:
    line = (
        f"   0: 0100007F:{port:04X} 00000000:0000 0A 00000000:00000000 "
        f"00:00000000 00000000 {uid:5d} 0 {inode} 1\n"
    )
    with (world.root / "proc/net/tcp").open("a") as table:
        table.write(line)


def test_port_of_our_own_service_is_no_finding(world):
    assert world.service_user is not None
    listening(world, 5000, world.service_user.uid)

    assert found(world, "webhook_port")[0] is Level.OK


def test_port_taken_by_another_program_names_it_and_its_unit(world):
    listening(world, 5000, 4242)
    process = world.root / "proc/321"
    (process / "fd").mkdir(parents=True)
    (process / "fd/3").symlink_to("socket:[77]")
    (process / "comm").write_text("nginx\n")
    (process / "cgroup").write_text("0::/system.slice/other.service\n")

    level, sentence, command = found(world, "webhook_port")

    assert level is Level.ERROR
    assert "process 321 (nginx) of user '4242'" in sentence
    assert command == "sudo systemctl disable --now other.service"


def test_port_taken_by_a_process_that_may_not_be_seen_shows_how_to_see_it(world):
    listening(world, 8000, 4242)

    assert found(world, "dashboard_port")[2] == "sudo ss -ltnp 'sport = :8000'"


def test_ports_are_those_of_the_configuration(world):
    listening(world, 5055, 4242)
    settings = Settings(paths=world.settings.paths, webhook=Webhook(port=5055))

    moved = replace(world, settings=settings)

    assert found(world, "webhook_port")[0] is Level.OK
    assert found(moved, "webhook_port")[0] is Level.ERROR


# --- privacy


@pytest.mark.parametrize("which", ["", "webhook_secret"])
def test_credentials_that_others_may_read_are_found(world, which):
    path = world.settings.paths.credentials_dir / which
    path.chmod(path.stat().st_mode | 0o004)

    level, _, command = found(world, "credentials")

    assert level is Level.ERROR
    assert command == f"sudo chmod go-rwx {path}"


def test_config_that_everybody_may_write_is_found(world):
    world.config_path.chmod(0o666)

    assert found(world, "config_file")[0] is Level.ERROR


def test_orders_that_everybody_may_read_are_found(world):
    world.settings.paths.state_dir.chmod(0o755)

    level, _, command = found(world, "private_files")

    assert level is Level.WARNING
    assert command == f"sudo chmod o-rwx {world.settings.paths.state_dir}"


# --- store


def test_damaged_store_is_found(world):
    path = world.settings.store_path
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)

    level, sentence, command = found(world, "store_integrity")

    assert level is Level.ERROR
    assert str(path) in sentence
    assert "shoonyactl restore" in command


@pytest.mark.parametrize(
    ("step", "level"), [(-1, Level.WARNING), (0, Level.OK), (1, Level.ERROR)]
)
def test_schema_of_another_version_is_found(world, step, level):
    store = sqlite3.connect(world.settings.store_path)
    (version,) = store.execute("PRAGMA user_version").fetchone()
    store.execute(f"PRAGMA user_version = {version + step}")
    store.close()

    assert found(world, "store_schema")[0] is level


def test_looking_leaves_no_file_behind(world):
    before = sorted(world.settings.paths.state_dir.iterdir())

    list(checks.diagnose(world))

    assert sorted(world.settings.paths.state_dir.iterdir()) == before


# --- what may not be seen, and how it is told


def test_what_this_user_may_not_see_is_a_note_that_says_so(world, monkeypatch):
    def closed(world: World) -> tuple[Level, str, str]:
        raise PermissionError(13, "Permission denied", "/etc/shoonya/credentials")

    def hidden(world: World) -> tuple[Level, str, str]:
        raise Unseen("the system's journal")

    monkeypatch.setitem(checks.ANYWHERE, "credentials", closed)
    monkeypatch.setitem(checks.ANYWHERE, "time_zone", hidden)
    guest = replace(world, is_root=False)

    assert found(guest, "credentials") == (
        Level.NOTE,
        "not seen: /etc/shoonya/credentials",
        "sudo shoonyactl doctor",
    )
    assert found(guest, "time_zone")[1] == "not seen: the system's journal"


def test_without_units_the_services_user_is_who_owns_the_state(tmp_path):
    settings = Settings(paths=Paths(state_dir=tmp_path, runtime_dir=tmp_path))

    here = this_machine(settings, None)

    assert here.is_installed or (
        here.service_user is not None and here.service_user.uid == os.getuid()
    )


@pytest.mark.parametrize(
    ("levels", "code"),
    [
        pytest.param([Level.OK, Level.NOTE], 0, id="nothing-to-mend"),
        pytest.param([Level.OK, Level.WARNING], 1, id="warning"),
        pytest.param([Level.ERROR, Level.NOTE], 1, id="error"),
    ],
)
def test_exit_code_and_document_tell_the_worst(ctl, monkeypatch, levels, code):
    findings = [
        Finding(check=f"c{n}", level=level, sentence="said", command="sudo mend")
        for n, level in enumerate(levels)
    ]
    monkeypatch.setattr(doctor, "examine", lambda _: findings)

    result = ctl("doctor", "--json")

    assert result.code == code
    assert result.document["worst"] == doctor.worst(findings)
    assert result.document["findings"][0] == {
        "check": "c0",
        "level": levels[0],
        "sentence": "said",
        "command": "sudo mend",
    }


def test_findings_are_kept_for_the_dashboard(ctl, home, monkeypatch):
    finding = Finding(check="c", level=Level.ERROR, sentence="s", command="mend")
    monkeypatch.setattr(doctor, "examine", lambda _: [finding])

    ctl("doctor")

    kept = findings.last(home / "state")
    assert kept
    assert kept.findings == (finding,)


def test_state_that_cannot_be_written_does_not_matter(ctl, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(doctor, "keep", refuse)
    monkeypatch.setattr(doctor, "examine", lambda _: [])

    assert ctl("doctor").code == 0


def test_command_is_printed_whole(ctl, monkeypatch):
    command = "sudo printf '[Journal]\\n' | " + "x" * 300
    finding = Finding(check="c", level=Level.ERROR, sentence="s", command=command)
    monkeypatch.setattr(doctor, "examine", lambda _: [finding])

    assert command in ctl("doctor").out


def test_unusable_configuration_is_a_finding_and_the_rest_is_still_looked_at(ctl, home):
    (home / "shoonya.toml").write_text("[webhook]\nport = 'many'\n")

    result = ctl("doctor", "--json")

    assert result.code == 1
    findings = {each["check"]: each for each in result.document["findings"]}
    assert findings["config"]["level"] == "error"
    assert "webhook.port" in findings["config"]["sentence"]
    assert "python_version" in findings
