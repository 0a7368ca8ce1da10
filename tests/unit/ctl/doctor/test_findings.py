"""The doctor looks at files, and tells what it found."""

import os
import sqlite3
from dataclasses import replace
from datetime import datetime

import msgspec
import pytest

from shoonya_platform.config.settings import Broker, Guard, Paths, Settings, Shoonya
from shoonya_platform.ctl import doctor
from shoonya_platform.ctl.checks import diagnose as checks
from shoonya_platform.ctl.checks.world import Unseen, World, this_machine
from shoonya_platform.ctl.context import store_path
from shoonya_platform.domain.orders import OrderStatus
from shoonya_platform.services import findings
from shoonya_platform.services.findings import Finding, Level
from shoonya_platform.store.sqlite import SqliteOrderStore
from shoonya_platform.testing.orders import store_order
from tests.unit.ctl.doctor.conftest import found


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


def test_damaged_store_is_found(world):
    path = store_path(world.settings)
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
    store = sqlite3.connect(store_path(world.settings))
    (version,) = store.execute("PRAGMA user_version").fetchone()
    store.execute(f"PRAGMA user_version = {version + step}")
    store.close()

    assert found(world, "store_schema")[0] is level


def test_looking_leaves_no_file_behind(world):
    before = sorted(world.settings.paths.state_dir.iterdir())

    list(checks.diagnose(world))

    assert sorted(world.settings.paths.state_dir.iterdir()) == before


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
        Finding(
            check=f"c{n}",
            level=level,
            sentence="said",
            command="sudo mend",
            runbook="page#part",
        )
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
        "runbook": "page#part",
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


@pytest.mark.parametrize(
    ("at", "level"),
    [
        pytest.param("2026-11-24T10:00:00+05:30", Level.ERROR, id="market-open"),
        pytest.param("2026-11-24T03:00:00+05:30", Level.NOTE, id="night"),
    ],
)
def test_no_session_at_the_broker_is_an_error_while_the_market_is_open(
    world, at, level
):
    settings = msgspec.structs.replace(
        world.settings,
        broker=Broker(name="shoonya"),
        shoonya=Shoonya(user_id="FA12345"),
        guard=Guard(market_hours="exchange"),
    )
    live = replace(world, settings=settings, now=datetime.fromisoformat(at))

    seen, sentence, command = found(live, "broker_session")

    assert seen is level
    assert "not logged in" in sentence
    assert command == "sudo shoonyactl broker login"
    assert found(world, "broker_session")[0] is Level.OK


def test_position_in_the_book_of_another_account_is_found(world, clock):
    assert found(world, "other_accounts")[0] is Level.OK
    path = world.settings.paths.state_dir / "orders-shoonya-FA12345.db"
    other = SqliteOrderStore(
        path, service="tests", run_id="r", clock=clock, account="shoonya-FA12345"
    )
    store_order(other, OrderStatus.ACCEPTED)
    other.close()

    level, sentence, _ = found(world, "other_accounts")

    assert level is Level.WARNING
    assert "the book of 'shoonya-FA12345' has 1 orders" in sentence
