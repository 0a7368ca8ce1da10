"""execution_guard: the last look before the broker."""

from __future__ import annotations

from shoonya_platform.execution.execution_guard import ExecutionGuard
from shoonya_platform.services.ending import end_process
from shoonya_platform.services.parts import guard_rules, instruments
from shoonya_platform.services.runtime import Parts, run_worker


def build(parts: Parts) -> ExecutionGuard:
    return ExecutionGuard(
        parts.store,
        instruments(parts.settings),
        guard_rules(parts.settings),
        parts.clock,
        parts.ring,
    )


def main() -> int:
    return run_worker("execution_guard", build)


if __name__ == "__main__":
    end_process(main())
