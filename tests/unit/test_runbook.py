"""Whatever the platform finds has its section in the runbook, and links lead there."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

from shoonya_platform.assessment.conditions import KINDS
from shoonya_platform.ctl.checks.diagnose import ANYWHERE, SYSTEMD, UNITS
from shoonya_platform.domain.discrepancies import INCIDENTS, DiscrepancyKind
from shoonya_platform.services.runbook import (
    CONDITIONS,
    PAGE,
    SECTIONS,
    of_check,
    of_condition,
    of_end,
)

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")


def anchors(page: Path) -> set[str]:
    """Return what can be jumped to, named as hosts of Markdown do."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {anchor(heading) for heading in headings}


def anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def leads_somewhere(place: str) -> bool:
    page, _, section = place.partition("#")
    return section in anchors(ROOT / page)


def test_each_check_of_the_doctor_has_its_section():
    assert set(SECTIONS) == {*ANYWHERE, *SYSTEMD, *UNITS, "config"}
    for name in SECTIONS:
        assert leads_somewhere(of_check(name)), name


@pytest.mark.parametrize(
    ("result", "status"),
    [
        ("exit-code", "78"),
        ("oom-kill", "KILL"),
        ("exit-code", "75"),
        ("signal", "SEGV"),
    ],
)
def test_each_end_of_a_service_has_its_section(result, status):
    assert leads_somewhere(of_end(result, status))


def test_each_kind_of_condition_has_its_section():
    assert set(CONDITIONS) == {str(kind) for kind in KINDS}
    for kind in KINDS:
        assert leads_somewhere(of_condition(kind)), kind


@pytest.mark.parametrize("kind", DiscrepancyKind)
def test_each_kind_of_discrepancy_has_a_section_of_its_own(kind):
    owners = [other for other in KINDS if CONDITIONS[other] == CONDITIONS[kind]]
    text = (ROOT / PAGE).read_text()
    section = next(
        part
        for part in re.split("^## ", text, flags=re.MULTILINE)[1:]
        if anchor(part.partition("\n")[0]) == CONDITIONS[kind]
    )

    assert owners == [kind]
    assert f"`{kind}`" in section
    assert "sudo shoonyactl discrepancy list" in section
    is_acknowledged = "sudo shoonyactl discrepancy acknowledge" in section
    # Acknowledging a refused exit lets another be sent, though it is no incident.
    may_be = INCIDENTS | {
        DiscrepancyKind.EXIT_MISSED,
        DiscrepancyKind.EXIT_REFUSED,
        DiscrepancyKind.BELIEF_DIFFERS,
    }
    assert is_acknowledged is (kind in may_be)


def test_each_rule_for_prometheus_has_its_section():
    text = (ROOT / "monitoring" / "alerts.yml").read_text()
    rules = re.split(r"^ +- alert: ", text, flags=re.MULTILINE)[1:]

    assert len(rules) >= 10
    for rule in rules:
        (place,) = re.findall(r"^ +runbook: (\S+)$", rule, re.MULTILINE)
        assert leads_somewhere(place), rule


def test_each_section_tells_what_is_seen_where_to_look_and_when_it_is_over():
    text = (ROOT / PAGE).read_text()
    begins = [match.start() for match in re.finditer("^## ", text, re.MULTILINE)]
    sections = [text[a:b] for a, b in pairwise([*begins, len(text)])]

    assert len(sections) >= 20
    for section in sections:
        order = [
            section.find(words)
            for words in ("**You see**", "**Look", "```sh", "**Do", "**Over**")
        ]
        assert order == sorted(order), section
        assert order[0] > 0, section


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_pages_and_sections_that_are_there(page):
    for target, section in LINK.findall(page.read_text()):
        to = (page.parent / target) if target else page
        assert to.exists(), target
        if section:
            assert section in anchors(to), f"{target}#{section}"
