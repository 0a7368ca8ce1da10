"""shoonyactl start"""

from __future__ import annotations

from shoonya_platform.ctl.services import command

cli = command(
    "start",
    """Start services, all if none is named, and wait until they are ready.

    \b
    Examples:
      shoonyactl start dashboard
      shoonyactl start risk_manager execution_guard --timeout 60
    """,
)
