"""Versions side by side, and what is taken for one."""

import os
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from shoonya_platform.ctl import _building, _layout, _record, upgrade
from shoonya_platform.ctl._layout import Layout, of_machine
from shoonya_platform.ctl._record import Phase, Record
from shoonya_platform.ctl._releases import Releases
from shoonya_platform.errors import AlreadyRunning, ShoonyaError

WHEEL = "shoonya_platform-0.2.0-py3-none-any.whl"


@pytest.fixture
def releases(tmp_path) -> Releases:
    """Two whole releases, of which the first is in use, and one only begun."""
    home = tmp_path / "home"
    for name in ("1-aaa", "2-bbb", "3-ccc"):
        (home / "releases" / name / "bin").mkdir(parents=True)
        (home / "releases" / name / "bin" / "python").symlink_to(sys.executable)
    for name in ("1-aaa", "2-bbb"):
        (home / "releases" / name / ".complete").touch()
    (home / "venv").symlink_to(home / "releases" / "1-aaa")
    return Releases(home)


@pytest.fixture
def calls(monkeypatch) -> list[list[str]]:
    """Instead of running pip, remember what for; it has no index of ours."""
    made: list[list[str]] = []

    def call(command: list[str]) -> str:
        made.append(list(command))
        return ""

    monkeypatch.setattr(_building, "_call", call)
    return made


def test_link_says_which_is_in_use_and_switching_is_at_once(releases):
    assert releases.current() == "1-aaa"

    releases.switch("2-bbb")

    assert releases.current() == "2-bbb"
    assert releases.link.is_symlink()
    assert sorted(p.name for p in releases.link.parent.iterdir()) == [
        "releases",
        "venv",
    ]


def test_only_whole_ones_count(releases):
    assert releases.ids() == ["1-aaa", "2-bbb"]
    assert not releases.is_ready("3-ccc")
    assert not releases.is_ready("../venv/nothing")


def test_program_that_was_installed_otherwise_is_refused(releases):
    releases.link.unlink()
    releases.link.mkdir()

    with pytest.raises(ShoonyaError, match="scripts/install"):
        releases.current()


def test_prune_keeps_what_is_named(releases):
    releases.prune("1-aaa", "2-bbb")

    assert sorted(p.name for p in releases.folder.iterdir()) == ["1-aaa", "2-bbb"]


# -- what is named ---------------------------------------------------------------


def test_release_that_is_kept_is_found_by_id_and_by_path(releases, tmp_path, calls):
    assert _building.find("2-bbb", releases, tmp_path) == "2-bbb"
    path = str(releases.path("2-bbb"))
    assert _building.find(path, releases, tmp_path) == "2-bbb"
    assert calls == []


def test_wheel_is_found_by_its_path_and_in_its_folder(releases, tmp_path, calls):
    folder = tmp_path / "dist"
    folder.mkdir()
    (folder / WHEEL).touch()
    (folder / "click-8.1-py3-none-any.whl").touch()

    assert _building.find(str(folder / WHEEL), releases, tmp_path) == folder / WHEEL
    assert _building.find(str(folder), releases, tmp_path) == folder / WHEEL


@pytest.mark.parametrize("source", ["gone/x.whl", "x.whl", "/no/folder"])
def test_what_is_not_there_is_not_asked_of_an_index(releases, tmp_path, calls, source):
    with pytest.raises(ShoonyaError, match="there is no"):
        _building.find(source, releases, tmp_path)

    assert calls == []


def test_version_is_never_asked_of_the_public_index(releases, tmp_path, calls):
    with pytest.raises(ShoonyaError, match="no index of yours"):
        _building.find("9.9.9", releases, tmp_path)

    assert [command for command in calls if "download" in command] == []


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("global.index-url='https://mine/simple'", id="file"),
        pytest.param(":env:.find_links='/srv/wheels'", id="variable"),
    ],
)
def test_version_is_asked_of_an_index_that_was_configured(
    releases, tmp_path, monkeypatch, line
):
    def call(command):
        if "download" in command:
            assert command[-1] == "shoonya-platform==0.2.0"
            Path(command[command.index("-d") + 1], WHEEL).touch()
        return line

    monkeypatch.setattr(_building, "_call", call)

    found = _building.find("0.2.0", releases, tmp_path / "home")

    assert found == tmp_path / "home" / WHEEL


# -- building --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("click-8.1-py3-none-any.whl", b"", id="another-project"),
        pytest.param(WHEEL, b"no archive", id="no-archive"),
    ],
)
def test_wheel_that_is_not_ours_is_refused_and_leaves_no_release(
    releases, tmp_path, calls, name, content
):
    (tmp_path / name).write_bytes(content)

    with pytest.raises(ShoonyaError):
        _building.build(tmp_path / name, releases)

    assert releases.ids() == ["1-aaa", "2-bbb"]


def test_wheel_without_its_pinned_dependencies_is_refused(releases, tmp_path, calls):
    with zipfile.ZipFile(tmp_path / WHEEL, "w") as archive:
        archive.writestr("shoonya_platform/__init__.py", "")

    with pytest.raises(ShoonyaError, match="pinned dependencies"):
        _building.build(tmp_path / WHEEL, releases)


def wheel(folder: Path, locks: str) -> Path:
    path = folder / WHEEL
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("build.txt", "runtime.txt"):
            archive.writestr(f"shoonya_platform/requirements/{name}", locks)
    return path


@pytest.mark.parametrize(
    ("locks", "pip_calls"),
    [
        pytest.param("click==8.1\n", 1, id="the-same-need-no-network"),
        pytest.param("click==8.2\n", 3, id="others-are-installed"),
    ],
)
def test_dependencies_are_taken_over_where_they_are_the_same(
    releases, tmp_path, monkeypatch, locks, pip_calls
):
    in_use = releases.path("1-aaa")
    (in_use / "requirements").mkdir()
    for name in ("build.txt", "runtime.txt"):
        (in_use / "requirements" / name).write_text("click==8.1\n")
    (in_use / "pyvenv.cfg").write_text("version = 3.11.7\ncommand = one\n")
    site = in_use / "lib/python3.11/site-packages"
    for name in ("click", "shoonya_platform", "shoonya_platform-0.1.dist-info"):
        (site / name).mkdir(parents=True)
    pip = []

    def call(command: list[str]) -> str:
        if "venv" in command:
            folder = Path(command[-1])
            (folder / "lib/python3.11/site-packages").mkdir(parents=True)
            (folder / "pyvenv.cfg").write_text("version = 3.11.7\ncommand = two\n")
        else:
            pip.append(command)
        return ""

    monkeypatch.setattr(_building, "_call", call)

    release = _building.build(wheel(tmp_path, locks), releases)

    assert release.startswith("0.2.0-")
    assert len(pip) == pip_calls
    copied = releases.path(release) / "lib/python3.11/site-packages"
    names = [path.name for path in copied.iterdir()]
    assert names == (["click"] if pip_calls == 1 else [])
    # The same wheel again is the same release, and is not built again.
    assert _building.build(tmp_path / WHEEL, releases) == release
    assert len(pip) == pip_calls


def test_program_that_fails_is_an_error_with_its_last_words():
    with pytest.raises(ShoonyaError, match="the end"):
        _building._call([sys.executable, "-c", "raise SystemExit('the end')"])


# -- the verb --------------------------------------------------------------------


def test_two_upgrades_at_once_are_one_too_many(tmp_path):
    with (
        upgrade.alone(tmp_path),
        pytest.raises(AlreadyRunning),
        upgrade.alone(tmp_path),
    ):
        pass
    with upgrade.alone(tmp_path):
        pass


def test_upgrade_without_root_is_refused(ctl, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    result = ctl("upgrade", "x.whl")

    assert result.code == 1
    assert "needs root" in result.err


def test_rollback_takes_no_version(ctl):
    assert ctl("upgrade", "--rollback", "x.whl").code == 2


@pytest.fixture
def installed(releases, home, monkeypatch) -> Layout:
    """The machine of the calls has these releases."""
    layout = replace(
        of_machine(), home=releases.link.parent, config=home / "shoonya.toml"
    )
    monkeypatch.setattr(_layout, "of_machine", lambda: layout)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return layout


def test_upgrade_without_a_name_says_what_is_kept(ctl, installed):
    result = ctl("upgrade")

    assert result.code == 2
    assert "kept here: 1-aaa, 2-bbb" in result.err


def test_upgrade_to_what_is_in_use_has_nothing_to_do(ctl, installed):
    result = ctl("upgrade", "1-aaa")

    assert (result.code, result.out) == (0, "nothing to do: 1-aaa is in use\n")


def test_rollback_without_an_upgrade_before_is_4(ctl, installed):
    assert ctl("upgrade", "--rollback").code == 4


def test_rollback_to_a_version_that_is_gone_is_4_and_changes_nothing(ctl, installed):
    done = Record(phase=Phase.DONE, old="0-gone", new="1-aaa", services=())
    _record.write(installed.home, done)

    assert ctl("upgrade", "--rollback").code == 4
    assert _record.read(installed.home) == done


def test_wheel_carries_what_an_upgrade_needs_of_it():
    root = Path(__file__).parents[3]
    pyproject = (root / "pyproject.toml").read_text()

    for name in ("build.txt", "runtime.txt"):
        carried = f'"requirements/{name}" = "{_building._PINNED}/{name}"'
        assert carried in pyproject
