"""Messages arrive: batched, not too often, not twice; failures are counted."""

import logging
from dataclasses import replace

import pytest

from shoonya_platform.domain.discrepancies import Discrepancy, DiscrepancyKind
from shoonya_platform.domain.orders import OrderStatus
from shoonya_platform.notify.herald import MOST_CHARACTERS, RETRY_SECONDS
from shoonya_platform.notify.news import Kind
from shoonya_platform.notify.targets import open_targets
from shoonya_platform.testing.orders import store_order
from tests.unit.notify.conftest import RULES

S = OrderStatus
#: Only how orders end.
ORDERS = replace(RULES, kinds=[Kind.ORDER, Kind.DENIAL])


@pytest.fixture
def herald(open_herald):
    opened = open_herald(rules=ORDERS)
    opened.step()
    return opened


@pytest.fixture
def events(caplog):
    caplog.set_level(logging.DEBUG, "RECOVERY_SERVICE")
    return lambda: [getattr(record, "event", "") for record in caplog.records]


def test_message_arrives_with_title_and_text(herald, store, mailbox):
    order = store_order(store, S.FILLED)

    herald.step()

    assert mailbox.titles == ["Shoonya"]
    assert f"order {order.order_id} filled" in mailbox.bodies[0]
    assert herald.delivered == 1


def test_what_happens_between_two_messages_goes_into_one(herald, store, mailbox, clock):
    store_order(store, S.FILLED)
    herald.step()
    for _ in range(3):
        store_order(store, S.FILLED)
        clock.advance(1)
        herald.step()
    assert len(mailbox.bodies) == 1

    clock.advance(5)
    herald.step()

    assert len(mailbox.bodies) == 2
    assert mailbox.bodies[1].count("filled") == 3


def test_flood_is_counted_in_one_message_that_every_target_takes(
    herald, store, mailbox
):
    for number in range(100):
        store_order(store, S.FILLED)
        store_order(store, S.DENIED, tradingsymbol=f"SYMBOL{number}")

    herald.step()

    (body,) = mailbox.bodies
    assert len(body.splitlines()) <= ORDERS.most_lines + 1
    assert len(body) <= MOST_CHARACTERS
    assert body.splitlines()[-1].startswith("and ")
    assert "more: " in body.splitlines()[-1]


def test_incident_comes_first_and_is_no_repetition(open_herald, store, mailbox, clock):
    herald = open_herald(rules=replace(RULES, most_lines=1))
    herald.step()
    for _ in range(2):
        store_order(store, S.FILLED)
        with store.transaction(durable=False):
            store.discrepancies.note(
                Discrepancy(
                    kind=DiscrepancyKind.LEG_OVERFILLED,
                    subject="O1",
                    text=f"at {clock.now()}",
                    action="look",
                )
            )
        herald.step()
        clock.advance(10)

    assert len(mailbox.bodies) == 2
    for body in mailbox.bodies:
        assert body.startswith("INCIDENT: discrepancy 1: at ")
        assert "\nand " in body


def test_kinds_that_nobody_wants_are_not_told(open_herald, store, mailbox):
    herald = open_herald(rules=replace(RULES, kinds=[Kind.DENIAL]))
    herald.step()
    store_order(store, S.FILLED)
    store_order(store, S.DENIED)

    herald.step()

    (body,) = mailbox.bodies
    assert "denied" in body
    assert "filled" not in body


def test_same_denial_is_counted_and_told_again_after_a_while(
    herald, store, mailbox, clock
):
    for _ in range(4):
        store_order(store, S.DENIED)
        herald.step()
        clock.advance(10)
    assert len(mailbox.bodies) == 1

    clock.advance(ORDERS.repeat_seconds)
    store_order(store, S.DENIED)
    herald.step()

    assert mailbox.bodies[1].endswith("(and 3 more like it)")


def test_restart_tells_nothing_twice_and_leaves_nothing_out(
    herald, open_herald, store, mailbox
):
    first = store_order(store, S.FILLED)
    herald.step()
    second = store_order(store, S.FILLED)

    open_herald(rules=ORDERS).step()

    assert f"order {first.order_id} " in mailbox.bodies[0]
    assert f"order {second.order_id} " in mailbox.bodies[1]
    assert f"order {first.order_id} " not in mailbox.bodies[1]


def test_damaged_cursor_begins_at_this_moment(herald, open_herald, tmp_path, mailbox):
    (tmp_path / "notify" / "cursor.json").write_bytes(b"{")

    open_herald(rules=ORDERS).step()

    assert mailbox.bodies == []


def test_delivery_that_fails_is_tried_again_then_dropped_and_told(
    herald, store, mailbox, events, clock
):
    mailbox.is_open = False
    store_order(store, S.FILLED)
    herald.step()
    assert mailbox.tries == 1 + len(RETRY_SECONDS)
    assert (herald.delivered, herald.dropped) == (0, 1)
    assert events().count("notify_dropped") == 1

    mailbox.is_open = True
    clock.advance(5)
    order = store_order(store, S.FILLED)
    herald.step()

    (body,) = mailbox.bodies
    assert f"order {order.order_id} " in body


def test_target_that_raises_keeps_the_message_from_nobody_else(
    open_herald, store, mailbox, events
):
    class Broken:
        name = "broken"

        def send(self, title, body):
            raise RuntimeError("https://user:secret@host")

    herald = open_herald(rules=ORDERS, targets=[Broken(), mailbox])
    herald.step()
    store_order(store, S.FILLED)

    herald.step()

    assert len(mailbox.bodies) == 1
    assert "notify_failed" in events()


def test_address_is_in_no_log_line(open_herald, store, receiver, caplog):
    caplog.set_level(logging.DEBUG)
    herald = open_herald(rules=ORDERS, targets=open_targets(receiver.url))
    herald.step()
    receiver.status = 500
    store_order(store, S.FILLED)

    herald.step()

    assert receiver.requests == 1 + len(RETRY_SECONDS)
    ours = [r.getMessage() for r in caplog.records if r.name == "RECOVERY_SERVICE"]
    assert ours
    assert not any("127.0.0.1" in line for line in ours)


def test_message_that_an_end_interrupts_is_told_by_the_next_run(
    open_herald, store, mailbox, events
):
    herald = open_herald(rules=ORDERS)
    herald.step()
    herald._stopping.wait = lambda timeout=None: True
    order = store_order(store, S.FILLED)
    mailbox.is_open = False
    herald.step()
    mailbox.is_open = True

    open_herald(rules=ORDERS).step()

    (body,) = mailbox.bodies
    assert f"order {order.order_id} " in body
    assert "notify_dropped" not in events()


def test_what_happens_in_the_first_second_is_news(open_herald, store, mailbox):
    herald = open_herald(rules=ORDERS)
    rounds = iter([False, True])

    def wait(timeout):
        # The service has begun just now, and waits for the first time.
        if not (is_over := next(rounds)):
            store_order(store, S.FILLED)
        return is_over

    herald._stopping.wait = wait
    herald.run()

    assert len(mailbox.bodies) == 1
