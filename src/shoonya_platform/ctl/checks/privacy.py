"""Whether others can read what is not theirs."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from shoonya_platform.ctl.checks.world import Verdict, World, is_there, ok
from shoonya_platform.services.findings import Level

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def credentials(world: World) -> Verdict:
    """Whoever reads a secret can trade with it."""
    folder = world.settings.paths.credentials_dir
    if not is_there(folder):
        return Level.NOTE, f"there are no credentials in '{folder}' yet", ""
    open_ones = [
        path
        for path in (folder, *sorted(folder.iterdir()))
        if path.stat().st_mode & _OTHERS
    ]
    if not open_ones:
        return ok("the credentials are their owner's alone")
    names = " ".join(str(path) for path in open_ones)
    return (
        Level.ERROR,
        f"others may read the credentials: {names}",
        f"sudo chmod go-rwx {names}",
    )


def config(world: World) -> Verdict:
    """Who may write the configuration decides what is bought."""
    path = world.config_path
    if path is None or not is_there(path):
        return Level.NOTE, "there is no configuration file: the defaults hold", ""
    open_ones = [
        each for each in (path.parent, path) if each.stat().st_mode & stat.S_IWOTH
    ]
    if not open_ones:
        return ok("the configuration is not others' to write")
    names = " ".join(str(each) for each in open_ones)
    return (
        Level.ERROR,
        f"everybody may write the configuration: {names}",
        f"sudo chmod o-w {names}",
    )


def orders(world: World) -> Verdict:
    """Positions are nobody else's business."""
    open_ones = [
        path
        for path in _private(world)
        if is_there(path) and path.stat().st_mode & stat.S_IRWXO
    ]
    if not open_ones:
        return ok("orders and logs are not others' to read")
    names = " ".join(str(path) for path in open_ones)
    return (
        Level.WARNING,
        f"others may read orders or logs: {names}",
        f"sudo chmod o-rwx {names}",
    )


def _private(world: World) -> Iterator[Path]:
    # Where the folder is closed, what lies in it is closed too.
    yield world.settings.paths.state_dir
    yield world.settings.paths.log_dir
