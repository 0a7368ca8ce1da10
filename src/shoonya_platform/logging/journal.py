"""
The journal's copy of a record: its fields, and the handler that sends them.

Import this module only where a journal is wanted: it needs systemd-python.
"""

from __future__ import annotations

import logging

from systemd.journal import JournalHandler

from shoonya_platform.logging.components import COMPONENTS, Components
from shoonya_platform.logging.datagrams import encoded_field
from shoonya_platform.logging.entries import Entry, prepare
from shoonya_platform.logging.redaction import Redactor
from shoonya_platform.logging.transport import JournalTransport

#: How long an exiting process waits for journald; SIGTERM must be obeyed.
EXIT_FLUSH_SECONDS = 0.2

_CALL_SITES_KEPT = 2000
_KEYS_KEPT = 1000
# A field's name in a line to its name in the journal.
_keys: dict[str, str] = {}


class ServiceJournalHandler(JournalHandler):
    """
    systemd-python's handler with our fields and a transport that never waits.

    Sends the sentence as `MESSAGE`, context as `SHOONYA_<NAME>`, and none of the
    stock handler's fields that repeat the record's attributes: those would hold
    what a filter has to take out of them one by one.

    Usable without the rest: `logger.addHandler(ServiceJournalHandler())`.

    Args:
        transport: Where the datagrams go.

        redactor: For records that come here without passing a filter.

        components: Whose loggers' names it knows.
    """

    def __init__(
        self,
        transport: JournalTransport | None = None,
        *,
        redactor: Redactor | None = None,
        components: Components = COMPONENTS,
    ) -> None:
        self.transport = transport or JournalTransport()
        self._redactor = redactor or Redactor()
        self._components = components
        # By call site, level and component: all that never changes there.
        self._constant: dict[tuple[str, int, int, str, str, str], bytes] = {}
        super().__init__(
            sender_function=self.transport.send, SYSLOG_IDENTIFIER=components.project
        )

    def emit(self, record: logging.LogRecord) -> None:
        """Send *record*; for use without the fan-out: no run, no sequence."""
        try:
            entry = prepare(record, self._redactor)
            self.deliver(record, entry, self._components.of(record.name), "", 0)
        except Exception:  # noqa: BLE001 - the log call never raises
            self.transport.dropped += 1

    def deliver(
        self,
        record: logging.LogRecord,
        entry: Entry,
        component: str,
        run: str,
        seq: int,
    ) -> None:
        """
        Send what has been worked out already.

        Args:
            record: For level, logger and place of the call.

            entry: Its content.

            component: Who it is filed under, "" for nobody.

            run: The run of this process, "" to leave it out.

            seq: The record's number, only sent along with *run*.
        """
        site = (
            record.pathname,
            record.lineno,
            record.levelno,
            record.name,
            component,
            run,
        )
        constant = self._constant.get(site)
        if constant is None:
            constant = self._constant_fields(record, component, run)
            if len(self._constant) >= _CALL_SITES_KEPT:
                # Code made at run time has new call sites for ever.
                self._constant.clear()
            self._constant[site] = constant
        message = entry.message
        if entry.detail:
            message = f"{message}\n{entry.detail}"
        if "\n" in message:
            constant += encoded_field("MESSAGE", message)
            text = ""
        else:
            text = f"MESSAGE={message}\n"
        if run:
            text += f"SHOONYA_SEQ={seq}\n"
        if entry.message_id:
            text += f"MESSAGE_ID={entry.message_id}\n"
        for name, value in entry.fields.items():
            key = _keys.get(name) or _key(name)
            if "\n" in value:
                constant += encoded_field(key, value)
            else:
                text += f"{key}={value}\n"
        self.send(constant + text.encode("utf-8", "backslashreplace"))

    def flush(self) -> None:
        """Give journald a last chance to take what waits; bounded in time."""
        if self.transport.waiting:
            self.transport.flush(EXIT_FLUSH_SECONDS)

    def close(self) -> None:
        """Let go of the socket."""
        self.transport.close()
        super().close()

    def _constant_fields(
        self, record: logging.LogRecord, component: str, run: str
    ) -> bytes:
        project = self._components.project
        fields = {
            "PRIORITY": str(self.map_priority(record.levelno)),
            "SYSLOG_IDENTIFIER": f"{project}@{component}" if component else project,
            "LOGGER": record.name,
            "CODE_FILE": record.pathname,
            "CODE_LINE": str(record.lineno),
            "CODE_FUNC": record.funcName or "",
        }
        if component:
            fields["SHOONYA_COMPONENT"] = component
        if run:
            fields["SHOONYA_RUN"] = run
        return b"".join(encoded_field(*field) for field in fields.items())


def _key(name: str) -> str:
    key = f"SHOONYA_{name.upper()}"
    # Names made from data must not fill the memory.
    if len(_keys) < _KEYS_KEPT:
        _keys[name] = key
    return key
