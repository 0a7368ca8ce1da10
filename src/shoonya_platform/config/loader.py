"""Reads the configuration: defaults, then the file, then the environment."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

import msgspec

from shoonya_platform.config.secrets import SECRETS, Secrets, variable
from shoonya_platform.config.settings import (
    COMPONENTS,
    InstrumentLimits,
    Paths,
    Section,
    Settings,
    is_local,
    parse_bytes,
)
from shoonya_platform.domain.catalogue import check_names, check_overrides
from shoonya_platform.errors import ConfigError

DEFAULT_PATH = Path("/etc/shoonya/shoonya.toml")

#: `SHOONYA_…` variables that are not settings.
RESERVED_VARIABLES = {
    "SHOONYA_BOOT",
    "SHOONYA_CONFIG",
    "SHOONYA_REPLAY_CLOCK",
    "SHOONYA_SUPERVISED",
}
_INTERNAL = {"SHOONYA_REPLAY_CLOCK", "SHOONYA_SUPERVISED"}


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
    replay_clock: Path | None = None  #: of a replay, whose time is not today's


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
    if path is None and environ.get("SHOONYA_CONFIG"):
        path = Path(environ["SHOONYA_CONFIG"])
    if path is None and DEFAULT_PATH.exists():
        path = DEFAULT_PATH
    values = {} if path is None else _read(path)
    sources = _sources(values, str(path))
    for name, (section, key) in _variables(environ).items():
        content = values.setdefault(section, {})
        if isinstance(content, dict):
            content[key] = _scalar(environ[name])
            sources[f"{section}.{key}"] = f"${name}"
    try:
        settings = msgspec.convert(values, Settings, strict=True, dec_hook=_path)
    except msgspec.ValidationError as e:
        raise _explained(str(e), values, sources, path) from e
    _check(settings, sources)
    return Config(
        settings,
        Secrets(settings.paths.credentials_dir, environ),
        sources,
        path,
        _replay_clock(settings, environ),
    )


def _replay_clock(settings: Settings, environ: Mapping[str, str]) -> Path | None:
    """Refuse another time than the real one wherever there may be real money."""
    given = environ.get("SHOONYA_REPLAY_CLOCK")
    if not given:
        return None
    path = Path(given)
    if (
        settings.broker.name != "paper"
        or environ.get("SHOONYA_BOOT")
        or path.parent != settings.paths.state_dir
    ):
        raise ConfigError(
            "$SHOONYA_REPLAY_CLOCK is for 'shoonyactl replay' alone: the paper broker, "
            "in a directory of its own, without systemd",
            hint="take it out of the environment",
        )
    return path


def _path(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value)
    # As a TypeError it comes back with the place at which it happened.
    raise TypeError(f"Expected `str`, got `{type(value).__name__}`")


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            # Prices are decimal: 0.05 must not become 0.05000000000000000277.
            values = tomllib.load(file, parse_float=Decimal)
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
                place = f"{section}.{key}" if isinstance(content, dict) else key
                raise ConfigError(
                    f"{path}: '{place}' is a secret and may not be in the file",
                    hint="put it into a credential file or a variable; see "
                    "'shoonyactl config sample'",
                )
    return values


def _sections() -> dict[str, type[Section]]:
    return {
        field.name: field.type
        for field in msgspec.structs.fields(Settings)
        if isinstance(field.type, type) and issubclass(field.type, Section)
    }


def all_keys() -> dict[str, object]:
    """Return every `section.key` and its default."""
    return {
        f"{name}.{field}": getattr(section(), field)
        for name, section in _sections().items()
        for field in section.__struct_fields__
    } | {"instruments": {}}


def _sources(values: Mapping[str, Any], place: str) -> dict[str, str]:
    return {key: place if _given(values, key) else "default" for key in all_keys()}


def _given(values: Mapping[str, Any], key: str) -> bool:
    section, _, name = key.partition(".")
    content = values.get(section)
    return content is not None and (
        not name or (isinstance(content, dict) and name in content)
    )


def _variables(environ: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return which `SHOONYA_…` variable sets which section and key."""
    known = {
        variable(key.replace(".", "_")): (section, name)
        for key in all_keys()
        for section, _, name in [key.partition(".")]
        if name
    }
    allowed = RESERVED_VARIABLES | {variable(name) for name in SECRETS}
    found = {}
    for name in sorted(environ):
        if not name.startswith("SHOONYA_") or name in allowed:
            continue
        if name not in known:
            raise ConfigError(
                f"the environment variable '{name}' is no setting",
                hint=_did_you_mean(name, [*known, *(allowed - _INTERNAL)])
                or "see 'shoonyactl config show' for all of them",
            )
        found[name] = known[name]
    return found


def _scalar(text: str) -> object:
    """Read a variable as a TOML value where it is one, else as plain text."""
    try:
        return tomllib.loads(f"value = {text}", parse_float=Decimal)["value"]
    except tomllib.TOMLDecodeError:
        return text


_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")


def _explained(
    text: str, values: Mapping[str, Any], sources: Mapping[str, str], path: Path | None
) -> ConfigError:
    """Turn msgspec's "Expected `int`, got `str` - at `$.webhook.port`" round."""
    sentence, _, place = text.partition(" - at ")
    where = place.strip("`").removeprefix("$").removeprefix(".")
    # An entry of a mapping is reported as `section[...]`.
    key = where.split("[", 1)[0]
    section = key.partition(".")[0]
    file = "the environment" if path is None else str(path)
    unknown = _UNKNOWN.match(sentence)
    if unknown is not None:
        fields = _fields(section)
        place = f"section [{section}]" if section else "the top level"
        return ConfigError(
            f"{file}: unknown key '{unknown[1]}' in {place}",
            hint=_did_you_mean(unknown[1], fields)
            or f"known keys: {', '.join(fields)}",
        )
    source = sources.get(key, "default")
    given = _value(values, key)
    shown = "" if "[" in where or isinstance(given, dict) else f", was {given!r}"
    where = where.replace("[...]", f'."{_wrong_entry(given, key)}"')
    return ConfigError(
        f"{file if source == 'default' else source}: '{where or 'the file'}': "
        f"{_plain(sentence, key)}{shown}"
    )


def _wrong_entry(entries: object, key: str) -> str:
    """Return which entry of a mapping is wrong: msgspec does not tell."""
    kind = _type_of(key)
    for name, entry in entries.items() if isinstance(entries, dict) else ():
        try:
            msgspec.convert(entry, get_args(kind)[1], strict=True)
        except msgspec.ValidationError:
            return str(name)
    return "…"


def _type_of(key: str) -> Any:
    section, _, name = key.partition(".")
    owner = _sections()[section] if name else Settings
    return get_type_hints(owner, include_extras=True)[name or section]


def _fields(section: str) -> tuple[str, ...]:
    if section == "instruments":
        return InstrumentLimits.__struct_fields__
    known = _sections().get(section, Settings)
    return known.__struct_fields__


_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "str": "text in quotes",
    "object": "a section",
    "bool": "true or false",
    "array": "a list",
    "decimal": "a decimal number",
}


def _plain(sentence: str, key: str) -> str:
    if sentence.startswith("Invalid enum value"):
        kind = _type_of(key)
        choices = get_args(get_args(kind)[1] if get_origin(kind) is dict else kind)
        return f"expected one of {', '.join(map(str, choices))}"
    if sentence == "Invalid decimal string":
        return "expected a decimal number"
    expected = _lower(sentence.partition(", got ")[0])
    expected = re.sub(r"\w+", lambda m: _TYPES.get(m[0], m[0]), expected)
    return expected.replace("`", "").replace(" | ", " or ")


def _value(values: Mapping[str, Any], key: str) -> object:
    section, _, name = key.partition(".")
    content = values.get(section)
    found = content.get(name) if name and isinstance(content, dict) else content
    return str(found) if isinstance(found, Decimal) else found


def _did_you_mean(name: str, known: Collection[str]) -> str | None:
    # Only who errs pays for it: all eight read the configuration.
    import difflib

    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else None


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _is_safe(url: str) -> bool:
    """Tell whether a password may go there: encrypted, or not beyond this machine."""
    parts = urlsplit(url)
    if parts.scheme in ("https", "wss"):
        return bool(parts.hostname)
    return parts.scheme in ("http", "ws") and is_local(url)


@contextmanager
def _in(place: str) -> Iterator[None]:
    try:
        yield
    except ConfigError as e:
        raise ConfigError(f"{place}: {e.message}") from e


def _check(settings: Settings, sources: Mapping[str, str]) -> None:
    """Refuse what the types cannot: money that is not positive, sizes, names."""

    def refuse(key: str, expected: str, value: object) -> ConfigError:
        # The source of `paper.prices."NFO:X"` is that of `paper.prices`.
        source = sources.get(key.partition('."')[0], "default")
        return ConfigError(f"{source}: '{key}': expected {expected}, was {value}")

    for key, size in (
        ("log.max_bytes", settings.log.max_bytes),
        ("log.budget", settings.log.budget),
        ("service.soft_memory_bytes", settings.service.soft_memory_bytes),
    ):
        try:
            parse_bytes(size)
        except ValueError as e:
            raise refuse(key, "a size such as '50M'", repr(size)) from e
    for name, section in _sections().items():
        for field in msgspec.structs.fields(section):
            value = getattr(getattr(settings, name), field.name)
            if isinstance(value, Decimal) and not (value.is_finite() and value > 0):
                raise refuse(f"{name}.{field.name}", "rupees above 0", value)
    for key, components in (
        ("log.levels", settings.log.levels),
        ("log.forms", settings.log.forms),
    ):
        for component in components:
            if component not in COMPONENTS:
                raise refuse(key, f"one of {', '.join(COMPONENTS)}", component)
    for name in Paths.__struct_fields__:
        path = getattr(settings.paths, name)
        if not path.is_absolute():
            raise refuse(f"paths.{name}", "an absolute path", f"'{path}'")
    timeout = settings.broker.timeout_seconds
    for name in ("absent_seconds", "exit_absent_seconds", "lost_leg_seconds"):
        seconds = getattr(settings.recovery, name)
        if seconds <= timeout:
            raise refuse(
                f"recovery.{name}",
                f"more than broker.timeout_seconds ({timeout:g})",
                seconds,
            )
    if settings.broker.name == "shoonya" and not settings.shoonya.user_id:
        raise refuse("shoonya.user_id", "your client id", "''")
    if (
        settings.broker.name == "shoonya"
        and settings.guard.market_hours != "exchange"
        and not settings.shoonya.is_simulated
    ):
        raise refuse(
            "guard.market_hours",
            "'exchange', as orders go to the real broker",
            f"'{settings.guard.market_hours}'",
        )
    for name in ("api_url", "websocket_url", "login_url", "scrip_url"):
        url = getattr(settings.shoonya, name)
        if url and not _is_safe(url):
            raise refuse(
                f"shoonya.{name}", "https, or wss for the websocket", f"'{url}'"
            )
    if not _is_safe(settings.notify.telegram_url):
        raise refuse(
            "notify.telegram_url", "https", f"'{settings.notify.telegram_url}'"
        )
    for name, price in settings.paper.prices.items():
        if not (price.is_finite() and price > 0):
            raise refuse(f'paper.prices."{name}"', "rupees above 0", price)
    with _in(sources["paper.prices"]):
        check_names(settings.paper.prices, "paper.prices")
    for name, (lower, upper) in settings.paper.bands.items():
        if not (upper.is_finite() and 0 < lower < upper):
            raise refuse(
                f'paper.bands."{name}"', "a lower and a higher price", (lower, upper)
            )
    with _in(sources["paper.bands"]):
        check_names(settings.paper.bands, "paper.bands")
    with _in(sources["instruments"]):
        check_overrides(settings.instruments)
    if settings.webhook.port == settings.dashboard.port:
        raise refuse(
            "dashboard.port", "another port than webhook.port", settings.dashboard.port
        )
