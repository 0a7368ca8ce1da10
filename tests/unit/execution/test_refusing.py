"""What the webhook refuses is recorded, without secrets and within bounds."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from shoonya_platform.errors import AlertRefused
from shoonya_platform.execution.refusing import MOST_BODY, Refusals, Secret
from shoonya_platform.store.sqlite_refusals import MOST_ROWS

SECRET = "correct-horse-battery"
WRONG = AlertRefused("SECRET_WRONG", "'secret_key' is missing or wrong", status=401)


@pytest.fixture
def note(store, clock):
    """Have refusals recorded, all in one second."""

    def call(*noted):
        with ThreadPoolExecutor(1) as executor:
            refusals = Refusals(store, Secret(SECRET), clock, executor)

            async def run():
                for error, body in noted:
                    await refusals.note(error, body, "203.0.113.7")

            asyncio.run(run())

    return call


def refused(code="FIELD_INVALID", message="qty: expected a number", hint=None):
    return AlertRefused(code, message, hint=hint)


def body(**fields):
    return json.dumps({"secret_key": SECRET, **fields}).encode()


def recent(store):
    return store.refusals.recent(limit=1000)


def test_refusal_is_recorded_with_reason_hint_and_body(note, store, clock):
    note((refused(hint="send one"), body(qty="x")))

    (found,) = recent(store)
    assert (found.refused.code, found.refused.hint) == ("FIELD_INVALID", "send one")
    assert '"qty": "x"' in found.refused.body
    assert (found.refused_at, found.times) == (clock.now(), 1)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(body(), id="its own field"),
        pytest.param(body(comment=SECRET), id="wrong field"),
        pytest.param(body(legs=[{"tradingsymbol": SECRET}]), id="leg"),
        pytest.param(f'{{"secret_key": "{SECRET}", "qty": '.encode(), id="not JSON"),
        pytest.param(f"buy {SECRET} {SECRET.upper()}".encode(), id="text"),
        pytest.param(body(password="hunter22", api_key="x"), id="another secret"),
    ],
)
def test_no_secret_is_stored_in_whatever_field_it_is(note, store, sent):
    note((refused(message=f"direction: was '{SECRET}'"), sent))

    (found,) = recent(store)
    text = f"{found.refused}"
    assert SECRET not in text
    assert "hunter22" not in text
    assert found.refused.body is not None


def test_body_without_the_secret_is_not_stored_and_its_kind_is_one_row(note, store):
    note(*[(WRONG, b'{"secret_key": "guess-%d"}' % n) for n in range(20)])
    note((WRONG, b"{}"))

    (found,) = recent(store)
    assert found.refused.body is None
    # The first of a second is written at once; the others of it wait for the next.
    assert found.times == 2


def test_strangers_of_one_second_are_counted_and_written_in_the_next(
    store, clock, monkeypatch
):
    monkeypatch.setattr("shoonya_platform.execution.refusing.STRANGERS_SECONDS", 0.0)

    async def run(executor):
        refusals = Refusals(store, Secret(SECRET), clock, executor)
        for _ in range(20):
            await refusals.note(WRONG, b"{}", "203.0.113.7")
        while store.refusals.counts().get("SECRET_WRONG") != 20:  # noqa: ASYNC110
            await asyncio.sleep(0)

    with ThreadPoolExecutor(1) as executor:
        asyncio.run(asyncio.wait_for(run(executor), 20))

    assert len(recent(store)) == 1


def test_number_and_size_of_what_is_stored_are_bounded(note, store):
    note(
        *[
            (refused(message="x" * 10_000), body(n=n, x="y" * 10_000))
            for n in range(MOST_ROWS + 20)
        ]
    )

    found = recent(store)
    assert len(found) == MOST_ROWS
    assert store.refusals.counts() == {"FIELD_INVALID": MOST_ROWS + 20}
    assert all(len(each.refused.body) <= MOST_BODY for each in found)
    assert f'"n": {MOST_ROWS + 19}' in found[0].refused.body


def test_secret_is_taken_out_of_an_alert_that_is_taken():
    taken = Secret(SECRET).taken_out({"comment": [f"a {SECRET}"], SECRET: 5})

    assert taken == {"comment": ["a ***"], "***": 5}
