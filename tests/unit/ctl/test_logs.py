"""shoonyactl logs: records of several services, merged, narrowed and followed."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta
from functools import partial

import pytest
from click.shell_completion import ShellComplete

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.ctl._logs import moment
from shoonya_platform.ctl.logs import VERBS
from shoonya_platform.ctl.main import cli
from shoonya_platform.testing.waiting import eventually

DAY = "2026-11-25"
TRACEBACK = ["Traceback (most recent call last):", "  File x", "ValueError: seven"]


def line(time_, component, text, level="INFO"):
    return f"{DAY} {time_} | {level:<8} | {component.upper():<20} | {text}"


@pytest.fixture
def logs(home):
    """Write lines to a component's file, or to an older generation of it."""

    def write(component, *lines, generation=None):
        suffix = "" if generation is None else f".{generation}"
        path = home / "logs" / f"{component}.log{suffix}"
        with path.open("a") as file:
            file.write("".join(f"{each}\n" for each in lines))
        # The files are as old as their last record, as real ones are.
        stamps = [each for each in lines if each.startswith(DAY)]
        if stamps:
            written = datetime.fromisoformat(stamps[-1][:23]).astimezone().timestamp()
            os.utime(path, (written, written))
        return path

    return write


@pytest.fixture
def three(logs):
    logs(
        "risk_manager",
        line("10:00:00.000", "risk_manager", "Order 1 passed | order_id=1"),
        line("10:00:02.000", "risk_manager", "Order 2 denied | order_id=2", "WARNING"),
    )
    logs(
        "dashboard",
        line("10:00:01.000", "dashboard", "crashed", "ERROR"),
        *TRACEBACK,
        line("10:00:03.000", "dashboard", "begins", "DEBUG"),
    )


def texts(ctl, *options):
    return [record["text"] for record in ctl("logs", *options, "--json").document]


PASSED, DENIED = "Order 1 passed | order_id=1", "Order 2 denied | order_id=2"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param([], [PASSED, "crashed", DENIED, "begins"], id="merged-by-time"),
        pytest.param(["risk_manager"], [PASSED, DENIED], id="one-service"),
        pytest.param(
            ["shoonya@risk_manager.service"], [PASSED, DENIED], id="by-its-unit"
        ),
        pytest.param(
            ["dashboard", "risk_manager"],
            [PASSED, "crashed", DENIED, "begins"],
            id="two-services",
        ),
        pytest.param(["trading_bot"], [], id="has-no-file"),
        pytest.param(["--level", "WARNING"], ["crashed", DENIED], id="level"),
        pytest.param(["--level", "error"], ["crashed"], id="level-in-any-case"),
        pytest.param(["--grep", "order_id=2"], [DENIED], id="grep"),
        pytest.param(["--grep", "ValueError: s.ven"], ["crashed"], id="grep-traceback"),
        pytest.param(
            ["--grep", "Order", "--level", "WARNING"], [DENIED], id="level-and-grep"
        ),
        pytest.param(["-n", "2"], [DENIED, "begins"], id="last"),
        pytest.param(["-n", "0"], [], id="none"),
        pytest.param(["-n", "1", "--grep", "Order"], [DENIED], id="last-that-match"),
        pytest.param(
            ["--since", f"{DAY} 10:00:01"], ["crashed", DENIED, "begins"], id="since"
        ),
        pytest.param(
            ["--since", f"{DAY}T10:00:02.001"], ["begins"], id="since-milliseconds"
        ),
        pytest.param(["--since", "9999-01-01"], [], id="since-later"),
    ],
)
def test_records_are_those_that_were_asked_for(ctl, three, options, expected):
    assert texts(ctl, *options) == expected


def test_record_keeps_the_lines_of_its_traceback(ctl, three):
    (record,) = ctl("logs", "--level", "ERROR", "--json").document

    assert record["more"] == TRACEBACK
    assert (record["component"], record["time"]) == (
        "dashboard",
        f"{DAY} 10:00:01.000",
    )


def test_people_see_time_level_component_and_text(ctl, three):
    lines = ctl("logs", "-n", "3").out.splitlines()

    assert lines[0] == f"{DAY} 10:00:01.000 ERROR    dashboard         crashed"
    assert lines[1:4] == TRACEBACK
    assert lines[4].endswith(DENIED)


def test_older_generations_come_first_and_the_number_counts_not_the_name(ctl, logs):
    component = "risk_manager"
    logs(component, line("10:00:10.000", component, "now"))
    for number in range(1, 12):
        stamp = f"09:00:{30 - number:02d}.000"
        logs(component, line(stamp, component, f"old {number}"), generation=number)

    shown = texts(ctl, component)

    assert shown == [*(f"old {number}" for number in range(11, 0, -1)), "now"]


def test_what_is_no_generation_is_not_read(ctl, home, logs):
    logs("risk_manager", line("10:00:00.000", "risk_manager", "now"))
    for name in (
        "risk_manager.log.bak",
        "risk_manager.log.1.tmp",
        "x_risk_manager.log",
    ):
        (home / "logs" / name).write_text(line("09:00:00.000", "risk_manager", "no"))

    assert texts(ctl) == ["now"]


def test_broken_lines_and_bytes_do_not_stop_the_reading(ctl, home, logs):
    path = logs("risk_manager", "cut off by a rotation", line("10:00:00.000", "x", "a"))
    with path.open("ab") as file:
        file.write(b"\xff\xfe\n")
    logs("risk_manager", line("10:00:01.000", "x", "b"))

    assert texts(ctl) == ["a", "b"]


def test_file_of_no_log_directory_is_4(ctl, home):
    (home / "logs").rmdir()

    result = ctl("logs")

    assert result.code == 4
    assert "log directory" in result.err


# -- since ---------------------------------------------------------------------

NOW = datetime(2026, 11, 25, 12, 0, 0, 500_000).astimezone()


@pytest.mark.parametrize(
    ("text", "begin"),
    [
        pytest.param(None, "", id="all"),
        pytest.param("10s", "2026-11-25 11:59:50.500", id="seconds"),
        pytest.param("10m", "2026-11-25 11:50:00.500", id="minutes"),
        pytest.param("10 min", "2026-11-25 11:50:00.500", id="min"),
        pytest.param("2h", "2026-11-25 10:00:00.500", id="hours"),
        pytest.param("1d", "2026-11-24 12:00:00.500", id="days"),
        pytest.param("9:15", "2026-11-25 09:15:00.000", id="short-time"),
        pytest.param("09:15", "2026-11-25 09:15:00.000", id="time"),
        pytest.param("9:15:30", "2026-11-25 09:15:30.000", id="short-with-seconds"),
        pytest.param("09:15:30", "2026-11-25 09:15:30.000", id="with-seconds"),
        pytest.param("2026-02-08", "2026-02-08 00:00:00.000", id="day"),
        pytest.param("2026-02-08 09:15", "2026-02-08 09:15:00.000", id="moment"),
    ],
)
def test_since_is_read_as_people_say_it(text, begin):
    assert moment(text, NOW) == begin


def test_since_with_a_zone_is_turned_into_the_machines():
    text = (NOW - timedelta(hours=1)).isoformat()

    assert moment(text, NOW) == "2026-11-25 11:00:00.500"


# -- following -----------------------------------------------------------------


def test_following_shows_the_past_then_what_comes_across_a_rotation(home, logs):
    component = "risk_manager"
    path = logs(component, line("10:00:00.000", component, "past"))
    command = [sys.executable, "-m", "shoonya_platform.ctl.main", "logs", "-f"]
    with subprocess.Popen(
        [*command, component],
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
        # As in a script's background job: Ctrl-C must end it all the same.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_IGN),
    ) as following:
        assert following.stdout is not None
        assert following.stdout.readline().endswith("past\n")
        logs(component, line("10:00:01.000", component, "before"))
        assert following.stdout.readline().endswith("before\n")
        path.rename(f"{path}.1")
        logs(component, line("10:00:02.000", component, "after"))
        assert following.stdout.readline().endswith("after\n")
        began = time.monotonic()
        following.send_signal(signal.SIGINT)
        assert following.wait(60) == 0
    assert time.monotonic() - began < 5


def test_following_ends_with_its_reader(home, logs):
    component = "risk_manager"
    logs(component, line("10:00:00.000", component, "past"))
    with subprocess.Popen(
        [sys.executable, "-m", "shoonya_platform.ctl.main", "logs", "-f"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as following:
        assert following.stdout is not None
        assert following.stderr is not None
        following.stdout.readline()
        following.stdout.close()

        def end():
            logs(component, line("10:00:01.000", component, "more"))
            return following.poll() is not None

        eventually(end)
        assert following.returncode == 0
        assert following.stderr.read() == ""


def test_gap_is_shown_where_it_is(ctl, logs):
    component = "risk_manager"
    for seq in (1, 2, 7):
        stamp = f"10:00:0{seq}.000"
        logs(component, line(stamp, component, f"text | run=r1 seq={seq}"))

    shown = ctl("logs", component).out.splitlines()
    (gap,) = [item for item in ctl("logs", "--json").document if "missing" in item]

    assert shown[2] == ("-- 4 records missing here -- risk_manager run=r1 seq=3-6")
    assert len(shown) == 4
    assert (gap["missing"], gap["ranges"], gap["why"]) == (4, [[3, 6]], "")


def test_json_of_a_record_has_it_taken_apart(ctl, logs):
    logs(
        "risk_manager",
        line("10:00:01.000", "risk_manager", 'a | order_id=1 why="b c" run=r1 seq=1'),
    )

    (record,) = ctl("logs", "--json").document

    assert record["message"] == "a"
    assert record["fields"] == {"order_id": "1", "why": "b c"}
    assert (record["run"], record["seq"]) == ("r1", 1)


def test_journal_that_cannot_be_read_is_4_with_a_hint(ctl, home, monkeypatch):
    monkeypatch.setenv("PATH", "")

    result = ctl("logs", "--journal")

    assert result.code == 4
    assert "hint: " in result.err
    assert ctl("logs", "--journal", "-f").code == 2


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        pytest.param(["logs", ""], {"verify", "risk_manager"}, id="nothing-yet"),
        pytest.param(["logs", "ri"], {"risk_manager"}, id="service"),
        pytest.param(["logs", "ve"], {"verify"}, id="sub-verb"),
        pytest.param(["logs", "--fo"], {"--follow"}, id="option"),
        pytest.param(["logs", "risk_manager", "da"], {"dashboard"}, id="second"),
        pytest.param(["logs", "verify", "--jo"], {"--journal"}, id="of-a-sub-verb"),
    ],
)
def test_completion_offers_services_sub_verbs_and_options(words, offered):
    *before, incomplete = words
    completion = ShellComplete(cli, {}, "shoonyactl", "_SHOONYACTL_COMPLETE")

    found = {
        item.value for item in completion.get_completions(list(before), incomplete)
    }

    assert offered <= found


def test_no_service_is_called_like_a_sub_verb():
    assert not set(VERBS) & set(COMPONENTS)


def test_help_shows_the_lines_options_and_the_sub_verbs(ctl):
    shown = ctl("logs", "--help").out

    assert "--follow" in shown
    for verb, (_, sentence) in VERBS.items():
        assert f"  {verb} " in shown
        assert sentence[:30] in shown
    usage = ctl("logs", "risk_manager", "--help").out.splitlines()[0]
    assert usage.endswith("shoonyactl logs [OPTIONS] [SERVICES]...")


def test_followed_json_is_an_object_a_line(home, logs):
    component = "risk_manager"
    logs(component, line("10:00:00.000", component, "past"))
    command = [sys.executable, "-m", "shoonya_platform.ctl.main", "logs", "-f"]
    with subprocess.Popen(
        [*command, "--json"],
        stdout=subprocess.PIPE,
        text=True,
    ) as following:
        assert following.stdout is not None
        assert json.loads(following.stdout.readline())["text"] == "past"
        logs(component, line("10:00:01.000", component, "new"))
        assert json.loads(following.stdout.readline())["text"] == "new"
        following.send_signal(signal.SIGINT)
        assert following.wait(60) == 0


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_reader_that_has_had_enough_is_no_failure(home, logs, options):
    component = "risk_manager"
    lines = [line(f"10:00:00.{n:03d}", component, "x" * 200) for n in range(999)]
    logs(component, *lines)
    command = [sys.executable, "-m", "shoonya_platform.ctl.main", "logs", "-n", "999"]
    with subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as reading:
        assert reading.stdout is not None
        assert reading.stderr is not None
        reading.stdout.readline()
        reading.stdout.close()

        assert reading.wait(60) == 0
        assert reading.stderr.read() == ""
