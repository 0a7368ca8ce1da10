"""The webhook's OpenAPI document says what the webhook reads and answers."""

import json
from pathlib import Path

import pytest

from shoonya_platform.domain.alert_form import AlertFields, LegFields, decode, parse
from shoonya_platform.errors import AlertRefused
from shoonya_platform.execution.openapi import document
from shoonya_platform.testing.orders import a_leg, alert_body

SHIPPED = Path(__file__).parents[3] / "docs" / "openapi.json"


def test_shipped_document_is_the_one_that_is_served():
    # Written by: python -m shoonya_platform.execution.openapi > docs/openapi.json
    assert json.loads(SHIPPED.read_text()) == document()


def test_every_key_that_is_read_is_described():
    schemas = document()["components"]["schemas"]

    assert set(schemas["Leg"]["properties"]) == set(LegFields.__struct_fields__)
    assert set(schemas["Alert"]["properties"]) == {
        "secret_key",
        *AlertFields.__struct_fields__,
        *LegFields.__struct_fields__,
    }


@pytest.mark.parametrize(
    "name", ["direction", "order_type", "product_type", "exchange", "execution_type"]
)
def test_every_word_that_is_described_is_taken_and_no_other(name):
    schemas = document()["components"]["schemas"]
    of_leg = name in ("direction", "order_type", "product_type")

    def read(word):
        fields = {name: word}
        body = (
            alert_body(a_leg(**{"price": 100, "trigger_price": 99, **fields}))
            if of_leg
            else alert_body(**fields)
        )
        return parse(decode(json.dumps(body).encode()))

    for word in schemas["Leg" if of_leg else "Alert"]["properties"][name]["enum"]:
        read(word)
    with pytest.raises(AlertRefused):
        read("sideways")
