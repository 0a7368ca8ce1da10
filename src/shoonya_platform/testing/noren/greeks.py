"""The option model of Black and Scholes: GetOptionGreek, and options' first prices."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date

from shoonya_platform.testing.noren.words import Row, read_day


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """What the model knows of an option; rate and volatility are shares of one."""

    spot: float
    strike: float
    years: float
    rate: float
    volatility: float


def black_scholes(option: Option) -> dict[str, float]:
    """Return the prices of call and put, and their greeks."""
    root = option.volatility * math.sqrt(option.years)
    drift = (option.rate + option.volatility**2 / 2) * option.years
    d1 = (math.log(option.spot / option.strike) + drift) / root
    d2 = d1 - root
    discounted = option.strike * math.exp(-option.rate * option.years)
    density = math.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi)
    decay = option.spot * density * option.volatility / (2 * math.sqrt(option.years))
    gamma = density / (option.spot * root)
    vega = option.spot * density * math.sqrt(option.years) / 100
    return {
        "cal_price": option.spot * _below(d1) - discounted * _below(d2),
        "put_price": discounted * _below(-d2) - option.spot * _below(-d1),
        "cal_delta": _below(d1),
        "put_delta": _below(d1) - 1,
        "cal_gamma": gamma,
        "put_gamma": gamma,
        "cal_theta": (-decay - option.rate * discounted * _below(d2)) / 365,
        "put_theta": (-decay + option.rate * discounted * _below(-d2)) / 365,
        "cal_vego": vega,
        "put_vego": vega,
        "cal_rho": option.years * discounted * _below(d2) / 100,
        "put_rho": -option.years * discounted * _below(-d2) / 100,
    }


def option_greek(asked: Row, today: date) -> Row:
    """
    Return GetOptionGreek's answer: figures of call and put.

    Raises:
        ValueError: A figure is missing or cannot be.
    """
    try:
        expiry = read_day(asked["exd"].title(), "%d-%b-%Y")
        option = Option(
            spot=float(asked["sptprc"]),
            strike=float(asked["strprc"]),
            years=max((expiry - today).days, 1) / 365,
            rate=float(asked["int_rate"]) / 100,
            volatility=float(asked["volatility"]) / 100,
        )
        found = black_scholes(option)
    except (KeyError, ZeroDivisionError, OverflowError) as e:
        raise ValueError(str(e)) from e
    return {name: f"{value:.6f}" for name, value in found.items()}


def _below(value: float) -> float:
    """Return the normal distribution's share below a value."""
    return (1 + math.erf(value / math.sqrt(2))) / 2
