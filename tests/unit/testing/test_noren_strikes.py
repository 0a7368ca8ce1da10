"""Each fault of a request does what docs/noren.md says, seen past all faults."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from shoonya_platform.brokers.shoonya_words import place_fields
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.errors import NotAllowed
from shoonya_platform.testing.clock import FakeClock
from shoonya_platform.testing.noren.app import HTTP_PATHS
from shoonya_platform.testing.noren.late import Late
from shoonya_platform.testing.noren.server import NorenSimulator
from shoonya_platform.testing.waiting import eventually
from tests.contract.broker_worlds import LOT, SYMBOL, a_limit_order, an_order
from tests.contract.noren_world import log_in


class Client:
    """Asks without the adapter, and returns what came back byte by byte."""

    def __init__(self, simulator: NorenSimulator) -> None:
        self.simulator = simulator
        self.user_id = simulator.credentials.user_id
        self.token = log_in(simulator)

    def ask(self, route: str, seconds: float = 5.0, **fields: str) -> bytes | None:
        """Return the answer, None if there is none in time."""
        asked = json.dumps({"uid": self.user_id, **fields})
        return self.post(f"{HTTP_PATHS['oauth']}/{route}", f"jData={asked}", seconds)

    def post(self, path: str, body: str, seconds: float = 5.0) -> bytes | None:
        port = self.simulator.port
        connection = HTTPConnection("127.0.0.1", port, timeout=seconds)
        try:
            headers = {"Authorization": f"Bearer {self.token}"}
            connection.request("POST", f"/{path}", body, headers)
            return connection.getresponse().read()
        except TimeoutError:
            return None
        finally:
            connection.close()

    def read(self, route: str, **fields: str):
        content = self.ask(route, 5.0, **fields)
        assert content is not None
        return json.loads(content)

    def place(
        self, name: str = "O-1", price: str = "", seconds: float = 5.0
    ) -> bytes | None:
        order = a_limit_order(name, price=price) if price else an_order(name)
        fields = place_fields(order, self.user_id, self.user_id)
        return self.ask("PlaceOrder", seconds, **fields)

    def number(self, answer: bytes | None) -> str:
        assert answer is not None
        found: str = json.loads(answer)["norenordno"]
        return found


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def simulator(clock) -> Iterator[NorenSimulator]:
    with NorenSimulator("oauth", clock=clock, listed=[f"NFO:{SYMBOL}"]) as running:
        running.set_price(Exchange.NFO, SYMBOL, "100")
        yield running


@pytest.fixture
def client(simulator) -> Client:
    return Client(simulator)


def remarks(simulator) -> list[str]:
    return [row.get("remarks", "") for row in simulator.orders()]


def test_late_arrival_is_answered_by_nothing_and_carried_out_later(simulator, client):
    simulator.add_fault("late_arrival", seconds=3600)

    assert client.place(seconds=0.2) is None

    assert (simulator.orders(), simulator.late) == ([], 1)
    client.post("_simulator/arrive", "")
    assert (remarks(simulator), simulator.late) == (["O-1"], 0)


def test_late_arrival_comes_by_itself_after_its_seconds(simulator, client):
    simulator.add_fault("late_arrival", seconds=0.3)

    client.place(seconds=0.1)

    eventually(simulator.orders)
    eventually(lambda: simulator.late == 0)
    assert remarks(simulator) == ["O-1"]


def test_late_request_of_a_session_that_has_ended_is_refused_then(simulator, client):
    simulator.add_fault("late_arrival", seconds=3600)
    client.place(seconds=0.2)
    simulator.expire_session()

    simulator.let_arrive()

    assert (simulator.orders(), simulator.late) == ([], 0)


def test_what_arrives_late_arrives_once():
    late, arrived = Late(), []
    late.send(3600, lambda: arrived.append("a"))
    late.send(3600, lambda: arrived.append("b"))

    late.arrive()
    late.arrive()
    late.send(3600, lambda: arrived.append("lost"))
    late.close()
    late.arrive()

    assert sorted(arrived) == ["a", "b"]
    assert late.count == 0


def test_duplicate_request_is_two_orders_and_one_answer(simulator, client):
    simulator.add_fault("duplicate_request")

    number = client.number(client.place())

    assert remarks(simulator) == ["O-1", "O-1"]
    assert number == simulator.orders()[0]["norenordno"]


def test_duplicate_of_a_cancel_is_answered_as_the_first(simulator, client):
    number = client.number(client.place(price="50"))
    simulator.add_fault("duplicate_request")

    assert client.read("CancelOrder", norenordno=number)["stat"] == "Ok"


def test_wrong_number_is_another_orders_or_the_next_ones(simulator, client):
    simulator.add_fault("wrong_number", count=2)

    wrong = client.number(client.place("O-1"))
    wrong_again = client.number(client.place("O-2"))

    own, next_one = (row["norenordno"] for row in simulator.orders())
    assert (wrong, wrong_again) == (next_one, own)
    assert remarks(simulator) == ["O-1", "O-2"]


def test_other_reply_is_that_of_another_request(simulator, client):
    client.ask("UserDetails")
    simulator.add_fault("other_reply")

    answer = client.place()

    assert answer is not None
    assert json.loads(answer)["uname"] == "SIMULATED"
    assert remarks(simulator) == ["O-1"]


def test_other_reply_to_a_first_request_is_there_too(simulator, client):
    simulator.add_fault("other_reply", on="OrderBook")

    assert "cash" in client.read("OrderBook")


def test_deep_json_is_carried_out_and_cannot_be_read(simulator, client):
    simulator.add_fault("deep_json")
    answer = client.place()

    assert answer is not None
    with pytest.raises(RecursionError):
        json.loads(answer)
    assert remarks(simulator) == ["O-1"]


def test_truncated_json_is_carried_out_and_ends_in_the_middle(simulator, client):
    simulator.add_fault("truncated_json")
    answer = client.place()

    assert answer is not None
    assert answer.startswith(b'{"request_time"')
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer)
    assert remarks(simulator) == ["O-1"]


def test_lone_surrogate_is_a_refusal_and_nothing_is_carried_out(simulator, client):
    simulator.add_fault("lone_surrogate")
    answer = client.place()

    assert answer is not None
    refused = json.loads(answer)
    assert (refused["stat"], "\ud800" in refused["emsg"]) == ("Not_Ok", True)
    assert simulator.orders() == []


def test_ignored_cancel_is_answered_with_ok_and_the_order_works_on(simulator, client):
    number = client.number(client.place(price="50"))
    simulator.add_fault("ignore_cancel")

    answer = client.read("CancelOrder", norenordno=number)

    assert (answer["stat"], answer["result"]) == ("Ok", number)
    assert simulator.orders()[0]["status"] == "OPEN"


@pytest.mark.parametrize("route", ["OrderBook", "TradeBook", "PositionBook"])
def test_empty_book_is_no_data_once(simulator, client, route):
    client.place()
    simulator.add_fault("empty_book", on=route)

    assert "no data" in client.read(route)["emsg"]
    assert len(client.read(route)) == 1


def test_stale_book_is_as_it_was(simulator, client, clock):
    client.place("O-1")
    resting = client.number(client.place("O-2", price="50"))
    clock.advance(30)
    client.ask("CancelOrder", norenordno=resting)
    client.place("O-3")
    simulator.add_fault("stale_book", count=3, seconds=20)

    orders, trades, held = (
        client.read(route) for route in ("OrderBook", "TradeBook", "PositionBook")
    )

    assert [(row["remarks"], row["status"]) for row in orders] == [
        ("O-1", "COMPLETE"),
        ("O-2", "OPEN"),
    ]
    assert [row["remarks"] for row in trades] == ["O-1"]
    assert [row["netqty"] for row in held] == [str(LOT)]
    assert [row["netqty"] for row in client.read("PositionBook")] == [str(2 * LOT)]


def test_book_from_before_the_first_order_is_no_data(simulator, client, clock):
    clock.advance(60)
    client.place()
    simulator.add_fault("stale_book", seconds=30, on="OrderBook")

    assert "no data" in client.read("OrderBook")["emsg"]


def test_foreign_row_is_of_a_product_that_is_not_ours(simulator, client):
    client.place()
    simulator.add_fault("foreign_row", count=2)

    assert [row["prd"] for row in client.read("OrderBook")] == ["M", "F"]
    assert [row["prd"] for row in client.read("PositionBook")] == ["M", "F"]
    assert [row["prd"] for row in client.read("OrderBook")] == ["M"]
    assert len(simulator.orders()) == 1


def test_foreign_row_may_be_all_there_is(simulator, client):
    simulator.add_fault("foreign_row")

    assert [row["prd"] for row in client.read("OrderBook")] == ["F"]


def test_wrong_quote_is_of_the_index(simulator, client):
    token = simulator.account.scrips.token("NFO", SYMBOL)
    simulator.add_fault("wrong_quote")

    wrong = client.read("GetQuotes", exch="NFO", token=token)
    right = client.read("GetQuotes", exch="NFO", token=token)

    assert (wrong["exch"], right["tsym"]) == ("NSE", SYMBOL)


def test_fault_of_certain_requests_is_ordered_for_no_other(simulator, client):
    for kind, route in (("wrong_quote", "OrderBook"), ("ignore_cancel", "PlaceOrder")):
        with pytest.raises(NotAllowed):
            simulator.add_fault(kind, on=route)
    simulator.add_fault("ignore_cancel")

    client.place()

    assert len(simulator.faults.waiting()) == 1
