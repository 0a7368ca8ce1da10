"""What the guides tell a person to type, taken out of them to be run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: A span of code that begins with one of these is something to type.
PROGRAMS = {
    *("sudo", "shoonyactl", ".venv/bin/shoonyactl", "systemctl", "journalctl"),
    *("curl", "df", "du", "free", "grep", "ls", "tail", "timedatectl"),
    *("uptime", "zstdcat", "zstdgrep"),
}

_PART = re.compile(
    r"^```(?P<kind>\w*)\n(?P<block>.*?)^```$|(?<!`)`(?P<span>[^`\n]+)`(?!`)",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """
    Something to type: a block, or a single command.

    Attributes:
        line: Where it stands in the guide.
    """

    guide: str
    line: int
    text: str
    is_block: bool = False

    def __str__(self) -> str:
        return f"{self.guide}:{self.line}: {self.text}"


def steps(path: Path, sections: tuple[str, ...] = ()) -> Iterator[Step]:
    """
    Yield what a guide shows, in its order.

    Args:
        sections: The headings of the second level to keep to; all without them.
    """
    text = path.read_text(encoding="utf-8")
    for match in _PART.finditer(text):
        before = text[: match.start()]
        heading = re.findall(r"^## (.*)$", before, re.MULTILINE)
        if sections and (not heading or heading[-1] not in sections):
            continue
        line = before.count("\n") + 1
        if match["block"] is None:
            if is_command(match["span"]):
                yield Step(guide=path.name, line=line, text=match["span"])
        elif match["kind"] == "sh":
            yield Step(
                guide=path.name, line=line + 1, text=match["block"], is_block=True
            )
        elif match["kind"] in ("", "console"):
            # What stands behind the prompts of a session.
            for number, each in enumerate(match["block"].splitlines(), line + 1):
                if each.startswith("$ "):
                    yield Step(guide=path.name, line=number, text=each[2:])


def is_command(span: str) -> bool:
    """Say whether a span of code is to be typed, and no name of a verb or a unit."""
    words = span.split()
    return words[0] in PROGRAMS and len(words) > 1
