"""
The demo's story: a sample alert goes in, its orders are filled, the trace is told.

Runs as a process of its own beside the services, as any user's command would.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import sys
from importlib import resources

import click

from shoonya_platform.ctl._interrupts import interruptible
from shoonya_platform.ctl.alert import post, wait_for, with_secret
from shoonya_platform.ctl.context import Ctl
from shoonya_platform.ctl.trace import print_trace
from shoonya_platform.domain.orders import AlertId
from shoonya_platform.errors import ShoonyaError

TIMEOUT_SECONDS = 60.0


def tell() -> None:
    """Send the sample alert, wait for its orders, print their story."""
    ctl = Ctl(None)
    sample = resources.files("shoonya_platform.ctl") / "samples" / "two_legs.json"
    alert = json.loads(sample.read_text(encoding="utf-8"))
    # A strategy enters an instrument once; each demo is a strategy of its own.
    alert["strategy_name"] = f"{alert['strategy_name']}-{secrets.token_hex(2)}"
    click.echo(f"\n$ shoonyactl alert send {sample}")
    answer = post(ctl, with_secret(ctl, json.dumps(alert)))
    alert_id = AlertId(answer["alert_id"])
    click.echo(f"{answer['status']} {alert_id}")
    outcome = wait_for(ctl, alert_id, TIMEOUT_SECONDS)
    click.echo(f"\n$ shoonyactl trace {alert_id}")
    print_trace(ctl, alert_id)
    settings = ctl.settings
    click.echo(f"\noutcome: {outcome}")
    click.echo(
        f"dashboard: http://{settings.dashboard.host}:{settings.dashboard.port}/"
    )
    click.echo(
        f"webhook:   http://{settings.webhook.host}:{settings.webhook.port}/webhook"
    )
    ctl.close()
    if outcome != "filled":
        raise ShoonyaError(f"the sample alert ended otherwise: {outcome}")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--once", action="store_true")
    once = parser.parse_args().once
    supervisor = os.getppid()
    try:
        with interruptible():
            tell()
    except ShoonyaError as e:
        sys.stderr.write(f"shoonya: {e}\n")
        return e.exit_code
    except KeyboardInterrupt:
        return 0
    finally:
        if once:
            os.kill(supervisor, signal.SIGTERM)
    return 0


if __name__ == "__main__":
    sys.exit(main())
