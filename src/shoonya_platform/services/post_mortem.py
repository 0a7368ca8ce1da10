"""
Runs after each end of a service (`ExecStopPost=`) and notes how it was.

    python -m shoonya_platform.services.post_mortem NAME
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from shoonya_platform.clock import SystemClock
from shoonya_platform.errors import EXIT_RENEW
from shoonya_platform.services import blackbox
from shoonya_platform.services.crashes import CrashHistory
from shoonya_platform.services.incidents import Incidents


def main() -> int:
    name = sys.argv[1]
    history = CrashHistory.of_unit(os.environ, name)
    if history is None:
        sys.stderr.write(f"{name}: post_mortem is for systemd's ExecStopPost=\n")
        return 2
    # The unit's own runtime directory stands until this program has ended.
    words = blackbox.read(Path(os.environ.get("RUNTIME_DIRECTORY", "")))
    try:
        end = history.note_end(os.environ, SystemClock().now(), words)
        if end is not None and end.exit_status != str(EXIT_RENEW):
            state_dir = Path(os.environ["STATE_DIRECTORY"])
            Incidents(state_dir).add(name, end.invocation_id)
    except OSError as e:
        # Without its history a service is restarted without a pause, which the
        # unit's start limit bounds; a failure here must not add another.
        sys.stderr.write(f"{name}: its end was not noted: {e}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
