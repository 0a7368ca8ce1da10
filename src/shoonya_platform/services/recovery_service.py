"""recovery_service: finds out what happened where nobody knows."""

from __future__ import annotations

import sys

from shoonya_platform.execution.outcomes import RecoveryRules
from shoonya_platform.execution.recovery import RecoveryService
from shoonya_platform.execution.recovery_report import ReportFolder
from shoonya_platform.services.runtime import Parts, run_worker


def build(parts: Parts) -> RecoveryService:
    recovery = parts.settings.recovery
    rules = RecoveryRules(
        interval_seconds=recovery.interval_seconds,
        absent_reads=recovery.absent_reads,
        absent_seconds=recovery.absent_seconds,
        old_order_seconds=recovery.old_order_seconds,
    )
    return RecoveryService(
        parts.store,
        parts.broker(),
        rules,
        parts.clock,
        parts.ring,
        run_id=parts.run_id,
        keep=ReportFolder(parts.settings.paths.state_dir / "recovery").keep,
    )


def main() -> int:
    return run_worker("recovery_service", build)


if __name__ == "__main__":
    sys.exit(main())
