"""Each event of a story shows how long it was in coming."""

from datetime import timedelta

import pytest

from shoonya_platform.domain.orders import AlertId, OrderEvent, OrderId
from shoonya_platform.domain.story import hops
from tests.unit.domain.made import NOW


def told(*events):
    """Return begin and delay, in ms, of events given as order and ms since `NOW`."""
    return [
        (hop.begin_ms, hop.delay_ms)
        for hop in hops(
            OrderEvent(
                event_id=number,
                alert_id=AlertId("A261125-00000001"),
                order_id=None if order is None else OrderId(order),
                trigger="created",
                order_status="initialized",
                service="tests",
                run_id="run-1",
                occurred_at=NOW + timedelta(milliseconds=ms),
                text="",
            )
            for number, (order, ms) in enumerate(events, start=1)
        )
    ]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([(None, 5)], [(0, 0)], id="first"),
        pytest.param([(7, 5), (7, 9.5)], [(0, 0), (4.5, 4.5)], id="order-alone"),
        pytest.param(
            [(None, 0), (1, 10), (2, 30), (1, 35)],
            [(0, 0), (10, 10), (30, 30), (35, 25)],
            id="first-of-an-order-follows-the-alert",
        ),
        pytest.param(
            [(None, 0), (1, 10), (2, 30), (None, 50)],
            [(0, 0), (10, 10), (30, 30), (50, 20)],
            id="alert-follows-the-last-of-all",
        ),
        pytest.param(
            [(1, 0), (2, 10)], [(0, 0), (10, 0)], id="order-without-an-alert-begins"
        ),
        pytest.param([(1, 10), (1, 4)], [(0, 0), (-6, -6)], id="clock-set-back"),
    ],
)
def test_event_follows_the_one_it_waited_for(events, expected):
    assert told(*events) == expected
