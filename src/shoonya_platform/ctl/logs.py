"""shoonyactl logs: the lines themselves, or a sub-verb about them."""

from __future__ import annotations

import importlib
from typing import Any

import click
from click.shell_completion import CompletionItem

from shoonya_platform.ctl.services import complete_service

#: Each sub-verb, the module that has it, and its line in the overview.
VERBS = {
    "errors": ("logs_errors", "Group repeated errors, with one example of each."),
    "verify": ("logs_verify", "Name the records that are missing or doubled, and why."),
    "received": ("logs_received", "Name the records that an agent did not ship."),
    "disk": ("logs_disk", "Show what the log files take, and what goes next."),
    "rotate": ("logs_rotate", "Begin new log files now."),
}


class _Logs(click.Group):
    """Takes whatever is no sub-verb for the names and options of the lines."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        completing = extra.get("resilient_parsing") and not args
        if completing or args[:1] == ["-h"] or {"--help", *VERBS} & set(args[:1]):
            return super().make_context(info_name, args, parent, **extra)
        return _lines().make_context(info_name, args, parent, **extra)

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

    def shell_complete(
        self, ctx: click.Context, incomplete: str
    ) -> list[CompletionItem]:
        options = _lines().shell_complete(ctx, incomplete)
        services = map(CompletionItem, complete_service(ctx, None, incomplete))
        return [*super().shell_complete(ctx, incomplete), *options, *services]

    def described(self) -> click.Command:
        """Return the verb whose options the help of this one shows."""
        return _lines()

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, "[OPTIONS] [SERVICES]...")
        formatter.write_usage(ctx.command_path, "COMMAND ...", prefix="       ")

    def format_options(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        _lines().format_options(ctx, formatter)
        with formatter.section("Commands"):
            formatter.write_dl([(verb, line) for verb, (_, line) in VERBS.items()])


def _lines() -> click.Command:
    # Loaded when needed: `logs rotate` has no use for it.
    from shoonya_platform.ctl.logs_lines import cli as lines

    return lines


@click.command(cls=_Logs, help=_lines().help)
def cli() -> None:
    """Dispatch; what `--help` says is that of the lines."""
