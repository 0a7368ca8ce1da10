"""Where messages go: the addresses that apprise knows."""

from __future__ import annotations

import logging
from typing import Protocol

from shoonya_platform.errors import ConfigError


class Target(Protocol):
    """One address."""

    @property
    def name(self) -> str:
        """Its place in the list and its kind; nothing secret."""
        ...

    def send(self, title: str, body: str) -> bool:
        """Deliver a message, within some seconds; return whether it was taken."""
        ...


class AppriseTarget:
    """
    An address of apprise's, such as `tgram://TOKEN/CHAT`.

    Args:
        number: Its line in the secret.

    Raises:
        ConfigError: apprise is not installed, or knows no such address.
    """

    def __init__(self, url: str, number: int) -> None:
        try:
            # 16 MB, which those who want no messages need not pay.
            import apprise
        except ModuleNotFoundError as e:
            raise ConfigError(
                "notifications need the library 'apprise'",
                hint="install the extra: pip install 'shoonya-platform[notify]'",
            ) from e
        # It would log addresses, and we count and tell failures ourselves.
        logging.getLogger("apprise").disabled = True
        self.name = f"address {number} ({url.partition('://')[0]})"
        self._apprise = apprise.Apprise()
        if not self._apprise.add(url):
            raise ConfigError(
                f"line {number} of the secret 'notify_urls' is no address that "
                "apprise knows",
                hint="see https://github.com/caronc/apprise for how they are written",
            )

    def send(self, title: str, body: str) -> bool:
        return bool(self._apprise.notify(body=body, title=title))


def addresses(secret: str) -> list[str]:
    """Return the addresses in a secret, one a line; `#` begins a remark."""
    lines = (line.strip() for line in secret.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def open_targets(secret: str) -> list[AppriseTarget]:
    """
    Return a target for each address.

    Raises:
        ConfigError: apprise is missing, or knows one of them not.
    """
    return [
        AppriseTarget(url, number)
        for number, url in enumerate(addresses(secret), start=1)
    ]
