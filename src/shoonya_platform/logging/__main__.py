"""The process that compresses old log files: see `archives.py`."""

from __future__ import annotations

import sys

from shoonya_platform.logging.archives import main

sys.exit(main())
