"""The day's profit and loss as a line to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from shoonya_platform.domain.positions import ZERO
from shoonya_platform.store.base import PnlSample

WIDTH = 1000
HEIGHT = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """
    A line in a box of `WIDTH` times `HEIGHT`, whose origin is the upper left.

    `line` and `area` are paths of SVG; `zero` is the height of no profit.
    """

    begin: datetime
    lowest: Decimal
    highest: Decimal
    last: Decimal
    line: str
    area: str
    zero: float


def curve(samples: Sequence[PnlSample], now: datetime, total: Decimal) -> Curve | None:
    """
    Return the curve of the samples up to now; None if nothing was noted.

    The line is one of steps: between two samples nothing had changed.

    Args:
        total: The day's profit and loss now.
    """
    if not samples:
        return None
    values = [*(sample.total for sample in samples), total]
    begin = samples[0].at
    seconds = max((now - begin).total_seconds(), 1.0)
    # No profit is always in the picture, as the line to be above of.
    lowest, highest = min(*values, ZERO), max(*values, ZERO)
    span = float(highest - lowest) or 1.0

    def height(value: Decimal) -> float:
        return round(HEIGHT * float(highest - value) / span, 1)

    path = f"M0,{height(values[0])}"
    for sample in samples[1:]:
        across = WIDTH * (sample.at - begin).total_seconds() / seconds
        path += f"H{across:.1f}V{height(sample.total)}"
    path += f"H{WIDTH}V{height(total)}"
    zero = height(ZERO)
    return Curve(
        begin=begin,
        lowest=min(values),
        highest=max(values),
        last=total,
        line=path,
        area=f"{path}V{zero}H0Z",
        zero=zero,
    )
