"""
Secrets: from systemd's credentials, a file of one's own, or the environment.

Never from the TOML file, which is read, copied and shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shoonya_platform.errors import ConfigError, SecretMissing

#: Every secret there is, and what it opens.
SECRETS = {
    "webhook_secret": "what an alert must carry as 'secret_key'",
    "broker_api_secret": "Shoonya's API key or OAuth secret code",
    "broker_password": "Shoonya's login password, for quickauth",
    "broker_totp_secret": "the base32 secret of Shoonya's TOTP, for quickauth",
    "dashboard_password_hash": "by 'shoonyactl dashboard password'",
    "broker_access_token": "of the day's OAuth login, by 'shoonyactl broker login'",
    "notify_urls": "where notifications go: addresses for apprise, one a line",
    "telegram_token": "of the Telegram bot that answers and obeys you",
}

MINIMUM_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that does not show itself when printed."""

    value: str
    source: str

    def __repr__(self) -> str:
        return f"Secret(source={self.source!r})"


class Secrets:
    """
    Finds secrets by name.

    Args:
        credentials_dir: The configured directory, asked after systemd's own.

        environ: The process's environment.
    """

    def __init__(self, credentials_dir: Path, environ: Mapping[str, str]) -> None:
        self._environ = environ
        handed_over = environ.get("CREDENTIALS_DIRECTORY")
        self._folders = [Path(handed_over)] if handed_over else []
        self._folders.append(credentials_dir)

    def get(self, name: str) -> Secret:
        """
        Return a secret.

        Raises:
            SecretMissing: It is in none of its places.
            ConfigError: It is there but cannot be used.
        """
        found = self.find(name)
        if found is None:
            raise SecretMissing(
                f"the secret '{name}' ({SECRETS[name]}) is missing",
                hint=f"write it to {self._folders[-1] / name} (mode 0600), "
                f"or set {variable(name)}",
            )
        if len(found.value) < MINIMUM_LENGTH:
            raise ConfigError(
                f"the secret '{name}' from {found.source} is shorter than "
                f"{MINIMUM_LENGTH} characters",
                hint="make one with: openssl rand -hex 24",
            )
        return found

    def find(self, name: str) -> Secret | None:
        """Return a secret or None; see `get` for what may be wrong with it."""
        for folder in self._folders:
            path = folder / name
            try:
                return Secret(path.read_text(encoding="utf-8").strip(), str(path))
            except (FileNotFoundError, NotADirectoryError):
                continue
            except (OSError, UnicodeDecodeError) as e:
                raise ConfigError(
                    f"the secret '{name}' in {path} cannot be read: {e}",
                    hint="it must be text, owned by whoever runs the service",
                ) from e
        value = self._environ.get(variable(name))
        return None if value is None else Secret(value.strip(), variable(name))

    def find_newest(self, name: str) -> Secret | None:
        """
        Return a secret that changes while services run, from its newest file.

        What systemd hands over is a copy of the moment at which a service began.
        """
        found = []
        for folder in self._folders:
            path = folder / name
            try:
                found.append((path.stat().st_mtime, str(path)))
            except OSError:
                continue
        for _, place in sorted(found, reverse=True):
            try:
                value = Path(place).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError):
                # Root's own, where the service has systemd's copy.
                continue
            if value:
                return Secret(value, place)
        value = self._environ.get(variable(name), "").strip()
        return Secret(value, variable(name)) if value else None

    def known_values(self) -> list[str]:
        """Return every secret that can be read here, for the log's redaction."""
        return [value for values in self.known().values() for value in values]

    def known(self) -> dict[str, list[str]]:
        """Return the values of every secret that can be read here, by its name."""
        found: dict[str, list[str]] = {}
        for name in SECRETS:
            try:
                secret = self.find(name)
            except ConfigError:
                continue
            # An error may quote one line of a secret that has several.
            lines = [] if secret is None else secret.value.splitlines()
            if values := [line.strip() for line in lines if line.strip()]:
                found[name] = values
        return found

    def unreadable(self) -> dict[str, str]:
        """Return the secrets that may be there and cannot be read, and why."""
        found: dict[str, str] = {}
        for name in SECRETS:
            try:
                self.find(name)
            except ConfigError as e:
                found[name] = e.message
        return found


def variable(name: str) -> str:
    """Return the environment variable that may carry a secret."""
    return f"SHOONYA_{name.upper()}"
