"""shoonyactl discrepancy: what differs, until it is over and acknowledged."""

import pytest

from shoonya_platform.domain.discrepancies import Discrepancy, DiscrepancyKind
from shoonya_platform.domain.orders import OrderId

K = DiscrepancyKind


@pytest.fixture
def note(store):
    """Note a discrepancy; return its number."""

    def add(kind, subject="NFO:X NRML", *, is_over=False):
        with store.transaction(durable=False):
            store.discrepancies.note(
                Discrepancy(
                    kind=kind,
                    subject=subject,
                    text=f"[{kind}] with figures",
                    action="shoonyactl order show 7",
                    order_id=OrderId(7),
                )
            )
            if is_over:
                store.discrepancies.resolve(kind, subject)
        return store.discrepancies.recent(limit=1)[0].discrepancy_id

    return add


def test_list_has_what_is_open_with_what_to_do(ctl, note):
    note(K.POSITION_DIFFERS)
    note(K.LEG_OVERFILLED, is_over=True)
    note(K.ORDER_MISSING, is_over=True)

    _, first, second = ctl("discrepancy", "list").out.splitlines()

    assert first.split()[:4] == ["1", "0", "s", "position_differs"]
    assert "[position_differs] with figures" in first
    assert first.endswith("shoonyactl order show 7")
    assert "to acknowledge" in second
    assert second.endswith("shoonyactl discrepancy acknowledge 2")


def test_all_has_what_is_over_too_and_kinds_choose(ctl, note):
    note(K.POSITION_DIFFERS)
    note(K.ORDER_MISSING, is_over=True)

    found = ctl("discrepancy", "list", "--all", "--json").document
    assert [each["discrepancy_id"] for each in found] == [2, 1]
    assert [each["is_open"] for each in found] == [False, True]
    arguments = ("list", "--all", "--kind", "order_missing", "--json")
    (only,) = ctl("discrepancy", *arguments).document
    assert only["runbook"] == "docs/runbook.md#an-order-is-missing-at-the-broker"
    (open_one,) = ctl("discrepancy", "list", "--json").document
    assert open_one["kind"] == "position_differs"


def test_nothing_open_is_said_on_standard_error(ctl, store):
    result = ctl("discrepancy", "list")

    assert (result.code, result.out, result.err) == (0, "", "no discrepancies\n")


def test_show_says_what_since_when_and_what_to_do(ctl, note):
    number = note(K.LEG_OVERFILLED)

    out = ctl("discrepancy", "show", str(number)).out

    assert out.startswith("discrepancy 1: [leg_overfilled] with figures\n")
    assert "severity      critical\n" in out
    assert "found by      tests\n" in out
    assert "do            shoonyactl order show 7\n" in out
    assert "docs/runbook.md#more-was-filled-than-asked-for" in out
    assert ctl("discrepancy", "show", "1", "--json").document["is_incident"] is True


@pytest.mark.parametrize("verb", ["show", "acknowledge"])
def test_unknown_number_is_not_found(ctl, store, verb):
    result = ctl("discrepancy", verb, "9")

    assert result.code == 4
    assert "no discrepancy has the number 9" in result.err


def test_limit_counts_what_is_shown_of_a_kind(ctl, note):
    note(K.POSITION_DIFFERS, "NFO:X NRML")
    for number in range(3):
        note(K.ROW_UNREADABLE, f"order_book {number}")

    result = ctl(
        *("discrepancy", "list", "--all", "--json", "-n", "1"),
        *("--kind", "position_differs"),
    )

    assert [row["kind"] for row in result.document] == ["position_differs"]


def test_incident_is_acknowledged_with_the_users_name_and_leaves_the_list(
    ctl, note, store, monkeypatch
):
    monkeypatch.setenv("SUDO_USER", "priya")
    note(K.LEG_OVERFILLED, is_over=True)

    refused = ctl("discrepancy", "acknowledge", "1")
    assert refused.code == 2
    assert "--yes" in refused.err
    assert store.discrepancies.open()

    result = ctl("discrepancy", "acknowledge", "1", "--yes")

    assert result.out == "discrepancy 1 is acknowledged by priya\n"
    assert store.discrepancies.get(1).acknowledged_by == "priya"
    assert store.discrepancies.open() == []


def test_what_lasts_stays_in_the_list_and_the_first_name_stays(ctl, note, store):
    note(K.POSITION_DIFFERS)
    first = ctl("discrepancy", "acknowledge", "1")

    second = ctl("discrepancy", "acknowledge", "1", "--yes")

    assert "it stays in the list until it is over" in first.out
    assert "already" in second.out
    assert len(store.discrepancies.open()) == 1


def test_recovery_points_to_the_list(ctl, note, store):
    with store.transaction(durable=False):
        store.recovery.record(succeeded=True, summary="", report="{}")
    assert "discrepanc" not in ctl("recovery").err
    note(K.POSITION_DIFFERS)

    assert "1 discrepancy open: shoonyactl discrepancy list" in ctl("recovery").err


def test_status_shows_each_condition_with_its_action(ctl, note, store):
    note(K.POSITION_DIFFERS)

    lines = ctl("status").out.splitlines()

    found = lines.index("critical [position_differs] with figures")
    assert lines[found + 1] == "         shoonyactl order show 7"


@pytest.mark.parametrize("verb", ["show", "acknowledge"])
@pytest.mark.parametrize("word", ["x", "²", "3.5"])
def test_word_that_is_no_number_is_named_with_where_numbers_are(ctl, verb, word):
    result = ctl("discrepancy", verb, word)

    assert result.code == 2
    assert f"'{word}' is not a discrepancy's number" in result.err
    assert "shoonyactl discrepancy list" in result.err
