"""shoonyactl stop"""

from __future__ import annotations

from shoonya_platform.ctl.services import command

cli = command(
    "stop",
    """Stop services in order, all if none is named.

    \b
    Examples:
      shoonyactl stop dashboard
      shoonyactl stop risk_manager execution_guard --timeout 60
    """,
)
