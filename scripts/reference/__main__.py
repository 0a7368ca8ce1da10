"""Writes the reference into docs/reference, or into the folder that is named."""

import sys
from pathlib import Path

from reference import cli, journal, settings

ROOT = Path(__file__).parents[2]


def main() -> None:
    folder = Path(sys.argv[1]) if sys.argv[1:] else ROOT / "docs" / "reference"
    folder.mkdir(parents=True, exist_ok=True)
    sources = ROOT / "src" / "shoonya_platform"
    (folder / "cli.md").write_text(cli.text())
    (folder / "settings.md").write_text(settings.text())
    (folder / "journal.md").write_text(journal.text(sources))


main()
