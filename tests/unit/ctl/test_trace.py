"""shoonyactl trace: from any id to the whole story."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from datetime import datetime, timedelta

import pytest

from shoonya_platform.domain.orders import OrderStatus, OrderTrigger
from shoonya_platform.testing.clock import BEGIN
from shoonya_platform.testing.orders import (
    a_fill,
    an_alert,
    an_alert_id,
    store_alert,
    store_order,
)
from shoonya_platform.tracing.lanes import swim_lanes
from shoonya_platform.tracing.trace import Kind, Step, Trace

S = OrderStatus
T = OrderTrigger
SVG = "{http://www.w3.org/2000/svg}"


def write(home, component, at: datetime, seq, text, fields, *, level="INFO", more=""):
    """Append a record as the library writes it."""
    there = at.astimezone()
    stamp = f"{there:%Y-%m-%d %H:%M:%S}.{there.microsecond // 1000:03d}"
    with (home / "logs" / f"{component}.log").open("a") as file:
        file.write(
            f"{stamp} | {level:<8} | {component.upper():<20} | {text} | {fields} "
            f"run=r1 seq={seq}\n{more}"
        )


def steps(ctl, *arguments):
    return ctl("trace", *map(str, arguments), "--json").document["steps"]


def test_any_id_leads_to_the_same_order(ctl, store):
    order = store_order(store, S.ACCEPTED)
    with store.transaction(durable=False):
        store.orders.fill(order, a_fill(order.quantity, 100, trade_id="T77"))

    stories = [
        ctl("trace", str(name), "--json").document["steps"]
        for name in (
            order.order_id,
            order.client_order_id,
            order.broker_order_id,
            "T77",
        )
    ]

    assert all(story == stories[0] for story in stories)
    assert stories[0][-1]["kind"] in ("event", "silent")
    (trade,) = ctl("trace", "T77", "--json").document["trades"]
    assert (trade["order_id"], trade["trade_id"]) == (order.order_id, "T77")
    assert trade["price"] == "100"
    assert f"  trade T77  {order.quantity} at 100\n" in ctl("trace", "T77").out


def test_alert_is_told_with_all_its_orders_and_an_order_without_the_others(ctl, store):
    alert_id = store_alert(store)
    orders = [store_order(store, alert_id=alert_id, leg=leg) for leg in (1, 2)]

    def named(*arguments):
        return {step["order_id"] for step in steps(ctl, *arguments)}

    assert named(alert_id) >= {None, orders[0].order_id, orders[1].order_id}
    assert orders[0].order_id not in named(orders[1].client_order_id)


def test_strategy_and_time_lead_to_its_last_alert_by_then(ctl, store, clock):
    ids = []
    for hours in (0, 2):
        at = BEGIN + timedelta(hours=hours)
        with store.transaction(durable=False):
            stored, _ = store.alerts.add(an_alert(), an_alert_id(), received_at=at)
        ids.append(stored)
    clock.advance(7200)
    strategy = an_alert().strategy

    def found(*arguments):
        question = ("trace", "--strategy", strategy, *arguments, "--json")
        return ctl(*question).document["alert_id"]

    between = (BEGIN + timedelta(hours=1)).astimezone()
    assert found() == ids[1]
    assert found("--at", f"{between:%Y-%m-%d %H:%M}") == ids[0]
    assert ctl("trace", "--strategy", "nobody").code == 4


def test_minute_is_meant_as_a_whole(ctl, store, clock):
    with store.transaction(durable=False):
        stored, _ = store.alerts.add(
            an_alert(), an_alert_id(), received_at=BEGIN + timedelta(seconds=59.5)
        )
    there = BEGIN.astimezone()
    question = ("trace", "--strategy", an_alert().strategy, "--json", "--at")

    for minute in (f"{there:%Y-%m-%d %H:%M}", f"{there:%H:%M}"):
        assert ctl(*question, minute).document["alert_id"] == stored
    assert ctl(*question, f"{there:%Y-%m-%d %H:%M:%S}").code == 4
    assert "--at: expected" in ctl(*question, "25:00").err


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--at", "09:20"),
        ("1", "--strategy", "x"),
        ("1", "--at", "1m"),
        ("1", "--json", "--svg", "-"),
    ],
)
def test_unclear_question_is_wrong_usage(ctl, store, arguments):
    assert ctl("trace", *arguments).code == 2


def test_lines_of_the_log_stand_between_the_events(ctl, store, clock, home):
    order = store_order(store)
    fields = f"order_id={order.order_id} alert_id={order.alert_id}"
    write(home, "risk_manager", clock.now(), 1, "passed: 45 < 60", fields)
    write(home, "risk_manager", clock.now(), 2, "of another", "order_id=99999")
    clock.advance(0.5)
    with store.transaction(durable=False):
        store.orders.record(order, T.RISK_PASSED)

    found = steps(ctl, order.order_id)

    lines = [step for step in found if step["kind"] == "line"]
    assert [line["text"] for line in lines] == ["passed: 45 < 60"]
    assert lines[0]["copies"] == ["file"]
    assert found.index(lines[0]) < len(found) - 1
    assert "passed: 45 < 60" in ctl("trace", str(order.order_id)).out
    assert "passed: 45 < 60" not in ctl("trace", str(order.order_id), "--events").out


def test_traceback_of_an_error_comes_along(ctl, store, clock, home):
    order = store_order(store)
    write(
        home,
        "command_service",
        clock.now(),
        1,
        "broke",
        f"order_id={order.order_id}",
        level="ERROR",
        more="    | Traceback\n    | KeyError: 'x'\n",
    )

    out = ctl("trace", str(order.order_id)).out

    assert "error: broke" in out
    assert "KeyError: 'x'" in out


def test_late_step_and_due_step_are_marked(ctl, store, clock):
    order = store_order(store)
    clock.advance(1.5)
    with store.transaction(durable=False):
        store.orders.record(order, T.RISK_PASSED)
    clock.advance(5.0)

    found = steps(ctl, order.order_id)
    late = [step for step in found if step["is_late"]]

    assert (late[0]["what"], late[0]["delay_ms"]) == ("risk_passed", 1500.0)
    assert late[-1]["kind"] == "absent"
    assert late[-1]["service"] == "execution_guard"
    out = ctl("trace", str(order.order_id)).out
    assert re.search(r"!  +\+1\.5 s  ", out)
    assert "the guard's check is due for" in out


def test_order_at_its_end_has_nothing_due(ctl, store, clock):
    order = store_order(store, S.FILLED)
    clock.advance(3600)

    assert not [s for s in steps(ctl, order.order_id) if s["kind"] == "absent"]


def test_service_without_a_line_in_the_log_is_named(ctl, store, clock, home):
    order = store_order(store, S.RISK_PASSED)
    services = {step["service"] for step in steps(ctl, order.order_id)}
    for seq, service in enumerate(sorted(services), 1):
        fields = f"alert_id={order.alert_id}"
        if service in ("execution_service", "risk_manager"):
            write(home, service, clock.now(), seq, "text", fields)

    silent = [s["service"] for s in steps(ctl, order.order_id) if s["kind"] == "silent"]

    assert "risk_manager" not in silent
    assert set(silent) <= services


def test_picture_has_a_lane_for_each_service_and_a_mark_for_each_event(
    ctl, store, home
):
    order = store_order(store, S.FILLED)
    path = home / "order.svg"

    assert ctl("trace", str(order.order_id), "--svg", str(path)).code == 0

    picture = ElementTree.parse(path).getroot()  # noqa: S314 - our own
    shown = [s for s in steps(ctl, order.order_id) if s["kind"] != "line"]
    assert len(picture.findall(f"{SVG}circle")) == len(shown)
    assert len(picture.findall(f"{SVG}path[@class='lane']")) >= 7
    assert ctl("trace", str(order.order_id), "--svg", "-").out == path.read_text()


def test_ten_steps_as_most_orders_take_fit_the_page_of_1180_pixels():
    step = Step(at=BEGIN, kind=Kind.EVENT, service="trading_bot", what="w", text="")
    whole = Trace(alert=None, orders=(), fills={}, steps=[step] * 10, notes=())

    picture = ElementTree.fromstring(swim_lanes(whole, title="t"))  # noqa: S314 - our own

    assert int(picture.attrib["width"]) <= 1090


def test_strange_text_is_text_in_the_picture(ctl, store):
    order = store_order(store, strategy="<script>&\"'")

    picture = ctl("trace", str(order.order_id), "--svg", "-").out

    ElementTree.fromstring(picture)  # noqa: S314 - our own
    assert "<script>" not in picture
