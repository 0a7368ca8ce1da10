"""
The threads beside recovery_service that tell people, and are asked by them.

They live there because it may reach the internet and no order waits for it.  Each has
a store connection of its own; one that fails is told in the log and costs nobody else.
"""

from __future__ import annotations

import platform
import threading
from collections.abc import Callable
from datetime import time

from shoonya_platform.clock import Clock
from shoonya_platform.config.loader import Config
from shoonya_platform.config.settings import Settings
from shoonya_platform.errors import ConfigError
from shoonya_platform.logging import ServiceLogger
from shoonya_platform.notify.herald import Herald, HeraldRules
from shoonya_platform.notify.news import Kind, NewsReader
from shoonya_platform.notify.targets import open_targets
from shoonya_platform.services.parts import risk_limits
from shoonya_platform.store.accounts import find_store
from shoonya_platform.store.base import OrderStore

#: A thread that waits for the network longer than this is left behind.
STOP_SECONDS = 1.0


class Announcer:
    """
    Starts what the secrets ask for: nothing without `notify_urls`, `telegram_token`.

    Args:
        open_store: Opens the store once more.

        ring: Rings the named services' doorbells.
    """

    def __init__(
        self,
        config: Config,
        clock: Clock,
        logger: ServiceLogger,
        *,
        open_store: Callable[[], OrderStore],
        ring: Callable[..., None],
    ) -> None:
        self._config = config
        self._clock = clock
        self._logger = logger
        self._open_store = open_store
        self._ring = ring
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the threads; what cannot be used is told and left out."""
        for name, secret, begin in (
            ("herald", "notify_urls", self._herald),
            ("telegram", "telegram_token", self._bot),
        ):
            try:
                found = self._config.secrets.find(secret)
                if found is None or not found.value:
                    continue
                run = begin(found.value)
            except ConfigError as e:
                self._logger.error(
                    "%s, going on without",
                    e.sentence,
                    extra={"event": "notify_unusable"},
                )
                continue
            thread = threading.Thread(target=self._guarded(name, run), name=name)
            # The process ends when the service does, whatever a server far away does.
            thread.daemon = True
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """End the threads; one that waits for the network ends with the process."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(STOP_SECONDS)

    def _guarded(
        self, name: str, run: Callable[[OrderStore], None]
    ) -> Callable[[], None]:
        def work() -> None:
            while not self._stopping.is_set():
                try:
                    store = self._open_store()
                    try:
                        run(store)
                    finally:
                        store.close()
                except Exception:
                    self._logger.exception(
                        "%s failed, beginning anew in 30 s",
                        name,
                        extra={"event": "notify_crashed"},
                    )
                    self._stopping.wait(30.0)

        return work

    def _herald(self, urls: str) -> Callable[[OrderStore], None]:
        settings = self._config.settings
        notify = settings.notify
        targets = open_targets(urls)
        title = f"Shoonya on {platform.node()} ({settings.broker.name})"

        def run(store: OrderStore) -> None:
            reader = NewsReader(
                store,
                self._clock,
                title=title,
                daily_at=time.fromisoformat(notify.daily_at),
            )
            Herald(
                reader,
                targets,
                HeraldRules(
                    kinds=[Kind(each) for each in notify.events],
                    interval_seconds=notify.interval_seconds,
                    most_lines=notify.max_lines,
                    repeat_seconds=notify.repeat_seconds,
                ),
                self._clock,
                title=title,
                place=settings.paths.state_dir / "notify" / _cursor_name(settings),
                stopping=self._stopping,
                logger=self._logger,
            ).run()

        return run

    def _bot(self, token: str) -> Callable[[OrderStore], None]:
        settings = self._config.settings
        if not settings.notify.telegram_users:
            raise ConfigError(
                "there is a Telegram token, and nobody who may use it",
                hint="name the users in notify.telegram_users",
            )
        # Some MB, which those without a bot need not pay.
        from shoonya_platform.notify.bot import Bot
        from shoonya_platform.notify.telegram import BotApi

        def run(store: OrderStore) -> None:
            Bot(
                BotApi(settings.notify.telegram_url, token),
                store,
                risk_limits(settings),
                self._clock,
                self._ring,
                users=settings.notify.telegram_users,
                stopping=self._stopping,
                logger=self._logger,
            ).run()

        return run


def _cursor_name(settings: Settings) -> str:
    """Name the place of the news that were read: each book counts its own."""
    store = find_store(settings.paths.state_dir, settings.account)
    return f"{store.stem.replace('orders', 'cursor')}.json"
