"""
What a refusal asks for: the reason of a broker or an exchange, read for its remedy.

Reasons are free text, other on each exchange and with each risk system behind Noren.
Seen: `EXCH:16283:The order price is not multiple of the tick size`; the other wordings
are expected, not seen.  A reason that is not understood asks for nothing but patience.
"""

from __future__ import annotations

import re
from enum import StrEnum


class Remedy(StrEnum):
    """What may be different at the next try."""

    TICK = "tick"  #: the price has to be a multiple of the tick
    BAND = "band"  #: the price has to be one that the exchange takes today
    PRODUCT = "product"  #: the position is held under another product
    NONE = "none"  #: nothing: try the same again


#: The first that fits counts: a tick is also a matter of the price.
_REASONS = (
    (Remedy.TICK, re.compile(r"tick", re.IGNORECASE)),
    (
        Remedy.BAND,
        re.compile(
            r"circuit|price\s*(?:band|range|limit)|(?:trade|operating|execution)\s*range"
            r"|\b(?:dpr|lpp|tre)\b|price\s+(?:is\s+)?(?:beyond|outside|out\s+of|not\s+within)",
            re.IGNORECASE,
        ),
    ),
    (
        Remedy.PRODUCT,
        re.compile(
            r"product|\b(?:mis|nrml|cnc)\b|no\s+holdings?|insufficient\s+holdings?",
            re.IGNORECASE,
        ),
    ),
)


def remedy_of(reason: str) -> Remedy:
    """Return what a refused order needs to be taken."""
    for remedy, pattern in _REASONS:
        if pattern.search(reason):
            return remedy
    return Remedy.NONE
