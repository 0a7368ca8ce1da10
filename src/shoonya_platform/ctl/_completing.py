"""What a shell offers for an ID: the newest orders and alerts."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import CompletionItem

from shoonya_platform.ctl.context import Ctl, store_path
from shoonya_platform.store.sqlite_recent import (
    RecentId,
    recent_alerts,
    recent_orders,
)

#: As many as one can look through.
_OFFERED = 20


def complete_order(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the newest orders whose id begins so."""
    del param
    path = _store_path(ctx)
    return _items([] if path is None else _orders(path), incomplete)


def complete_story(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the newest orders and alerts whose id begins so."""
    del param
    path = _store_path(ctx)
    if path is None:
        return []
    alerts = recent_alerts(path, limit=_OFFERED)
    return _items([*_orders(path), *alerts], incomplete)


def _orders(path: Path) -> list[RecentId]:
    return recent_orders(path, limit=_OFFERED)


def _store_path(ctx: click.Context) -> Path | None:
    try:
        return store_path(Ctl(ctx.find_root().params.get("config_path")).settings)
    except Exception:  # noqa: BLE001 - a traceback would land in the half-typed line
        return None


def _items(found: list[RecentId], incomplete: str) -> list[CompletionItem]:
    return [
        CompletionItem(each.name, help=each.about)
        for each in found
        if each.name.startswith(incomplete)
    ]
