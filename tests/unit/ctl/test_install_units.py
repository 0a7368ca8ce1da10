"""`shoonyactl install-units` and `uninstall-units`, below a root of their own."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from shoonya_platform.ctl import (
    _manifest,
    _systemd,
    _units,
    _verifying,
    install_units,
    uninstall_units,
)
from shoonya_platform.ctl._layout import UNIT_DIR, of_machine
from shoonya_platform.errors import ShoonyaError

OLD = "shoonya@risk_manager.service.d/05-old.conf"


@pytest.fixture
def ran(monkeypatch) -> list[tuple[str, ...]]:
    """Instead of running systemd's programs, remember them."""
    commands: list[tuple[str, ...]] = []

    def run(command: tuple[str, ...]) -> str:
        commands.append(command)
        return ""

    monkeypatch.setattr(_systemd, "run", run)
    return commands


@pytest.fixture(autouse=True)
def objections(monkeypatch) -> list[str]:
    """What systemd would object to; nothing unless a test says so."""
    said: list[str] = []
    monkeypatch.setattr(_verifying, "can_verify", lambda: True)
    monkeypatch.setattr(_verifying, "verify", lambda files, layout: "\n".join(said))
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


# -- install ---------------------------------------------------------------------


def test_install_writes_every_shipped_file_and_enables_the_eight(tmp_path, ran):
    result = install(tmp_path)

    assert result.exit_code == 0
    manifest = _manifest.path_of(of_machine(tmp_path))
    wanted = {tmp_path / file.path for file in _units.shipped_files()}
    assert set(map(Path, files_below(tmp_path))) == {*wanted, manifest}
    (enable,) = ran
    assert enable[:3] == ("systemctl", f"--root={tmp_path}", "enable")
    assert set(enable[3:]) == {*_units.INSTANCES, _units.TARGET}


def test_second_install_has_nothing_to_do_and_says_so(tmp_path, ran):
    install(tmp_path)
    before = files_below(tmp_path)
    ran.clear()

    result = install(tmp_path)

    assert (result.exit_code, result.stdout) == (0, "")
    assert "nothing to do" in result.stderr
    assert files_below(tmp_path) == before
    assert ran == []


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
    monkeypatch.setattr(_verifying, "can_verify", lambda: False)

    result = install(tmp_path)

    assert "not verified" in result.stderr
    assert files_below(tmp_path)


def test_masked_instance_stays_masked(tmp_path, ran):
    unit_dir = tmp_path / UNIT_DIR
    unit_dir.mkdir(parents=True)
    (unit_dir / "shoonya@dashboard.service").symlink_to("/dev/null")

    install(tmp_path)

    (enable,) = ran
    assert "shoonya@dashboard.service" not in enable
    assert "shoonya@risk_manager.service" in enable


def test_what_was_enabled_once_is_not_enabled_again(tmp_path, ran):
    # The operator has disabled one in the meantime; an update must not undo that.
    install(tmp_path)
    ran.clear()
    template = tmp_path / UNIT_DIR / "shoonya@.service"
    template.write_text(template.read_text() + "# older\n")

    install(tmp_path)

    assert ran == []


def test_no_enable_is_made_good_by_the_next_install(tmp_path, ran):
    install(tmp_path, "--no-enable")
    assert ran == []

    install(tmp_path)

    assert "shoonya@dashboard.service" in ran[0]


def test_update_removes_what_an_older_version_of_ours_wrote(tmp_path, ran):
    install(tmp_path)
    elsewhere = "etc/systemd/journald.conf.d/shoonya.conf"
    manifest = _manifest.read(of_machine(tmp_path))
    assert manifest is not None
    for path in (f"{UNIT_DIR}/{OLD}", elsewhere):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(f"{_units.MARK}\n")
    entry = {**json.loads(_manifest.path_of(of_machine(tmp_path)).read_text())}
    entry["files"].append(elsewhere)
    _manifest.save(_manifest.path_of(of_machine(tmp_path)), entry)

    install(tmp_path)

    assert not (tmp_path / UNIT_DIR / OLD).parent.exists()
    assert not (tmp_path / elsewhere).exists()


def test_file_in_the_manifest_that_is_not_ours_any_more_stays(tmp_path, ran):
    install(tmp_path)
    path = _manifest.path_of(of_machine(tmp_path))
    entry = json.loads(path.read_text())
    entry["files"].append("etc/passwd")
    _manifest.save(path, entry)
    (tmp_path / "etc/passwd").write_text("root:x:0:0\n")

    install(tmp_path)

    assert (tmp_path / "etc/passwd").exists()


def test_manifest_that_cannot_be_read_costs_nothing(tmp_path, ran):
    install(tmp_path)
    before = files_below(tmp_path)
    _manifest.path_of(of_machine(tmp_path)).write_text("{")

    install(tmp_path)

    assert files_below(tmp_path) == before


@pytest.mark.parametrize("module", [install_units, uninstall_units])
def test_without_root_it_is_a_clear_error(module, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    with pytest.raises(ShoonyaError, match="needs root"):
        CliRunner().invoke(module.cli, [], catch_exceptions=False)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--python", "venv/bin/python"], id="relative-python"),
        pytest.param(["--python", "/srv/my venv/bin/python"], id="blank-in-python"),
        pytest.param(["--user"], id="user-and-root"),
        pytest.param(["--now"], id="start-on-another-disk"),
    ],
)
def test_what_does_not_go_together_is_wrong_usage(tmp_path, ran, arguments):
    result = install(tmp_path, *arguments)

    assert result.exit_code == 2
    assert list(tmp_path.iterdir()) == []


# -- systemd's programs ----------------------------------------------------------


def test_program_that_fails_is_an_error_with_its_own_words():
    with pytest.raises(ShoonyaError, match="no such file"):
        _systemd.run(("sh", "-c", "echo no such file >&2; exit 5"))


def test_program_that_is_missing_is_an_error():
    with pytest.raises(ShoonyaError, match="'no-such-program' is missing"):
        _systemd.run(("no-such-program",))


@pytest.mark.parametrize(
    ("said", "version"),
    [
        pytest.param("systemd 252 (252.39-1~deb12u1)\n+PAM\n", 252, id="debian"),
        pytest.param("systemd 257~rc2 (257~rc2-3)\n", 257, id="candidate"),
        pytest.param("systemd 256.7\n", 256, id="point"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_version_is_read_from_what_systemctl_says(monkeypatch, said, version):
    monkeypatch.setattr(_systemd, "run", lambda command: said)

    assert _systemd.version() == version


# -- uninstall -------------------------------------------------------------------


def test_uninstall_removes_what_install_wrote(tmp_path, ran):
    install(tmp_path)
    (tmp_path / "var/lib/shoonya").mkdir(parents=True)

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


@pytest.mark.parametrize("arguments", [[], ["--purge"]])
def test_uninstall_without_a_terminal_and_without_yes_refuses(tmp_path, ran, arguments):
    install(tmp_path)
    before = files_below(tmp_path)

    with pytest.raises(ShoonyaError, match="nobody is here to confirm"):
        uninstall(tmp_path, *arguments)

    assert files_below(tmp_path) == before


def test_uninstall_leaves_and_names_what_the_operator_wrote(tmp_path, ran):
    install(tmp_path)
    own = tmp_path / UNIT_DIR / "shoonya@dashboard.service.d/override.conf"
    own.write_text("[Service]\n")

    document = json.loads(uninstall(tmp_path, "--yes", "--json").stdout)

    assert document["left"] == [str(own)]
    assert own.exists()


def test_uninstall_of_nothing_says_so(tmp_path, ran):
    result = uninstall(tmp_path, "--yes")

    assert result.exit_code == 0
    assert "nothing to do" in result.stderr
    assert ran == []


def test_uninstall_is_done_to_its_end_after_it_was_killed(tmp_path, ran, monkeypatch):
    install(tmp_path)
    ran.clear()
    template = tmp_path / UNIT_DIR / "shoonya@.service"
    template.unlink()

    uninstall(tmp_path, "--yes")

    assert files_below(tmp_path) == {}
    # systemd would refuse to disable what is there no more.
    assert ran == []


def test_purge_takes_orders_logs_secrets_and_own_drop_ins_and_no_more(tmp_path, ran):
    install(tmp_path)
    ours = (
        "var/lib/shoonya/orders.db",
        "opt/shoonya/logs/dashboard.log",
        "etc/shoonya/shoonya.toml",
        f"{UNIT_DIR}/shoonya@dashboard.service.d/override.conf",
        "usr/local/share/man/man1/shoonyactl-order-list.1",
        "usr/local/share/bash-completion/completions/shoonyactl",
    )
    others = (
        "usr/local/share/man/man1/other.1",
        "etc/passwd",
        "var/lib/other/data",
        "var/backups/shoonya/orders.tar.gz",
        f"{UNIT_DIR}/other.service",
    )
    for path in (*ours, *others):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("x")
    command = tmp_path / "usr/local/bin/shoonyactl"
    command.parent.mkdir(parents=True, exist_ok=True)
    command.symlink_to("/opt/shoonya/venv/bin/shoonyactl")

    uninstall(tmp_path, "--yes", "--purge")

    left = {str(Path(path).relative_to(tmp_path)) for path in files_below(tmp_path)}
    assert left == set(others)
    assert not command.is_symlink()
    assert not (tmp_path / "opt/shoonya").exists()


def test_purge_leaves_a_command_of_somebody_elses(tmp_path, ran):
    install(tmp_path)
    command = tmp_path / "usr/local/bin/shoonyactl"
    command.parent.mkdir(parents=True, exist_ok=True)
    command.symlink_to("/srv/mine/bin/shoonyactl")

    uninstall(tmp_path, "--yes", "--purge")

    assert command.is_symlink()


def test_purge_asks_twice_and_no_is_no(tmp_path, ran, monkeypatch):
    install(tmp_path)
    before = files_below(tmp_path)
    with CliRunner().isolation(input="y\nn\n"):
        monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
        with pytest.raises(SystemExit):
            uninstall_units.cli(["--root", str(tmp_path), "--purge"])

    assert files_below(tmp_path) == before
