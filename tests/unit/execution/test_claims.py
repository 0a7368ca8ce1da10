"""Which order a row of the broker's is about."""

from dataclasses import replace

import pytest

from shoonya_platform.brokers.base import PlaceOrder
from shoonya_platform.domain.alerts import client_order_id, copy_name
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import Side
from shoonya_platform.domain.terms import terms_of
from shoonya_platform.execution.claims import Verdict, match, numbers_of
from shoonya_platform.testing.orders import store_order
from tests.unit.execution.rows import S

V = Verdict


def a_claim(broker, order, number="B9", **changes):
    return replace(broker.accept(PlaceOrder.of(order), number), **changes)


def unconfirmed(store, number="B9"):
    """Return an order whose number only an answer has said."""
    order = store_order(store, S.SUBMITTED)
    with store.transaction(durable=False):
        return store.orders.note_number(order, number, is_confirmed=False)


def verdict(store, claim, *others):
    matched = match(store, claim, numbers_of([claim, *others]))
    order_id = None if matched.order is None else matched.order.order_id
    return matched.verdict, order_id


def test_row_with_our_id_and_terms_is_ours_whatever_its_number(store, broker):
    order = store_order(store, S.OUTCOME_UNKNOWN)

    assert verdict(store, a_claim(broker, order)) == (V.OURS, order.order_id)


@pytest.mark.parametrize(
    "changes",
    [
        {"tradingsymbol": "OTHER"},
        {"exchange": Exchange.NSE},
        {"side": Side.SELL},
        {"product": Product.MIS},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_row_with_our_id_and_other_terms_is_foreign(store, broker, changes):
    order = store_order(store, S.OUTCOME_UNKNOWN)

    found = verdict(store, a_claim(broker, order, **changes))

    assert found == (V.FOREIGN, order.order_id)


def test_row_with_our_number_and_other_terms_is_foreign(store, broker):
    order = store_order(store, S.ACCEPTED)
    claim = a_claim(broker, order, order.broker_order_id, side=Side.SELL)

    assert verdict(store, claim) == (V.FOREIGN, order.order_id)


def test_quantity_may_change_under_a_number_that_is_known(store, broker):
    order = store_order(store, S.ACCEPTED)
    claim = a_claim(broker, order, order.broker_order_id, quantity=130)

    assert verdict(store, claim) == (V.OURS, order.order_id)


@pytest.mark.parametrize("status", [S.GUARD_PASSED, S.OUTCOME_UNKNOWN])
def test_row_with_another_quantity_is_ours_if_it_is_the_only_one(store, broker, status):
    order = store_order(store, status, quantity=130)
    claim = a_claim(broker, order, "B9", quantity=65)

    assert verdict(store, claim) == (V.OURS, order.order_id)
    assert match(store, claim, None).verdict is V.NEEDS_BOOK
    assert verdict(store, claim, a_claim(broker, order, "B8")) == (
        V.FOREIGN,
        order.order_id,
    )
    stranger = a_claim(broker, order, "B7", tradingsymbol="OTHER")
    assert verdict(store, claim, stranger) == (V.OURS, order.order_id)


def shared(store, broker, status=S.OUTCOME_UNKNOWN, **changes):
    """Match a row of an order under the number that another one has."""
    other = store_order(store, S.ACCEPTED)
    with store.transaction(durable=False):
        store.orders.note_number(other, other.broker_order_id, is_confirmed=True)
    order = store_order(store, status)
    claim = a_claim(broker, order, other.broker_order_id, **changes)
    matched = match(store, claim, numbers_of([claim]))
    return matched, order, other


def test_row_with_our_id_and_terms_is_ours_under_the_number_of_another(store, broker):
    matched, order, other = shared(store, broker)

    assert (matched.verdict, matched.order.order_id) == (V.OURS, order.order_id)
    assert matched.shares_with.order_id == other.order_id
    assert matched.wrong_holder is None


def test_row_under_the_number_of_another_is_foreign_with_another_quantity(
    store, broker
):
    matched, order, _ = shared(store, broker, quantity=130)

    assert (matched.verdict, matched.order.order_id) == (V.FOREIGN, order.order_id)


def test_number_of_an_answer_that_the_book_has_under_our_id_is_ours(store, broker):
    order = unconfirmed(store, "B9")

    assert verdict(store, a_claim(broker, order, "B9")) == (V.OURS, order.order_id)


def test_number_of_an_answer_that_the_book_lacks_was_another_orders(store, broker):
    order = unconfirmed(store, "B1")

    found = verdict(store, a_claim(broker, order, "B9"))

    assert found == (V.OTHER_NUMBER, order.order_id)


@pytest.mark.parametrize("is_confirmed", [True, False])
def test_second_number_under_one_id_is_a_duplicate(store, broker, is_confirmed):
    order = unconfirmed(store, "B1")
    with store.transaction(durable=False):
        order = store.orders.note_number(order, "B1", is_confirmed=is_confirmed)
    first = a_claim(broker, order, "B1")

    found = verdict(store, a_claim(broker, order, "B9"), first)

    assert found == (V.DUPLICATE, order.order_id)


@pytest.mark.parametrize("is_confirmed", [True, False])
def test_second_row_with_another_quantity_is_foreign(store, broker, is_confirmed):
    order = unconfirmed(store, "B1")
    with store.transaction(durable=False):
        order = store.orders.note_number(order, "B1", is_confirmed=is_confirmed)
    first = a_claim(broker, order, "B1")

    found = verdict(store, a_claim(broker, order, "B9", quantity=130), first)

    assert found == (V.FOREIGN, order.order_id)


def test_second_row_of_an_order_with_new_terms_may_have_its_old_quantity(store, broker):
    order = store_order(store, S.ACCEPTED)
    with store.transaction(durable=False):
        terms = replace(terms_of(order), quantity=195)
        order = store.orders.replace(order, terms)
    first = a_claim(broker, order, order.broker_order_id)

    found = verdict(store, a_claim(broker, order, "B9", quantity=65), first)

    assert found == (V.DUPLICATE, order.order_id)


def test_second_row_of_an_adopted_order_may_have_another_quantity(store, broker):
    made = store_order(store, S.DENIED, quantity=195)
    with store.transaction(durable=False):
        order = store.orders.adopt(
            replace(
                made,
                client_order_id=client_order_id(made.alert_id, 1, 2),
                attempt=2,
            ),
            "B1",
            alerted_at=made.alerted_at,
            text="",
        )
    first = a_claim(broker, order, "B1")

    found = verdict(store, a_claim(broker, order, "B9", quantity=65), first)

    assert found == (V.DUPLICATE, order.order_id)


def test_report_under_another_number_needs_the_book(store, broker):
    order = unconfirmed(store, "B1")

    matched = match(store, a_claim(broker, order, "B9"), None)

    assert matched.verdict is V.NEEDS_BOOK


def test_copy_of_an_order_is_found_by_its_number(store, broker):
    order = store_order(store, S.ACCEPTED)
    copy = store_order(
        store,
        S.ACCEPTED,
        alert_id=order.alert_id,
        attempt=2,
        client_order_id=copy_name(order.client_order_id, 1),
    )
    claim = a_claim(broker, order, copy.broker_order_id)
    first = a_claim(broker, order, order.broker_order_id)

    assert verdict(store, claim, first) == (V.OURS, copy.order_id)


def test_number_that_an_answer_gave_to_the_wrong_order_is_taken_from_it(store, broker):
    wrong = unconfirmed(store, "B9")
    owner = store_order(store, S.OUTCOME_UNKNOWN)
    claim = a_claim(broker, owner, "B9")

    matched = match(store, claim, numbers_of([claim]))

    assert (matched.verdict, matched.order) == (V.OURS, owner)
    assert matched.wrong_holder == wrong


def test_row_without_an_id_is_ours_by_a_confirmed_number_alone(store, broker):
    order = store_order(store, S.ACCEPTED)
    claim = a_claim(broker, order, order.broker_order_id, client_order_id=None)
    guess = unconfirmed(store, "B8")

    assert verdict(store, claim) == (V.OURS, order.order_id)
    assert verdict(store, a_claim(broker, guess, "B8", client_order_id=None)) == (
        V.EXTERNAL,
        None,
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (None, V.EXTERNAL),
        ("somebody-else", V.EXTERNAL),
        ("O261130-8QJ2M4ZC-1", V.UNKNOWN_ID),
    ],
)
def test_row_of_no_order_here(store, broker, name, expected):
    order = store_order(store, S.OUTCOME_UNKNOWN)

    found = verdict(store, a_claim(broker, order, client_order_id=name))

    assert found == (expected, None)
