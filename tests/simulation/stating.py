"""
Strategies whose alerts state what they hold, as TradingView's do.

Such a strategy believes that each of its alerts is done; what it states is the position
that it has in the chart.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from tests.simulation.exchange import INSTRUMENTS
from tests.simulation.world import World

LOT = 65

Send = Callable[[str, dict[str, object]], None]


class Stating:
    """
    Plans such strategies.

    Args:
        send: Sends an alert of a strategy.
    """

    def __init__(self, world: World, send: Send) -> None:
        self._world = world
        self._send = send

    def plan(self, seconds: float) -> None:
        random = self._world.random
        for number in range(random.choice((0, 0, 1, 2))):
            symbol = random.choice(sorted(INSTRUMENTS))
            at = random.uniform(0.1, seconds * 0.6)
            held = [0]
            for _ in range(random.randint(1, 5)):
                lots = random.choice((-2, -1, 0, 1, 2))
                if lots * LOT != held[-1]:
                    held.append(lots * LOT)
            for before, after in pairwise(held):
                # Of one moment often, and then in any order.
                self._plan_step(f"t{number}", symbol, before, after, at)
                at += random.choice((0.3, 0.3, 5.0, 40.0)) * random.uniform(0.2, 1.0)

    def _plan_step(
        self, strategy: str, symbol: str, before: int, after: int, at: float
    ) -> None:
        body: dict[str, object] = {
            "ticker": symbol,
            "action": "buy" if after > before else "sell",
            "contracts": abs(after - before),
            "market_position": _word(after),
            "market_position_size": abs(after),
            "prev_market_position": _word(before),
            "prev_market_position_size": abs(before),
        }
        late = self._world.random.choice((0.0, 0.0, 0.0, 0.8))
        self._world.after(at + late, lambda: self._send(strategy, body))


def _word(quantity: int) -> str:
    if not quantity:
        return "flat"
    return "long" if quantity > 0 else "short"
