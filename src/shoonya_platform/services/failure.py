"""
Tells somebody that a service died: the journal, a file, and a command of yours.

    python -m shoonya_platform.services.failure all|SERVICE

Started by a path unit when there is a death to tell of, and by `OnFailure=` for those
that left no note.  Whatever fails in here, the services go on.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from shoonya_platform.clock import SystemClock
from shoonya_platform.config.loader import load
from shoonya_platform.config.settings import COMPONENTS, Settings
from shoonya_platform.errors import ShoonyaError
from shoonya_platform.notify.targets import open_targets
from shoonya_platform.services.child import ServiceStatus
from shoonya_platform.services.crashes import UNIT_STATE_DIR, CrashHistory
from shoonya_platform.services.incidents import Incidents
from shoonya_platform.services.telling import headline, tell
from shoonya_platform.services.why import Explanation, explain

#: Of the entry in the journal; units/shoonya.catalog explains it.
MESSAGE_RESTARTED = "5db95a48d45c4ca8b821cb7f832c0583"
MESSAGE_FAILED = "bf34ef2067364bf0851262072a045e3d"

COMMAND_SECONDS = 30.0

#: Waited for systemd to make up its mind about what follows.
SETTLE_SECONDS = 5.0

#: Tells of every death itself (services/announcing.py), but for its own last one.
TELLER = "recovery_service"

_ERR, _CRIT = 3, 2

Journal = Callable[[Mapping[str, object]], None]


def main() -> int:
    name = sys.argv[1] if len(sys.argv) > 1 else "all"
    state_dir = Path(os.environ.get("STATE_DIRECTORY", str(UNIT_STATE_DIR)))
    incidents = Incidents(state_dir)
    try:
        incidents.folder.mkdir(exist_ok=True)
        with (incidents.folder / "lock").open("w") as lock:
            # Two handlers at once would tell the same death twice.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if name in COMPONENTS:
                note_monitored(incidents, name, os.environ, state_dir)
            settings = _settings()
            for service, invocation_id in incidents.take():
                report(incidents, settings, service, invocation_id, state_dir)
    except OSError as e:
        sys.stderr.write(f"shoonya-failure: nobody could be told: {e}\n")
        return 1
    return 0


def note_monitored(
    incidents: Incidents, service: str, environ: Mapping[str, str], state_dir: Path
) -> None:
    """
    Note the death that `OnFailure=` told of, where `ExecStopPost=` could not.

    Whoever kills a unit with all its processes kills that one too.

    Raises:
        OSError: It cannot be noted.
    """
    invocation_id = environ.get("MONITOR_INVOCATION_ID", "")
    boot_id = environ.get("SHOONYA_BOOT", "")
    if not incidents.add(service, invocation_id) or not boot_id:
        return
    history = CrashHistory(state_dir, service, boot_id)
    if any(each.invocation_id == invocation_id for each in history.read()):
        return
    told = {
        "SERVICE_RESULT": environ.get("MONITOR_SERVICE_RESULT", ""),
        "EXIT_CODE": environ.get("MONITOR_EXIT_CODE", ""),
        "EXIT_STATUS": environ.get("MONITOR_EXIT_STATUS", ""),
        "INVOCATION_ID": invocation_id,
    }
    history.note_end(told, SystemClock().now())


def report(
    incidents: Incidents,
    settings: Settings,
    service: str,
    invocation_id: str,
    state_dir: Path,
    journal: Journal | None = None,
) -> None:
    """Tell of one death, everywhere; a place that fails does not stop the others."""
    found = _settled(settings, service, invocation_id, state_dir)
    line, story = headline(found), tell(found)
    try:
        incidents.keep(service, invocation_id, story)
    except OSError as e:
        sys.stderr.write(f"shoonya-failure: the story could not be kept: {e}\n")
    (journal or _send)(_entry(found, line, invocation_id, incidents.folder))
    if settings.failure.command:
        _run(settings.failure.command, service, line, story)
    if service == TELLER and found.state is ServiceStatus.FAILED:
        _notify(line)


def _settled(
    settings: Settings, service: str, invocation_id: str, state_dir: Path
) -> Explanation:
    until = time.monotonic() + SETTLE_SECONDS
    while True:
        found = explain(
            settings, service, state_dir=state_dir, invocation_id=invocation_id
        )
        if found.state is not ServiceStatus.STOPPING or time.monotonic() > until:
            return found
        time.sleep(0.1)


def _settings() -> Settings:
    try:
        return load().settings
    except ShoonyaError as e:
        # A configuration that nobody can use is what there may be to tell of.
        sys.stderr.write(f"shoonya-failure: {e.sentence}, using the defaults\n")
        return Settings()


def _entry(
    found: Explanation, line: str, invocation_id: str, folder: Path
) -> dict[str, object]:
    is_final = found.state is ServiceStatus.FAILED
    return {
        "MESSAGE": line,
        "MESSAGE_ID": MESSAGE_FAILED if is_final else MESSAGE_RESTARTED,
        "PRIORITY": _CRIT if is_final else _ERR,
        "SYSLOG_IDENTIFIER": "shoonya-failure",
        "SHOONYA_SERVICE": found.service,
        "SHOONYA_EVENT": "service_incident",
        "SHOONYA_INCIDENT": invocation_id,
        "SHOONYA_CAUSE": found.cause,
        "SHOONYA_NEXT": found.next,
        "SHOONYA_RESTARTS": found.restarts,
        "SHOONYA_STORY": folder / f"{found.service}-{invocation_id}.txt",
    }


def _send(fields: Mapping[str, object]) -> None:
    from systemd import journal

    journal.sendv(*(f"{key}={value}" for key, value in fields.items()))


def _notify(line: str) -> None:
    try:
        config = load()
        urls = config.secrets.find("notify_urls")
        if urls is None or "failure" not in config.settings.notify.events:
            return
        for target in open_targets(urls.value):
            if not target.send("Shoonya", line):
                sys.stderr.write(f"shoonya-failure: {target.name} took no message\n")
    except ShoonyaError as e:
        sys.stderr.write(f"shoonya-failure: {e.sentence}\n")


def _run(command: Sequence[str], service: str, line: str, story: str) -> None:
    try:
        done = subprocess.run(
            command,
            input=f"{line}\n\n{story}",
            env={
                **os.environ,
                "INCIDENT_SERVICE": service,
                "INCIDENT_HEADLINE": line,
            },
            capture_output=True,
            text=True,
            errors="replace",
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as e:
        sys.stderr.write(f"shoonya-failure: '{command[0]}': {e}\n")
        return
    if done.returncode:
        said = done.stderr.strip() or done.returncode
        sys.stderr.write(f"shoonya-failure: '{command[0]}' failed: {said}\n")


if __name__ == "__main__":
    sys.exit(main())
