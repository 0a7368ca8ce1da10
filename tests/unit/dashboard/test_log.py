"""The log on the page: the newest first, by filters, with links to what it names."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import pytest

from shoonya_platform.dashboard import logview
from shoonya_platform.dashboard.logview import LogQuery, RecentLog
from shoonya_platform.domain.days import INDIA
from shoonya_platform.logging.reading.gaps import Gap
from tests.unit.dashboard.test_pages import text_of


def write(
    folder: Path,
    component: str,
    seq: int,
    text: str,
    *,
    level: str = "INFO",
    fields: str = "",
    more: str = "",
) -> None:
    """Append a record as the library writes it."""
    with (folder / f"{component}.log").open("a") as file:
        file.write(
            f"2026-02-09 14:30:00.{seq:03d} | {level:<8} | {component.upper():<20} | "
            f"{text} |{fields} run=r1 seq={seq}\n{more}"
        )


def sentences(log: RecentLog, **asked: str) -> list[str]:
    return [
        f"gap of {item.missing}" if isinstance(item, Gap) else item.sentence
        for item in log.newest(LogQuery(**asked))
    ]


@pytest.fixture
def log(tmp_path):
    log = RecentLog(tmp_path)
    yield log
    log.close()


def test_records_of_all_components_stand_by_time_and_new_ones_come(tmp_path, log):
    write(tmp_path, "risk_manager", 1, "first")
    write(tmp_path, "trading_bot", 2, "second")
    assert sentences(log) == ["second", "first"]

    write(tmp_path, "dashboard", 3, "third")

    # A traceback might still have followed: the look after the next knows.
    for _ in range(3):
        found = sentences(log)
    assert found == ["third", "second", "first"]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"component": "trading_bot"}, ["broke", "fine"]),
        ({"level": "ERROR"}, ["broke"]),
        ({"text": "zerodivision"}, ["broke"]),
        ({"text": "ORDER_ID=7"}, ["passed"]),
        ({"component": "risk_manager", "level": "WARNING"}, []),
    ],
)
def test_filters(tmp_path, log, asked, found):
    write(tmp_path, "trading_bot", 1, "fine")
    more = "    | Traceback:\n    | ZeroDivisionError\n"
    write(tmp_path, "trading_bot", 2, "broke", level="ERROR", more=more)
    write(tmp_path, "risk_manager", 3, "passed", fields=" order_id=7")

    assert sentences(log, **asked) == found


def test_gap_is_shown_where_records_are_missing(tmp_path, log):
    write(tmp_path, "risk_manager", 1, "first")
    write(tmp_path, "risk_manager", 5, "fifth")

    assert sentences(log) == ["fifth", "gap of 3", "first"]
    assert sentences(log, component="trading_bot") == []


def test_it_begins_anew_after_nobody_looked(tmp_path, log, monkeypatch):
    write(tmp_path, "risk_manager", 1, "first")
    sentences(log)
    monkeypatch.setattr(logview, "_IDLE_SECONDS", -1.0)

    write(tmp_path, "risk_manager", 2, "second")

    assert sentences(log) == ["second", "first"]


def test_record_that_is_read_late_stands_by_its_time(tmp_path, log):
    write(tmp_path, "trading_bot", 5, "fifth")
    sentences(log)
    # A file that was read to its end before the other may have had more by then.
    write(tmp_path, "risk_manager", 3, "third")
    write(tmp_path, "risk_manager", 4, "fourth")
    for _ in range(3):
        found = sentences(log)

    assert found == ["fifth", "fourth", "third"]


def test_record_after_a_clock_was_set_back_is_the_newest(tmp_path, log):
    write(tmp_path, "trading_bot", 5, "before")
    sentences(log)
    with (tmp_path / "trading_bot.log").open("a") as file:
        file.write(
            "2026-02-09 13:30:00.000 | INFO     | TRADING_BOT          | after |"
            " run=r1 seq=6\n"
        )
    for _ in range(3):
        found = sentences(log)

    assert found == ["after", "before"]


def test_no_more_is_kept_than_the_newest(tmp_path, log, monkeypatch):
    monkeypatch.setattr(logview, "KEPT", 5)
    for number in range(1, 10):
        write(tmp_path, "risk_manager", number, f"record {number}")

    assert len(sentences(log)) == 5


def test_page_links_ids_and_shows_tracebacks(client, tmp_path):
    write(
        tmp_path,
        "risk_manager",
        1,
        "order passed",
        level="WARNING",
        fields=" order_id=7 alert_id=A1 rule=x",
        more="    | Traceback: <b>\n",
    )

    html = client.get("/log?level=WARNING").text

    assert '<a href="/trace?id=7">7</a>' in html
    assert '<a href="/trace?id=A1">A1</a>' in html
    assert "<pre>Traceback: &lt;b&gt;" in html
    assert '<option value="WARNING" selected>' in html
    assert "order passed order_id= 7 alert_id= A1 rule= x" in text_of(html)


def test_times_are_indias_as_on_all_pages(client, tmp_path):
    write(tmp_path, "risk_manager", 1, "passed")
    there = datetime.fromisoformat("2026-02-09 14:30:00.001").astimezone(INDIA)

    assert f"{there:%H:%M:%S}.001" in text_of(client.get("/log").text)


def test_empty_log_says_so(client):
    assert "Nothing of the last records" in client.get("/log?text=nowhere").text


@pytest.mark.parametrize(
    "query", ["component=risk", "level=LOUD", "lines=5", "level=warning"]
)
def test_unusable_filter_is_refused(client, query):
    assert client.get(f"/log?{query}").status_code == 400


def test_any_id_leads_to_its_page(client, ledger):
    order = ledger.filled(ledger.order(), "100")

    for name in (order.order_id, order.client_order_id, order.broker_order_id):
        answer = client.get("/trace", params={"id": name}, follow_redirects=False)
        assert answer.headers["location"] == f"/orders/{order.order_id}"
    answer = client.get("/trace", params={"id": order.alert_id}, follow_redirects=False)
    assert answer.headers["location"] == f"/alerts/{order.alert_id}"


@pytest.mark.parametrize(
    ("query", "status"),
    [("id=99", 404), ("id=", 400), ("", 400), ("id=..%2F..", 404), ("id=\u0661", 404)],
)
def test_id_of_nothing_is_said(client, ledger, query, status):
    assert client.get(f"/trace?{query}").status_code == status


def test_what_to_do_about_a_strange_id_is_a_sentence_of_its_own(client):
    html = client.get("/trace?id=nope").text

    assert (
        '<p class="reason">no alert and no order has the id &#39;nope&#39;</p>' in html
    )
    assert "<p>see the newest: shoonyactl order list</p>" in html


def test_alert_page_tells_its_orders_and_the_common_timeline(client, ledger):
    alert = ledger.alert(strategy="Iron")
    ledger.filled(ledger.order(alert=alert, strategy="Iron"), "100")

    html = client.get(f"/alerts/{alert}").text
    text = text_of(html)

    assert "Alert Iron entry" in text
    assert 'href="/orders/1"' in html
    assert len(re.findall(r'class="t-service"', html)) == 8
    assert client.get("/alerts/A0-0").status_code == 404
