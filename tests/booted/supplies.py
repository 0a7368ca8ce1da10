"""What a machine without network installs, fetched here beforehand."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from tests.booted.machine import Machine

ROOT = Path(__file__).parents[2]
DEBS = "/srv/debs"
#: Taken for granted by the guides, and missing in the smallest systems.
THERE = ("curl", "git", "procps", "sudo", "zstd")
#: What the guides and their scripts ask the distribution for.
ASKED_FOR = ("chrony", "lnav", "nginx", "openssl")
INSTALL = ("apt-get", "install", "--yes", "--no-install-recommends", "--no-upgrade")


def debs() -> Path:
    """Return a folder that apt takes for a repository: what this machine lacks."""
    key = hashlib.sha256(Path("/var/lib/dpkg/status").read_bytes()).hexdigest()
    folder = ROOT / ".venv" / f"debs-{key[:12]}"
    if not (folder / "Packages").exists():
        (folder / "partial").mkdir(parents=True, exist_ok=True)
        fetch = [
            *INSTALL,
            "--download-only",
            f"-oDir::Cache::archives={folder}",
            "-oAPT::Sandbox::User=root",
            *THERE,
            *ASKED_FOR,
        ]
        if subprocess.run(fetch, capture_output=True, check=False).returncode != 0:
            # A list too old names packages that the mirror no longer has.
            subprocess.run(["apt-get", "update"], capture_output=True, check=True)
            subprocess.run(fetch, capture_output=True, check=True)
        index = "".join(map(_entry, sorted(folder.glob("*.deb"))))
        (folder / "Packages").write_text(index)
        # The clone's owner must be able to remove it.
        subprocess.run(["chown", "-R", f"--reference={ROOT}", str(folder)], check=True)
    return folder


def offer(machine: Machine, wheels: str) -> None:
    """Let apt and pip in the machine find what was fetched, and nothing else."""
    sources = "/etc/apt/sources.list"
    # Root's own settings of pip would count for more.
    machine.run("rm", "-rf", f"{sources}.d", "/root/.config/pip", "/root/.pip")
    machine.run("tee", sources, stdin=f"deb [trusted=yes] file:{DEBS} ./\n")
    machine.run(
        "tee",
        "/etc/pip.conf",
        stdin=f"[global]\nno-index = true\nfind-links = {wheels}\n",
    )
    machine.run("apt-get", "update")
    machine.run(*INSTALL, *THERE, env={"DEBIAN_FRONTEND": "noninteractive"})


def lay_checkout(machine: Machine, folder: str) -> None:
    """Copy this checkout, as it is, into a new folder of the machine."""
    pack = (
        "git ls-files -z --cached --others --exclude-standard | "
        "tar -c --null -T - | base64"
    )
    files = subprocess.run(
        ["sh", "-c", pack], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    machine.run("mkdir", folder)
    machine.run("sh", "-c", f"base64 -d | tar -x -C {folder}", stdin=files)


def _entry(deb: Path) -> str:
    control = subprocess.run(
        ["dpkg-deb", "--field", deb], capture_output=True, text=True, check=True
    ).stdout.rstrip()
    digest = hashlib.sha256(deb.read_bytes()).hexdigest()
    size = deb.stat().st_size
    return f"{control}\nFilename: ./{deb.name}\nSize: {size}\nSHA256: {digest}\n\n"
