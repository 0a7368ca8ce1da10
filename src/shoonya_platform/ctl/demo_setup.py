"""Makes the configuration of a first try: paper money, ports and paths of its own."""

from __future__ import annotations

import secrets
import socket
from pathlib import Path

import click

from shoonya_platform.config.settings import Dashboard, Webhook


def prepare(path: Path) -> None:
    """Write the demo's configuration and secret, unless they are there."""
    root = path.resolve().parent
    root.mkdir(parents=True, exist_ok=True)
    credentials = root / "credentials"
    credentials.mkdir(mode=0o700, exist_ok=True)
    secret = credentials / "webhook_secret"
    if not secret.exists():
        secret.touch(mode=0o600)
        secret.write_text(secrets.token_hex(24) + "\n", encoding="utf-8")
    if path.exists():
        return
    webhook = _free_port(Webhook().port, taken=())
    dashboard = _free_port(Dashboard().port, taken=(webhook,))
    path.write_text(
        f"""\
# A first try on the paper broker; made by: shoonyactl up --demo
# Every other setting has its default: shoonyactl config sample

[paths]
state_dir = "{root / "state"}"
runtime_dir = "{root / "run"}"
log_dir = "{root / "logs"}"
credentials_dir = "{credentials}"

[webhook]
port = {webhook}

[dashboard]
port = {dashboard}
""",
        encoding="utf-8",
    )
    click.echo(f"shoonya: made {path} for the paper broker", err=True)


def _free_port(first: int, *, taken: tuple[int, ...]) -> int:
    """Return the first port from there on that nobody listens on."""
    for port in range(first, first + 100):
        if port in taken:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    return first
