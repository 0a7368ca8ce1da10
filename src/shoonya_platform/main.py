"""All eight services in the foreground: `python -m shoonya_platform.main`."""

from __future__ import annotations

import sys

from shoonya_platform.ctl.main import main as shoonyactl


def main() -> None:
    """Run `shoonyactl up` with this call's arguments."""
    sys.argv[1:1] = ["up"]
    shoonyactl()


if __name__ == "__main__":
    main()
