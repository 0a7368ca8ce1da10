"""
News of discrepancies, read from the store's table by its numbers.

The cursor has the last number and those reported as open, so neither a beginning nor
an end is lost over a restart, even if both happened while no service ran.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shoonya_platform.domain.discrepancies import INCIDENTS, StoredDiscrepancy
from shoonya_platform.store.base import OrderStore

#: Read at once; what is beyond them is read the next time.
MOST = 200

#: What was reported last of each that is not closed, by its number.
Reported = Mapping[str, str]

_OVER = "over"


def newest(store: OrderStore) -> tuple[int, dict[str, str]]:
    """Return the place from which only what is open now is news."""
    recent = store.discrepancies.recent(limit=1)
    if not recent:
        return 0, {}
    # An empty text: each open one differs from it, and is reported.
    reported = {str(each.discrepancy_id): "" for each in store.discrepancies.open()}
    return recent[0].discrepancy_id, reported


def read_discrepancies(
    store: OrderStore, number: int, reported: Reported
) -> tuple[list[tuple[StoredDiscrepancy, str]], int, dict[str, str]]:
    """
    Return what happened since, and the new place.

    Args:
        number: The last discrepancy that was read.

        reported: What was reported of those that were open then.

    Returns:
        Each discrepancy with its sentence, the last number, and what is reported now.
    """
    found = store.discrepancies.after(number, limit=MOST)
    now = {str(each.discrepancy_id): each for each in store.discrepancies.open()}
    known = (now.get(each) or store.discrepancies.get(int(each)) for each in reported)
    news, left = list[tuple[StoredDiscrepancy, str]](), dict[str, str]()
    # A store that was restored may lack some: they are forgotten.
    for each in (*(one for one in known if one is not None), *found):
        key = str(each.discrepancy_id)
        before = reported.get(key, "")
        news += ((each, text) for text in _sentences(each, before))
        if each.is_open:
            left[key] = each.text if each.resolved_at is None else _OVER
    return news, found[-1].discrepancy_id if found else number, left


def _sentences(found: StoredDiscrepancy, before: str) -> Iterator[str]:
    number = f"discrepancy {found.discrepancy_id}"
    is_incident = found.kind in INCIDENTS
    heading = f"INCIDENT: {number}" if is_incident else number
    if found.resolved_at is None and found.text != before:
        yield f"{heading}: {found.text} ({found.action})"
        return
    if found.resolved_at is None or (before == _OVER and found.is_open):
        return
    if not before:
        # It began and ended between two looks.
        yield f"{heading}: {found.text}"
    if found.is_open:
        acknowledge = f"shoonyactl discrepancy acknowledge {found.discrepancy_id}"
        yield f"{heading} is over, not acknowledged ({acknowledge})"
    elif is_incident:
        yield f"{number} is acknowledged by {found.acknowledged_by}: {found.text}"
    else:
        yield f"{number} is over: {found.text}"
