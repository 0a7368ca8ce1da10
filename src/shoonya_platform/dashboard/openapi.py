"""The dashboard's API as an OpenAPI document, made of the types of its answers."""

from __future__ import annotations

import json
import sys
from typing import Any

import msgspec

from shoonya_platform.dashboard import documents, queries
from shoonya_platform.dashboard.results import DEFAULT_LIMIT

Schema = dict[str, Any]

_REF = "#/components/schemas/{name}"
_LIMIT: Schema = {
    "type": "integer",
    "minimum": 1,
    "maximum": queries.MAX_LIMIT,
    "default": DEFAULT_LIMIT,
}
_FILTERS: dict[str, Schema] = {
    "status": {"type": "string", "enum": list(queries.STATUS_WORDS)},
    "strategy": {"type": "string"},
    "symbol": {"type": "string"},
    "limit": _LIMIT,
    "before": {"type": "integer", "minimum": 1},
}

#: Path, what it tells, its answer, its parameters; the rest is alike.
_READS: tuple[tuple[str, str, type, dict[str, Schema]], ...] = (
    ("/api/services", "How the services are", documents.ServicesDocument, {}),
    ("/api/trading", "Whether orders go out", documents.TradingDocument, {}),
    ("/api/conditions", "What needs attention", documents.ConditionsDocument, {}),
    (
        "/api/discrepancies",
        "Open differences with the broker, oldest first",
        documents.DiscrepanciesDocument,
        {},
    ),
    ("/api/positions", "Positions and profit", documents.BookDocument, {}),
    ("/api/orders", "Orders, newest first", documents.OrdersDocument, _FILTERS),
    ("/api/orders/{order_id}", "An order's story", documents.StoryDocument, {}),
    ("/api/alerts", "Newest alerts", documents.AlertsDocument, {"limit": _LIMIT}),
    (
        "/api/refused",
        "Newest alerts that the webhook refused",
        documents.RefusedAlertsDocument,
        {"limit": _LIMIT},
    ),
)
_PROBES: tuple[tuple[str, str, type], ...] = (
    ("/health", "Whether the dashboard can read the store", documents.HealthDocument),
    ("/ready", "Whether all services are running", documents.ReadyDocument),
    ("/ready/{group}", "Whether a group's are", documents.ReadyDocument),
)


def document() -> Schema:
    """Return the document, OpenAPI 3.1."""
    types = [answer for _, _, answer, _ in _READS] + [
        answer for _, _, answer in _PROBES
    ]
    _, schemas = msgspec.json.schema_components(
        [*dict.fromkeys(types), documents.RefusalDocument], ref_template=_REF
    )
    reads = {
        path: _get(
            path,
            summary,
            parameters,
            {"200": _answer("what was asked for", answer), **_refusals(path)},
            security=[{"password": []}],
        )
        for path, summary, answer, parameters in _READS
    }
    probes = {
        path: _get(
            path,
            summary,
            {},
            {"200": _answer("yes", answer), "503": _answer("no", answer)},
            security=[],
        )
        for path, summary, answer in _PROBES
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Shoonya's dashboard", "version": "1"},
        "paths": {**reads, **probes, "/metrics": _METRICS},
        "components": {
            "schemas": schemas,
            "securitySchemes": {"password": {"type": "http", "scheme": "basic"}},
        },
    }


_METRICS: Schema = {
    "get": {
        "summary": "Figures for Prometheus",
        "security": [{"password": []}],
        "responses": {
            "200": {"description": "text", "content": {"text/plain": {}}},
        },
    }
}


def _get(
    path: str,
    summary: str,
    parameters: dict[str, Schema],
    responses: Schema,
    *,
    security: list[Schema],
) -> Schema:
    given: list[Schema] = [
        {"name": name, "in": "query", "schema": schema}
        for name, schema in parameters.items()
    ]
    in_path: dict[str, Schema] = {
        "order_id": {"type": "integer", "minimum": 1},
        "group": {"type": "string"},
    }
    given += [
        {"name": name, "in": "path", "required": True, "schema": schema}
        for name, schema in in_path.items()
        if f"{{{name}}}" in path
    ]
    return {
        "get": {
            "summary": summary,
            "parameters": given,
            "security": security,
            "responses": responses,
        }
    }


def _refusals(path: str) -> Schema:
    said = {
        "400": "a parameter is not understood; the reason says what would be right",
        "401": "the password is missing or wrong",
        "503": "the order store does not answer",
    }
    if "{" in path:
        said["404"] = "there is no such order"
    return {
        status: _answer(text, documents.RefusalDocument)
        for status, text in sorted(said.items())
    }


def _answer(text: str, kind: type) -> Schema:
    schema = {"$ref": _REF.format(name=kind.__name__)}
    return {
        "description": text,
        "content": {"application/json": {"schema": schema}},
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(document(), indent=2) + "\n")
