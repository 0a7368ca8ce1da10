"""The real ServiceManager with a policy that never gives up, for tests that kill."""

import sys

from shoonya_platform.config.loader import load
from shoonya_platform.services.policy import RestartPolicy
from shoonya_platform.services.service_manager import ServiceManager

POLICY = RestartPolicy(first_delay_seconds=0.2, factor=1.0, limit=sys.maxsize)


if __name__ == "__main__":
    config = load()
    ServiceManager(config.settings.paths.runtime_dir, policy=POLICY).run()
