"""
Booted machines; one of them with the platform installed as documented.

One a worker, where several run the tests (scripts/test).
"""

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.booted.machine import Machine, alone, booted, why_not
from tests.booted.platform import Platform

ROOT = Path(__file__).parents[2]
CHECKOUT = "/srv/shoonya"
WHEELHOUSE = "/srv/wheelhouse"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    # The longest one begins first, or the others would have ended long before it.
    items.sort(key=lambda item: item.path != here / "test_stock.py")
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.booted)
            # The first test pays for the boot and the installation.
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session", autouse=True)
def _bootable() -> None:
    if (reason := why_not()) is not None:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    """A booted machine with the checkout in /srv/shoonya and no network."""
    with alone(ROOT / ".venv"):
        wheels = wheelhouse()
    with booted("platform", {CHECKOUT: ROOT, WHEELHOUSE: wheels}) as machine:
        yield machine


@pytest.fixture(scope="session")
def platform(machine: Machine) -> Platform:
    """The platform on that machine, installed and started as the guide says."""
    installed = Platform(machine)
    installed.install()
    return installed


@pytest.fixture
def running(platform: Platform) -> None:
    """Each test begins with eight ready services that never died."""
    platform.begin_anew()


def wheelhouse(lock: str = "runtime.txt") -> Path:
    """
    Return a folder with all that pip installs, for a machine without network.

    Args:
        lock: What is installed: `runtime.txt`, or `dev.txt` for a checkout's tests.

    Fetched by the system's own Python, which is the one `scripts/install` takes.
    """
    python = subprocess.run(
        ["bash", "-c", ". scripts/_system_packages && find_python /usr/bin/"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    locks = [ROOT / "requirements" / name for name in ("build.txt", lock)]
    version = subprocess.run([python, "--version"], capture_output=True, check=True)
    key = hashlib.sha256(
        version.stdout + b"".join(lock.read_bytes() for lock in locks)
    ).hexdigest()
    folder = ROOT / ".venv" / f"wheelhouse-{key[:12]}"
    if not folder.exists():
        unfinished = folder.with_suffix(".new")
        script = """
            rm -rf "$2" && "$1" -m venv "$2/venv" && pip="$2/venv/bin/pip" &&
            "$pip" install --quiet --require-hashes -r "$3" &&
            "$pip" download --quiet --no-build-isolation --require-hashes \
                -d "$2/wheels" -r "$3" -r "$4" &&
            chown -R --reference=. "$2"  # the clone's owner must be able to remove it
        """
        done = subprocess.run(
            ["bash", "-c", script, "bash", python, unfinished, *locks],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        (unfinished / "wheels").rename(folder)
        subprocess.run(["rm", "-rf", unfinished], check=True)
    return folder
