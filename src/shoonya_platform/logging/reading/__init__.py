"""
Reading the log back: files, archives, and the journal's copy, as streams.

Nothing here holds more in memory than what is asked for.  Usable alone, as the
library is; `docs/LOG_ROTATION_GUIDE.md` shows what `shoonyactl logs` makes of it.
"""

from __future__ import annotations
