"""One alert to filled orders, through eight real processes."""

import json
import re
import time

import pytest

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.testing.waiting import eventually
from tests.acceptance.platform import SECRET, Platform, entry

C, P = "NIFTY28DEC27C26000", "NIFTY28DEC27P26000"


def test_two_legs_are_filled_and_exited(platform: Platform):
    alert_id = platform.accept(entry("two-legs", C, P))

    assert platform.outcome(alert_id) == "filled"

    exit_id = platform.accept({**entry("two-legs", C, P), "execution_type": "exit"})

    assert platform.outcome(exit_id) == "filled"
    store = platform.store()
    assert all(
        position.quantity == 0
        for position in store.positions.all()
        if position.strategy == "two-legs"
    )
    store.close()


def test_a_flat_alert_of_placeholders_is_filled(platform: Platform):
    alert_id = platform.accept(
        {
            "Ticker": "RELIANCE-EQ",
            "Exchange": "NSE",
            "Action": "buy",
            "Contracts": "10.0",
            "Close": "2901.5",
            "Strategy_Name": "flat",
            "product": "MIS",
        }
    )

    assert platform.outcome(alert_id) == "filled"
    trace = json.loads(platform.ctl("trace", alert_id, "--json").stdout)
    assert str(trace["orders"][0]["average_price"]) == "2901.5"


def test_every_id_leads_to_the_same_story(platform: Platform):
    alert_id = platform.accept(entry("ids", C))
    platform.outcome(alert_id)
    story = json.loads(platform.ctl("trace", alert_id, "--json").stdout)
    order = story["orders"][0]

    for identifier in (
        order["client_order_id"],
        order["broker_order_id"],
        str(order["order_id"]),
    ):
        again = json.loads(platform.ctl("trace", identifier, "--json").stdout)
        assert again["steps"] == story["steps"]
    events = [step for step in story["steps"] if step["kind"] == "event"]
    assert [event["service"] for event in events] == [
        "execution_service",
        "trading_bot",
        "trading_bot",
        "risk_manager",
        # The market order gets its limit.
        "execution_guard",
        "execution_guard",
        "command_service",
        "command_service",
        "order_watcher",
        "trading_bot",
    ]
    # Each owner's line is in the log, and nothing is marked as missing.
    kinds = {step["kind"] for step in story["steps"]}
    assert kinds == {"event", "line"}
    spoke = {step["service"] for step in story["steps"] if step["kind"] == "line"}
    assert spoke >= {event["service"] for event in events}


def test_grep_over_the_log_files_tells_the_orders_way(platform: Platform):
    alert_id = platform.accept(entry("grep", C))
    platform.outcome(alert_id)
    store = platform.store()
    order = store.orders.of_alert(alert_id)[0]  # type: ignore[arg-type]
    store.close()
    pattern = re.compile(rf"[| ]order_id={order.order_id}\b")

    def files_with_the_order() -> set[str]:
        return {
            path.stem
            for path in platform.log_dir.glob("*.log")
            if any(pattern.search(line) for line in path.read_text().splitlines())
        }

    expected = {
        "trading_bot",
        "risk_manager",
        "execution_guard",
        "command_service",
        "order_watcher",
    }
    eventually(lambda: files_with_the_order() == expected)


def test_each_log_file_holds_its_own_lines_and_no_others(platform: Platform):
    platform.outcome(platform.accept(entry("own-lines", C)))

    files = {path.stem: path.read_text() for path in platform.log_dir.glob("*.log")}

    assert set(files) == set(COMPONENTS)
    for component, text in files.items():
        columns = {line.split(" | ")[2].strip() for line in text.splitlines()}
        assert columns == {component.upper()}


def test_no_secret_reaches_a_log_file_or_the_store(platform: Platform):
    platform.post(b'{"secret_key": "a-wrong-secret-indeed"')
    platform.post({"secret_key": "another-wrong-secret"})

    for path in [*platform.log_dir.glob("*"), *(platform.root / "state").glob("*.db*")]:
        content = path.read_bytes()
        assert SECRET.encode() not in content, path
        assert b"wrong-secret" not in content, path


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param(b"{", 400, "BODY_NOT_JSON", id="malformed"),
        pytest.param(b"[1]", 400, "BODY_NOT_AN_OBJECT", id="a list"),
        pytest.param({"secret_key": "x"}, 401, "SECRET_WRONG", id="wrong secret"),
        pytest.param({"strategy_name": "s"}, 400, "LEGS_MISSING", id="no legs"),
        pytest.param(
            {**entry("s", C), "exchange": "NYSE"}, 400, "FIELD_INVALID", id="exchange"
        ),
        pytest.param(
            entry("s", C, quantity=-65), 400, "FIELD_INVALID", id="negative quantity"
        ),
        pytest.param(b"x" * 10_000_000, 413, "BODY_TOO_LARGE", id="10 MB"),
    ],
)
def test_what_cannot_be_an_order_is_refused_with_its_reason(
    platform: Platform, body: object, status: int, code: str
):
    got, answer = platform.post(body)  # type: ignore[arg-type]

    assert (got, answer["code"]) == (status, code)
    assert answer["reason"]


def test_a_wrong_content_type_is_refused(platform: Platform):
    status, answer = platform.post(
        entry("s", C), **{"Content-Type": "application/x-www-form-urlencoded"}
    )

    assert (status, answer["code"]) == (415, "CONTENT_TYPE")


def test_the_same_alert_twice_is_taken_once(platform: Platform):
    body = {**entry("twice", C), "timenow": "2026-11-24T09:20:00Z"}
    first = platform.post(body)
    second = platform.post(body)

    assert first[0] == 202
    assert second == (200, {"status": "duplicate", "alert_id": first[1]["alert_id"]})


def test_a_denial_says_the_rule_and_the_figures(platform: Platform):
    alert_id = platform.accept(entry("odd-lot", C, quantity=7))

    assert platform.outcome(alert_id) == (
        "0 of 1 legs filled; leg 1 denied: "
        "QUANTITY_NOT_IN_LOTS: quantity=7, lot_size=65"
    )


def test_halted_trading_denies_and_resumes(platform: Platform):
    assert platform.ctl("risk", "halt", "--reason", "a test").returncode == 0
    alert_id = platform.accept(entry("halted", C))
    assert "TRADING_HALTED" in platform.outcome(alert_id)

    assert platform.ctl("risk", "resume", "--yes").returncode == 0
    alert_id = platform.accept(entry("resumed", C))
    assert platform.outcome(alert_id) == "filled"


def test_a_resting_order_is_canceled(platform: Platform):
    symbol = "BANKNIFTY28DEC27C60000"
    platform.outcome(platform.accept(entry("before", symbol, quantity=30)))
    body = entry("resting", symbol)
    body["legs"] = [
        {
            "tradingsymbol": symbol,
            "direction": "SELL",
            "qty": 30,
            "order_type": "LMT",
            "price": "150",
        }
    ]
    alert_id = platform.accept(body)
    store = platform.store()

    def accepted() -> int | None:
        orders = store.orders.of_alert(alert_id)  # type: ignore[arg-type]
        return next((o.order_id for o in orders if o.broker_order_id), None)

    order_id = eventually(accepted)
    store.close()

    done = platform.ctl("order", "cancel", str(order_id), "--yes")

    assert done.returncode == 0, done.stderr
    assert "canceled" in platform.outcome(alert_id)


def test_a_resting_order_is_modified_and_fills_at_its_new_price(platform: Platform):
    symbol = "BANKNIFTY28DEC27P60000"
    platform.outcome(platform.accept(entry("first", symbol, quantity=30)))
    body = entry("modified", symbol)
    leg = {"tradingsymbol": symbol, "direction": "SELL", "qty": 30}
    body["legs"] = [{**leg, "order_type": "LMT", "price": "118"}]
    alert_id = platform.accept(body)
    store = platform.store()

    def accepted() -> int | None:
        orders = store.orders.of_alert(alert_id)  # type: ignore[arg-type]
        return next((o.order_id for o in orders if o.broker_order_id), None)

    order_id = str(eventually(accepted))
    store.close()

    denied = platform.ctl("order", "modify", order_id, "--price", "118.03", "--yes")
    done = platform.ctl("order", "modify", order_id, "--price", "90", "--yes")

    assert denied.returncode == 31
    assert "PRICE_NOT_ON_TICK" in denied.stderr
    assert done.returncode == 0, done.stderr
    assert ": replaced" in done.stdout
    assert platform.outcome(alert_id) == "filled"
    told = platform.ctl("trace", order_id).stdout
    for step in ("replace_denied", "replace_guard_passed", "replace_requested"):
        assert step in told


def test_a_leg_beyond_the_freeze_quantity_is_filled_in_parts(platform: Platform):
    alert_id = platform.accept(entry("large", C, quantity=1820))

    assert platform.outcome(alert_id) == "filled"
    store = platform.store()
    orders = store.orders.of_alert(alert_id)  # type: ignore[arg-type]
    store.close()
    assert [(o.part, o.filled_quantity) for o in orders] == [(1, 1755), (2, 65)]


def test_an_unknown_outcome_is_found_at_the_broker_and_not_sent_again(
    platform: Platform,
):
    assert platform.ctl("paper", "fault", "accept_then_timeout").returncode == 0
    alert_id = platform.accept(entry("unknown", C))

    assert platform.outcome(alert_id) == "filled"
    paper = platform.paper()
    sent = [
        order.client_order_id
        for order in paper.order_book()
        if order.client_order_id and alert_id[1:] in order.client_order_id
    ]
    paper.close()
    assert len(sent) == 1


def test_webhook_answers_well_below_three_seconds(platform: Platform):
    began = time.monotonic()
    platform.accept(entry("quick", C))

    # TradingView hangs up after 3 s; this is a limit of sense, not a timing.
    assert time.monotonic() - began < 3


def test_a_leg_that_the_broker_rejects_has_the_other_exited(platform: Platform):
    assert platform.ctl("paper", "fault", "refuse").returncode == 0
    alert_id = platform.accept(
        entry("half", "NIFTY28DEC27C27000", "NIFTY28DEC27P27000")
    )

    outcome = platform.outcome(alert_id)

    assert outcome.startswith("1 of 2 legs filled")
    undo_id = outcome.rpartition(" ")[2]
    assert platform.outcome(undo_id) == "filled"
    store = platform.store()
    assert [p for p in store.positions.open() if p.strategy == "half"] == []
    store.close()
