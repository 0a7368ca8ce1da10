"""A Telegram Bot API over real HTTP: long polling, answers, refusals."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "123456:a-token-of-the-tests"  # noqa: S105 of no real bot


class TelegramSimulator:
    """
    One bot and the people who write to it.

    `write` lets somebody write; `sent` holds what the bot wrote, as (chat, text).  As
    the real one it forgets messages below the offset that it is asked with, and holds
    a question for news open.
    """

    def __init__(self) -> None:
        self.sent: list[tuple[int, str]] = []
        #: The next answers are these instead, as (HTTP status, document).
        self.refusals: list[tuple[int, dict[str, object]]] = []
        self._updates: list[dict[str, Any]] = []
        self._next_id = 1
        self._news = threading.Condition()
        self._closing = False
        simulator = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, document = simulator._answer(self.path, json.loads(body))
                content = json.dumps(document).encode()
                # Who asked may be gone by now: a poll is held open for long.
                with contextlib.suppress(OSError):
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)

            def log_message(self, *arguments: object) -> None:
                """Say nothing: the path holds the token."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def __enter__(self) -> TelegramSimulator:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def write(self, text: str, *, user: int, sent_at: float | None = None) -> None:
        """Let a user write in a private chat, whose number is the user's."""
        with self._news:
            self._updates.append(
                {
                    "update_id": self._next_id,
                    "message": {
                        "message_id": self._next_id,
                        "from": {"id": user, "username": f"user{user}"},
                        "chat": {"id": user, "type": "private"},
                        "date": int(time.time() if sent_at is None else sent_at),
                        "text": text,
                    },
                }
            )
            self._next_id += 1
            self._news.notify_all()

    def close(self) -> None:
        with self._news:
            self._closing = True
            self._news.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, path: str, fields: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if self.refusals:
            return self.refusals.pop(0)
        base, _, method = path.rpartition("/")
        if base != f"/bot{TOKEN}":
            return 401, {"ok": False, "error_code": 401, "description": "Unauthorized"}
        if method == "getUpdates":
            result = self._updates_after(fields["offset"], fields["timeout"])
            return 200, {"ok": True, "result": result}
        if method == "sendMessage":
            self.sent.append((fields["chat_id"], fields["text"]))
            return 200, {"ok": True, "result": {"message_id": len(self.sent)}}
        return 404, {"ok": False, "error_code": 404, "description": "Not Found"}

    def _updates_after(self, offset: int, timeout: float) -> list[dict[str, Any]]:
        with self._news:
            self._updates = [u for u in self._updates if u["update_id"] >= offset]
            self._news.wait_for(lambda: self._updates or self._closing, timeout)
            return list(self._updates)
