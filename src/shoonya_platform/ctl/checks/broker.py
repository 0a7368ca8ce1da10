"""Whether the broker's session will do, and what other accounts have left open."""

from __future__ import annotations

from shoonya_platform.assessment.session import ACTION
from shoonya_platform.ctl.checks.world import Verdict, World, is_there, ok
from shoonya_platform.ctl.context import store_path
from shoonya_platform.services.broker_login import session_verdict
from shoonya_platform.services.findings import Level
from shoonya_platform.store.accounts import other_books


def other_accounts(world: World) -> Verdict:
    """What is open in the book of an account that is not configured waits there."""
    path = store_path(world.settings)
    # Lists it first: without the permission to look there the answer is unknown.
    is_there(path)
    books = other_books(path)
    if not books:
        return ok("no other account has open positions or orders")
    left = "; ".join(f"the book of '{each.account}' has {each.text}" for each in books)
    return Level.WARNING, f"not traded now: {left}", "sudo shoonyactl status"


def session(world: World) -> Verdict:
    """Without a session neither an entry nor an exit reaches the broker."""
    settings = world.settings
    if settings.broker.name != "shoonya":
        return ok("the paper broker needs no session")
    found = session_verdict(settings, world.now)
    if found.is_alive:
        return ok(found.text)
    return Level.ERROR if found.is_error else Level.NOTE, found.text, f"sudo {ACTION}"
