"""
The webhook as an OpenAPI document, made of the form that alerts are read by.

What a JSON schema cannot say (keys in any case, either `legs` or a leg's own keys) is
in the descriptions; the webhook's own answer is the last word.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import msgspec

from shoonya_platform.domain.alert_form import (
    ORDER_TYPES,
    PRODUCTS,
    AlertFields,
    LegFields,
)
from shoonya_platform.domain.alert_keys import ALIASES, DESCRIPTIVE
from shoonya_platform.domain.alerts import MAX_LEGS, MarketPosition
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.domain.orders import Intent, Side
from shoonya_platform.domain.tickers import DELAYED

Schema = dict[str, Any]

#: TradingView writes figures as numbers and as text; both are read.
_FIGURE: Schema = {"anyOf": [{"type": "number"}, {"type": "string"}]}
_WORDS: dict[str, list[str]] = {
    "direction": sorted(Side),
    "order_type": sorted(ORDER_TYPES),
    "product_type": sorted(PRODUCTS),
    "exchange": sorted(f"{e}{ending}" for e in Exchange for ending in ("", DELAYED)),
    "market_position": sorted(MarketPosition),
    "prev_market_position": sorted(MarketPosition),
    "execution_type": sorted(Intent),
}
_ANSWERS = {
    "200": "a duplicate of an alert that is stored already, or a test",
    "202": "stored on the disk; the answer has its id",
    "400": "refused for good: code, reason and, where one helps, a hint",
    "401": "the secret is missing or wrong",
    "413": "the body is too large",
    "415": "the content type is none that TradingView sends",
    "503": "the store did not answer: send the alert again",
}


def document() -> Schema:
    """Return the document, OpenAPI 3.1."""
    _, parts = msgspec.json.schema_components(
        [AlertFields, LegFields],
        # Of `test_mode`, which may be anything.
        schema_hook=lambda _: {"description": "all but a plain no is a test"},
        ref_template="#/components/schemas/{name}",
    )
    leg, alert = _plain(parts["LegFields"]), _plain(parts["AlertFields"])
    alert["properties"] = {
        "secret_key": {"type": "string", "description": "the webhook's secret"},
        **alert["properties"],
        **leg["properties"],
        "legs": {
            "type": "array",
            "items": {"$ref": "#/components/schemas/Leg"},
            "minItems": 1,
            "maxItems": MAX_LEGS,
            "description": "without it the alert is a leg itself",
        },
    }
    alert["required"] = ["secret_key"]
    names = ", ".join(f"`{alias}` is `{name}`" for alias, name in ALIASES.items())
    described = ", ".join(f"`{key}`" for key in sorted(DESCRIPTIVE))
    alert["description"] = (
        f"Keys in any case; {names}. {described} are taken and ask for nothing; any "
        "other key is refused, in an exit it is ignored and named in the answer."
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": "Shoonya's webhook", "version": "1"},
        "paths": {
            "/webhook": {
                "post": {
                    "summary": "Take an alert",
                    "requestBody": {
                        "required": True,
                        "content": {
                            kind: {"schema": {"$ref": "#/components/schemas/Alert"}}
                            for kind in ("application/json", "text/plain")
                        },
                    },
                    "responses": {
                        status: {
                            "description": text,
                            "content": {
                                "application/json": {"schema": {"type": "object"}}
                            },
                        }
                        for status, text in _ANSWERS.items()
                    },
                }
            },
            "/health": {
                "get": {
                    "summary": "Tell whether the service works",
                    "responses": {
                        "200": {"description": "it does"},
                        "503": {"description": "it does not"},
                    },
                }
            },
        },
        "components": {"schemas": {"Alert": alert, "Leg": leg}},
    }


def _plain(schema: Schema) -> Schema:
    """Return a part with the words that are taken, and figures as they may come."""
    properties: dict[str, Schema] = {}
    for name, value in schema["properties"].items():
        if name in _WORDS:
            properties[name] = {"type": "string", "enum": _WORDS[name]}
        elif "decimal" in str(value):
            properties[name] = _FIGURE
        else:
            properties[name] = value
    return {
        "type": "object",
        "properties": properties,
        "required": schema.get("required", []),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(document(), indent=2) + "\n")
