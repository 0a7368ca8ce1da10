"""Writes the reference into docs/reference, or into the folder that is named."""

import sys
from pathlib import Path

from reference import cli, journal, settings

ROOT = Path(__file__).parents[2]


def main() -> None:
    folder = Path(sys.argv[1]) if sys.argv[1:] else ROOT / "docs" / "reference"
    # All of them before the first is written: one may refuse.
    made = {
        "cli.md": cli.text(),
        "settings.md": settings.text(),
        "journal.md": journal.text(ROOT / "src" / "shoonya_platform"),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in made.items():
        (folder / name).write_text(text)


main()
