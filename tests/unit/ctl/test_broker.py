"""shoonyactl broker and simulate, over a simulator of the test's own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from shoonya_platform.ctl.simulate import settings_text
from shoonya_platform.errors import NotAllowed
from shoonya_platform.services.broker_login import read_code
from shoonya_platform.testing.noren.server import NorenSimulator


@pytest.fixture(params=["oauth", "quickauth"])
def generation(request) -> str:
    return str(request.param)


@pytest.fixture
def simulator(home, clock, generation) -> Iterator[NorenSimulator]:
    with NorenSimulator(generation, clock=clock) as running:
        with (home / "shoonya.toml").open("a") as file:
            file.write(settings_text(running.platform_settings()))
        for name, value in running.platform_secrets().items():
            (home / "credentials" / name).write_text(value)
        yield running


def code_of(simulator: NorenSimulator) -> str:
    return simulator.access.authorize()


def test_paper_broker_needs_no_login(ctl):
    for verb in ("login", "status", "logout"):
        assert ctl("broker", verb).code == 1


def test_login_makes_a_session_that_status_finds_alive(
    ctl, simulator, generation, home
):
    done = ctl("broker", "login", stdin=f"{code_of(simulator)}\n")
    assert done.code == 0, done.err
    if generation == "oauth":
        assert f"{simulator.login_url}?client_id=SIM0001_U" in done.err
        token = home / "credentials" / "broker_access_token"
        assert token.stat().st_mode & 0o777 == 0o600
        assert token.read_text().strip() not in done.out + done.err

    found = ctl("broker", "status", "--json")

    assert found.code == 0, found.err
    assert found.document["is_alive"]
    assert found.document["obtained_at"] is not None
    assert (found.document["ends_at"] is not None) == (generation == "oauth")
    assert (home / "state/shoonya/session.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("generation", ["oauth"], indirect=True)
def test_status_without_a_session_is_21_and_says_what_to_do(ctl, simulator):
    found = ctl("broker", "status")

    assert found.code == 21
    assert "not logged in" in found.out
    assert "shoonyactl broker login" in found.err


@pytest.mark.parametrize("generation", ["oauth"], indirect=True)
def test_wrong_code_is_22_and_keeps_the_session_there_is(ctl, simulator):
    assert ctl("broker", "login", stdin=f"{code_of(simulator)}\n").code == 0

    assert ctl("broker", "login", stdin="made-up\n").code == 22

    assert ctl("broker", "status").code == 0


@pytest.mark.parametrize("generation", ["quickauth"], indirect=True)
def test_refused_login_is_21_and_not_tried_again_by_itself(ctl, simulator):
    simulator.add_fault("refuse_login")

    assert ctl("broker", "login").code == 21
    assert ctl("broker", "status").code == 21
    assert simulator.app.asked["QuickAuth"] == 1

    # The operator's own word counts.
    assert ctl("broker", "login").code == 0
    assert ctl("broker", "status").code == 0


def test_logout_ends_the_session_and_forgets_it(ctl, simulator, generation, home):
    assert ctl("broker", "login", stdin=f"{code_of(simulator)}\n").code == 0

    done = ctl("broker", "logout")

    assert (done.code, done.out) == (0, "logged out\n")
    assert not (home / "credentials/broker_access_token").exists()
    if generation == "oauth":
        assert ctl("broker", "status").code == 21


@pytest.mark.parametrize(
    ("line", "code"),
    [
        pytest.param("abc-123\n", "abc-123", id="code"),
        pytest.param("https://a.example/?code=abc-123&x=1\n", "abc-123", id="address"),
        pytest.param("code=abc-123", "abc-123", id="piece"),
    ],
)
def test_code_is_read_out_of_what_was_entered(line, code):
    assert read_code(line) == code


@pytest.mark.parametrize(
    "line", ["", "\n", "two words", "https://a.example/?code=", "https://a.example/"]
)
def test_line_without_a_code_is_refused(line):
    with pytest.raises(NotAllowed):
        read_code(line)


def test_simulator_prints_settings_and_ends_with_a_signal(home):
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "shoonya_platform.ctl.main", "simulate", "noren"),
            *("--port", "0", "--generation", "quickauth"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    talk = process.stderr.readline()
    url = talk.split("listens on ")[1].split(",")[0]
    assert httpx.get(f"{url}/_simulator/state").json()["logins"] == 0

    process.send_signal(signal.SIGTERM)

    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert f'api_url = "{url}/NorenWClientTP/"' in out
    assert "broker_totp_secret" in out


CHECKS = [
    "configuration",
    "api_key",
    "static_ip",
    "switch",
    "instruments",
    "login",
    "funds",
    "services",
    "trading",
]


def levels(found):
    return {each["check"]: each["level"] for each in found.document["findings"]}


def test_check_with_the_paper_broker_stops_at_the_configuration(ctl):
    found = ctl("broker", "check", "--json")

    assert found.code == 1
    assert levels(found) == {"configuration": "error"}


@pytest.mark.parametrize("generation", ["oauth"], indirect=True)
def test_check_walks_through_the_steps_and_names_what_is_missing(
    ctl, simulator, store, home
):
    before = ctl("broker", "check", "--json")

    assert before.code == 1
    assert list(levels(before)) == CHECKS
    assert levels(before)["login"] == "error"
    assert levels(before)["funds"] == "note"
    assert levels(before)["services"] == "error"

    (home / "credentials" / "broker_api_secret").rename(home / "away")
    assert levels(ctl("broker", "check", "--json"))["api_key"] == "error"
    (home / "away").rename(home / "credentials" / "broker_api_secret")

    assert ctl("broker", "login", stdin=f"{code_of(simulator)}\n").code == 0
    after = ctl("broker", "check", "--json")

    assert levels(after)["login"] == levels(after)["funds"] == "ok"
    assert "rupees are available" in after.out
    assert simulator.orders() == []


@pytest.mark.parametrize("generation", ["oauth"], indirect=True)
def test_check_shows_the_command_and_the_section_of_each_step(ctl, simulator, store):
    found = ctl("broker", "check")

    assert "sudo shoonyactl broker login" in found.out
    assert "docs/noren.md#5-the-daily-login" in found.out
