"""The daily login through the dashboard's page, from within its unit's sandbox."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from shoonya_platform.testing.waiting import eventually
from tests.booted.platform import CONFIG, Platform

PYTHON = "/opt/shoonya/venv/bin/python"
CREDENTIALS = "/etc/shoonya/credentials"
STATE = "/var/lib/shoonya"
SESSION = f"{STATE}/shoonya/session.json"
PASSWORD = "correct horse battery"
PAGE = (Path(__file__).parents[2] / "docs" / "noren.md").read_text()
#: What the page tells to put into the dashboard's drop-in.
DROP_IN = PAGE.split("sudo systemctl edit shoonya@dashboard\n")[1]
DROP_IN = DROP_IN.split("[Service]\n", 1)[1].split("```", 1)[0]
#: A browser, as far as it takes one: logs in, reads the page, enters the code.
BROWSER = """
import json, re, sys, urllib.error, urllib.parse, urllib.request
from http.cookiejar import CookieJar

site, login, password = sys.argv[1:]
opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))

def ask(path, **form):
    data = urllib.parse.urlencode(form).encode() if form else None
    try:
        with opener.open(site + path, data, 60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()

def enter(code):
    page = ask("/broker")[1]
    token = re.search('name="csrf_token" value="([^"]+)"', page)[1]
    return ask("/broker", code=code, csrf_token=token)

ask("/login", password=password)
found = {"before": ask("/broker"), "wrong": enter("nonsense")}
with urllib.request.urlopen(login) as answer:
    code = answer.url
found["right"] = enter(code)
found["after"] = ask("/broker")
print(json.dumps(found))
"""


@pytest.fixture
def live(platform: Platform) -> Iterator[str]:
    """The installed platform on Noren's simulator; yields the simulator's address."""
    machine = platform.machine
    before = machine.run("cat", CONFIG).stdout
    hashes = f"{CREDENTIALS}/dashboard_password_hash"
    secret = f"{CREDENTIALS}/broker_api_secret"
    out = "/run/noren.out"
    machine.run(
        *(
            "systemd-run",
            "--unit=noren",
            "--collect",
            f"--property=StandardOutput=file:{out}",
        ),
        *("shoonyactl", "simulate", "noren", "--port", "8900", "--step", "0.1"),
    )

    def said() -> str:
        return machine.run("cat", out, check=False).stdout

    def is_live() -> bool:
        book = f"{STATE}/orders-shoonya-SIM0001.db"
        is_there = machine.run("test", "-e", book, check=False).returncode == 0
        return is_there and platform.states()["dashboard"] == "active"

    eventually(lambda: "# Secrets" in said(), 30, message="a simulator")
    settings = said().split("# Secrets")[0]
    api_secret = re.search(r"broker_api_secret: (\S+)", said())
    assert api_secret is not None
    try:
        machine.run(
            "tee", CONFIG, stdin=f'{settings}\n[guard]\nmarket_hours = "exchange"\n'
        )
        machine.run("install", "-m", "600", "/dev/stdin", secret, stdin=api_secret[1])
        machine.run("shoonyactl", "dashboard", "password", "--stdin", stdin=PASSWORD)
        # Those that need the broker are not ready before the login.
        machine.run("systemctl", "restart", "--no-block", "shoonya.target")
        eventually(is_live, 60, message="the dashboard of the live account")
        yield "http://127.0.0.1:8900"
    finally:
        machine.run("tee", CONFIG, stdin=before)
        machine.run("rm", "-f", hashes, secret)
        machine.run("systemctl", "stop", "noren", check=False)
        machine.run("systemctl", "restart", "shoonya.target")
        platform.begin_anew()


@pytest.mark.usefixtures("running")
def test_login_through_the_page_reaches_the_services(platform: Platform, live: str):
    machine = platform.machine
    login = f"{live}/OAuthlogin/authorize/oauth?client_id=SIM0001_U"
    # The pages a user without the drop-in sees say what is missing.
    found = visit(platform, login)
    assert "docs/noren.md" in found["right"][1]
    assert machine.run("test", "-e", SESSION, check=False).returncode != 0

    with platform.drop_in("dashboard", DROP_IN):
        eventually(lambda: platform.states()["dashboard"] == "active", 30)
        found = visit(platform, login)

        assert "not logged in at the broker" in found["before"][1]
        assert (found["wrong"][0], found["right"][0]) == (422, 200)
        assert "refused the code" in found["wrong"][1]
        assert "Logged in" in found["right"][1]
        # What it wrote is of the services' user, and no other may read it.
        shown = machine.run("stat", "-c", "%U %G %a", SESSION).stdout.split()
        assert shown == ["shoonya", "shoonya", "600"]
        kept = machine.run("ls", CREDENTIALS).stdout.split()
        assert "broker_access_token" not in kept
        # The eight take it without a restart.
        platform.wait_until_ready(60)
        assert machine.run("shoonyactl", "broker", "status").returncode == 0
        eventually(
            lambda: (
                "no session"
                not in machine.run("shoonyactl", "check", check=False).stdout
            ),
            60,
            message="the condition ends",
        )
    denied = platform.journal("_AUDIT_TYPE_NAME=AVC")
    assert denied == []
    log = "\n".join(platform.log("dashboard"))
    assert "logged in at the broker as SIM0001" in log
    assert "could not log in at the broker as SIM0001" in log


def visit(platform: Platform, login: str) -> dict[str, tuple[int, str]]:
    done = platform.machine.run(
        *(PYTHON, "-", "http://127.0.0.1:8000", login, PASSWORD),
        stdin=BROWSER,
        timeout_seconds=120,
    )
    found: dict[str, tuple[int, str]] = json.loads(done.stdout)
    return found
