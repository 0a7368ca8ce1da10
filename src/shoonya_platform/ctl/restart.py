"""shoonyactl restart"""

from __future__ import annotations

from shoonya_platform.ctl.services import command

cli = command(
    "restart",
    """Restart services, all if none is named, and wait until they are ready.

    \b
    Examples:
      shoonyactl restart dashboard
      shoonyactl restart risk_manager execution_guard --timeout 60
    """,
)
