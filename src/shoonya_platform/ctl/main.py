"""shoonyactl: one verb a file, loaded when it is asked for."""

from __future__ import annotations

import difflib
import importlib
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from shoonya_platform import __version__
from shoonya_platform.ctl.context import Ctl
from shoonya_platform.errors import ShoonyaError

#: Each verb, the module that has it, and its line in the overview.  The line stands
#: here so that `--help` and completion need not load every verb.
VERBS = {
    "up": ("up", "Run all eight services in the foreground."),
    "status": ("status", "Show how the eight services are."),
    "check": ("check", "Say in one line whether all is well, for Nagios."),
    "why": ("why", "Tell how a service's last run ended, and what to do."),
    "doctor": ("doctor", "Look for what is wrong with this machine."),
    "bundle": ("bundle", "Put all that a bug report needs into one archive."),
    "start": ("start", "Start services and wait until they are ready."),
    "stop": ("stop", "Stop services in order."),
    "restart": ("restart", "Restart services and wait until they are ready."),
    "logs": ("logs", "Show log lines; check, group and rotate them."),
    "export-config": ("export_config", "Configure an agent that ships the log."),
    "log-level": ("log_level", "Show or change log levels while services run."),
    "trace": ("trace", "Tell the story of an order or an alert."),
    "alert": ("alert", "Send an alert to the webhook."),
    "order": ("order", "List, show, modify and cancel orders."),
    "instrument": (
        "instrument",
        "Show an instrument's lot, tick and expiry; reload the lists.",
    ),
    "calendar": ("calendar", "Show when the exchanges trade, and the holidays."),
    "risk": ("risk", "Show the risk figures; halt, reduce or resume trading."),
    "position": (
        "position",
        "Compare positions with the broker's, and take over the broker's.",
    ),
    "flatten": ("flatten", "Close every position now, halted or not."),
    "discrepancy": (
        "discrepancy",
        "List, show and acknowledge differences with the broker.",
    ),
    "recovery": ("recovery", "Show the last comparison with the broker's books."),
    "replay": ("replay", "Run a recorded day through the services again."),
    "record": ("record", "Write a day of the store into a file for replay."),
    "notify": ("notify", "Try whether notifications arrive."),
    "paper": ("paper", "Set prices and faults of the paper broker."),
    "broker": ("broker", "Log in at the broker, or see how the session is."),
    "dashboard": ("dashboard", "Set the dashboard's password."),
    "simulate": ("simulate", "Run a broker's server on this machine, for trying."),
    "config": ("config", "Show, check or make the configuration."),
    "backup": ("backup", "Copy orders and configuration, while all goes on."),
    "restore": ("restore", "Put a backup's orders and configuration back."),
    "install-units": ("install_units", "Install the systemd units."),
    "upgrade": ("upgrade", "Upgrade to another version, or go back."),
    "uninstall-units": ("uninstall_units", "Remove the systemd units."),
    "man": ("man", "Write the man pages, one for each verb."),
    "completion": ("completion", "Print the completion script of a shell."),
}

_EPILOG = """\b
Examples:
  shoonyactl status
  shoonyactl why risk_manager
  shoonyactl trace O261124-7K3M9QXZ-1
  shoonyactl logs risk_manager -f
  shoonyactl restart dashboard

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not running, 4 no such service or
order, 10-19 configuration and store, 20-29 broker, 30-39 risk, 40-41 log records
missing, 50 a secret found in a bundle, 124 waited too long.
"""


class _Verbs(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"shoonya_platform.ctl.{VERBS[cmd_name][0]}")
        command: click.Command = module.cli
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as e:
            close = difflib.get_close_matches(args[0], VERBS, n=1)
            if not close:
                raise
            raise click.UsageError(
                f"no command '{args[0]}', did you mean '{close[0]}'?", ctx
            ) from e

    def invoke(self, ctx: click.Context) -> Any:
        try:
            done = super().invoke(ctx)
            # Here and not at the end of the interpreter, which would end with 120.
            sys.stdout.flush()
        except BrokenPipeError as e:
            # With its number click would end the process with 1; `main` knows better.
            raise BrokenPipeError from e
        return done

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(verb, line) for verb, (_, line) in VERBS.items()])


@click.command(
    cls=_Verbs,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The configuration file  [default: $SHOONYA_CONFIG, "
    "/etc/shoonya/shoonya.toml, .shoonya/shoonya.toml here, or "
    "~/.config/shoonya/shoonya.toml]",
)
@click.version_option(__version__, prog_name="shoonyactl")
@click.pass_context
def cli(ctx: click.Context, config_path: Path | None) -> None:
    """Install, show and explain Shoonya's eight services."""
    ctx.obj = Ctl(config_path)
    ctx.call_on_close(ctx.obj.close)


def main() -> None:
    """Run shoonyactl; end the process with the error's own exit code."""
    try:
        # Without standalone mode click hands back the code of `Exit`.
        sys.exit(cli.main(standalone_mode=False) or 0)
    except click.Abort:
        sys.stderr.write("aborted\n")
        sys.exit(1)
    except click.ClickException as e:
        e.show()
        sys.exit(e.exit_code)
    except ShoonyaError as e:
        sys.stderr.write(f"shoonyactl: {e}\n")
        sys.exit(e.exit_code)
    except PermissionError as e:
        # The services' files and sockets are theirs: other users may not even look.
        sys.stderr.write(
            f"shoonyactl: {e.filename}: {(e.strerror or 'not permitted').lower()}\n"
            f"hint: say it as root: sudo shoonyactl {shlex.join(sys.argv[1:])}\n"
        )
        sys.exit(1)
    except BrokenPipeError:
        # `shoonyactl … | head`: the reader has had enough.  What is still to be
        # flushed goes nowhere, or Python would end with 120.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as e:
        if e.filename is None:
            raise
        # A place that the user named, or a full disk: no fault of the program's.
        sys.stderr.write(f"shoonyactl: {e.filename}: {(e.strerror or '').lower()}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
