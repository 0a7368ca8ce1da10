"""shoonyactl config"""

from __future__ import annotations

import re
from importlib import resources

import click
import msgspec

from shoonya_platform.config.loader import all_keys
from shoonya_platform.config.secrets import SECRETS, variable
from shoonya_platform.config.settings import COMPONENTS, Section, Settings
from shoonya_platform.ctl.context import Ctl
from shoonya_platform.ctl.output import console, json_option, print_json, print_table
from shoonya_platform.errors import ConfigError
from shoonya_platform.logging import BudgetError
from shoonya_platform.logging.budget import check_budget


@click.group()
def cli() -> None:
    """Show, check or make the configuration."""


@cli.command()
@json_option
@click.pass_obj
def show(ctl: Ctl, as_json: bool) -> None:
    """Show every setting and where it came from; never a secret.

    \b
    Example:
      shoonyactl config show
    """
    config = ctl.config
    rows = [
        (
            key,
            msgspec.to_builtins(_value(config.settings, key), enc_hook=str),
            config.sources[key],
        )
        for key in sorted(all_keys())
    ]
    secrets = []
    for name in SECRETS:
        found = config.secrets.find(name)
        if found is None and name not in config.settings.expected_secrets:
            continue
        secrets.append((name, "missing" if found is None else f"from {found.source}"))
    if as_json:
        print_json(
            {
                "path": config.path,
                "settings": {
                    key: {"value": value, "source": source}
                    for key, value, source in rows
                },
                "secrets": dict(secrets),
            }
        )
        return
    print_table(["setting", "value", "source"], rows)
    console().print()
    print_table(["secret", "where"], secrets)


@cli.command()
@click.pass_obj
def check(ctl: Ctl) -> None:
    """Check the configuration and the secrets; end with 10 or 11 if not usable.

    \b
    Example:
      shoonyactl config check
    """
    settings = ctl.settings
    if settings.log.backup_count:
        try:
            check_budget(
                settings.log_budget_bytes, settings.log_max_bytes, len(COMPONENTS)
            )
        except BudgetError as e:
            source = ctl.config.sources["log.budget"]
            raise ConfigError(
                f"{source}: 'log.budget': {e.message}", hint=e.hint
            ) from e
    for name in settings.needed_secrets:
        ctl.config.secrets.get(name)
    place = ctl.config.path or "the built-in defaults"
    click.echo(f"{place}: usable")


@cli.command()
def sample() -> None:
    """Print a configuration with every setting, its meaning and its default.

    \b
    Example:
      shoonyactl config sample > /etc/shoonya/shoonya.toml
    """
    click.echo(sample_text(), nl=False)


def sample_text() -> str:
    """Return the sample: the settings' own comments above their defaults."""
    said = comments()
    lines = [
        "# Shoonya's configuration.  Every setting stands here with its default;",
        "# a leading # means that the default holds.  Secrets do not belong here:",
    ]
    for name, meaning in SECRETS.items():
        lines.append(f"#   {name}: {meaning};")
        lines.append(
            f"#     a file in credentials_dir, a systemd credential, "
            f"or ${variable(name)}"
        )
    for field in msgspec.structs.fields(Settings):
        section = field.type
        if not (isinstance(section, type) and issubclass(section, Section)):
            continue
        about = (section.__doc__ or "").strip().splitlines()[0]
        lines += ["", f"# {about}", f"[{field.name}]"]
        for item in msgspec.structs.fields(section):
            lines += [f"# {line}" for line in said[section.__name__, item.name]]
            default = getattr(section(), item.name)
            lines.append(f"#{item.name} = {toml(default)}")
    lines += ["", '#[instruments."NFO:FINNIFTY"]', "#lot_size = 65"]
    return "\n".join(lines) + "\n"


def comments() -> dict[tuple[str, str], list[str]]:
    """Read the `#:` comments of the settings: they are said once, there."""
    source = (resources.files("shoonya_platform.config") / "settings.py").read_text(
        encoding="utf-8"
    )
    found: dict[tuple[str, str], list[str]] = {}
    section, pending = "", list[str]()
    for line in source.splitlines():
        if match := re.match(r"class (\w+)\(", line):
            section, pending = match[1], []
        elif match := re.match(r"    #: (.*)", line):
            pending.append(match[1])
        elif match := re.match(r"    (\w+): ", line):
            found[section, match[1]] = pending
            pending = []
    return found


def toml(value: object) -> str:
    """Return a default as a file would have it."""
    value = msgspec.to_builtins(value, enc_hook=str)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{}"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _value(settings: Settings, key: str) -> object:
    section, _, name = key.partition(".")
    found = getattr(settings, section)
    return getattr(found, name) if name else found
