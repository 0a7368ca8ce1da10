"""The format file for lnav reads what the library writes."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import shoonya_platform.logging
from shoonya_platform.logging import (
    get_component_logger,
    parse_line,
    setup_application_logging,
)
from shoonya_platform.logging.formats import escaped, fields_text, head_text

PATH = Path(shoonya_platform.logging.__file__).parent / "lnav" / "shoonya_log.json"
FORMAT = json.loads(PATH.read_text())["shoonya_log"]
JSON_FORMAT = json.loads(PATH.with_name("shoonya_json_log.json").read_text())[
    "shoonya_json_log"
]
# Python spells named groups otherwise.
PATTERN = re.compile(
    FORMAT["regex"]["line"]["pattern"].replace("(?<", "(?P<").replace("(?P<=", "(?<=")
)
NAMES = st.sampled_from(["order_id", "client_order_id", "event", "order_id_", "note"])


@given(
    st.sampled_from(["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]),
    st.text(max_size=40),
    st.dictionaries(NAMES, st.text(max_size=20)),
)
def test_lines_are_taken_apart_as_we_do_it_ourselves(level, message, fields):
    line = (
        f"2026-02-08 14:25:31.123{head_text(level, 'RISK_MANAGER')}"
        f"{escaped(message)} |{fields_text(fields)} run=5ce60c1f seq=7"
    )
    parsed = parse_line(line)
    assert parsed is not None

    found = PATTERN.fullmatch(line)

    assert found is not None
    assert (found["level"], found["component"]) == (level.ljust(8), parsed.name)
    assert found["body"] == parsed.message
    assert (found["run"], found["seq"]) == ("5ce60c1f", "7")
    shown = (
        fields_text({"order_id": fields["order_id"]}) if "order_id" in fields else ""
    )
    assert found["order_id"] == (shown.removeprefix(" order_id=") if shown else None)


@pytest.mark.parametrize("sample", FORMAT["sample"], ids=lambda each: each["level"])
def test_samples_are_lines_of_ours(sample):
    assert PATTERN.fullmatch(sample["line"])
    assert parse_line(sample["line"])


def test_line_of_a_traceback_belongs_to_the_record_above():
    assert not PATTERN.match("    | ValueError: seven | run=a seq=1")


def test_keys_of_the_form_of_json_are_those_that_we_write(tmp_path):
    setup_application_logging(
        tmp_path, component="risk_manager", form="json", journal=False, console=False
    )
    try:
        raise ValueError
    except ValueError:
        get_component_logger("risk_manager").exception("a", order_id=7, event="b")

    written = json.loads((tmp_path / "risk_manager.log").read_text())

    named = {JSON_FORMAT[f"{name}-field"] for name in ("timestamp", "level", "body")}
    assert named | {"order_id"} <= set(written)
    assert set(JSON_FORMAT["value"]) | named == set(written)
    shown = {
        part["field"] for part in JSON_FORMAT["line-format"] if isinstance(part, dict)
    }
    assert shown <= {*written, "__timestamp__"}


@pytest.mark.parametrize("each", [FORMAT, JSON_FORMAT], ids=["text", "json"])
def test_order_is_the_operation_and_levels_are_ours(each):
    assert each["opid-field"] == "order_id"
    assert set(each["level"].values()) == {
        "DEBUG",
        "INFO",
        "WARNING",
        "ERROR",
        "CRITICAL",
    }
