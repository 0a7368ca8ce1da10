"""Entries of a journal, as journalctl gives them."""

from datetime import datetime

from tests.unit.logging.reading.writing import COMPONENT

UNIT = f"shoonya@{COMPONENT}.service"


def usec(second):
    begin = datetime.fromisoformat("2026-11-25 09:00:00").astimezone()
    return int(begin.timestamp() + second) * 1_000_000


def entry(seq, *, run="r1", component=COMPONENT, **fields):
    return {
        "__REALTIME_TIMESTAMP": str(usec(seq)),
        "SHOONYA_COMPONENT": component,
        "SHOONYA_RUN": run,
        "SHOONYA_SEQ": str(seq),
        "_SYSTEMD_UNIT": UNIT,
        **fields,
    }
