"""shoonyactl recovery: the last comparison with the broker, in words and as JSON."""

from shoonya_platform.execution.recovery_report import PositionNote, RecoveryReport
from shoonya_platform.testing.clock import BEGIN


def note(store, **fields):
    report = RecoveryReport(began_at=BEGIN, finished_at=BEGIN, run_id="run-1", **fields)
    with store.transaction(durable=False):
        store.recovery.record(
            succeeded=report.succeeded, summary=report.summary, report=report.encode()
        )


def test_start_that_waits_says_so_and_ends_with_3(ctl, store):
    with store.transaction(durable=False):
        store.recovery.begin(silent_seconds=15)

    result = ctl("recovery")
    assert (result.code, result.out) == (3, "")
    assert "waiting for the first reconciliation" in result.err
    assert ctl("status", "--json").document["awaits_reconciliation"] is True
    assert "waiting for the first reconciliation" in ctl("status").out

    note(store, failure="nobody answers")
    result = ctl("recovery")
    assert result.code == 3
    assert "FAILED" in result.out
    assert "nobody answers" in result.out


def test_report_is_shown_in_words_and_as_json(ctl, store):
    held = PositionNote(
        exchange="NFO", tradingsymbol="X", product="NRML", ours=65, brokers=0
    )
    with store.transaction(durable=False):
        store.recovery.begin(silent_seconds=15)
    note(store, differences=[held])

    result = ctl("recovery")
    assert result.code == 0
    assert "1 position differs\n" in result.out
    assert "NFO:X NRML: we hold 65, the broker says 0" in result.out
    document = ctl("recovery", "--json").document
    assert document["awaits_first"] is False
    assert document["report"]["differences"][0]["ours"] == 65
    assert ctl("status", "--json").document["awaits_reconciliation"] is False
