"""The door: what it takes is stored, what it refuses says why, and nothing is a 5xx."""

import asyncio
import json
import logging
import sqlite3
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.execution.webhook import Intake, create_app
from shoonya_platform.testing.orders import a_leg, alert_body
from shoonya_platform.testing.tickers import packaged_tickers

with warnings.catch_warnings():
    # It would rather speak through httpx's successor, which nothing else here needs.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

SECRET = "correct-horse-battery"
MAX_BODY_BYTES = 4096


@pytest.fixture
def health():
    return {"ok": True, "service": "execution_service"}


@pytest.fixture
def intake(store, watched_store, clock, rings):
    with ThreadPoolExecutor(1) as executor:
        yield Intake(
            watched_store,
            SECRET,
            clock,
            rings,
            max_body_bytes=MAX_BODY_BYTES,
            executor=executor,
            tickers=packaged_tickers(),
        )


@pytest.fixture
def client(intake, health):
    # A crash inside comes out as what the sender would see: a 500.
    app = create_app(intake, lambda: health)
    with TestClient(app, raise_server_exceptions=False) as opened:
        yield opened


def body(*legs, **fields):
    return {"secret_key": SECRET, **alert_body(*legs, **fields)}


def post(client, content, content_type="application/json"):
    if not isinstance(content, bytes | str):
        content = json.dumps(content)
    return client.post(
        "/webhook", content=content, headers={"content-type": content_type}
    )


def stored(store):
    return store.alerts.recent(limit=99)


# -- what is taken -------------------------------------------------------------


def test_alert_is_answered_202_with_its_id_and_is_stored_by_then(client, store, rings):
    response = post(client, body())

    assert response.status_code == 202
    (alert,) = stored(store)
    assert response.json() == {"status": "accepted", "alert_id": alert.alert_id}
    assert alert.status is AlertStatus.RECEIVED
    assert rings == ["trading_bot"]


def test_alert_is_on_the_disk_before_the_sender_is_told(client, watched_store):
    post(client, body())

    assert watched_store.waited_for_disk == [True]


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON; charset=utf-8", "text/plain", ""],
)
def test_alert_may_come_as_json_or_as_plain_text(client, store, content_type):
    assert post(client, body(), content_type).status_code == 202
    assert len(stored(store)) == 1


def test_alert_that_comes_again_is_answered_200_with_the_first_ones_id(
    client, store, rings
):
    first = post(client, body(id="alert-1")).json()
    again = post(client, body(id="alert-1"))

    assert again.status_code == 200
    assert again.json() == {"status": "duplicate", "alert_id": first["alert_id"]}
    assert len(stored(store)) == 1
    assert rings == ["trading_bot"]


def test_resent_alert_without_a_name_is_a_duplicate_and_a_later_one_is_not(
    client, store, clock
):
    assert post(client, body()).status_code == 202
    clock.advance(15)
    assert post(client, body()).status_code == 200
    clock.advance(16)
    assert post(client, body()).status_code == 202
    assert len(stored(store)) == 2


def test_keys_that_mean_nothing_are_told(client):
    answer = post(client, body(execution_type="exit", stoploss=5)).json()

    assert answer["ignored_keys"] == ["stoploss"]


def test_tickers_of_tradingview_are_stored_as_the_brokers_instruments(client, store):
    sent = {"ticker": "NIFTY261229C26000", "exchange": "NSE_DLY", "contracts": 65}
    assert post(client, {"secret": SECRET, "action": "buy", **sent}).status_code == 202

    (alert,) = stored(store)
    (leg,) = alert.alert.legs
    assert alert.alert.exchange is Exchange.NFO
    assert (leg.tradingsymbol, leg.received) == (
        "NIFTY29DEC26C26000",
        "NSE:NIFTY261229C26000",
    )
    assert leg.product is Product.NRML


def test_instrument_that_is_not_known_is_refused_without_harm_to_others(client, store):
    answer = post(client, body(a_leg("NIFTY"), exchange="NSE"))

    assert answer.status_code == 400
    assert answer.json()["code"] == "INSTRUMENT_UNKNOWN"
    assert "NFO:NIFTY" in answer.json()["hint"]
    assert (
        post(client, body(a_leg("NIFTY"), exchange="NSE", test_mode=1)).json()["code"]
        == "INSTRUMENT_UNKNOWN"
    )
    assert stored(store) == []


def test_legs_of_several_exchanges_are_refused(client):
    answer = post(client, body(a_leg("RELIANCE"), a_leg("NIFTY1!"), exchange="NSE"))

    assert answer.json()["code"] == "EXCHANGES_DIFFER"


def test_refused_alert_is_recorded_with_its_reason_and_without_its_secret(
    client, store
):
    answer = post(client, body(a_leg(direction=SECRET), comment=f"is {SECRET}"))

    assert answer.status_code == 400
    assert SECRET not in answer.text
    (found,) = store.refusals.recent(limit=9)
    assert found.refused.code == "FIELD_INVALID"
    assert found.refused.reason == answer.json()["reason"]
    assert SECRET not in f"{found}"
    assert "NIFTY28DEC27F" in found.refused.body


def test_wrong_secret_is_counted_and_nothing_of_its_message_is_stored(client, store):
    for n in range(5):
        post(client, body() | {"secret_key": f"guess-{n}"})

    (found,) = store.refusals.recent(limit=9)
    assert (found.refused.code, found.refused.body) == ("SECRET_WRONG", None)
    assert "guess" not in f"{found}"


def test_secret_in_a_wrong_field_is_not_stored_with_an_alert(client, store):
    assert post(client, body(comment=f"it is {SECRET}")).status_code == 202

    (alert,) = stored(store)
    assert SECRET not in alert.alert.body
    assert "it is ***" in alert.alert.body


def test_test_is_answered_and_not_stored(client, store, rings):
    response = post(client, body(test_mode="SUCCESS"))

    assert (response.status_code, response.json()) == (
        200,
        {"status": "test", "legs": 1},
    )
    assert stored(store) == []
    assert rings == []


def test_body_of_the_largest_size_is_taken(client):
    content = json.dumps(body(comment="")).replace('"comment": ""', '"comment": "x"')
    content += " " * (MAX_BODY_BYTES - len(content))

    assert post(client, content).status_code == 202


# -- what is refused -----------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        pytest.param("", 400, "BODY_NOT_JSON", id="empty"),
        pytest.param('{"secret_key": "corr', 400, "BODY_NOT_JSON", id="cut-off"),
        pytest.param(b"\xff\xfe\xff", 400, "BODY_NOT_JSON", id="bytes"),
        pytest.param([1], 400, "BODY_NOT_AN_OBJECT", id="list"),
        pytest.param({"secret_key": SECRET}, 400, "LEGS_MISSING", id="no-legs"),
        pytest.param(body(legs=[]), 400, "LEGS_COUNT", id="empty-legs"),
        pytest.param(body(exchange="NYSE"), 400, "FIELD_INVALID", id="exchange"),
        pytest.param(body(a_leg(qty=-65)), 400, "FIELD_INVALID", id="negative"),
        pytest.param(body(a_leg(qty="65.5")), 400, "FIELD_INVALID", id="half-a-unit"),
        pytest.param(body(a_leg(price="sNaN")), 400, "FIELD_INVALID", id="price"),
        pytest.param(alert_body(), 401, "SECRET_WRONG", id="no-secret"),
        pytest.param(body(secret_key="wrong"), 401, "SECRET_WRONG", id="wrong-secret"),
        pytest.param(body(secret_key=5), 401, "SECRET_WRONG", id="number"),
        pytest.param(body(secret_key=""), 401, "SECRET_WRONG", id="empty-secret"),
        pytest.param(
            body(secret_key=SECRET + " "), 401, "SECRET_WRONG", id="nearly-right"
        ),
        pytest.param(body(secret_key="ü"), 401, "SECRET_WRONG", id="not-ascii"),
        pytest.param(
            b'{"secret_key": "\\ud800"}', 400, "BODY_NOT_JSON", id="half-a-letter"
        ),
        pytest.param(
            "x" * (MAX_BODY_BYTES + 1), 413, "BODY_TOO_LARGE", id="a-byte-too-large"
        ),
    ],
)
def test_refusal_says_code_and_reason_and_stores_nothing(
    client, store, intake, content, status, code
):
    response = post(client, content)

    assert response.status_code == status
    answer = response.json()
    assert (answer["status"], answer["code"]) == ("refused", code)
    assert answer["reason"]
    assert stored(store) == []
    assert (intake.accepted, intake.refused) == (0, 1)


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "multipart/form-data", "x/y"]
)
def test_other_content_types_are_415(client, content_type):
    response = post(client, body(), content_type)

    assert (response.status_code, response.json()["code"]) == (415, "CONTENT_TYPE")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_405(client, method):
    assert client.request(method, "/webhook").status_code == 405


def test_other_paths_are_404(client):
    assert client.post("/", content="{}").status_code == 404


def test_secret_is_compared_before_anything_is_told_about_the_rest(client):
    response = post(client, alert_body(exchange="NYSE", secret_key="wrong"))

    assert response.json()["code"] == "SECRET_WRONG"


def post_raw(intake, *headers):
    """Post an endless body; return the status and how much of it was read."""
    read = bytearray()
    sent = []

    async def receive():
        read.extend(b"x" * 1000)
        return {"type": "http.request", "body": b"x" * 1000, "more_body": True}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/webhook",
        "query_string": b"",
        "headers": [(b"content-type", b"text/plain"), *headers],
        "client": ("127.0.0.1", 1),
    }
    asyncio.run(create_app(intake, dict)(scope, receive, send))
    return sent[0]["status"], len(read)


@pytest.mark.parametrize("length", [str(10 << 20).encode(), b"9" * 5000])
def test_huge_body_is_refused_by_its_length_before_any_of_it_is_read(intake, length):
    assert post_raw(intake, (b"content-length", length)) == (413, 0)


def test_body_of_no_told_length_is_refused_as_soon_as_it_is_too_large(intake):
    status, read = post_raw(intake)

    assert status == 413
    assert read <= MAX_BODY_BYTES + 1000


@pytest.mark.parametrize("length", [b"many", b"-5", "²".encode("latin-1"), b""])
def test_length_that_is_no_number_is_a_refusal(intake, length):
    status, read = post_raw(intake, (b"content-length", length))

    assert (status, read) == (400, 0)


# -- secrets -------------------------------------------------------------------


def test_secret_is_neither_echoed_nor_stored_nor_logged(
    client, store, tmp_path, caplog
):
    caplog.set_level(logging.DEBUG)
    wrong = "wrong-horse-battery"
    responses = [
        post(client, body(a_leg(secret_key=SECRET))),
        post(client, body(secret=SECRET)),
        post(client, body(exchange="NYSE")),
        post(client, body(secret_key=wrong)),
        post(client, '{"secret_key": "' + SECRET),
    ]
    assert responses[0].status_code == 202

    for secret in (SECRET, wrong):
        assert all(secret not in response.text for response in responses)
        assert secret not in caplog.text
        assert all(
            secret not in repr(vars(record))
            for record in caplog.records
            if "EXECUTION_SERVICE" in record.name
        )
    store.close()
    content = b"".join(path.read_bytes() for path in tmp_path.glob("orders.db*"))
    assert content
    assert SECRET.encode() not in content
    assert wrong.encode() not in content


# -- a store that does not answer ----------------------------------------------


def test_busy_store_is_503_and_the_alert_may_be_sent_again(client, store, tmp_path):
    with closing(
        sqlite3.connect(tmp_path / "orders.db", isolation_level=None)
    ) as other:
        other.execute("BEGIN IMMEDIATE")
        response = post(client, body())

    assert response.status_code == 503
    assert response.json()["code"] == "STORE_UNAVAILABLE"
    assert response.headers["retry-after"] == "5"
    assert stored(store) == []
    assert post(client, body()).status_code == 202
    assert len(stored(store)) == 1


def test_refusals_need_no_store(client, tmp_path):
    with closing(
        sqlite3.connect(tmp_path / "orders.db", isolation_level=None)
    ) as other:
        other.execute("BEGIN IMMEDIATE")

        assert post(client, alert_body()).status_code == 401
        assert post(client, body(test_mode=1)).status_code == 200


# -- health --------------------------------------------------------------------


@pytest.mark.parametrize(("ok", "status"), [(True, 200), (False, 503)])
def test_health_is_200_only_if_all_is_well(client, health, ok, status):
    health["ok"] = ok

    response = client.get("/health")

    assert (response.status_code, response.json()["ok"]) == (status, ok)


# -- whatever comes ------------------------------------------------------------

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
keys = st.sampled_from(
    ["secret_key", "legs", "exchange", "qty", "price", "id", "timenow", "test_mode"]
) | st.text(max_size=6)


@settings(
    max_examples=150,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
    ],
)
@given(
    st.binary(max_size=100)
    | st.dictionaries(keys, anything, max_size=4).map(json.dumps)
    | st.dictionaries(keys, anything, max_size=3).map(lambda f: json.dumps(body() | f))
    | st.dictionaries(keys, anything, max_size=3).map(
        lambda f: json.dumps(body(a_leg() | f))
    )
)
@example(json.dumps({"secret_key": "\ud800"}))
@example(json.dumps(body(id="\ud800")))
@example(json.dumps(body(**{"\ud800": 1})))
@example('{"secret_key": ' + "[" * 2000)
def test_no_body_is_a_5xx(client, content):
    response = post(client, content)

    assert response.status_code in (200, 202, 400, 401)
    assert response.json()["status"] in ("accepted", "duplicate", "test", "refused")
