"""Telegram's Bot API, as much of it as is needed to be asked and to answer."""

from __future__ import annotations

import http.client
import json
import ssl
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

#: The server holds a question for news open for this long.
POLL_SECONDS = 25


class TelegramError(Exception):
    """
    The Bot API does not answer, or says no.

    Args:
        message: Without the token.

        retry_seconds: When to ask again.
    """

    def __init__(self, message: str, retry_seconds: float) -> None:
        super().__init__(message)
        self.retry_seconds = retry_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What somebody wrote to the bot."""

    update_id: int
    user_id: int
    user_name: str
    chat_id: int
    sent_at: datetime
    text: str


class BotApi:
    """
    One bot.

    Args:
        base_url: Where the API is.
    """

    def __init__(self, base_url: str, token: str) -> None:
        parts = urlsplit(base_url)
        self._host = parts.netloc
        self._path = f"{parts.path.rstrip('/')}/bot{token}"
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None

    def messages(
        self, offset: int, *, wait_seconds: int = POLL_SECONDS
    ) -> list[Message]:
        """
        Return what was written since, waiting for it; forget what is before `offset`.

        Raises:
            TelegramError: The server does not answer, or refuses.
        """
        answer = self._ask(
            "getUpdates",
            {"offset": offset, "timeout": wait_seconds, "allowed_updates": ["message"]},
            read_seconds=wait_seconds + 10.0,
        )
        updates = answer if isinstance(answer, list) else []
        return [_message(update) for update in updates if isinstance(update, dict)]

    def send(self, chat_id: int, text: str) -> None:
        """
        Write to a chat.

        Raises:
            TelegramError: The message was not taken.
        """
        self._ask("sendMessage", {"chat_id": chat_id, "text": text}, read_seconds=10.0)

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        # One for each question: between two it would time out as often as not.
        if self._tls is None:
            return http.client.HTTPConnection(self._host, timeout=timeout)
        return http.client.HTTPSConnection(
            self._host, timeout=timeout, context=self._tls
        )

    def _ask(
        self, method: str, fields: dict[str, object], *, read_seconds: float
    ) -> object:
        try:
            with closing(self._connect(read_seconds)) as connection:
                connection.request(
                    "POST",
                    f"{self._path}/{method}",
                    json.dumps(fields),
                    {"Content-Type": "application/json"},
                )
                response = connection.getresponse()
                status, answer = response.status, json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as e:
            raise TelegramError(f"no answer: {type(e).__name__}", 5.0) from None
        if isinstance(answer, dict) and answer.get("ok") is True:
            return answer.get("result")
        raise _refusal(status, answer)


def _refusal(status: int, answer: object) -> TelegramError:
    found = answer if isinstance(answer, dict) else {}
    parameters = found.get("parameters")
    retry = parameters.get("retry_after") if isinstance(parameters, dict) else None
    if not isinstance(retry, int):
        # A token that is wrong stays wrong; another poller may go away.
        retry = 300 if status in (401, 403, 404) else 30
    text = str(found.get("description", "an answer that is none"))[:200]
    return TelegramError(f"{status}: {text}", float(retry))


def _message(update: dict[str, Any]) -> Message:
    message = update.get("message") or {}
    sender = message.get("from") or {}
    chat = message.get("chat") or {}
    return Message(
        update_id=int(update.get("update_id", 0)),
        user_id=int(sender.get("id", 0)),
        user_name=str(sender.get("username") or sender.get("first_name") or ""),
        chat_id=int(chat.get("id", 0)),
        sent_at=datetime.fromtimestamp(int(message.get("date", 0)), UTC),
        text=str(message.get("text") or ""),
    )
