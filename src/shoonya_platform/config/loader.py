"""Reads the configuration: defaults, then the file, then the environment."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from shoonya_platform.config.secrets import SECRETS, Secrets, variable
from shoonya_platform.config.settings import Section, Settings, parse_bytes
from shoonya_platform.errors import ConfigError

DEFAULT_PATH = Path("/etc/shoonya/shoonya.toml")

#: `SHOONYA_…` variables that are not settings.
RESERVED_VARIABLES = {"SHOONYA_CONFIG", "SHOONYA_SUPERVISED"}


@dataclass(frozen=True, slots=True)
class Config:
    """
    The settings, the secrets, and where each setting came from.

    `sources` maps `section.key` to `default`, the file, or the variable.
    """

    settings: Settings
    secrets: Secrets
    sources: Mapping[str, str]
    path: Path | None  #: the file that was read


def load(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """
    Read the configuration.

    Args:
        path: The file; None means `$SHOONYA_CONFIG`, or else the default place,
            which may be absent.

        environ: Instead of the process's own environment.

    Raises:
        ConfigError: Names the key, the place, and what would be right.
    """
    environ = os.environ if environ is None else environ
    named = path or (Path(environ["SHOONYA_CONFIG"]) if environ.get("SHOONYA_CONFIG")
                     else None)
    chosen = named or DEFAULT_PATH
    values: dict[str, Any] = {}
    if named is not None or chosen.exists():
        values = _read(chosen)
    else:
        chosen = None  # type: ignore[assignment]
    sources = _sources(values, str(chosen))
    for name, (section, key) in _variables(environ).items():
        values.setdefault(section, {})[key] = _scalar(environ[name])
        sources[f"{section}.{key}"] = f"${name}"
    try:
        settings = msgspec.convert(values, Settings, strict=True)
    except msgspec.ValidationError as e:
        raise _explained(str(e), values, sources) from e
    _check(settings, sources)
    return Config(
        settings, Secrets(settings.paths.credentials_dir, environ), sources, chosen
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            # Prices are decimal: 0.05 must not become 0.05000000000000000277.
            values = tomllib.load(file, parse_float=str)
    except FileNotFoundError as e:
        raise ConfigError(
            f"the configuration file '{path}' does not exist",
            hint=f"make one: shoonyactl config sample > {path}",
        ) from e
    except tomllib.TOMLDecodeError as e:
        raise ConfigError(f"{path} is not valid TOML: {_lower(str(e))}") from e
    except (OSError, UnicodeDecodeError) as e:
        raise ConfigError(f"{path} cannot be read: {e}") from e
    for section, content in values.items():
        keys = content if isinstance(content, dict) else {section: content}
        for key in keys:
            name = f"{section}_{key}" if isinstance(content, dict) else str(key)
            if name in SECRETS or key in SECRETS:
                raise ConfigError(
                    f"{path}: '{section}.{key}' is a secret and may not be in the file",
                    hint="put it into a credential file or a variable; see "
                    "'shoonyactl config sample'",
                )
    return values
