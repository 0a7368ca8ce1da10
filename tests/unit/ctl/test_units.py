"""Planning and carrying out the installation of units, below a root of its own."""

from pathlib import Path

import pytest

from shoonya_platform.ctl import _units
from shoonya_platform.ctl._layout import UNIT_DIR, of_machine
from shoonya_platform.ctl._units import Kind, UnitFile
from shoonya_platform.errors import ShoonyaError

FILE = UnitFile(path=f"{UNIT_DIR}/shoonya@.service", text=f"{_units.MARK}\n[Unit]\n")
DROP_IN = UnitFile(
    path=f"{UNIT_DIR}/shoonya@dashboard.service.d/10-network.conf",
    text=f"{_units.MARK}\n[Service]\n",
)


def kinds(root: Path, *files: UnitFile) -> dict[str, Kind]:
    return {
        str(change.path.relative_to(root)): change.kind
        for change in _units.plan(files, of_machine(root))
    }


def test_plan_on_an_empty_root_creates_everything_and_writes_nothing(tmp_path):
    changes = kinds(tmp_path, FILE, DROP_IN)

    assert changes == {FILE.path: Kind.CREATED, DROP_IN.path: Kind.CREATED}
    assert list(tmp_path.iterdir()) == []


def test_applied_plan_leaves_nothing_to_do(tmp_path):
    _units.apply(_units.plan([FILE, DROP_IN], of_machine(tmp_path)))

    assert set(kinds(tmp_path, FILE, DROP_IN).values()) == {Kind.UNCHANGED}
    assert (tmp_path / FILE.path).read_text() == FILE.text


def test_applied_file_is_readable_for_all_and_leaves_no_temporary_behind(tmp_path):
    _units.apply(_units.plan([FILE], of_machine(tmp_path)))

    path = tmp_path / FILE.path
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_changed_file_is_updated_and_its_diff_names_the_line(tmp_path):
    _units.apply(_units.plan([FILE], of_machine(tmp_path)))
    newer = UnitFile(path=FILE.path, text=FILE.text + "Description=new\n")

    (change,) = _units.plan([newer], of_machine(tmp_path))

    assert change.kind is Kind.UPDATED
    assert "+Description=new\n" in change.diff


def test_file_shipped_no_longer_is_removed_with_its_empty_folder(tmp_path):
    _units.apply(_units.plan([FILE, DROP_IN], of_machine(tmp_path)))

    _units.apply(_units.plan([FILE], of_machine(tmp_path)))

    assert not (tmp_path / DROP_IN.path).parent.exists()
    assert (tmp_path / FILE.path).exists()


def test_operators_own_drop_in_survives_update_and_removal(tmp_path):
    _units.apply(_units.plan([FILE, DROP_IN], of_machine(tmp_path)))
    own = (tmp_path / DROP_IN.path).with_name("override.conf")
    own.write_text("[Service]\nMemoryMax=3G\n")

    _units.apply(_units.plan([], of_machine(tmp_path)))

    assert own.read_text() == "[Service]\nMemoryMax=3G\n"
    assert _units.installed_files(of_machine(tmp_path)) == []


def test_place_that_cannot_be_written_is_an_error_with_the_path(tmp_path):
    (tmp_path / "etc").write_text("a file where a folder should be")

    with pytest.raises(ShoonyaError, match="cannot write"):
        _units.apply(_units.plan([FILE], of_machine(tmp_path)))


def test_masked_instance_is_known_as_such(tmp_path):
    unit_dir = tmp_path / UNIT_DIR
    unit_dir.mkdir(parents=True)
    (unit_dir / "shoonya@dashboard.service").symlink_to("/dev/null")

    assert _units.is_masked("shoonya@dashboard.service", of_machine(tmp_path))
    assert not _units.is_masked("shoonya@risk_manager.service", of_machine(tmp_path))


def test_shipped_files_run_the_python_that_is_asked_for():
    files = _units.shipped_files(python="/srv/venv/bin/python")

    text = "".join(file.text for file in files)
    assert "ExecStart=/srv/venv/bin/python -m shoonya_platform.services.%i" in text
    assert _units.DEFAULT_PYTHON not in text


def test_each_shipped_file_carries_the_mark():
    assert all(file.text.startswith(_units.MARK) for file in _units.shipped_files())


def test_missing_unit_folder_is_an_error_that_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(_units, "__file__", str(tmp_path / "a/b/c/_units.py"))

    with pytest.raises(ShoonyaError, match="missing from"):
        _units.shipped_dir()
