"""What became of the records of a storm: all there, each once, each on its own line."""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from shoonya_platform.logging import open_log, parse_line
from shoonya_platform.logging.chain import Chain
from tests.chaos.log_storm import Outcome
from tests.chaos.log_witness import Sight

_HEAD = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \| ")
_RECORD = re.compile(
    rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \| INFO     \| [A-Z_]+ +\| record \| "
    rb"n=(\d+) pad=(?:(x+)|\"\") size=(\d+) run=(run\d+) seq=\d+"
)


@dataclass
class Verdict:
    """
    Figures of one storm.

    Attributes:
        records: Found as lines of their own.

        acknowledged: Their calls had returned.

        lost: Acknowledged, and not there.

        doubled: There more than once.

        torn: Lines that are no records: one for each kill, at most.

        glued: Of these, those that hold the beginning of another record.

        files: How many files there ever were, a rotation each.

        strange: What else is wrong, in words.
    """

    records: int = 0
    acknowledged: int = 0
    lost: int = 0
    doubled: int = 0
    torn: int = 0
    glued: int = 0
    files: int = 0
    strange: list[str] = field(default_factory=list)


def judge(outcome: Outcome, sight: Sight) -> Verdict:
    """Compare what was acknowledged with what was ever in the files."""
    verdict = Verdict(files=len(sight.texts))
    found: Counter[tuple[str, int]] = Counter()
    for text in sight.texts.values():
        for line in text.split(b"\n"):
            match = _RECORD.fullmatch(line)
            if match and len(match[2] or b"") == int(match[3]):
                found[match[4].decode(), int(match[1])] += 1
            elif line and not _is_notice(line):
                verdict.torn += 1
                verdict.glued += len(_HEAD.findall(line)) > 1
    verdict.records = found.total()
    verdict.doubled = sum(count > 1 for count in found.values())
    for run, last in outcome.acknowledged.items():
        verdict.acknowledged += last
        lost = [n for n in range(1, last + 1) if (run, n) not in found]
        verdict.lost += len(lost)
        if lost:
            verdict.strange.append(f"{run} of {last} lost {lost[:3]}..{lost[-1]}")
    return verdict


def judge_directory(directory: Path, sight: Sight, verdict: Verdict) -> None:
    """After the next start: no orphan, no gap, each archive what its file was."""
    originals = {text for text in sight.texts.values() if text}
    lives = {
        path.name.removesuffix(".lock").removeprefix(".")
        for path in (*directory.glob(".*.log.lock"), *directory.glob("*.log"))
    }
    expected = {".archive.lock", *(f".{name}.lock" for name in lives), *lives}
    for name in lives:
        backups = Chain(str(directory / name), 10**6).backups()
        numbers = [backup.number for backup in backups]
        if numbers != [*range(1, len(numbers) + 1)]:
            verdict.strange.append(f"{name} has backups {numbers}")
        for backup in backups:
            path = Path(backup.path)
            expected.add(path.name)
            with open_log(path) as file:
                if file.read() not in originals:
                    verdict.strange.append(f"{path.name} is not what was written")
    verdict.strange += [
        f"orphan {path.name}"
        for path in directory.iterdir()
        if path.name not in expected
    ]


def _is_notice(line: bytes) -> bool:
    record = parse_line(line.decode())
    return record is not None and "event" in record.fields
