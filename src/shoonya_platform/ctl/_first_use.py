"""What the services cannot begin without: a configuration and the webhook's secret."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from shoonya_platform.config.settings import Paths
from shoonya_platform.ctl._layout import Layout
from shoonya_platform.ctl.config import sample_text


def provide(layout: Layout) -> list[Path]:
    """
    Make what is missing; return what was made.

    Raises:
        OSError: It cannot be written.
    """
    made = []
    if layout.user:
        for folder in (layout.state, layout.logs, layout.credentials):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not layout.config.exists():
        _write(layout.config, sample_of(layout), 0o644)
        made.append(layout.config)
    secret = layout.credentials / "webhook_secret"
    if not secret.exists() and not secret.with_name(f"{secret.name}.cred").exists():
        _write(secret, f"{secrets.token_hex(24)}\n", 0o600)
        made.append(secret)
    return made


def sample_of(layout: Layout) -> str:
    """Return the sample configuration, with the places of a layout."""
    text = sample_text()
    if not layout.user:
        return text
    places = {
        "state_dir": layout.state,
        "runtime_dir": layout.runtime,
        "log_dir": layout.logs,
        "credentials_dir": layout.credentials,
    }
    defaults = Paths()
    for key, place in places.items():
        text = text.replace(
            f'#{key} = "{getattr(defaults, key)}"', f'{key} = "{place}"'
        )
    return text


def _write(path: Path, text: str, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(
        os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w"
    ) as f:
        f.write(text)
    fresh.replace(path)
