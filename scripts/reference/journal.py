"""docs/reference/journal.md: the journal's fields, and the events they name."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from reference.markdown import MADE, code, table
from reference.settings import VARIABLES
from shoonya_platform.config.loader import RESERVED_VARIABLES

#: What each field says.  A field of the code that is not here stops `scripts/docs`.
FIELDS = {
    "ALERT_ID": "the alert",
    "BROKER_ORDER_ID": "the broker's number of the order",
    "CAUSE": "of an incident: how the run ended",
    "CHANGED": "whether what was asked for changed anything",
    "CLIENT": "the address that a request came from",
    "CLIENT_ORDER_ID": "our name of the order, which the broker keeps as remarks",
    "CODE": "why an order or an alert was refused; see denials.md",
    "COMPONENT": "which of the eight logged it",
    "DISCREPANCY_ID": "a difference with the broker: its number in the store",
    "EVENT": "what happened, in one word; below",
    "INCIDENT": "of an incident: systemd's id of the run that died",
    "KIND": "of a discrepancy: which; see the runbook",
    "LOGGED_AT_USEC": "only if the journal got it late: when it was logged",
    "LOST": "how many records a copy of the log lacks",
    "NEXT": "of an incident: what happens next",
    "NEW_LEVEL": "the log level from now on",
    "OLD_LEVEL": "the log level until now",
    "ORDER_ID": "the order's number",
    "RESTARTS": "of an incident: the restarts that count",
    "RUN": "the process that logged it; a new one each start",
    "SEQ": "the record's number in that run",
    "SERVICE": "of an incident: which of the eight it is about",
    "STATE": "the trading state that was set",
    "STORY": "of an incident: the file that tells all of it",
    "STRATEGY": "the strategy's name",
    "USER": "who was logged in to the dashboard",
}
_LOGGING = {"debug", "info", "warning", "error", "exception", "critical", "log"}
#: Keywords of a log call that are no fields.
_OF_CALLS = {"exc_info", "stack_info", "stacklevel", "extra"}
_NAME = re.compile(r"\bSHOONYA_([A-Z]+(?:_[A-Z]+)*)\b")
#: Of the environment.
_NO_FIELDS = {
    name.removeprefix("SHOONYA_") for name in (*RESERVED_VARIABLES, *VARIABLES)
}


def text(sources: Path) -> str:
    """
    Return the page.

    Raises:
        SystemExit: A field has no meaning here, or a meaning no field.
    """
    found = fields(sources)
    for what, names in (
        ("say in FIELDS what these mean", found - FIELDS.keys()),
        ("nothing logs these, take them out of FIELDS", FIELDS.keys() - found),
    ):
        if names:
            raise SystemExit(f"{__file__}: {what}: {', '.join(sorted(names))}")
    parts = [
        MADE,
        "# Fields and events of the journal\n",
        "`journalctl SHOONYA_ORDER_ID=42` finds by any of them, and "
        "`journalctl -o verbose` shows them all.",
        "In the log files they have the same names in lower case.\n",
        table(
            ["field", ""],
            ((code(f"SHOONYA_{name}"), what) for name, what in sorted(FIELDS.items())),
        ),
        "Besides there are journald's own, `MESSAGE_ID` for what "
        "`journalctl -x` explains, `LOGGER`, and `CODE_FILE`, `CODE_LINE`, "
        "`CODE_FUNC`.\n",
        "## Events\n",
        table(
            ["`SHOONYA_EVENT`", "logged by"],
            (
                (code(event), ", ".join(map(code, sorted(modules))))
                for event, modules in sorted(events(sources).items())
            ),
        ).rstrip("\n"),
    ]
    return "\n".join(parts) + "\n"


def fields(sources: Path) -> set[str]:
    """Return every field that the code gives to a record, without `SHOONYA_`."""
    found = set()
    for _, tree in _trees(sources):
        for keys in _contexts(tree):
            found |= {name.upper() for name in keys}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant):
                value = node.value
                if isinstance(value, bytes):
                    value = value.decode("ascii", "replace")
                if isinstance(value, str):
                    found |= set(_NAME.findall(value))
    return found - _NO_FIELDS


def events(sources: Path) -> dict[str, set[str]]:
    """Return each event that the code names, and the modules that do."""
    found: dict[str, set[str]] = defaultdict(set)
    for module, tree in _trees(sources):
        for keys in _contexts(tree):
            if "event" in keys:
                for node in ast.walk(keys["event"]):
                    if isinstance(node, ast.Constant) and isinstance(node.value, str):
                        # Of `order_{status}` only the beginning is known here.
                        found[node.value].add(module)
    return {event: modules for event, modules in found.items() if event[-1] != "_"}


def _trees(sources: Path) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(sources.rglob("*.py")):
        parts = path.relative_to(sources).with_suffix("").parts
        yield ".".join(parts), ast.parse(path.read_text())


def _contexts(tree: ast.Module) -> Iterator[dict[str, ast.expr]]:
    """Yield the fields of each record, as far as they are written out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _of_call(node)
        elif isinstance(node, ast.FunctionDef) and node.name == "log_context":
            for inner in ast.walk(node):
                if isinstance(inner, ast.Dict):
                    yield _literal(inner)


def _of_call(call: ast.Call) -> Iterator[dict[str, ast.expr]]:
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    given = {word.arg: word.value for word in call.keywords if word.arg}
    if name in ("Notice", "notice_of", "_report"):
        # The library on itself: the event is the first word of these.
        for value in (*call.args[:2], given.get("event")):
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield {"event": value}
    elif name in _LOGGING and "event" in given:
        yield {name: given[name] for name in given.keys() - _OF_CALLS}
    for word in call.keywords:
        if isinstance(word.value, ast.Dict):
            fields = _literal(word.value)
            if word.arg == "extra" or (word.arg is None and name in _LOGGING):
                yield {name: fields[name] for name in fields.keys() - _OF_CALLS}


def _literal(node: ast.Dict) -> dict[str, ast.expr]:
    return {
        key.value: value
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    }
