"""
Runs in an SDK's own environment, and calls the SDK as it is asked to.

A line of JSON each: {"call", "args", "kwargs"} comes in, {"result"} or {"error"} goes
out.  Only the standard library and the SDK are here.
"""

import json
import os
import sys
import threading

import NorenRestApiPy.NorenApi  # type: ignore[import-not-found]

# The SDKs print: only what is written here is an answer.
replies = os.fdopen(os.dup(1), "w")
sys.stdout = sys.stderr


class Session:
    """One object of the SDK, and what its websocket has brought."""

    def __init__(self, host: str, websocket: str) -> None:
        self.api = NorenRestApiPy.NorenApi.NorenApi(host=host, websocket=websocket)
        self._lock = threading.Lock()
        self._events: list[object] = []

    def start_websocket(self) -> None:
        self.api.start_websocket(
            subscribe_callback=self._note,
            order_update_callback=self._note,
            socket_open_callback=lambda: self._note({"t": "opened"}),
            socket_close_callback=lambda *_: self._note({"t": "closed"}),
            socket_error_callback=lambda error: self._note(
                {"t": "failed", "error": str(error)}
            ),
        )

    def end(self) -> None:
        """Let the websocket end without waiting: closing it takes up to 10 s."""
        stop = getattr(self.api, "_NorenApi__stop_event", None)
        if stop is not None:
            # Without it the SDK connects again and again after a log-out.
            stop.set()
            threading.Thread(target=self.api.close_websocket, daemon=True).start()

    def events(self) -> list[object]:
        with self._lock:
            found, self._events = self._events, []
        return found

    def span_calculator(
        self, account: str, positions: list[dict[str, object]]
    ) -> object:
        made = []
        for fields in positions:
            position = NorenRestApiPy.NorenApi.position()
            for name, value in fields.items():
                setattr(position, name, value)
            made.append(position)
        return self.api.span_calculator(account, made)

    def public(self) -> list[str]:
        """Return the names of all calls that the SDK offers."""
        return [name for name in dir(self.api) if not name.startswith("_")]

    def _note(self, event: object) -> None:
        with self._lock:
            self._events.append(event)


def main() -> None:
    session: Session | None = None
    for line in sys.stdin:
        asked = json.loads(line)
        name, args, kwargs = asked["call"], asked["args"], asked["kwargs"]
        try:
            if name == "open":
                session = Session(*args)
                result = None
            else:
                assert session is not None
                call = getattr(session, name, None) or getattr(session.api, name)
                result = call(*args, **kwargs)
            answer = {"result": result}
        # Whatever the SDK raises is the test's to judge.
        except Exception as e:  # noqa: BLE001
            answer = {"error": f"{type(e).__name__}: {e}"}
        replies.write(json.dumps(answer) + "\n")
        replies.flush()


main()
