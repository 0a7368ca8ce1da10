"""The day's curve, as it is drawn."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from shoonya_platform.dashboard.curve import HEIGHT, WIDTH, curve
from shoonya_platform.store.base import PnlSample
from tests.unit.dashboard.ledger import BEGIN
from tests.unit.dashboard.test_pages import text_of


def sample(minute: int, total: Decimal) -> PnlSample:
    return PnlSample(
        at=BEGIN + timedelta(minutes=minute), realised=total, unrealised=Decimal(0)
    )


def test_nothing_noted_is_no_curve():
    assert curve([], BEGIN, Decimal(0)) is None


def test_line_goes_in_steps_between_the_highest_and_the_lowest():
    found = curve(
        [sample(0, Decimal(0)), sample(5, Decimal(100))],
        BEGIN + timedelta(minutes=10),
        Decimal(-100),
    )

    assert found is not None
    assert (found.lowest, found.highest, found.last) == (
        Decimal(-100),
        Decimal(100),
        Decimal(-100),
    )
    assert found.line == f"M0,60.0H{WIDTH / 2}V0.0H{WIDTH}V{float(HEIGHT)}"
    assert found.zero == HEIGHT / 2


@given(
    st.lists(st.decimals(-(10**9), 10**9, places=2), min_size=1, max_size=20),
    st.decimals(-(10**9), 10**9, places=2),
)
def test_line_stays_in_its_box(totals, last):
    samples = [sample(number, total) for number, total in enumerate(totals)]
    found = curve(samples, BEGIN + timedelta(minutes=len(totals)), last)

    assert found is not None
    heights = [float(h) for h in re.findall(r"[V,](-?[\d.]+)", found.line)]
    across = [float(x) for x in re.findall(r"H(-?[\d.]+)", found.line)]
    assert all(0 <= height <= HEIGHT for height in heights)
    assert across == sorted(across)
    assert all(0 <= x <= WIDTH for x in across)


def test_page_draws_it_and_says_it_in_words(client, ledger, clock):
    store = ledger.store("risk_manager")
    with store.transaction(durable=False):
        store.risk.note_pnl(sample(0, Decimal("-1500.50")))

    html = client.get("/fragments/positions").text

    assert 'role="img" aria-label="Today from 14:30:00: 0.00 now, lowest' in html
    assert "between \N{MINUS SIGN}1,500.50 and 0.00" in text_of(html)
