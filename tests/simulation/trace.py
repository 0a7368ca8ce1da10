"""The history of a run: what happened when, to read and to compare byte by byte."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Trace:
    """Lines of a history."""

    #: Where the files lie: another place each time, and not part of a history.
    folder: str = ""
    lines: list[tuple[float, str, str]] = field(default_factory=list)

    def add(self, at: float, actor: str, text: str) -> None:
        if self.folder in text:
            text = text.replace(self.folder, "STATE") if self.folder else text
        self.lines.append((at, actor, text))

    def text(self) -> Iterator[str]:
        """Return the history as people read it; the time is in seconds."""
        for at, actor, text in self.lines:
            yield f"{at:10.3f}  {actor:<18} {text}"

    def digest(self) -> str:
        """Return a fingerprint of all lines."""
        whole = "\n".join(self.text())
        return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:16]
