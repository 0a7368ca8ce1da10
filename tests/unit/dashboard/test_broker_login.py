"""The page that logs in at the broker: its locks, and what it says."""

import logging
from datetime import timedelta

import pytest

from shoonya_platform.assessment.session import SessionVerdict
from shoonya_platform.dashboard.broker_login import BrokerAccess, LoginResult
from shoonya_platform.dashboard.passwords import hash_password
from tests.unit.dashboard.ledger import BEGIN

HASH = hash_password("correct horse")
ADDRESS = "https://broker.example/login?client_id=FA12345_U"


class Access:
    """A broker that takes one code."""

    def __init__(self):
        self.codes = []

    def log_in(self, code):
        self.codes.append(code)
        if code == "good":
            return LoginResult(ends_at=BEGIN + timedelta(hours=12))
        return LoginResult(problem="the broker refused the code: <b>", hint="again")

    def port(self):
        return BrokerAccess(
            user_id="FA12345",
            address=ADDRESS,
            verdict=lambda: SessionVerdict(
                is_alive=False, is_needed=True, text="not logged in at the broker"
            ),
            log_in=self.log_in,
        )


@pytest.fixture
def access():
    return Access()


@pytest.fixture
def client(open_client, access):
    return open_client(
        broker="shoonya", password_hash=HASH, broker_access=access.port()
    )


@pytest.fixture
def inside(client):
    client.post("/login", data={"password": "correct horse"})
    return client


def token(client):
    page = client.get("/broker").text
    return page.split('name="csrf_token" value="')[1].split('"')[0]


def enter(client, code):
    form = {"code": code, "csrf_token": token(client)}
    return client.post("/broker", data=form)


def test_page_is_behind_the_dashboard_s_own_login(client, access):
    page = client.get("/broker", follow_redirects=False)
    sent = client.post("/broker", data={"code": "good"}, follow_redirects=False)

    assert (page.status_code, page.headers["location"]) == (
        303,
        "/login?next=%2Fbroker",
    )
    assert sent.status_code == 303
    assert access.codes == []


def test_without_a_password_no_code_is_accepted(open_client, access):
    client = open_client(broker="shoonya", broker_access=access.port())

    assert client.post("/broker", data={"code": "good"}).status_code == 400
    assert client.get("/broker").status_code == 400
    assert 'href="/broker"' not in client.get("/").text
    assert access.codes == []


def test_page_shows_the_address_and_how_the_session_is(inside):
    page = inside.get("/broker").text

    assert f'href="{ADDRESS}"' in page
    assert "not logged in at the broker" in page
    assert 'href="/broker"' in inside.get("/").text


def test_code_begins_the_session_and_rings_the_services(inside, access, rung, caplog):
    with caplog.at_level(logging.INFO):
        done = enter(inside, "good")

    assert done.status_code == 200
    assert "Logged in" in done.text
    assert access.codes == ["good"]
    assert "order_watcher" in rung
    (record,) = [r for r in caplog.records if getattr(r, "event", "") == "broker_login"]
    assert record.user == "operator"
    assert "good" not in record.getMessage()


def test_refused_code_is_shown_and_counted(inside, access, rung, caplog):
    refused = enter(inside, "bad")

    assert refused.status_code == 422
    assert "refused the code: &lt;b&gt;" in refused.text
    assert rung == []
    assert "broker_login_failed" in {getattr(r, "event", "") for r in caplog.records}
    for _ in range(4):
        enter(inside, "bad")

    late = enter(inside, "good")

    assert late.status_code == 429
    assert int(late.headers["retry-after"]) > 0
    assert access.codes == ["bad"] * 5


def test_form_of_another_page_is_refused(inside, access):
    foreign = {"origin": "https://evil.example"}
    form = {"code": "good", "csrf_token": token(inside)}

    assert inside.post("/broker", data={"code": "good"}).status_code == 400
    assert inside.post("/broker", data=form, headers=foreign).status_code == 400
    assert access.codes == []


def test_paper_broker_has_no_such_page(open_client):
    client = open_client(password_hash=HASH)
    client.post("/login", data={"password": "correct horse"})

    assert client.get("/broker").status_code == 404
    assert 'href="/broker"' not in client.get("/").text
