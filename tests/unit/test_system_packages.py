"""scripts/_system_packages: what it does while another process installs packages."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

#: Answers in turn, one line of `answers` a call; the last one again and again.
FAKE = """#!/usr/bin/env bash
echo "${0##*/} $*" >>"$FAKES/calls"
answer=$(head -n 1 "$FAKES/answers")
[[ $(wc -l <"$FAKES/answers") -lt 2 ]] || sed -i 1d "$FAKES/answers"
[[ -z $answer ]] || { echo "$answer" >&2; exit 100; }
"""
#: As apt-get 2.6 and 3.0, dpkg and dnf 4.14 write it.
HELD = [
    "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7 (apt)",
    "Error: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt)",
    "E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend)",
    "dpkg: error: dpkg frontend lock was locked by another process with pid 7",
    "metadata already locked by 7",
]


class Fakes:
    """Programs that are called instead of the system's own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def provide(self, name: str) -> None:
        program = self._folder / name
        program.write_text(FAKE)
        program.chmod(0o755)

    def run(self, script: str, *answers: str) -> subprocess.CompletedProcess[str]:
        (self._folder / "answers").write_text("".join(f"{a}\n" for a in answers))
        return subprocess.run(
            [
                "bash",
                "-c",
                f". scripts/_system_packages; lock_poll_seconds=0\n{script}",
            ],
            cwd=ROOT,
            env={
                **os.environ,
                "FAKES": str(self._folder),
                # Of the system's package managers only those that are faked are seen.
                "PATH": f"{self._folder}:{self._folder}/system",
            },
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def calls(self) -> list[str]:
        return (self._folder / "calls").read_text().splitlines()


@pytest.fixture
def fakes(tmp_path):
    fakes = Fakes(tmp_path)
    system = tmp_path / "system"
    system.mkdir()
    for name in (
        *("bash", "env", "grep", "head", "mktemp", "rm", "sed", "sleep", "tail", "wc"),
    ):
        found = subprocess.check_output(["which", name], text=True).strip()
        (system / name).symlink_to(found)
    # As root, whoever runs the tests.
    root = tmp_path / "id"
    root.write_text("#!/usr/bin/env bash\necho 0\n")
    root.chmod(0o755)
    return fakes


@pytest.mark.parametrize("held", HELD)
@pytest.mark.parametrize("manager", ["apt-get", "dnf"])
def test_lock_of_another_process_is_waited_for_and_reported_once(fakes, manager, held):
    fakes.provide(manager)

    done = fakes.run("install_packages 'a test' zstd", held, held, held, "")

    assert done.returncode == 0, done.stderr
    assert len(fakes.calls) == 4
    assert all("install -y" in call for call in fakes.calls)
    (line,) = [line for line in done.stderr.splitlines() if "waiting" in line]
    assert held.split(": ", 1)[-1] in line


def test_lock_that_is_never_released_ends_the_wait(fakes):
    fakes.provide("apt-get")

    done = fakes.run("lock_seconds=0; install_packages 'a test' zstd", HELD[0])

    assert done.returncode == 1
    assert "held by process 7" in done.stderr
    assert len(fakes.calls) == 1


def test_failure_of_another_kind_is_answered_with_new_lists_and_not_with_waiting(fakes):
    fakes.provide("apt-get")

    done = fakes.run("install_packages 'a test' zstd", "E: no such package")

    assert done.returncode == 1
    assert "could not install: zstd" in done.stderr
    assert [call.split()[1] for call in fakes.calls] == ["install", "update"]


def test_promtool_is_looked_for_with_new_lists_where_the_lists_are_empty(fakes):
    fakes.provide("apt-get")

    done = fakes.run("fetch_promtool", "E: Unable to locate package")

    assert done.returncode == 1
    assert "could not fetch promtool: E: Unable to locate package" in done.stderr
    assert fakes.calls == [
        "apt-get download promtool",
        "apt-get download prometheus",
        "apt-get update",
    ]
