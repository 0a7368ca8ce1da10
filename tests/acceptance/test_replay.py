"""A recorded day through eight real processes: the same result each time."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

SAMPLE = Path(__file__).parents[2] / "src/shoonya_platform/ctl/samples/day.jsonl"
SHOONYACTL = (sys.executable, "-m", "shoonya_platform.ctl.main")


def replay(cwd: Path, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [*SHOONYACTL, "replay", "--json", *arguments],
        cwd=cwd,
        # Settings of whoever replays a day play no part in it.
        env={**os.environ, "SHOONYA_RISK_MAX_OPEN_POSITIONS": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_sample_day_comes_to_what_is_written_of_it(tmp_path: Path):
    result = replay(tmp_path, "--sample")

    reasons = [each["reason"].partition(":")[0] for each in result["orders"]]
    # Market hours are those of the recorded day, whatever the time is now.
    assert reasons[0] == "MARKET_CLOSED"
    assert {"DUPLICATE_ENTRY", "QUANTITY_NOT_IN_LOTS", "DAILY_LOSS_LIMIT"} <= {*reasons}
    assert result["trading_state"] == "REDUCING"
    assert result["positions"] == []
    assert [each["code"] for each in result["refused"]] == ["FIELD_INVALID"]
    assert list(tmp_path.iterdir()) == []


def test_same_file_gives_the_same_result_in_a_directory_of_its_own(tmp_path: Path):
    lines = SAMPLE.read_text().splitlines()
    alerts = [n for n, line in enumerate(lines) if '"alert"' in line]
    day = tmp_path / "day.jsonl"
    day.write_text("\n".join(lines[: alerts[3] + 1]) + "\n")

    first = replay(tmp_path, str(day), "--keep", "one")
    second = replay(tmp_path, str(day), "--keep", "two")

    assert first == second
    assert len(first["orders"]) == 6
    assert (tmp_path / "one" / "state" / "orders.db").exists()
    assert (tmp_path / "one" / "logs" / "execution_guard.log").exists()
