"""A denial is a stable word and its figures."""

from decimal import Decimal
from pathlib import Path

from shoonya_platform.domain.denials import Denial, DenialCode


def test_denial_without_figures_is_its_code():
    assert Denial(DenialCode.TRADING_HALTED).text == "TRADING_HALTED"


def test_figures_follow_the_code_in_the_order_given():
    denial = Denial(
        DenialCode.EXPOSURE_EXCEEDS_MAXIMUM,
        {"exposure": Decimal("45.00"), "order": Decimal(20), "maximum": Decimal(60)},
    )

    assert denial.text == (
        "EXPOSURE_EXCEEDS_MAXIMUM: exposure=45.00, order=20, maximum=60"
    )


def test_code_is_its_own_word_so_that_programs_may_match_on_it():
    assert {code.name for code in DenialCode} == {code.value for code in DenialCode}


def test_each_code_is_documented_with_rule_and_remedy_and_none_that_is_gone():
    page = (Path(__file__).parents[3] / "docs" / "denials.md").read_text()
    rows = [line.split("|")[1:-1] for line in page.splitlines() if line[:3] == "| `"]

    assert [row[0].strip(" `") for row in rows if len(row) == 4] == [
        row[0].strip(" `") for row in rows
    ]
    assert sorted(row[0].strip(" `") for row in rows) == sorted(DenialCode)
    assert all(cell.strip() for row in rows for cell in row)
