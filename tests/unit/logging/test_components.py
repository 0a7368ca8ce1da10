"""Whose names the library goes by: ours, or another project's."""

import logging

import pytest

from shoonya_platform.config import settings
from shoonya_platform.logging import (
    COMPONENTS,
    Components,
    export_logs_summary,
    get_component_logger,
    get_log_files,
    rotate_logs,
    setup_application_logging,
)
from tests.unit.logging.support import lines

ACME = Components("web", "worker2", project="acme")


@pytest.fixture
def acme(tmp_path, journald):
    def set_up(**options):
        setup_application_logging(
            tmp_path,
            components=ACME,
            journal=str(journald.path),
            console=False,
            **options,
        )

    return set_up


def test_ours_are_those_of_the_configuration():
    assert sorted(COMPONENTS) == sorted(settings.COMPONENTS)


@pytest.mark.parametrize(
    "names", [[], ["web", "web"], ["Web"], ["2web"], ["a-b"], ["a.b"], [""]]
)
def test_names_that_cannot_be_are_refused(names):
    with pytest.raises(ValueError, match="must be"):
        Components(*names, project="acme")


def test_name_of_the_project_is_held_to_the_same():
    with pytest.raises(ValueError, match="'My Shop'"):
        Components("web", project="My Shop")


@pytest.mark.parametrize(
    ("logger", "component"),
    [
        ("WEB", "web"),
        ("WEB.requests", "web"),
        ("WORKER2", "worker2"),
        ("WEBSITE", ""),
        ("web", ""),
        ("DASHBOARD", ""),
        ("", ""),
    ],
)
def test_logger_belongs_to_the_component_of_its_name(logger, component):
    assert ACME.of(logger) == component


def test_records_go_to_files_and_journal_by_the_other_names(acme, tmp_path, journald):
    before = get_component_logger("worker2", ACME).bind(job=1)
    acme(levels={"worker2": "DEBUG"}, forms={"web": "json"})

    before.debug("x")
    logging.getLogger("WEB.requests").info("y")

    (line,) = lines(tmp_path / "worker2.log")
    assert (line.name, line.fields) == ("WORKER2", {"job": "1"})
    (line,) = lines(tmp_path / "web.log")
    assert (line.name, line.fields) == ("WEB", {})
    assert (tmp_path / "web.log").read_bytes().startswith(b"{")
    found = {
        entry["SYSLOG_IDENTIFIER"]: entry["SHOONYA_COMPONENT"]
        for entry in journald.entries(2)
    }
    assert found == {"acme@worker2": "worker2", "acme@web": "web"}


def test_our_names_are_strangers_there(acme, tmp_path):
    acme(component="web")

    get_component_logger("dashboard").warning("x")

    assert [path.name for path in tmp_path.glob("*.log")] == ["web.log"]
    (line,) = lines(tmp_path / "web.log")
    assert line.fields == {"logger": "DASHBOARD"}


@pytest.mark.parametrize(
    "options",
    [{"component": "dashboard"}, {"forms": {"dashboard": "json"}}],
    ids=["component", "forms"],
)
def test_set_up_knows_the_names_it_is_given_and_no_others(acme, options):
    with pytest.raises(ValueError, match="the components are: web, worker2"):
        acme(**options)


def test_logger_of_none_of_them_is_refused():
    with pytest.raises(ValueError, match="the components are: web, worker2"):
        get_component_logger("dashboard", ACME)


def test_files_are_those_of_the_set_up(acme, tmp_path):
    acme()
    get_component_logger("web", ACME).info("x")

    assert get_log_files() == {name: tmp_path / f"{name}.log" for name in ACME}
    assert export_logs_summary()["web"]["lines"] == 1
    assert rotate_logs() == {"web": f"Rotated: {tmp_path / 'web.log.1'}"}


def test_files_of_a_directory_are_ours_unless_others_are_named(tmp_path):
    (tmp_path / "web.log").write_text("x\n")

    assert set(get_log_files(tmp_path)) == set(COMPONENTS)
    assert export_logs_summary(tmp_path, ACME)["web"]["exists"]
    assert rotate_logs(tmp_path, ["web"]) == {
        "web": f"Rotated: {tmp_path / 'web.log.1'}"
    }
