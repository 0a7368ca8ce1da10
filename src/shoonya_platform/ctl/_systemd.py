"""Runs systemd's programs, and asks which systemd this is."""

import subprocess

from shoonya_platform.errors import ShoonyaError


def run(command: tuple[str, ...]) -> str:
    """
    Run a program of systemd's; return what it printed.

    Raises:
        ShoonyaError: It is missing or failed; its own words are in the message.
    """
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except FileNotFoundError as e:
        raise ShoonyaError(
            f"'{command[0]}' is missing", hint="this machine has no systemd"
        ) from e
    except subprocess.CalledProcessError as e:
        raise ShoonyaError(
            f"'{' '.join(command)}' failed: {e.stderr.strip() or e.returncode}"
        ) from e


def version() -> int | None:
    """Return this machine's, for example 252; None if it has no systemd."""
    try:
        words = run(("systemctl", "--version")).split()
    except ShoonyaError:
        return None
    # "systemd 252 (252.39-1~deb12u1)", "systemd 257~rc1 …"
    digits = words[1].partition("~")[0].partition(".")[0] if len(words) > 1 else ""
    return int(digits) if digits.isdigit() else None


def needs_reload(systemctl: tuple[str, ...], units: tuple[str, ...]) -> bool:
    """Say whether systemd has yet to read what lies there, own drop-ins included."""
    try:
        return "yes" in run(
            (*systemctl, "show", "--property=NeedDaemonReload", "--value", *units)
        )
    except ShoonyaError:
        # One that does not answer has nothing to reload.
        return False
