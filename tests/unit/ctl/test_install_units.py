"""`shoonyactl install-units` and `uninstall-units`, below a root of their own."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from shoonya_platform.ctl import _units, install_units, uninstall_units
from shoonya_platform.errors import ShoonyaError


@pytest.fixture
def ran(monkeypatch) -> list[tuple[str, ...]]:
    """Instead of running systemd's programs, remember them."""
    commands: list[tuple[str, ...]] = []
    monkeypatch.setattr(install_units, "run", commands.append)
    return commands


@pytest.fixture(autouse=True)
def objections(monkeypatch) -> list[str]:
    """What systemd would object to; nothing unless a test says so."""
    said: list[str] = []
    monkeypatch.setattr(_units, "can_verify", lambda: True)
    monkeypatch.setattr(_units, "verify", lambda files: "\n".join(said))
    return said


def install(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(
        install_units.cli, ["--root", str(root), *arguments], catch_exceptions=False
    )


def uninstall(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(
        uninstall_units.cli, ["--root", str(root), *arguments], catch_exceptions=False
    )


def files_below(root: Path) -> dict[str, str]:
    return {str(p): p.read_text() for p in root.rglob("*") if p.is_file()}


def test_install_writes_every_shipped_file_and_enables_the_eight(tmp_path, ran):
    result = install(tmp_path)

    assert result.exit_code == 0
    assert len(files_below(tmp_path)) == len(_units.shipped_files())
    (enable,) = ran
    assert enable[:3] == ("systemctl", f"--root={tmp_path}", "enable")
    assert set(enable[3:]) == {*_units.INSTANCES, _units.TARGET}


def test_second_install_changes_nothing(tmp_path, ran):
    install(tmp_path)
    before = files_below(tmp_path)

    document = json.loads(install(tmp_path, "--json").stdout)

    assert files_below(tmp_path) == before
    assert {file["change"] for file in document["files"]} == {"unchanged"}


def test_dry_run_prints_the_difference_and_changes_nothing(tmp_path, ran):
    result = install(tmp_path, "--dry-run")

    assert result.exit_code == 0
    assert "+++ " in result.stdout
    assert "+Type=notify" in result.stdout
    assert list(tmp_path.iterdir()) == []
    assert ran == []


def test_dry_run_of_what_is_installed_prints_nothing_on_stdout(tmp_path, ran):
    install(tmp_path)

    assert install(tmp_path, "--dry-run").stdout == ""


def test_objection_of_systemd_stops_before_anything_is_written(
    tmp_path, ran, objections
):
    objections.append("shoonya@.service:3: Unknown key")

    with pytest.raises(ShoonyaError, match="Unknown key"):
        install(tmp_path)

    assert list(tmp_path.iterdir()) == []
    assert ran == []


def test_without_systemd_analyze_it_says_so_and_goes_on(tmp_path, ran, monkeypatch):
    monkeypatch.setattr(_units, "can_verify", lambda: False)

    result = install(tmp_path)

    assert "not verified" in result.stderr
    assert files_below(tmp_path)


def test_masked_instance_stays_masked(tmp_path, ran):
    unit_dir = tmp_path / _units.UNIT_DIR
    unit_dir.mkdir(parents=True)
    (unit_dir / "shoonya@dashboard.service").symlink_to("/dev/null")

    install(tmp_path)

    (enable,) = ran
    assert "shoonya@dashboard.service" not in enable
    assert "shoonya@risk_manager.service" in enable


def test_no_enable_runs_nothing_below_another_root(tmp_path, ran):
    install(tmp_path, "--no-enable")

    assert ran == []


def test_on_this_machine_directories_come_before_the_reload():
    programs = [
        command[0] for command in install_units.commands(Path("/"), enable=True)
    ]

    assert programs == [
        "systemd-sysusers",
        "systemd-tmpfiles",
        "journalctl",
        "systemctl",
        "systemctl",
    ]


@pytest.mark.parametrize("module", [install_units, uninstall_units])
def test_without_root_it_is_a_clear_error(module, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    with pytest.raises(ShoonyaError, match="needs root"):
        CliRunner().invoke(module.cli, [], catch_exceptions=False)


def test_relative_python_is_wrong_usage(tmp_path, ran):
    result = install(tmp_path, "--python", "venv/bin/python")

    assert result.exit_code == 2
    assert "absolute path" in result.stderr


def test_program_that_fails_is_an_error_with_its_own_words():
    with pytest.raises(ShoonyaError, match="no such file"):
        install_units.run(("sh", "-c", "echo no such file >&2; exit 5"))


def test_program_that_is_missing_is_an_error():
    with pytest.raises(ShoonyaError, match="'no-such-program' is missing"):
        install_units.run(("no-such-program",))


def test_uninstall_removes_what_install_wrote(tmp_path, ran):
    install(tmp_path)

    result = uninstall(tmp_path, "--yes")

    assert result.exit_code == 0
    assert files_below(tmp_path) == {}
    assert "var/lib/shoonya" in result.stderr
    assert ran[-1][:3] == ("systemctl", f"--root={tmp_path}", "disable")


def test_uninstall_dry_run_changes_nothing(tmp_path, ran):
    install(tmp_path)
    before = files_below(tmp_path)
    ran.clear()

    result = uninstall(tmp_path, "--dry-run")

    assert "would remove" in result.stdout
    assert files_below(tmp_path) == before
    assert ran == []


def test_uninstall_without_a_terminal_and_without_yes_refuses(tmp_path, ran):
    install(tmp_path)
    before = files_below(tmp_path)

    with pytest.raises(ShoonyaError, match="nobody is here to confirm"):
        uninstall(tmp_path)

    assert files_below(tmp_path) == before


def test_uninstall_leaves_and_names_what_the_operator_wrote(tmp_path, ran):
    install(tmp_path)
    own = tmp_path / _units.UNIT_DIR / "shoonya@dashboard.service.d/override.conf"
    own.write_text("[Service]\n")

    document = json.loads(uninstall(tmp_path, "--yes", "--json").stdout)

    assert document["left"] == [str(own)]
    assert own.exists()


def test_uninstall_of_nothing_says_so(tmp_path, ran):
    result = uninstall(tmp_path, "--yes")

    assert result.exit_code == 0
    assert "no units of ours" in result.stderr
    assert ran == []
