"""What the verbs share: the configuration, the store, and ids."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from shoonya_platform.clock import SystemClock
from shoonya_platform.config.loader import DEFAULT_PATH, Config, load
from shoonya_platform.config.settings import COMPONENTS, Settings
from shoonya_platform.ctl._layout import of_user
from shoonya_platform.domain.orders import Order
from shoonya_platform.errors import NotFound, NotRunning
from shoonya_platform.store.accounts import find_store, stores_in
from shoonya_platform.store.base import OrderStore
from shoonya_platform.store.doorbell import Doorbell
from shoonya_platform.store.sqlite import SqliteOrderStore
from shoonya_platform.tracing.ids import find_order

LOCAL_PATH = Path(".shoonya/shoonya.toml")


def store_path(settings: Settings) -> Path:
    """Return where the configured account's orders are, or will be."""
    return find_store(settings.paths.state_dir, settings.account)


class Ctl:
    """
    One call of shoonyactl.

    Args:
        config_path: As given by `--config`, or None.
    """

    def __init__(self, config_path: Path | None) -> None:
        self.config_path = config_path
        self.clock = SystemClock()
        self._config: Config | None = None
        self._store: OrderStore | None = None

    @property
    def config(self) -> Config:
        if self._config is None:
            self._config = load(self.place)
        return self._config

    @property
    def place(self) -> Path | None:
        """The configuration file, None where the services themselves look for it."""
        if (
            self.config_path is not None
            or os.environ.get("SHOONYA_CONFIG")
            or DEFAULT_PATH.exists()
        ):
            return self.config_path
        places = (LOCAL_PATH, of_user().config)
        return next((each for each in places if each.exists()), None)

    def use(self, config: Config) -> None:
        """Go by a configuration that is not read from the usual places."""
        self._config = config

    @property
    def settings(self) -> Settings:
        return self.config.settings

    @property
    def store(self) -> OrderStore:
        """
        The order store, once the services have made it.

        Raises:
            NotRunning: There is none yet.
        """
        if self._store is None:
            path = store_path(self.settings)
            if not path.exists():
                # After a switch, services that run keep to the account before it.
                others = stores_in(path.parent)
                raise NotRunning(
                    f"there is no order store at '{path}' yet",
                    hint="the services were started for another account: "
                    "shoonyactl restart"
                    if others
                    else "start the services first, or name their configuration "
                    "with --config",
                )
            self._store = SqliteOrderStore(
                path,
                service="shoonyactl",
                run_id=str(os.getpid()),
                clock=self.clock,
                account=self.settings.account,
            )
        return self._store

    def ring(self, *services: str) -> None:
        bell = Doorbell(self.settings.paths.runtime_dir)
        bell.ring(*services)
        bell.close()

    def find_order(self, name: str) -> Order:
        """
        Return an order by any of its ids.

        Raises:
            NotFound: No order has this id.
        """
        return find_order(self.store, name)

    def close(self) -> None:
        if self._store is not None:
            self._store.close()


def check_services(names: tuple[str, ...]) -> list[str]:
    """
    Return the named services in start order, all if none is named.

    Raises:
        NotFound: One of the names is none of the eight.
    """
    known = [name.removeprefix("shoonya@").removesuffix(".service") for name in names]
    for name in known:
        if name not in COMPONENTS:
            close = difflib.get_close_matches(name, COMPONENTS, n=1)
            guess = f", did you mean '{close[0]}'?" if close else ""
            raise NotFound(
                f"no service is called '{name}'{guess}",
                hint=f"the eight are {', '.join(sorted(COMPONENTS))}",
            )
    return [name for name in COMPONENTS if not known or name in known]
