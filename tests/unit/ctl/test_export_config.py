"""shoonyactl export-config: each agent's file, held against what we really write."""

import json
import re
import tomllib

import pytest
import yaml

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.ctl._agents import AGENTS, BEGINS, RECORD
from shoonya_platform.logging.formats import parse_line
from tests.unit.logging.reading.writing import text_line

SOURCES = ("files", "journal")
UNITS = [f"shoonya@{name}.service" for name in COMPONENTS]
IDENTIFIERS = [f"shoonya@{name}" for name in COMPONENTS]


@pytest.fixture
def files(home):
    return [str(home / "logs" / f"{name}.log") for name in COMPONENTS]


@pytest.fixture
def form(home):
    """Configure the form of the lines."""

    def choose(*lines):
        with (home / "shoonya.toml").open("a") as file:
            file.write("\n".join(["[log]", *lines, ""]))

    return choose


def newest(files):
    return [path for file in files for path in (file, f"{file}.1")]


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("source", SOURCES)
def test_header_tells_what_to_do_and_the_end_what_to_fill_in(ctl, agent, source):
    result = ctl("export-config", agent, "--source", source)

    assert result.code == 0
    header = result.out if AGENTS[agent].comments else result.err
    for word in ("# install ", "# put it ", "# check "):
        assert word in header
    for name, meaning in AGENTS[agent].to_fill:
        assert f"  {name}  {meaning}" in result.err
        assert name in result.out


@pytest.mark.parametrize("agent", AGENTS)
def test_output_is_written_to_the_file_and_not_printed(ctl, home, agent):
    printed = ctl("export-config", agent).out

    result = ctl("export-config", agent, "--output", str(home / "agent.conf"))

    assert (result.code, result.out) == (0, "")
    assert (home / "agent.conf").read_text() == printed


def test_directory_that_is_not_there_is_said(ctl, home):
    result = ctl("export-config", "vector", "--output", str(home / "none" / "x"))

    assert result.code == 1
    assert "its directory comes with the agent" in result.err


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("form_", ["text", "json"])
def test_only_live_files_and_at_most_the_first_backup_are_read(
    ctl, form, files, agent, form_
):
    form(f'form = "{form_}"')

    out = ctl("export-config", agent).out

    assert ".zst" not in out
    named = set(re.findall(r"[^\s\"']+/logs/[^\s\"']*", out))
    assert set(files) <= named <= set(newest(files))


# -- The shape of each ---------------------------------------------------------


def test_cloudwatch_files(ctl, form, files):
    form('forms = { dashboard = "json" }')

    document = json.loads(ctl("export-config", "cloudwatch").out)

    listed = document["logs"]["logs_collected"]["files"]["collect_list"]
    assert [each["file_path"] for each in listed] == files
    for each in listed:
        # The schema takes nothing else.
        assert {*each} <= {
            "file_path",
            "log_group_name",
            "log_stream_name",
            "timestamp_format",
            "multi_line_start_pattern",
            "timezone",
            "retention_in_days",
        }
        is_json = "dashboard" in each["file_path"]
        assert ("multi_line_start_pattern" in each) is not is_json
        assert ("T" in each["timestamp_format"]) is is_json


def test_cloudwatch_journal(ctl):
    document = json.loads(ctl("export-config", "cloudwatch", "--source", "journal").out)

    listed = document["logs"]["logs_collected"]["journald"]["collect_list"]
    assert [each["units"] for each in listed] == [[unit] for unit in UNITS]
    assert {key for each in listed for key in each} == {
        "units",
        "log_group_name",
        "log_stream_name",
    }


def test_datadog_files(ctl, form, files):
    form('forms = { dashboard = "json" }')

    document = yaml.safe_load(ctl("export-config", "datadog").out)

    assert [each["path"] for each in document["logs"]] == files
    for each in document["logs"]:
        rules = each.get("log_processing_rules", [])
        expected = [] if each["service"] == "dashboard" else [BEGINS]
        assert [rule["pattern"] for rule in rules] == expected


def test_datadog_journal(ctl):
    document = yaml.safe_load(
        ctl("export-config", "datadog", "--source", "journal").out
    )

    (only,) = document["logs"]
    assert (only["type"], only["include_units"]) == ("journald", UNITS)


def test_filebeat_files(ctl, form, files):
    form('forms = { dashboard = "json" }')

    document = yaml.safe_load(ctl("export-config", "filebeat").out)

    text, structured = document["filebeat.inputs"]
    assert structured["paths"] == newest([f for f in files if "dashboard" in f])
    assert text["paths"] == newest([f for f in files if "dashboard" not in f])
    assert text["parsers"][0]["multiline"]["pattern"] == BEGINS
    assert structured["parsers"] == [
        {"ndjson": {"target": "shoonya", "add_error_key": True}}
    ]
    assert text["id"] != structured["id"]


def test_filebeat_journal(ctl):
    document = yaml.safe_load(
        ctl("export-config", "filebeat", "--source", "journal").out
    )

    (only,) = document["filebeat.inputs"]
    assert (only["type"], only["syslog_identifiers"]) == ("journald", IDENTIFIERS)


def test_vector_files(ctl, form, files):
    form('forms = { dashboard = "json" }')

    document = tomllib.loads(ctl("export-config", "vector").out)

    sources, transforms = document["sources"], document["transforms"]
    assert [*sources] == ["shoonya_text", "shoonya_json"]
    assert sources["shoonya_json"]["include"] == newest(
        [f for f in files if "dashboard" in f]
    )
    assert sources["shoonya_text"]["multiline"] == {
        "start_pattern": BEGINS,
        "mode": "halt_before",
        "condition_pattern": BEGINS,
        "timeout_ms": 1000,
    }
    assert [each["inputs"] for each in transforms.values()] == [
        [name] for name in sources
    ]
    assert f"r'{RECORD}'" in transforms["shoonya_text_fields"]["source"]


def test_vector_journal(ctl):
    document = tomllib.loads(ctl("export-config", "vector", "--source", "journal").out)

    (only,) = document["sources"].values()
    assert only["type"] == "journald"
    assert only["include_matches"] == {"SYSLOG_IDENTIFIER": IDENTIFIERS}


def test_rsyslog_files(ctl, form, files):
    form('forms = { dashboard = "json" }')

    out = ctl("export-config", "rsyslog").out

    inputs = re.findall(
        r'input\(type="imfile" file="(.*)" tag="(.*)"\n +ruleset="(.*?)"', out
    )
    assert sorted(inputs) == sorted(
        (
            file,
            f"shoonya@{name}",
            f"shoonya_{'json' if name == 'dashboard' else 'text'}",
        )
        for file, name in zip(files, COMPONENTS, strict=True)
    )


# -- The expressions -----------------------------------------------------------

AWKWARD = [
    text_line(1),
    text_line(2, "Order 5 | a=b | c", fields="order_id=5 event=risk_passed"),
    text_line(3, "forged | order_id=9 run=x seq=1", fields='why="a \\"b\\" | c=d"'),
    text_line(4, "empty", fields='note="" order_id=7'),
    text_line(5, "run=1 seq=2 |", level="WARNING"),
]


@pytest.mark.parametrize("line", AWKWARD)
def test_expression_takes_a_line_apart_as_we_do(line):
    found = re.fullmatch(RECORD, line.rstrip())
    parsed = parse_line(line)

    assert found is not None
    assert parsed is not None
    assert (found["at"], found["level"], found["logger"], found["sentence"]) == (
        parsed.at,
        parsed.level,
        parsed.name,
        parsed.message,
    )
    assert (found["run"], int(found["seq"])) == (parsed.run, parsed.seq)
    assert re.findall(r" ([a-z_]+)=", found["fields"])[:1] == [*parsed.fields][:1]


def test_expression_finds_the_beginning_of_records_alone():
    assert all(re.match(BEGINS, line) for line in AWKWARD)
    assert not re.match(BEGINS, "    | 2026-02-08 14:25:31.123 | of a traceback")
