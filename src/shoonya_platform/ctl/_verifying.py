"""Lets systemd read the units in a folder of their own before they are installed."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from shoonya_platform.ctl._layout import Layout, of_machine
from shoonya_platform.ctl._units import INSTANCES, UnitFile

_OF_MACHINE = (
    "/usr/local/lib/systemd/system:/usr/lib/systemd/system:/lib/systemd/system"
)
_OF_USER = "/usr/lib/systemd/user"


def can_verify() -> bool:
    return shutil.which("systemd-analyze") is not None


def verify(files: Sequence[UnitFile], layout: Layout | None = None) -> str:
    """
    Let systemd read the units before they are installed.

    `systemd-analyze verify` exits 0 for a key it does not know and merely says so:
    only silence counts.  It looks for the interpreter too, which may not be there
    yet, so a program that exists stands in for it.

    Returns:
        What systemd objects to; empty when all is well.
    """
    layout = layout or of_machine()
    with tempfile.TemporaryDirectory(prefix="shoonya-units-") as name:
        folder = Path(name)
        units = _stage(files, folder, str(layout.unit_dir).lstrip("/"))
        # Ours, and the distribution's; not what is installed already.
        theirs = _OF_USER if layout.user else _OF_MACHINE
        done = subprocess.run(
            [
                "systemd-analyze",
                *(["--user"] if layout.user else []),
                "verify",
                "--man=no",
                *units,
            ],
            env={
                **os.environ,
                "SYSTEMD_UNIT_PATH": f"{folder}:{theirs}",
                # A user's manager is only imagined here; it need not run.
                "XDG_RUNTIME_DIR": str(folder),
                "SYSTEMD_LOG_TARGET": "console",
                "SYSTEMD_COLORS": "0",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        said = (done.stderr + done.stdout).replace(f"{folder}/", "").strip()
    if done.returncode != 0 and not said:
        return f"systemd-analyze verify ended with {done.returncode}"
    return said


def _stage(files: Iterable[UnitFile], folder: Path, unit_dir: str) -> list[str]:
    for file in files:
        if not file.path.startswith(f"{unit_dir}/"):
            continue
        path = folder / file.path.removeprefix(f"{unit_dir}/")
        path.parent.mkdir(exist_ok=True)
        lines = [
            re.sub(r"^(Exec\w+=).*", r"\1/bin/true", line)
            for line in file.text.splitlines()
        ]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        if path.name == "shoonya@.service":
            # Given a template, verify tries an instance that has no drop-ins.
            for instance in INSTANCES:
                shutil.copyfile(path, folder / instance)
    return sorted(
        str(path)
        for path in folder.iterdir()
        if path.is_file() and "@." not in path.name
    )
