"""Another project: the page's program, its own names, and nothing else of ours."""

import fcntl
import importlib.util
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import IO

import pytest

from shoonya_platform.logging import ParsedLine, disk_use
from shoonya_platform.logging.sizes import parse_size
from shoonya_platform.testing.waiting import eventually
from tests.unit.logging.support import backups, lines

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "logging.md"
NAMES = ("web", "worker")
EXTRAS = ("zstandard", "systemd")
# What the standard library looks for, and finds under Jython only.
NEVER_THERE = "org"


class Project:
    """
    A folder with the program, and beside it a Python that has the library alone.

    Attributes:
        path: Of the folder.

        loaded: The modules that its processes have imported, all of them.
    """

    def __init__(self, path: Path) -> None:
        self.path = path / "acme"
        self.logs = self.path / "logs"
        self.loaded: set[str] = set()
        self._library = path / "library"
        (self._library / "shoonya_platform").mkdir(parents=True)
        for part in ("__init__.py", "logging"):
            name = Path("shoonya_platform", part)
            (self._library / name).symlink_to(ROOT / "src" / name)
        for extra in EXTRAS:
            spec = importlib.util.find_spec(extra)
            assert spec is not None
            assert spec.origin is not None
            (self._library / extra).symlink_to(Path(spec.origin).parent)
        self.path.mkdir()
        programs = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
        (program,) = (each for each in programs if "project=" in each)
        self.budget = parse_size(re.findall(r'BUDGET = 100_000, "(.*)"', program)[0])
        (self.path / "acme.py").write_text(program)

    def start(
        self, *words: str, stdin: IO[str] | int = subprocess.DEVNULL
    ) -> subprocess.Popen[str]:
        # Not the test's own interpreter: that one finds the whole package.
        return subprocess.Popen(
            [os.path.realpath(sys.executable), "-S", "-X", "importtime", *words],
            cwd=self.path,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(self._library)},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def output(self, process: subprocess.Popen[str]) -> str:
        """Return what it printed, once it has ended well."""
        printed, told = process.communicate(timeout=60)
        told_otherwise = []
        for line in told.splitlines():
            if line.startswith("import time:"):
                # The name is "imported package" in the heading.
                self.loaded.add(line.rpartition("|")[2].strip())
            else:
                told_otherwise.append(line)
        assert (process.returncode, told_otherwise) == (0, [])
        return printed

    def wait_for_archiver(self) -> None:
        """Wait until nobody compresses any more."""

        def is_idle() -> bool:
            with (self.logs / ".archive.lock").open("rb") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return False
            return True

        eventually(is_idle, timeout_seconds=60)

    def records(self, component: str) -> list[ParsedLine]:
        """Return all there are, oldest first; a torn line fails."""
        live = self.logs / f"{component}.log"
        return [record for file in backups(live) for record in lines(file)]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The program after its run; never more on the disk than its budget."""
    project = Project(tmp_path_factory.mktemp("alone"))
    process = project.start("acme.py", "run")
    most = 0
    while process.poll() is None:
        most = max(most, used(project.logs))
    assert project.output(process) == ""
    project.wait_for_archiver()
    assert 100_000 < most <= project.budget
    return project


def used(directory: Path) -> int:
    return disk_use(directory, components=NAMES).used_bytes


def test_each_component_has_its_file_and_its_archives(project: Project) -> None:
    found = {path.name for path in project.logs.glob("[!.]*")}

    assert {"web.log", "worker.log", "web.log.1", "worker.log.1"} <= found
    assert {re.sub(r"\.log.*", "", name) for name in found} == set(NAMES)
    archived = {name.partition(".")[0] for name in found if name.endswith(".zst")}
    # One that got ahead of the other has the older archives, and they go first.
    assert archived
    assert archived | evicted(project) == set(NAMES)


def evicted(project: Project) -> set[str]:
    """Return the components of which archives were deleted, by what the log says."""
    told = [record for name in NAMES for record in project.records(name)]
    pattern = re.compile(r"/(\w+)\.log[^/']*\.zst' was deleted")
    return {found[1] for each in told if (found := pattern.search(each.message))}


def test_only_the_oldest_went_and_the_log_says_so(project: Project) -> None:
    for name in NAMES:
        records = project.records(name)
        numbers: defaultdict[str, list[int]] = defaultdict(list)
        for record in records:
            numbers[record.run].append(record.seq)
        assert {record.name for record in records} == {name.upper()}
        for kept in numbers.values():
            assert sorted(kept) == list(range(min(kept), max(kept) + 1))
        assert any(record.fields.get("event") == "shutdown" for record in records)
        assert len(records) < 3000
    told = [record for name in NAMES for record in project.records(name)]
    assert any(record.fields.get("event") == "log_evicted" for record in told)


def test_program_reads_back_what_it_wrote(project: Project) -> None:
    shown = project.output(project.start("acme.py", "show")).splitlines()

    files = [path for name in NAMES for path in backups(project.logs / f"{name}.log")]
    counted = {
        name: int(count)
        for name, count in re.findall(
            r"^(\S+): (\d+) records", "\n".join(shown), re.MULTILINE
        )
    }
    assert counted == {file.name: len(lines(file)) for file in files}
    assert sum(line.endswith("in archives") for line in shown) == 2
    use = disk_use(
        project.logs, components=NAMES, max_bytes=100_000, budget=project.budget
    )
    assert shown[-1] == (
        f"{use.used_bytes} of {use.budget_bytes} bytes, next to go: {use.next_evicted}"
    )


def test_nothing_else_of_the_package_is_loaded_or_needed(
    project: Project, tmp_path: Path
) -> None:
    (tmp_path / "web.log.2").write_text("x\n" * 5000)
    # The process that the library starts by itself; its output is nobody's.
    module = "shoonya_platform.logging"
    words = ("-m", module, str(tmp_path), "100000", "10", "0", *NAMES)
    with (tmp_path / ".archive.lock").open("w") as lock:
        project.output(project.start(*words, stdin=lock))
    project.output(project.start("acme.py", "show"))

    assert [path.name for path in tmp_path.glob("web*")] == ["web.log.2.zst"]
    assert {"zstandard", "shoonya_platform.logging.usage"} <= project.loaded
    strange = {
        name
        for name in project.loaded
        if not re.match(r"shoonya_platform(\.logging\b|$)", name)
        and name != "imported package"
        and name.partition(".")[0]
        not in {*sys.stdlib_module_names, *EXTRAS, NEVER_THERE}
    }
    assert strange == set()
