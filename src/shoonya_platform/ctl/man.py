"""shoonyactl man"""

from __future__ import annotations

from pathlib import Path

import click

from shoonya_platform import __version__
from shoonya_platform.ctl._manpages import file_name, roff
from shoonya_platform.ctl._pages import pages
from shoonya_platform.errors import ShoonyaError


@click.command()
@click.argument(
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/usr/local/share/man/man1"),
)
@click.pass_context
def cli(ctx: click.Context, directory: Path) -> None:
    """Write the man pages, one for each verb.

    Into DIRECTORY, or into /usr/local/share/man/man1, where man looks for them.

    \b
    Examples:
      sudo shoonyactl man && man shoonyactl-order-list
      shoonyactl man ~/.local/share/man/man1
    """
    made = list(pages(ctx.find_root().command))
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for page in made:
            (directory / file_name(page)).write_text(roff(page, version=__version__))
    except (FileExistsError, NotADirectoryError) as e:
        raise ShoonyaError(
            f"'{e.filename}' is no directory", hint="name another one"
        ) from e
    click.echo(f"{len(made)} pages in {directory}")
