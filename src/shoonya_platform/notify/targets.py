"""Where messages go: the addresses that apprise knows."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Protocol

from shoonya_platform.errors import ConfigError


class Target(Protocol):
    """One address."""

    @property
    def name(self) -> str:
        """Its place in the list and its kind; nothing secret."""
        ...

    def send(self, title: str, body: str) -> bool:
        """Deliver a message, within a minute; return whether it was taken."""
        ...


class AppriseTarget:
    """
    An address of apprise's, such as `tgram://TOKEN/CHAT`.

    Args:
        number: Its line in the secret.
    """

    def __init__(self, url: str, number: int) -> None:
        self.name = f"address {number} ({url.partition('://')[0]})"
        self._url = url

    def send(self, title: str, body: str) -> bool:
        return _ask([self._url], {"title": title, "body": body}) == [True]


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
    if find_spec("apprise") is None:
        raise ConfigError(
            "notifications need the library 'apprise'",
            hint="install the extra: pip install 'shoonya-platform[notify]'",
        )
    urls = addresses(secret)
    # Where that cannot be asked, the first message will tell.
    for number, is_known in enumerate(_ask(urls) or [], start=1):
        if not is_known:
            raise ConfigError(
                f"line {number} of the secret 'notify_urls' is no address that "
                "apprise knows",
                hint="see https://github.com/caronc/apprise for how they are written",
            )
    return [AppriseTarget(url, number) for number, url in enumerate(urls, start=1)]


def _ask(
    urls: Sequence[str], message: Mapping[str, str] | None = None
) -> list[bool] | None:
    """
    Have a process of its own send the message; without one, see what is an address.

    Returns:
        One answer for each address; None if the process died.
    """
    done = subprocess.run(
        [sys.executable, "-m", "shoonya_platform.notify.sender"],
        # Addresses are secrets: no arguments, which everybody may read.
        input=json.dumps({"urls": urls, "message": message}),
        stdout=subprocess.PIPE,
        # apprise would write addresses there; failures are counted and told by us.
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    if done.returncode:
        return None
    answers: list[bool] = json.loads(done.stdout)
    return answers
