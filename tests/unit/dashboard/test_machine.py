"""The health view: what the doctor found, and what the log files take."""

import re
from datetime import timedelta

import pytest

from shoonya_platform.services import findings
from shoonya_platform.services.findings import Finding, Level
from tests.unit.dashboard.test_pages import text_of

BROKEN = Finding(
    check="journal", level=Level.ERROR, sentence="not kept", command="sudo <mend> it"
)
FOUND = (
    Finding(check="clock", level=Level.OK, sentence="right"),
    Finding(check="disk", level=Level.WARNING, sentence="nearly full"),
    BROKEN,
)


def test_findings_are_shown_worst_first_with_command_age_and_who_asked(
    client, tmp_path, clock
):
    findings.keep(tmp_path, FOUND, now=clock.now(), by="asha")
    clock.advance(7200)

    html = client.get("/machine").text
    text = text_of(html)

    assert re.search("error journal not kept .*warning disk nearly full", text)
    assert "Fine: clock ." in text or "Fine: clock." in text
    assert "Looked 2 h 0 min ago" in text
    assert "by asha" in text
    assert "sudo &lt;mend&gt; it</code>" in html


def test_old_findings_and_none_name_the_command(client, tmp_path, clock):
    assert "Nobody has asked the doctor yet: sudo shoonyactl doctor" in text_of(
        client.get("/machine").text
    )
    findings.keep(tmp_path, FOUND, now=clock.now() - timedelta(hours=25), by="asha")

    text = text_of(client.get("/machine").text)

    assert "That is long ago" in text
    assert "sudo shoonyactl doctor" in text


def test_overview_warns_of_an_error_and_of_nothing_less(client, tmp_path, clock):
    findings.keep(tmp_path, FOUND, now=clock.now(), by="asha")
    assert "journal not kept" in text_of(client.get("/").text)

    findings.keep(tmp_path, FOUND[:2], now=clock.now(), by="asha")
    assert client.get("/fragments/warning").text.strip() == ""


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"at": "2026-11-24T09:00:00"}', "\xff"]
)
def test_what_cannot_be_read_is_nothing(tmp_path, text):
    findings.path_of(tmp_path).write_text(text, encoding="latin-1")

    assert findings.last(tmp_path) is None


def test_keeping_leaves_one_file_for_the_group_to_read(tmp_path, clock):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("untouched")
    state_dir = tmp_path / "state"
    state_dir.mkdir()
    findings.path_of(state_dir).symlink_to(elsewhere)

    findings.keep(state_dir, FOUND, now=clock.now(), by="asha")

    assert [path.name for path in state_dir.iterdir()] == ["doctor.json"]
    assert findings.path_of(state_dir).stat().st_mode & 0o777 == 0o640
    assert elsewhere.read_text() == "untouched"
    found = findings.last(state_dir)
    assert found
    assert found.findings == FOUND


def test_log_files_are_shown_with_their_budget_and_what_goes_next(client, tmp_path):
    (tmp_path / "risk_manager.log").write_bytes(b"x" * 5_000_000)
    (tmp_path / "risk_manager.log.1").write_bytes(b"x" * 2_000_000)

    html = client.get("/fragments/disk").text
    text = text_of(html)

    first = re.findall(r'<th role="rowheader"[^>]*>(\w+)</th>', html)[0]
    assert first == "risk_manager"
    assert "The next to go when room is needed: risk_manager.log.1" in text
    assert "style=" not in html
