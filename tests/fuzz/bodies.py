"""What may be posted to a webhook: alerts, nearly alerts, and anything else."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from hypothesis import strategies as st

from tests.fuzz.door import MAX_BODY_BYTES, SECRET

_odd_texts = st.sampled_from(
    [
        "",
        " ",
        "\x00",
        "\ud800",
        "\u202e",
        "İ",
        "ß",
        "٣",
        "NaN",
        "-inf",
        "1e999",
        "{{close}}",
        "null",
        "' OR 1=1 --",
        "a" * 300,
        "M&M-EQ",
        "%26",
        "\n",
        "🟢",
        "²",
    ]
) | st.text(max_size=12)
_odd_numbers = (
    st.sampled_from(
        [
            0,
            -1,
            0.5,
            -0.0,
            1e308,
            10**17,
            10**400,
            2**63,
            0.1 + 0.2,
            float("nan"),
            float("inf"),
            1e-320,
            100_000_000,
            10_000_000,
        ]
    )
    | st.integers()
    | st.floats()
)
_anything = st.recursive(
    st.none() | st.booleans() | _odd_numbers | _odd_texts,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(_odd_texts, inner, max_size=3)
    ),
    max_leaves=5,
)


def _or_odd(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    # Mostly as it should be, else nearly everything is refused for its first field.
    return st.integers(0, 19).flatmap(lambda n: _anything if n == 13 else usual)


_prices = (
    st.none()
    | st.just(0.0)
    | st.decimals("0.05", "200", places=2).map(str)
    | st.floats(0.05, 100_000_000)
    | st.just("1E8")
    | st.just("0.1E-20")
)
_symbols = st.sampled_from(
    ["NIFTY28DEC27F", "NIFTY28DEC27C25000", "m&m-eq", "INFY-EQ", "BANKNIFTY28DEC27P1"]
)
_LEG: dict[str, st.SearchStrategy[Any]] = {
    "tradingsymbol": _symbols,
    "direction": st.sampled_from(["BUY", "SELL", "buy", " Sell "]),
    "qty": st.integers(1, 10_000_000) | st.sampled_from(["65", "65.0", 75, "6.5E1"]),
}
_MORE_LEG: dict[str, st.SearchStrategy[Any]] = {
    "order_type": st.sampled_from(["MKT", "LMT", "SL", "SL-M", "limit"]),
    "price": _prices,
    "close": _prices,
    "trigger_price": _prices,
    "product_type": st.sampled_from(["M", "I", "C", "NRML", "mis"]),
}
_ALERT: dict[str, st.SearchStrategy[Any]] = {
    "secret_key": st.just(SECRET),
    "execution_type": st.sampled_from(["entry", "exit", "adjust", "Entry"]),
    "strategy_name": st.sampled_from(["straddle", "s 2", "a:b/c"]),
    "exchange": st.sampled_from(["NFO", "NSE", "BFO", "MCX", "nfo"]),
}
_MORE_ALERT: dict[str, st.SearchStrategy[Any]] = {
    "id": st.integers() | st.text(max_size=8),
    "timenow": st.sampled_from(
        ["2026-11-24T09:30:00Z", "2026-11-24T09:30:00", "0001-01-01T00:00:00Z", "now"]
    ),
    "test_mode": st.sampled_from([None, False, "SUCCESS", 1, "0"]),
    "market_position": st.sampled_from(["long", "short", "flat"]),
    "prev_market_position": st.sampled_from(["long", "short", "flat"]),
    "comment": _odd_texts,
    "stoploss": _anything,
}


def _object(
    needed: dict[str, st.SearchStrategy[Any]], more: dict[str, st.SearchStrategy[Any]]
) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {name: _or_odd(values) for name, values in needed.items()},
        optional={name: _or_odd(values) for name, values in more.items()},
    )


_legs = st.lists(_object(_LEG, _MORE_LEG), min_size=1, max_size=3) | st.lists(
    _object(_LEG, {}), max_size=22
)
nearly_alerts = st.builds(
    lambda alert, legs: {**alert, "legs": legs},
    _object(_ALERT, _MORE_ALERT),
    _or_odd(_legs),
) | _object({**_ALERT, **_LEG}, {**_MORE_ALERT, **_MORE_LEG})


def _written(value: object) -> bytes:
    return json.dumps(value).encode()


def _cut(body: bytes, chance: Random) -> bytes:
    return body[: chance.randrange(len(body) + 1)]


def _inserted(body: bytes, chance: Random) -> bytes:
    at = chance.randrange(len(body) + 1)
    return body[:at] + chance.randbytes(chance.randint(1, 3)) + body[at:]


def _overwritten(body: bytes, chance: Random) -> bytes:
    at = chance.randrange(len(body) + 1)
    piece = chance.choice([b'"', b"}", b"]", b",", b"\\u", b"-", b"9" * 40, b"e9"])
    return body[:at] + piece + body[at + 1 :]


def _doubled(body: bytes, chance: Random) -> bytes:
    key = chance.choice([b"secret_key", b"LEGS", b"qty", b"exchange", b"x"])
    return b'{"' + key + b'": 1, ' + body[1:]


def _deepened(body: bytes, chance: Random) -> bytes:
    opening = chance.choice([b"[", b'{"a":'])
    closing = b"]" if opening == b"[" else b"}"
    depth = chance.choice([3, 12, 15, 16, 17, 600])
    return body[:-1] + b', "x": ' + opening * depth + b"1" + closing * depth + b"}"


def _filled_up(body: bytes, chance: Random) -> bytes:
    return body + b" " * (MAX_BODY_BYTES - len(body) + chance.randint(-1, 1))


_DAMAGES = (_cut, _inserted, _overwritten, _doubled, _deepened, _filled_up)


def _with_damages(body: bytes, chance: Random) -> list[bytes]:
    # Making an alert takes longer than damaging it.
    return [body, *(damage(body, chance) for damage in _DAMAGES)]


_random = st.randoms(use_true_random=False)

#: A few bodies at once: one, and what came of it.
bodies = st.builds(
    _with_damages,
    nearly_alerts.map(_written)
    | nearly_alerts.map(_written)
    | st.binary(min_size=2, max_size=200)
    | _anything.map(_written),
    _random,
)
#: How many those are.
TOGETHER = 1 + len(_DAMAGES)

content_types = st.integers(0, 19).flatmap(
    lambda n: (
        st.sampled_from(
            ["text/html", "multipart/form-data; boundary=x", "a", "\x00", "İ"]
        )
        | st.text(max_size=20)
        if n == 13
        else st.sampled_from(["application/json", "text/plain; charset=utf-8", ""])
    )
)
