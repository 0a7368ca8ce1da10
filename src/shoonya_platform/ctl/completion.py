"""shoonyactl completion"""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def cli(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    It completes verbs, options, services, and the ids of the newest orders and
    alerts.  scripts/install has put it where the three shells look.

    \b
    Examples:
      source <(shoonyactl completion bash)
      shoonyactl completion zsh > /usr/local/share/zsh/site-functions/_shoonyactl
      shoonyactl completion fish > ~/.config/fish/completions/shoonyactl.fish
    """
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"no completion for '{shell}'")
    root = ctx.find_root().command
    click.echo(found(root, {}, "shoonyactl", "_SHOONYACTL_COMPLETE").source())
