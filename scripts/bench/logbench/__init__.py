"""The parts of `scripts/bench/logging`."""
