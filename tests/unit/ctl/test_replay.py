"""shoonyactl replay and record: what they refuse before anything runs."""

from shoonya_platform.domain.days import trading_day
from shoonya_platform.store.sqlite import SqliteOrderStore
from shoonya_platform.testing.clock import BEGIN
from shoonya_platform.testing.orders import store_alert


def test_file_or_sample_but_not_both(ctl, home):
    (home / "day.jsonl").write_text("")

    assert ctl("replay").code == 2
    assert ctl("replay", "day.jsonl", "--sample").code == 2


def test_line_that_cannot_be_read_is_named(ctl, home):
    (home / "day.jsonl").write_text('{"kind": "day", "version": 1}\nno json\n')

    result = ctl("replay", "day.jsonl")

    assert result.code == 1
    assert "line 2" in result.err


def test_directory_that_holds_something_is_left_alone(ctl, home):
    result = ctl("replay", "--sample", "--keep", str(home))

    assert result.code == 2
    assert "is not empty" in result.err


def test_day_of_the_store_is_written_in_lines(ctl, home, store, clock):
    taker = SqliteOrderStore(
        home / "state" / "orders.db",
        service="execution_service",
        run_id="r",
        clock=clock,
    )
    store_alert(taker)
    taker.close()

    result = ctl("record", str(trading_day(BEGIN)))

    assert result.code == 0
    first, alert = result.out.splitlines()
    assert '"version": 1' in first
    assert '"execution_type"' in alert
    assert ctl("record", "2020-01-01").code == 1
