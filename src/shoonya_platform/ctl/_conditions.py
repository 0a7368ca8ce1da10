"""Conditions for the terminal and as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from shoonya_platform.assessment.conditions import Condition, Severity
from shoonya_platform.ctl.output import console, plain

STYLES = {Severity.CRITICAL: "red", Severity.WARNING: "yellow"}


def condition_document(condition: Condition) -> dict[str, object]:
    """Return the condition as `--json` prints it."""
    return {
        "key": condition.key,
        "kind": str(condition.kind),
        "severity": str(condition.severity),
        "text": condition.text,
        "action": condition.action,
        "subject": condition.subject,
        "order_id": condition.order_id,
        "since": plain(condition.since),
        "discrepancy_id": condition.discrepancy_id,
        "needs_acknowledgement": condition.needs_acknowledgement,
        "runbook": condition.runbook,
    }


def print_conditions(conditions: Sequence[Condition]) -> None:
    """Print each with the command to use, nothing if there are none."""
    if not conditions:
        return
    out = console()
    out.print()
    for each in conditions:
        out.print(
            Text.assemble(
                (f"{each.severity:<8}", STYLES[each.severity]), " ", each.text
            )
        )
        out.print(Text(f"{'':8} {each.action}", "bright_black"))
