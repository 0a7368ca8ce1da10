"""command_service: sends to the broker, writing first."""

from __future__ import annotations

from shoonya_platform.execution.command_service import CommandService
from shoonya_platform.services.ending import end_process
from shoonya_platform.services.parts import send_preconditions
from shoonya_platform.services.runtime import Parts, run_worker


def build(parts: Parts) -> CommandService:
    return CommandService(
        parts.store,
        parts.broker(),
        parts.clock,
        parts.ring,
        send_preconditions(parts.settings, parts.store, parts.clock),
    )


def main() -> int:
    return run_worker("command_service", build)


if __name__ == "__main__":
    end_process(main())
