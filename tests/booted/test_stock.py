"""The fast tests on a stock system: its own Python, an ordinary user, no network."""

import re
import shutil
from pathlib import Path

import pytest

from tests.booted.conftest import WHEELHOUSE, wheelhouse
from tests.booted.machine import alone, booted
from tests.booted.supplies import lay_checkout

ROOT = Path(__file__).parents[2]
#: None that the system below could have: its users are in the machine too.
USER = "shoonya-tester"
CLONE = f"/home/{USER}/shoonya"
TOOLS = "/srv/tools"
SECONDS = 1800

#: What a developer's shell has otherwise: a script's background job starts with these
#: signals ignored, and files of the user are the user's alone.  One process, as the
#: other booted tests run meanwhile.
TYPED = f"""
    export PIP_NO_INDEX=1 PIP_FIND_LINKS={WHEELHOUSE} PATH=$PATH:{TOOLS}
    trap '' INT QUIT HUP
    umask 077
    cd {CLONE} && exec ./scripts/test fast -n0
"""


@pytest.fixture
def machine():
    with alone(ROOT / ".venv"):
        binds = {WHEELHOUSE: wheelhouse("dev.txt"), TOOLS: _folder_of("promtool")}
    with booted("stock", binds) as machine:
        machine.run("useradd", "--create-home", "--shell=/bin/bash", USER)
        lay_checkout(machine, CLONE)
        machine.run("chown", "-R", f"{USER}:", CLONE)
        yield machine


def _folder_of(program: str) -> Path:
    found = shutil.which(program)
    assert found is not None, f"{program} is missing: scripts/test installs it"
    return Path(found).parent


@pytest.mark.timeout(SECONDS + 100)
def test_fast_tests_pass_with_the_systems_own_python(machine):
    done = machine.run(
        *("runuser", "-l", USER, "-c", TYPED), check=False, timeout_seconds=SECONDS
    )

    said = done.stdout + done.stderr
    failed = "\n".join(re.findall(r"^(?:FAILED|ERROR|E  ) .*$", said, re.MULTILINE))
    assert done.returncode == 0, f"{failed}\n{said[-4000:]}"
    assert "making .venv with /usr/bin/python3" in said
