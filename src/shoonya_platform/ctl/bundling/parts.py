"""The small parts of an archive: how things are, and how they are set up."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from shoonya_platform.config.loader import DEFAULT_PATH, all_keys
from shoonya_platform.config.secrets import SECRETS, Secrets
from shoonya_platform.config.settings import Paths, Settings
from shoonya_platform.ctl import doctor, status
from shoonya_platform.ctl.bundling import machine
from shoonya_platform.ctl.bundling.masking import Masker
from shoonya_platform.ctl.context import Ctl
from shoonya_platform.ctl.output import plain
from shoonya_platform.errors import ConfigError
from shoonya_platform.logging.redaction import REPLACEMENT
from shoonya_platform.services.telling import tell
from shoonya_platform.services.why import explain

#: Is told what is being done.
Tell = Callable[[str], None]


def settings_of(ctl: Ctl) -> tuple[Settings, Secrets]:
    """Return both; with an unusable configuration, its places and else defaults."""
    try:
        return ctl.settings, ctl.config.secrets
    except (ConfigError, OSError):
        settings = Settings(paths=_raw_paths(ctl))
        return settings, Secrets(settings.paths.credentials_dir, os.environ)


def collect(
    ctl: Ctl, services: Sequence[str], masker: Masker, tell_of: Tell
) -> tuple[dict[str, str], dict[str, str]]:
    """
    Return the parts by their names, masked, and why others could not be had.

    A part that fails is left out, whatever the reason: a bundle is made on machines
    on which something is broken.
    """
    settings, _ = settings_of(ctl)
    made: dict[str, Callable[[], object]] = {
        "config.json": lambda: _config(ctl),
        "status.json": lambda: status.document(status.look(ctl)),
        "doctor.json": lambda: plain({"findings": doctor.examine(ctl)}),
        "versions.json": machine.versions,
        "databases.json": lambda: machine.databases(settings),
    }
    for name in services:
        made[f"why/{name}.txt"] = lambda name=name: tell(explain(settings, name))  # type: ignore[misc]
    texts, failed = machine.unit_files()
    for path, text in texts.items():
        made[f"units{path}"] = lambda text=text: machine.without_assignments(text)  # type: ignore[misc]
    unreadable = {f"units{path}": reason for path, reason in failed.items()}
    parts: dict[str, str] = {}
    for name, make in made.items():
        tell_of(name)
        try:
            parts[masker.text(name)] = _masked(make(), masker)
        except Exception as e:  # noqa: BLE001 - any part may be the broken one
            unreadable[name] = f"{type(e).__name__}: {e}"
            if name == "config.json" and (text := _raw_config(ctl)):
                parts["shoonya.toml"] = masker.text(text)
    return parts, {name: masker.text(why) for name, why in unreadable.items()}


def _masked(made: object, masker: Masker) -> str:
    if isinstance(made, str):
        return masker.text(made)
    return json.dumps(masker.document(plain(made)), indent=2) + "\n"


def _config(ctl: Ctl) -> dict[str, object]:
    """Return what `config show` shows."""
    config = ctl.config
    values = msgspec.to_builtins(config.settings, enc_hook=str)
    settings = {}
    for key in sorted(all_keys()):
        section, _, name = key.partition(".")
        value = values[section][name] if name else values[section]
        settings[key] = {"value": value, "source": config.sources[key]}
    # A command may have a password among its words, and nobody knows which.
    words = config.settings.failure.command
    settings["failure.command"]["value"] = [
        *words[:1],
        *([REPLACEMENT] * (len(words) > 1)),
    ]
    unreadable = config.secrets.unreadable()
    secrets = []
    for name in SECRETS:
        found = None if name in unreadable else config.secrets.find(name)
        where = unreadable.get(name, "missing" if found is None else found.source)
        # Not as name and value, as that would be masked.
        secrets.append({"name": name, "where": where})
    return {"path": config.path, "settings": settings, "secrets": secrets}


def _raw_paths(ctl: Ctl) -> Paths:
    """Return the places that an unusable configuration names, where it can be told."""
    try:
        raw = tomllib.loads(_raw_config(ctl)).get("paths", {})
        return msgspec.convert(raw, Paths, dec_hook=lambda _, value: Path(value))
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, TypeError):
        return Paths()


def _raw_config(ctl: Ctl) -> str:
    """Return the file that could not be used."""
    try:
        path = ctl.place or Path(os.environ.get("SHOONYA_CONFIG") or DEFAULT_PATH)
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
