"""recovery_service: finds out what happened where nobody knows."""

from __future__ import annotations

from shoonya_platform.config.loader import Config
from shoonya_platform.execution.outcomes import RecoveryRules
from shoonya_platform.execution.recovery import RecoveryService
from shoonya_platform.execution.recovery_report import ReportFolder
from shoonya_platform.services.announcing import Announcer
from shoonya_platform.services.ending import end_process
from shoonya_platform.services.instrument_keeper import InstrumentKeeper
from shoonya_platform.services.parts import instruments
from shoonya_platform.services.runtime import Parts, WorkerService, open_store


def build(parts: Parts) -> RecoveryService:
    recovery = parts.settings.recovery
    rules = RecoveryRules(
        interval_seconds=recovery.interval_seconds,
        absent_reads=recovery.absent_reads,
        absent_seconds=recovery.absent_seconds,
        exit_absent_seconds=recovery.exit_absent_seconds,
        lost_leg_seconds=(
            recovery.lost_leg_seconds if parts.settings.guard.all_or_nothing else None
        ),
        old_order_seconds=recovery.old_order_seconds,
    )
    return RecoveryService(
        parts.store,
        parts.broker(),
        rules,
        parts.clock,
        parts.ring,
        instruments=instruments(parts.settings),
        run_id=parts.run_id,
        keep=ReportFolder(parts.settings.paths.state_dir / "recovery").keep,
    )


class RecoveryProcess(WorkerService):
    """The worker, and beside it the threads that notify people and load lists."""

    def open(self, config: Config) -> None:
        super().open(config)
        self._announcer = Announcer(
            config,
            self.clock,
            self.logger,
            open_store=lambda: open_store(
                config.settings, self.name, self.run_id, self.clock
            ),
            ring=self.doorbell.ring,
        )
        self._announcer.start()
        self._keeper = InstrumentKeeper(config, self.clock, self.logger)
        self._keeper.start()

    def close(self) -> None:
        for name in ("_keeper", "_announcer"):
            beside = self.__dict__.get(name)
            if beside is not None:
                beside.stop()
        super().close()


def main() -> int:
    return RecoveryProcess("recovery_service", build).main()


if __name__ == "__main__":
    end_process(main())
