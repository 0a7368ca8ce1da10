"""An installation for one user: rendered for its systemd, and killed at any step."""

import functools
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from shoonya_platform.config.loader import load
from shoonya_platform.ctl import (
    _first_use,
    _installing,
    _manifest,
    _refusals,
    _removing,
    _rendering,
    _systemd,
    _units,
    _verifying,
)
from shoonya_platform.ctl._layout import Layout, of_machine, of_user
from shoonya_platform.errors import ShoonyaError

PYTHON = "/srv/venv/bin/python"


class Killed(BaseException):
    """The process is gone."""


@pytest.fixture
def layout(tmp_path) -> Layout:
    """Places of a user's own, so that nothing of this machine's is touched."""
    return of_user({"HOME": str(tmp_path)})


@pytest.fixture(autouse=True)
def ran(monkeypatch) -> list[tuple[str, ...]]:
    commands: list[tuple[str, ...]] = []

    def run(command: tuple[str, ...]) -> str:
        if "show" in command:
            return "no\n"
        commands.append(command)
        return ""

    monkeypatch.setattr(_systemd, "run", run)
    monkeypatch.setattr(_systemd, "version", lambda: 257)
    monkeypatch.setattr(_verifying, "can_verify", lambda: False)
    for check in ("check_rights", "check_systemd", "check_python"):
        monkeypatch.setattr(_refusals, check, lambda *_: None)
    return commands


def install(layout: Layout) -> None:
    _installing.commit(
        _installing.prepare(layout, python=PYTHON, enable=True, dry_run=False)
    )


def tree(layout: Layout) -> dict[str, str]:
    """Return each file's text, and "/" for a folder."""
    return {
        str(path.relative_to(layout.unit_dir)): path.read_text()
        if path.is_file()
        else "/"
        for path in layout.unit_dir.rglob("*")
    }


def older(layout: Layout) -> None:
    """Leave what an older version has installed, and a drop-in of the operator's."""
    install(layout)
    template = layout.unit_dir / "shoonya@.service"
    template.write_text(
        template.read_text().replace("WatchdogSec=30s", "WatchdogSec=9s")
    )
    obsolete = layout.unit_dir / "shoonya@risk_manager.service.d" / "05-old.conf"
    obsolete.parent.mkdir()
    obsolete.write_text(f"{_units.MARK}\n[Service]\n")
    (layout.unit_dir / "shoonya@dashboard.service.d" / "override.conf").write_text(
        "#\n"
    )


def killing_at(
    step: int, monkeypatch: pytest.MonkeyPatch, done: list[str]
) -> pytest.MonkeyPatch:
    """Have the process die before its step-th change of the world."""

    def dying(name: str, deed: Callable[..., object]) -> Callable[..., object]:
        @functools.wraps(deed)
        def step_or_die(*arguments: object, **options: object) -> object:
            if len(done) == step:
                raise Killed
            done.append(name)
            return deed(*arguments, **options)

        return step_or_die

    for name in ("replace", "unlink", "rmdir"):
        monkeypatch.setattr(Path, name, dying(name, getattr(Path, name)))
    monkeypatch.setattr(_systemd, "run", dying("run", _systemd.run))
    monkeypatch.setattr(_systemd, "needs_reload", lambda *_: False)
    return monkeypatch


def test_install_that_is_killed_at_any_step_is_completed_by_the_next(
    layout, tmp_path, ran
):
    older(layout)
    template = (layout.unit_dir / "shoonya@.service").read_text()
    install(layout)
    wanted = tree(layout)
    assert "WatchdogSec=30s" in wanted["shoonya@.service"] != template

    step = 0
    while True:
        older(layout)
        ran.clear()
        done: list[str] = []
        with pytest.MonkeyPatch.context() as patched:
            killing_at(step, patched, done)
            try:
                install(layout)
            except Killed:
                was_killed = True
            else:
                was_killed = False
        install(layout)

        assert tree(layout) == wanted, f"killed at step {step}, after {done}"
        manifest = _manifest.read(layout)
        assert manifest is not None
        assert manifest.complete
        # Told after the last file, by whichever of the two came that far.
        assert ran[-1] == ("systemctl", "--user", "daemon-reload")
        if not was_killed:
            break
        step += 1
    assert step > 5


def test_uninstall_that_is_killed_at_any_step_is_completed_by_the_next(layout, ran):
    step, was_killed = 0, True
    while was_killed:
        install(layout)
        done: list[str] = []
        with pytest.MonkeyPatch.context() as patched:
            killing_at(step, patched, done)
            try:
                uninstall(layout)
            except Killed:
                pass
            else:
                was_killed = False
        uninstall(layout)

        assert tree(layout) == {}, f"killed at step {step}, after {done}"
        assert not _manifest.path_of(layout).exists()
        step += 1
    assert step > 5


def uninstall(layout: Layout) -> None:
    _removing.remove(_removing.look(layout, dry_run=False, is_purge=False))


def test_disk_that_is_full_leaves_the_old_units(layout, monkeypatch):
    older(layout)
    before = tree(layout)

    def full(temporary: Path, path: Path, text: str) -> None:
        temporary.write_text(text[: len(text) // 2])
        raise OSError(28, "No space left on device", str(temporary))

    monkeypatch.setattr(_units, "_write", full)
    with pytest.raises(ShoonyaError, match="No space left"):
        install(layout)

    assert tree(layout) == before


def test_half_written_file_of_a_killed_install_is_swept_away(layout):
    install(layout)
    folder = layout.unit_dir / "shoonya@dashboard.service.d"
    leftovers = (
        layout.unit_dir / ".shoonya@.service.new",
        folder / ".10-gone.conf.new",
    )
    for path in leftovers:
        path.write_text("half")
    (layout.unit_dir / "shoonya@.service").unlink()

    install(layout)

    assert [path for path in leftovers if path.exists()] == []


def test_drop_in_that_systemd_has_not_read_yet_is_reloaded(layout, ran, monkeypatch):
    install(layout)
    ran.clear()
    monkeypatch.setattr(_systemd, "needs_reload", lambda *_: True)

    install(layout)

    assert ran == [("systemctl", "--user", "daemon-reload")]


# -- rendering -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "wanted"),
    [
        pytest.param(252, "A=1\nB=2\n", id="old"),
        pytest.param(256, "A=1\nB=2\n", id="just-too-old"),
        pytest.param(257, "A=1\nA=better\nB=2\n", id="new-enough"),
        pytest.param(300, "A=1\nA=better\nB=2\n", id="newer"),
    ],
)
def test_line_for_newer_versions_is_rendered_from_its_version_on(version, wanted):
    text = "A=1\n#@257 A=better\nB=2\n"

    rendered = _rendering.render(
        text, version=version, layout=of_machine(), python=PYTHON
    )

    assert rendered == wanted


def test_units_of_a_user_name_no_place_and_no_right_of_the_machines(layout):
    text = "\n".join(
        line
        for file in _units.shipped_files(layout=layout, python=PYTHON)
        for line in file.text.splitlines()
        if not line.startswith("#")
    )

    for place in ("/etc/shoonya", "/var/lib/shoonya", "/opt/shoonya"):
        assert place not in text
    keys = {line.partition("=")[0] for line in text.splitlines()}
    assert keys & _rendering.NOT_FOR_USERS == set()
    assert "WantedBy=default.target" in text
    # What needs neither root nor mounts stays.
    assert {"NoNewPrivileges", "SystemCallFilter", "RestrictAddressFamilies"} <= keys


def test_user_is_told_what_is_left_out(layout):
    done = _installing.prepare(layout, python=PYTHON, enable=True, dry_run=True)

    assert "ProtectSystem=" in done.notes[0]


def test_places_of_a_user_are_those_of_xdg(tmp_path):
    environ = {
        "HOME": "/home/somebody",
        "XDG_CONFIG_HOME": "/data/config",
        "XDG_STATE_HOME": "relative/is/ignored",
    }

    layout = of_user(environ)

    assert layout.unit_dir == Path("/data/config/systemd/user")
    assert layout.state == Path("/home/somebody/.local/state/shoonya")
    assert layout.runtime == Path(f"/run/user/{os.getuid()}/shoonya")


# -- first use -------------------------------------------------------------------


def test_first_use_makes_a_configuration_and_a_secret_that_can_be_used(layout):
    made = _first_use.provide(layout)

    assert made == [layout.config, layout.credentials / "webhook_secret"]
    assert made[1].stat().st_mode & 0o777 == 0o600
    config = load(layout.config, {})
    assert config.settings.paths.state_dir == layout.state
    assert config.settings.paths.log_dir == layout.logs
    assert config.settings.paths.runtime_dir == layout.runtime
    assert config.secrets.get("webhook_secret").source == str(made[1])


def test_second_use_leaves_configuration_and_secret_alone(layout):
    made = _first_use.provide(layout)
    before = [path.read_text() for path in made]

    assert _first_use.provide(layout) == []
    assert [path.read_text() for path in made] == before


def test_secret_that_is_encrypted_is_not_made_anew(layout):
    _first_use.provide(layout)
    secret = layout.credentials / "webhook_secret"
    secret.rename(f"{secret}.cred")

    assert _first_use.provide(layout) == []


def test_configuration_of_the_machine_is_the_sample(layout):
    machine = replace(layout, user=False)

    assert 'state_dir = "/var/lib/shoonya"' in _first_use.sample_of(machine)
