"""The unit files as systemd reads them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.ctl import _systemd, _units, _verifying
from shoonya_platform.ctl._layout import of_user
from shoonya_platform.ctl._units import UnitFile
from shoonya_platform.errors import EXIT_CONFIG

pytestmark = pytest.mark.skipif(
    not _verifying.can_verify(), reason="systemd-analyze is missing"
)

TEMPLATE = _units.shipped_dir() / "shoonya@.service"

# What may be left open: 1.1 is the floor of a service with the open internet, 0.9
# of one that only listens on this machine, 0.2 of one that needs no network at all.
BROKER, LOCAL, UNIX_ONLY = 11, 9, 2
EXPOSURE = {
    "recovery_service": BROKER,
    "order_watcher": BROKER,
    "command_service": BROKER,
    "trading_bot": BROKER,
    "execution_service": LOCAL,
    "dashboard": LOCAL,
    "execution_guard": UNIX_ONLY,
    "risk_manager": UNIX_ONLY,
}


def with_line(files: list[UnitFile], line: str) -> list[UnitFile]:
    """Return *files* with a line planted into the template's [Service]."""
    return [
        UnitFile(
            path=f.path, text=f.text.replace("[Service]\n", f"[Service]\n{line}\n")
        )
        if f.path.endswith("shoonya@.service")
        else f
        for f in files
    ]


def test_systemd_reads_the_units_in_silence():
    assert _verifying.verify(_units.shipped_files()) == ""


def test_systemd_of_a_user_reads_its_units_in_silence():
    layout = of_user({"HOME": "/home/somebody"})

    assert _verifying.verify(_units.shipped_files(layout=layout), layout) == ""


def test_systemd_of_this_version_reads_what_is_rendered_for_it_in_silence():
    version = _systemd.version()
    assert version is not None

    assert _verifying.verify(_units.shipped_files(version=version)) == ""


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("RestartStepz=3", id="unknown-key"),
        pytest.param("WatchdogSec=soon", id="no-duration"),
        pytest.param("ProtectSystem=maybe", id="no-choice"),
    ],
)
def test_systemd_objects_to_a_planted_mistake(line):
    said = _verifying.verify(with_line(_units.shipped_files(), line))

    assert line.split("=")[0] in said or line.split("=")[1] in said


def test_systemd_objects_to_a_mistake_in_a_drop_in():
    files = [
        UnitFile(path=f.path, text=f.text + "NoSuchKey=1\n")
        if "shoonya@dashboard" in f.path
        else f
        for f in _units.shipped_files()
    ]

    assert "NoSuchKey" in _verifying.verify(files)


@pytest.mark.parametrize("component", COMPONENTS)
def test_exposure_is_at_its_floor(component, tmp_path):
    shutil.copytree(_units.shipped_dir(), tmp_path, dirs_exist_ok=True)
    instance = f"shoonya@{component}.service"
    shutil.copyfile(TEMPLATE, tmp_path / instance)

    done = subprocess.run(
        [
            "systemd-analyze",
            "security",
            "--offline=true",
            f"--threshold={EXPOSURE[component]}",
            instance,
        ],
        env={"SYSTEMD_UNIT_PATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_table_of_exposure_in_the_guide_is_the_one_that_is_measured():
    root = Path(__file__).parents[2]
    guide = (root / "docs" / "security.md").read_text()
    version = subprocess.run(
        ["systemd-analyze", "--version"], capture_output=True, text=True, check=True
    ).stdout.split()[1]
    if version != "252":
        pytest.skip("the table was made with systemd 252, others count otherwise")

    printed = subprocess.run(
        [root / "scripts" / "security-scores"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert printed in guide


def test_every_drop_in_belongs_to_one_of_the_eight():
    folders = {p.name for p in _units.shipped_dir().iterdir() if p.is_dir()}

    assert folders <= {f"shoonya@{name}.service.d" for name in COMPONENTS}


def test_sections_stand_in_their_order():
    sections = re.findall(r"^\[(\w+)\]$", TEMPLATE.read_text(), re.MULTILINE)

    assert sections == ["Unit", "Service", "Install"]


def test_sandbox_is_alphabetical_so_that_a_missing_line_is_seen():
    text = TEMPLATE.read_text()
    sandbox = text[text.index("CapabilityBoundingSet=") : text.index("[Install]")]
    lines = [re.sub(r"^#@\d+ ", "", line) for line in sandbox.splitlines() if line]
    keys = [line.split("=")[0] for line in lines]

    assert keys == sorted(keys)


def test_unusable_configuration_is_not_restarted():
    assert f"RestartPreventExitStatus={EXIT_CONFIG}" in TEMPLATE.read_text()


def test_no_secret_and_no_key_newer_than_systemd_252():
    text = "".join(file.text for file in _units.shipped_files())

    newer = ("RestartSteps=", "RestartMaxDelaySec=", "RestartMode=", "notify-reload")
    assert [key for key in newer if key in text] == []
    assert "secret=" not in text.lower().replace("webhook_secret:", "")
