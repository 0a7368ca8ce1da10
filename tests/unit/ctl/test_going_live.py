"""docs/noren.md and `broker check` have the same steps."""

import re
from pathlib import Path

from shoonya_platform.ctl._going_live import SECTIONS

PAGE = (Path(__file__).parents[3] / "docs" / "noren.md").read_text()


def anchor(title):
    kept = re.sub(r"[^a-z0-9 -]", "", title.lower())
    return kept.replace(" ", "-")


def test_each_step_has_its_section_in_the_order_of_the_page():
    anchors = [anchor(title) for title in re.findall("^## (.*)$", PAGE, re.MULTILINE)]

    places = [anchors.index(section) for section in SECTIONS.values()]

    assert places == sorted(places)


def test_each_numbered_section_has_a_command_and_its_output_or_check():
    sections = re.split("^## ", PAGE, flags=re.MULTILINE)
    numbered = [each for each in sections if re.match("[0-9]", each)]

    assert [each[0] for each in numbered] == list("12345678")
    assert all("```" in each for each in numbered)
