"""Environments of the SDKs, each of its own: made once, kept below .cache/sdks."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_CACHE = ROOT / ".cache" / "sdks"
_PINS = ROOT / "requirements" / "sdks"
_DRIVER = Path(__file__).with_name("driver.py")


@dataclass(frozen=True, slots=True)
class Release:
    """A release of one of the SDKs."""

    name: str
    version: str
    generation: str

    def __str__(self) -> str:
        return f"{self.name}-{self.version}"


RELEASES = (
    Release("NorenRestApiPy", "0.0.22", "quickauth"),
    Release("NorenRestApi", "0.0.32", "quickauth"),
    Release("NorenRestApi", "0.0.37", "oauth"),
    Release("NorenRestApiOAuth", "0.0.41", "oauth"),
)


class CannotInstall(Exception):
    """The environment could not be made."""


def python_of(release: Release) -> Path:
    """
    Return the Python of a release's environment; make it if it is not there.

    Raises:
        CannotInstall: With the last words of what failed.
    """
    pins = [_PINS / "common.txt", _PINS / f"{release}.txt"]
    source = sys.version + "".join(path.read_text() for path in pins)
    digest = hashlib.sha256(source.encode()).hexdigest()[:12]
    folder = _CACHE / f"{release}-{digest}"
    python, ready = folder / "bin" / "python", folder / ".ready"
    _CACHE.mkdir(parents=True, exist_ok=True)
    # Two processes of the tests must not build one environment twice.
    with (_CACHE / f"{release}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            shutil.rmtree(folder, ignore_errors=True)
            _run(release, [sys.executable, "-m", "venv", str(folder)])
            pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install"]
            # Without what they declare: pandas and PyYAML are never imported, and the
            # first of them declares nothing.
            pip += ["--quiet", "--no-input", "--no-deps", "--require-hashes"]
            _run(release, pip + [part for path in pins for part in ("-r", str(path))])
            ready.touch()
    return python


def _run(release: Release, command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotInstall(
            f"{release} could not be installed into '{_CACHE}'.  It is fetched once "
            "from the package index, which must be reachable from here; the tests of "
            f"the SDKs cannot run without it.\n{done.stderr[-2000:]}"
        )


class Driver:
    """The process in which a release is called."""

    def __init__(self, release: Release) -> None:
        self._process = subprocess.Popen(
            [str(python_of(release)), str(_DRIVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """
        Call a method of the SDK, or of the driver itself.

        Raises:
            RuntimeError: It raised; with what it said.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = {"call": name, "args": args, "kwargs": kwargs}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline() or '{"error": "it ended"}')
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["result"]

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()
