"""What `install-units` refuses, and the way out that it names."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from shoonya_platform.ctl import _refusals
from shoonya_platform.ctl._layout import of_machine, of_user
from shoonya_platform.errors import ShoonyaError


@pytest.mark.parametrize(
    ("uid", "user", "hint"),
    [
        pytest.param(1000, False, "--user", id="no-root"),
        pytest.param(0, True, "leave it out", id="root-as-user"),
    ],
)
def test_wrong_rights_are_refused_with_the_other_way(monkeypatch, uid, user, hint):
    monkeypatch.setattr("os.geteuid", lambda: uid)
    layout = of_user() if user else of_machine()

    with pytest.raises(ShoonyaError, match=hint):
        _refusals.check_rights(layout, "install-units")


def test_another_machines_disk_needs_no_root_and_no_systemd(tmp_path, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    _refusals.check_rights(of_machine(tmp_path), "install-units")
    _refusals.check_systemd(of_machine(tmp_path), None)
    _refusals.check_python(of_machine(tmp_path), Path("/no/python"))


def test_machine_without_systemd_is_told_of_up(tmp_path, monkeypatch):
    monkeypatch.setattr(_refusals, "BOOTED", tmp_path / "nothing")

    with pytest.raises(ShoonyaError, match="shoonyactl up"):
        _refusals.check_systemd(of_machine(), 252)


def test_systemd_that_is_too_old_is_named_with_what_is_needed(tmp_path, monkeypatch):
    monkeypatch.setattr(_refusals, "BOOTED", tmp_path)

    with pytest.raises(ShoonyaError, match="systemd 249 is too old"):
        _refusals.check_systemd(of_machine(), 249)
    _refusals.check_systemd(of_machine(), 252)


def test_user_without_a_manager_is_told_of_lingering(tmp_path, monkeypatch):
    monkeypatch.setattr(_refusals, "BOOTED", tmp_path)
    layout = replace(of_user(), runtime=tmp_path / "1000" / "shoonya")

    with pytest.raises(ShoonyaError, match="enable-linger"):
        _refusals.check_systemd(layout, 252)


def test_user_whose_login_set_no_runtime_directory_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setattr(_refusals, "BOOTED", tmp_path)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    layout = replace(of_user(), runtime=tmp_path / "1000" / "shoonya")
    (tmp_path / "1000" / "systemd").mkdir(parents=True)

    with pytest.raises(ShoonyaError, match="export XDG_RUNTIME_DIR="):
        _refusals.check_systemd(layout, 252)


def test_interpreter_that_is_not_there_is_refused():
    with pytest.raises(ShoonyaError, match="no interpreter '/no/python'"):
        _refusals.check_python(of_machine(), Path("/no/python"))


def test_venv_that_the_sandbox_hides_is_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(_refusals, "HIDDEN", (str(tmp_path.resolve()),))
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)

    with pytest.raises(ShoonyaError, match="ProtectHome="):
        _refusals.check_python(of_machine(), python)


def test_interpreter_that_lives_in_a_home_is_refused_though_its_venv_does_not(
    tmp_path, monkeypatch
):
    home = tmp_path / "home"
    real = home / "python"
    home.mkdir()
    real.write_text("")
    python = tmp_path / "srv" / "python"
    python.parent.mkdir()
    python.symlink_to(real)
    monkeypatch.setattr(_refusals, "HIDDEN", (str(home.resolve()),))

    with pytest.raises(ShoonyaError, match="ProtectHome="):
        _refusals.check_python(of_machine(), python)


def test_venv_that_the_services_user_cannot_read_is_refused_by_its_folder(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(_refusals, "HIDDEN", ())
    closed = tmp_path / "closed"
    python = closed / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to("/usr/bin/python3")
    closed.chmod(0o700)

    with pytest.raises(ShoonyaError, match="cannot read") as caught:
        _refusals.check_python(of_machine(), python)

    assert "chmod o+rX" in str(caught.value)


def test_interpreter_without_the_platform_is_refused(tmp_path, monkeypatch):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho No module named shoonya_platform >&2\nexit 1\n")
    python.chmod(0o755)

    with pytest.raises(ShoonyaError, match="No module named"):
        _refusals.check_python(of_user(), python)


def test_interpreter_with_the_platform_is_taken():
    _refusals.check_python(of_user(), Path(sys.executable))


def test_units_run_through_the_link_where_it_leads_to_us(tmp_path, monkeypatch):
    (tmp_path / "release" / "bin").mkdir(parents=True)
    (tmp_path / "release" / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "venv").symlink_to("release")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "release"))
    link = str(tmp_path / "venv" / "bin" / "python")

    assert _refusals.own_python(link) == link
    assert _refusals.own_python("/no/venv/bin/python") == str(
        tmp_path / "release" / "bin" / "python"
    )
