"""Who gets in, and who is kept out."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoonya_platform.dashboard import attempts, sessions
from shoonya_platform.dashboard.login import own_path
from shoonya_platform.dashboard.passwords import check_hash, hash_password, is_password
from shoonya_platform.errors import ConfigError, NotAllowed

PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def password_hash() -> str:
    return hash_password(PASSWORD)


@pytest.fixture
def client(open_client, password_hash):
    return open_client(password_hash=password_hash)


def log_in(client, password=PASSWORD, **form):
    return client.post(
        "/login", data={"password": password, **form}, follow_redirects=False
    )


def token_of(html: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', html)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("path", ["/", "/orders", "/orders/1", "/alerts", "/nowhere"])
def test_page_leads_to_the_login_and_back(client, path):
    answer = client.get(path, follow_redirects=False)

    assert answer.status_code == 303
    assert answer.headers["location"] == f"/login?next={quote(path, safe='')}"
    assert log_in(client, next=path).headers["location"] == path
    assert client.get(path, follow_redirects=False).status_code in (200, 404)


@pytest.mark.parametrize(
    "path", ["/api/orders", "/api/services", "/fragments/orders", "/live?part=x"]
)
def test_what_programs_ask_for_is_refused_in_json(client, path):
    answer = client.get(path)

    assert answer.status_code == 401
    assert answer.json()["code"] == "LOGIN_NEEDED"


@pytest.mark.parametrize("path", ["/health", "/login", "/static/dashboard.css"])
def test_what_one_needs_before_is_open(client, path):
    assert client.get(path).status_code == 200


def test_wrong_password_says_so_and_opens_nothing(client):
    answer = log_in(client, "wrong horse")

    assert answer.status_code == 401
    assert "That is not the password." in answer.text
    assert "set-cookie" not in answer.headers
    assert client.get("/", follow_redirects=False).status_code == 303


def test_cookie_is_out_of_reach_of_scripts_and_of_other_sites(client):
    cookie = log_in(client).headers["set-cookie"].lower()

    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "secure" not in cookie  # this machine speaks plain HTTP


def test_cookie_is_for_tls_only_where_there_is_tls(open_client, password_hash):
    client = open_client(password_hash=password_hash)
    client.base_url = "https://127.0.0.1:8000"

    assert "secure" in log_in(client).headers["set-cookie"].lower()


def test_session_ends_by_itself(client, clock):
    log_in(client)
    clock.advance(sessions.MAX_AGE_SECONDS - 60)
    assert client.get("/", follow_redirects=False).status_code == 200

    clock.advance(120)

    assert client.get("/", follow_redirects=False).status_code == 303


def test_session_outlives_a_restart_but_not_a_new_password(open_client, password_hash):
    before = open_client(password_hash=password_hash)
    log_in(before)
    cookie = before.cookies[sessions.COOKIE]

    def is_in(kept: str) -> bool:
        client = open_client(password_hash=kept)
        client.cookies.set(sessions.COOKIE, cookie)
        status: int = client.get("/", follow_redirects=False).status_code
        return status == 200

    assert is_in(password_hash)
    assert not is_in(hash_password("another horse"))


def test_logged_out_is_out_even_with_the_old_cookie(client):
    log_in(client)
    cookie = client.cookies[sessions.COOKIE]
    token = token_of(client.get("/").text)

    answer = client.post("/logout", data={"csrf_token": token}, follow_redirects=False)

    assert answer.headers["location"] == "/login"
    client.cookies.set(sessions.COOKIE, cookie)
    assert client.get("/", follow_redirects=False).status_code == 303


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126)))
def test_made_up_cookie_is_nobodys(cookie):
    class Clock:
        def now(self):
            raise AssertionError("a forged cookie has no time to look at")

        def monotonic(self):
            return 0.0

    assert sessions.Sessions("key", Clock()).find(cookie) is None


def test_guessing_is_slowed_down_and_goes_on_after_a_minute(client, clock):
    for _ in range(attempts.PER_CLIENT):
        assert log_in(client, "wrong horse").status_code == 401

    answer = log_in(client)

    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 61
    clock.advance(attempts.WINDOW_SECONDS + 1)
    assert log_in(client).status_code == 303


def test_guessing_from_many_addresses_is_slowed_down_too(clock):
    counted = attempts.Attempts(clock)
    for number in range(attempts.IN_ALL):
        assert counted.wait_seconds(f"10.0.0.{number}") == 0
        counted.note_failure(f"10.0.0.{number}")

    assert counted.wait_seconds("10.9.9.9") > 0


def test_program_gets_in_with_the_password_itself(client):
    assert client.get("/api/orders", auth=("operator", PASSWORD)).status_code == 200
    assert client.get("/api/orders", auth=("operator", "wrong")).status_code == 401
    assert client.get("/api/orders", auth=("root", PASSWORD)).status_code == 401
    # Of pages a browser would remember it, and send it for other sites' forms.
    answer = client.get("/", auth=("operator", PASSWORD), follow_redirects=False)
    assert answer.status_code == 303


@pytest.mark.parametrize("header", ["Basic", "Basic !", "Basic /w==", "Bearer x"])
def test_broken_authorization_is_no_crash(client, header):
    answer = client.get("/api/orders", headers={"Authorization": header})

    assert answer.status_code == 401


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "/a\r\nSet-Cookie: x=y",
        "orders",
        "",
    ],
)
def test_login_leads_nowhere_else(client, target):
    assert own_path(target) == "/"
    assert log_in(client, next=target).headers["location"] == "/"


def test_without_a_password_everything_is_read_and_nothing_changed(open_client, ledger):
    client = open_client()

    assert client.get("/", follow_redirects=False).status_code == 200
    assert "/trading/halt" not in client.get("/").text
    answer = client.post("/trading/halt", data={"reason": "x"})
    assert answer.status_code == 400
    assert "shoonyactl dashboard password" in answer.text


def test_hash_is_of_the_password_and_does_not_hold_it(password_hash):
    assert PASSWORD not in password_hash
    assert is_password(password_hash, PASSWORD)
    assert not is_password(password_hash, PASSWORD + " ")
    assert not is_password(password_hash, "x" * 1_000_000)


@pytest.mark.parametrize("password", ["", "short", "x" * 257])
def test_unfit_password_is_refused(password):
    with pytest.raises(NotAllowed, match="10 to 256"):
        hash_password(password)


def test_password_in_place_of_its_hash_is_refused():
    with pytest.raises(ConfigError, match="not an Argon2 hash"):
        check_hash("correct horse")
