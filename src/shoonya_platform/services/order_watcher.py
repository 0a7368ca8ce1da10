"""order_watcher: turns the broker's reports into fills and positions."""

from __future__ import annotations

from shoonya_platform.execution.order_watcher import OrderWatcherEngine
from shoonya_platform.services.ending import end_process
from shoonya_platform.services.runtime import Parts, run_worker


def build(parts: Parts) -> OrderWatcherEngine:
    return OrderWatcherEngine(parts.store, parts.broker(), parts.clock, parts.ring)


def main() -> int:
    return run_worker("order_watcher", build)


if __name__ == "__main__":
    end_process(main())
