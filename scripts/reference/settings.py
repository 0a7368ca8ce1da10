"""docs/reference/settings.md: every setting, its default and its variable."""

from collections.abc import Iterator

import msgspec

from reference.markdown import MADE, code, table
from shoonya_platform.config.secrets import SECRETS, variable
from shoonya_platform.config.settings import InstrumentLimits, Section, Settings
from shoonya_platform.ctl.config import comments, toml

#: Variables that are no settings.
VARIABLES = {
    "SHOONYA_CONFIG": "the configuration file",
    "SHOONYA_LOG_URL": "for Vector, as `export-config` sets it up: where the log goes",
    "SHOONYA_LOG_TOKEN": "for Vector: the bearer token for it",
    "NO_COLOR": "anything: `shoonyactl` shows no colours",
}


def text() -> str:
    """Return the page."""
    parts = [
        MADE,
        "# Settings\n",
        "In `/etc/shoonya/shoonya.toml`, or the file that `SHOONYA_CONFIG` or "
        "`shoonyactl --config` names; a variable wins over the file.",
        "`shoonyactl config sample` prints a file with all of them, "
        "`shoonyactl config show` what holds and where it came from.\n",
    ]
    for field in msgspec.structs.fields(Settings):
        section = field.type
        if isinstance(section, type) and issubclass(section, Section):
            about = (section.__doc__ or "").strip().splitlines()[0]
            rows = _rows(field.name, section)
            parts += [
                f"## [{field.name}]\n",
                f"{about}\n",
                table(["setting", "default", "variable", ""], rows),
            ]
    said = comments()
    limits = (
        (
            code(f'instruments."EXCHANGE:NAME".{item.name}'),
            " ".join(said["InstrumentLimits", item.name]),
        )
        for item in msgspec.structs.fields(InstrumentLimits)
    )
    parts += [
        '## [instruments."EXCHANGE:NAME"]\n',
        "What you know better of an instrument than the built-in table.\n",
        table(["setting", ""], limits),
        "## Secrets\n",
        "Each is a file in `paths.credentials_dir`, a systemd credential, or a "
        "variable; never a setting.\n",
        table(
            ["secret", "variable", ""],
            (
                (code(name), code(variable(name)), meaning)
                for name, meaning in SECRETS.items()
            ),
        ),
        "## Other variables\n",
        table(
            ["variable", ""],
            ((code(name), what) for name, what in VARIABLES.items()),
        ).rstrip("\n"),
    ]
    return "\n".join(parts) + "\n"


def _rows(name: str, section: type[Section]) -> Iterator[tuple[str, str, str, str]]:
    said = comments()
    for item in msgspec.structs.fields(section):
        yield (
            code(f"{name}.{item.name}"),
            code(toml(getattr(section(), item.name))),
            code(variable(f"{name}_{item.name}")),
            " ".join(said[section.__name__, item.name]),
        )
