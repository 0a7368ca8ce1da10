"""What keeps a stranger's page and a stranger's text out."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from shoonya_platform.dashboard.security import host_name
from shoonya_platform.domain.orders import OrderTrigger

ATTACK = """<img src=x onerror="alert('x')"></td><script>alert(1)</script>"""


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/orders/1",
        "/orders/99",
        "/fragments/orders",
        "/static/dashboard.js",
        "/api/orders",
        "/api/orders?limit=x",
        "/health",
        "/nowhere",
    ],
)
def test_every_answer_carries_the_headers(client, ledger, path):
    ledger.order()

    headers = client.get(path).headers

    policy = dict(
        part.strip().split(" ", 1)
        for part in headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["base-uri"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["x-frame-options"] == "DENY"


def test_headers_are_there_when_the_dashboard_crashes(open_client, views):
    views.clear()  # the page counts on eight

    answer = open_client().get("/")

    assert answer.status_code == 500
    assert "content-security-policy" in answer.headers
    assert "Traceback" not in answer.text


def test_headers_are_there_when_the_host_is_refused(open_client):
    answer = open_client(asked_as="evil.example").get("/")

    assert answer.status_code == 400
    assert "content-security-policy" in answer.headers


def test_figures_are_kept_by_no_cache(client):
    assert client.get("/").headers["cache-control"] == "no-store"
    assert client.get("/api/orders").headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("listens_on", "asked_as", "status"),
    [
        ("127.0.0.1", "127.0.0.1:8000", 200),
        ("127.0.0.1", "localhost:8000", 200),
        ("127.0.0.1", "LOCALHOST", 200),
        ("127.0.0.1", "[::1]:8000", 200),
        ("127.0.0.1", "evil.example", 400),
        ("127.0.0.1", "localhost.evil.example", 400),
        ("127.0.0.1", "127.0.0.1.evil.example:8000", 400),
        ("127.0.0.1", "10.0.0.5:8000", 400),
        ("10.0.0.5", "10.0.0.5:8000", 200),
        ("10.0.0.5", "10.0.0.6:8000", 400),
        ("trading.lan", "Trading.LAN.:8000", 200),
        ("0.0.0.0", "whatever.example", 200),  # noqa: S104 - nothing listens here
        ("::", "whatever.example", 200),
    ],
)
def test_only_own_names_are_answered_to(open_client, listens_on, asked_as, status):
    client = open_client(listens_on=listens_on)

    for path in ("/", "/api/orders", "/health", "/static/dashboard.css"):
        assert client.get(path, headers={"host": asked_as}).status_code == status


def test_proxys_names_are_answered_to_as_well(open_client):
    client = open_client(names=["trading.example.com"])

    for name, status in (("trading.example.com", 200), ("evil.example", 400)):
        assert client.get("/", headers={"host": name}).status_code == status


def test_refused_host_is_told_which_names_are_right(open_client):
    answer = open_client(listens_on="10.0.0.5", asked_as="evil.example").get("/")

    assert answer.json()["code"] == "HOST_UNKNOWN"
    assert "10.0.0.5" in answer.json()["reason"]


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("localhost", "localhost"),
        ("localhost:8000", "localhost"),
        ("[::1]:8000", "::1"),
        ("[0:0:0:0:0:0:0:1]", "::1"),
        ("", ""),
        (":8000", ""),
    ],
)
def test_host_name(header, name):
    assert host_name(header) == name


def test_text_from_outside_is_escaped_wherever_it_is_shown(client, ledger, views):
    views[0] = replace(views[0], text=ATTACK, cause=ATTACK)
    order = ledger.order(strategy=ATTACK)
    ledger.filled(ledger.order(strategy=ATTACK, symbol="A&B<i>"), "100")
    ledger.move("risk_manager", order, OrderTrigger.DENIED, reason=ATTACK)

    pages = ["/", "/orders/1", "/orders/2", "/fragments/orders", "/fragments/services"]
    for page in pages:
        html = client.get(page).text

        assert "&lt;img src=x" in html
        # Our own picture of the order's way is the only one.
        assert not re.search(r'<img(?! src="/orders/\d+\.svg)', html)
        assert "<script>" not in html
        assert "<i>" not in html


def test_path_is_escaped_on_the_error_page(client):
    html = client.get("/%3Cscript%3Ealert(1)%3C/script%3E").text

    assert "<script>alert" not in html
    assert "&lt;script&gt;" in html


def test_page_needs_nothing_from_elsewhere_and_nothing_inline(client, ledger):
    ledger.filled(ledger.order(), "100")

    for page in ("/", "/orders/1", "/orders/99"):
        html = client.get(page).text

        used = re.findall(r"""(?:src|href)="([^"]*)\"""", html)
        assert used
        assert all(re.match("/(?!/)|#", url) for url in used)
        # The policy would block these, and the page be broken.
        assert not re.search(r"<script(?![^>]*\bsrc=)", html)
        assert not re.search(r"<style|\sstyle=|\son\w+=", html)
