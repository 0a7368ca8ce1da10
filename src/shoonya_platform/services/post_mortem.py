"""
Runs after each end of a service (`ExecStopPost=`) and notes how it was.

    python -m shoonya_platform.services.post_mortem NAME
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from shoonya_platform.clock import SystemClock
from shoonya_platform.services.crashes import CrashHistory, this_boot


def main() -> int:
    name, state_dir = sys.argv[1], Path(os.environ["STATE_DIRECTORY"])
    try:
        history = CrashHistory(state_dir, name, this_boot())
        history.note_end(os.environ, SystemClock().now())
    except OSError as e:
        # Without its history a service is restarted without a pause, which the
        # unit's start limit bounds; a failure here must not add another.
        sys.stderr.write(f"{name}: its end was not noted: {e}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
