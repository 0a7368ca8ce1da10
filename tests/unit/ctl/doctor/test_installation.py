"""The doctor looks at the installation: units, program, ports."""

import os
from dataclasses import replace

import pytest

from shoonya_platform.config.settings import COMPONENTS, Settings, Webhook
from shoonya_platform.ctl import _layout, _manifest, _units
from shoonya_platform.ctl.checks.world import User, World
from shoonya_platform.services.child import ServiceStatus
from shoonya_platform.services.findings import Level
from tests.unit.ctl.doctor.conftest import found, view


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


def test_python_too_old_is_found(world, programs):
    programs.answers["/opt/shoonya/venv/bin/python --version"] = "Python 3.9.2\n"

    assert found(world, "python_version")[0] is Level.ERROR


def test_folder_that_the_services_user_may_not_pass_is_named(world):
    closed = world.root / "opt" / "shoonya"
    # Open to its owner, who runs the test: only the services' user is kept out.
    closed.chmod(0o700)
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
